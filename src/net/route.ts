import dns from 'node:dns'
import nodeNet from 'node:net'
import type { ErrorCode, Stack } from '../stack/index.ts'
import { nextTick } from './at-start.ts'
import type { SocketInternals, TcpTarget } from './internals.ts'

/** Decides which destinations are a stack's, and which are left to Node's own TCP behind the same socket. */
export interface Route {
  /** True: the stack's. `'unknown'`: the host is a name, and the address it has decides. */
  connects(host: string, port: number): boolean | 'unknown'
  connectsTo(host: string, address: string, port: number): boolean
  /** How an address is reached by other means than the socket's own stack; null: not. */
  way?(host: string, address: string, port: number): Way | null
}

/** A way to an address that has to be opened before the stack can connect. */
export interface Way {
  /** Opens it. `ready` is told the stack to connect by and the address to come from, or what is wrong; never before `open` has returned. */
  open(from: LocalWish, ready: (failure: ErrorCode | null, stack?: Stack, localAddress?: string) => void): void
  /** The attempt has begun, from this port. */
  began(localPort: number): void
  /** Not wanted any more. */
  close(): void
}

export interface LocalWish {
  readonly localAddress: string | undefined
  readonly localPort: number | undefined
}

type Answer = (error: Error | null, address?: string | dns.LookupAddress[], family?: number) => void
type Lookup = (host: string, options: dns.LookupOptions, callback: Answer) => void

/**
 * Looks up the host, for its address decides; `done` is told what it decided, and options that give the same answer when they are
 * asked for it. Not called when the socket is destroyed meanwhile.
 */
export function lookupFirst(
  socket: SocketInternals,
  route: Route,
  options: TcpTarget,
  done: (isOurs: boolean, options: TcpTarget) => void,
): void {
  const host = options.host || 'localhost'
  const lookup = (options.lookup ?? dns.lookup) as Lookup
  const hints = options.hints || (options.family || process.platform === 'win32' ? 0 : dns.ADDRCONFIG)
  lookup(host, { all: true, family: options.family, hints }, (error, address, family) => {
    if (!socket.connecting) return
    const found = Array.isArray(address) ? address : [{ address: String(address), family: family ?? 4 }]
    const again: Lookup = (_host, { all }, callback) => {
      nextTick(() => {
        if (error !== null || found.length === 0) callback(error)
        else if (all) callback(null, found)
        else callback(null, found[0].address, found[0].family)
      })
    }
    const first = error === null && found.length > 0 ? found[0].address : ''
    const isOurs = nodeNet.isIP(first) === 0 || route.connectsTo(host, first, Number(options.port))
    done(isOurs, { ...options, lookup: again as TcpTarget['lookup'] })
  })
}
