import nodeNet from 'node:net'
import type { Listener } from '../stack/index.ts'
import { Handle } from './handle.ts'
import { kHandle, kListener, kStack, type ServerInternals, type SocketInternals } from './internals.ts'
import { DEFAULT_BACKLOG, listenAnywhere, listenOn, nameOf } from './server.ts'
import type { StackSource } from './types.ts'

// Servers of Node's own (`net.Server`, and those of http, https, http2 and tls, which are made from it) that listen on a stack. They keep all
// that is theirs: what they look at is whether they have a handle, and what they ask of it is little. Their sockets are sluice's.

/** What to listen on, as Node has sorted it out from the arguments of `listen`. */
export interface BuiltinWish {
  /** Null: every address. */
  readonly address: string | null
  readonly port: number
  /** 0: the default. */
  readonly backlog: number
  readonly ipv6Only: boolean
  readonly reusePort: boolean
}

/** Servers of Node's own that are to stay on the kernel's TCP, whatever is registered. */
export const kernelServers = new WeakSet<nodeNet.Server>()

/** Whether a socket or server has its TCP in a stack of this process. */
export function isCarried(one: object): boolean {
  const { [kListener]: listening, [kHandle]: handle } = one as Partial<ServerInternals & SocketInternals>
  return Boolean(listening) || handle instanceof Handle
}

/** Listens, or fails, as the server's own `listen` would: `'listening'` or `'error'` follows in a later tick. */
export function listenForBuiltin(server: nodeNet.Server, wish: BuiltinWish, stack: StackSource | undefined): void {
  const self = server as unknown as ServerInternals
  self[kStack] = stack
  self[kListener] = null
  const { address, port, ipv6Only, reusePort } = wish
  const backlog = wish.backlog || DEFAULT_BACKLOG
  const full = { port, backlog, ipv6Only, reusePort, exclusive: true, tcp: undefined }
  if (address === null) listenAnywhere(self, full)
  else listenOn(self, address, nodeNet.isIP(address) === 6 ? 6 : 4, full)
  if (self[kListener] !== null) Object.assign(self, { _handle: new ServerHandle(self) })
}

/** Stands where the server has its handle while it listens. */
class ServerHandle {
  readonly #server: ServerInternals

  constructor(server: ServerInternals) {
    this.#server = server
  }

  close(): void {
    const current = this.#server[kListener]
    if (current === null) return
    this.#server[kListener] = null
    current.listener.close()
    current.handle.emitDestroy()
  }

  getsockname(out: object): number {
    const listener = this.#listener
    if (listener !== undefined) Object.assign(out, nameOf(listener))
    return 0
  }

  ref(): void {
    this.#listener?.ref()
  }

  unref(): void {
    this.#listener?.unref()
  }

  get #listener(): Listener | undefined {
    return this.#server[kListener]?.listener
  }
}
