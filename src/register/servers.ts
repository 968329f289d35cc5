import nodeNet from 'node:net'
import { debuglog } from 'node:util'
import { type BuiltinWish, isClusterWorker, kernelServers, listenForBuiltin } from '../net/index.ts'
import { canSharePorts } from '../stack/index.ts'
import { announced, cannotShare, isPrimarysOwn, listenInWorker } from './cluster.ts'
import type { Patches } from './patches.ts'
import { registration } from './state.ts'

const log = debuglog('sluice')

/** libuv: UV_TCP_IPV6ONLY, UV_TCP_REUSEPORT. */
const IPV6_ONLY = 1
const REUSE_PORT = 2

/** What `listen` comes to when it has sorted out its arguments and looked up its host. */
type Listen2 = (
  this: BuiltinServer,
  address: string | null,
  port: number,
  addressType: number,
  backlog: number | false | undefined,
  fd: number | null | undefined,
  flags: number | undefined,
) => void

type BuiltinServer = nodeNet.Server & { _handle: object | null; _listen2: Listen2 }

/**
 * Servers. They stay Node's own objects, of `net` and of all that is made from it (http, https, http2, tls): `listen` itself is left alone, and
 * only the last step of it, the making of a handle, goes to the stack.
 */
export function patchServers(patches: Patches): void {
  const proto = nodeNet.Server.prototype as BuiltinServer
  const original = proto._listen2

  patches.replace(proto, '_listen2', function (this, address, port, addressType, backlog, fd, flags = 0) {
    const current = registration()
    // Pipes, descriptors and handles that exist already are Node's.
    const isNodes =
      this._handle ||
      addressType === -1 ||
      typeof fd === 'number' ||
      port < 0 ||
      isPrimarysOwn(this) ||
      kernelServers.has(this)
    const isLeft = !isNodes && current !== null && !current.rules.listens(address, port)
    if (isLeft) log('listen %s:%d: past sluice, as the rules say', address ?? '::', port)
    if (isNodes || current === null || isLeft) {
      original.call(this, address, port, addressType, backlog, fd, flags)
      return
    }
    const shared = isClusterWorker() && port !== 0
    if (shared && !canSharePorts()) {
      process.nextTick(() => this.emit('error', cannotShare(address ?? '::', port)))
      return
    }
    const wish = {
      address,
      port,
      backlog: backlog || 0,
      ipv6Only: (flags & IPV6_ONLY) !== 0,
      reusePort: shared || (flags & REUSE_PORT) !== 0,
    }
    const listen = (wanted: BuiltinWish): void => listenForBuiltin(this, wanted, current.source)
    if (current.gateways === undefined) {
      log('listen %s:%d: by sluice', address ?? '::', port)
      listen(wish)
    } else {
      current.gateways.listen(this, wish, listen, (server, at) => {
        // Workers of a cluster have the kernel's port together, through their primary.
        if (shared) {
          announced.add(this)
          server.listen({ port: at, host: address ?? undefined })
        } else original.call(server as BuiltinServer, address, at, addressType, backlog, fd, flags)
      })
    }
    if (this._handle !== null) current.listening?.(this)
  } satisfies Listen2)

  if (isClusterWorker()) listenInWorker(patches)
}
