import nodeNet from 'node:net'
import { Socket } from '../net/index.ts'
import type { Patches } from './patches.ts'

// TLS and HTTP/2 run on a socket of ours through a wrapper of Node's own (`JSStreamSocket`), which hands data through and nothing else: names,
// `setNoDelay`, `unref` stop there. They are asked of `net.Socket`, from which both the wrapper and `TLSSocket` are made.

/** What Node calls within. */
interface Wrapped extends nodeNet.Socket {
  /** The wrapper's: what it wraps. */
  stream?: unknown
  /** TLS's: `_parentWrap` is the wrapper. */
  _handle?: { _parentWrap?: Wrapped } | null
  _peername?: object
  _sockname?: object
  _getpeername(): object
  _getsockname(): object
}

/** The socket of ours that carries this one, if one does. */
function carrierOf(socket: Wrapped): Wrapped | null {
  // `Socket` only where there is something to ask: it is loaded with its first use.
  if (socket.stream !== undefined && socket.stream instanceof Socket) return socket.stream as unknown as Wrapped
  const wrapper = socket._handle?._parentWrap
  return wrapper === undefined || wrapper === null ? null : carrierOf(wrapper)
}

export function patchCarried(patches: Patches): void {
  const proto = nodeNet.Socket.prototype as Wrapped

  for (const [method, remembered] of [
    ['_getpeername', '_peername'],
    ['_getsockname', '_sockname'],
  ] as const) {
    const original = proto[method]
    patches.replace(proto, method, function (this: Wrapped): object {
      const carrier = carrierOf(this)
      if (carrier === null) return original.call(this)
      const name = carrier[method]()
      // Where Node looks when the connection is gone.
      if ('address' in name) this[remembered] = name
      return name
    })
  }

  for (const method of ['setNoDelay', 'setKeepAlive', 'ref', 'unref'] as const) {
    const original = proto[method] as (...args: unknown[]) => Wrapped
    patches.replace(proto, method, function (this: Wrapped, ...args: unknown[]): Wrapped {
      const carrier = carrierOf(this)
      if (carrier !== null) (carrier[method] as typeof original)(...args)
      return original.apply(this, args)
    })
  }
}
