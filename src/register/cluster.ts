import nodeNet from 'node:net'
import { kernelServers } from '../net/index.ts'
import type { Patches } from './patches.ts'
import { normalizeArgs, registration } from './state.ts'

// Workers of `cluster`. Node's own share one socket, which the primary opens and whose connections it deals out; that is impossible with a TCP
// that lives in each process. Here every worker listens by itself, and the kernel divides the peers among them (SO_REUSEPORT).

/**
 * The server that a primary makes to accept for its workers, when one of them listens on what is not ours. It is Node's through and through:
 * the primary takes its handle away.
 */
export function isPrimarysOwn(server: nodeNet.Server): boolean {
  const [listener, ...others] = server.listeners('connection')
  // A function within Node that nobody else can get at.
  return others.length === 0 && listener?.name === 'fail' && String(listener).includes('ERR_INTERNAL_ASSERTION')
}

/** What a worker's server fails with where processes cannot share a UDP port. */
export function cannotShare(address: string, port: number): Error {
  const why =
    `listen ENOTSUP: workers of a cluster share port ${port} by SO_REUSEPORT, for which sluice needs Linux or a BSD, and ` +
    'Node 22.12 or the package koffi'
  return Object.assign(new Error(why), { code: 'ENOTSUP', syscall: 'listen', address, port })
}

/** Servers behind gateways whose port of the kernel is the primary's: it hears of that by itself, and not before the port is there. */
export const announced = new WeakSet<nodeNet.Server>()

type Listen = (this: nodeNet.Server, ...args: unknown[]) => nodeNet.Server

/** Listens in this worker, not in the primary; and tells the primary, which may wait for it. */
export function listenInWorker(patches: Patches): void {
  const proto = nodeNet.Server.prototype
  const original = proto.listen as Listen
  const servers = new Set<nodeNet.Server>()

  patches.replace(proto, 'listen', function (this, ...args) {
    const own = kernelServers.has(this) ? null : ownWish(args)
    if (own === null) return original.apply(this, args)
    const { options, callback } = own
    announced.delete(this)
    this.once('listening', () => {
      servers.add(this)
      this.once('close', () => servers.delete(this))
      if (!announced.has(this)) announce(this, options.host)
    })
    return callback === null ? original.call(this, options) : original.call(this, options, callback)
  } satisfies Listen)

  // As in Node: a worker that leaves takes no new connections, and goes when those that it has are over.
  const leave = (): void => {
    for (const server of servers) server.close()
  }
  process.once('disconnect', leave)
  patches.add(() => process.off('disconnect', leave))
}

interface Wish {
  options: nodeNet.ListenOptions
  callback: (() => void) | null
}

/** The arguments of `listen` as options that keep it in this process; null where it is not for us to listen. */
function ownWish(args: unknown[]): Wish | null {
  const [given, callback] = normalizeArgs<ListenForms>(args)
  const options = given._handle ?? given.handle ?? given
  const isPort = options.port !== undefined && options.port !== null
  if (options !== given || options.fd !== undefined || (!isPort && options.path !== undefined)) return null
  const port = isPort ? Number(options.port) : 0
  const address = options.host !== undefined && nodeNet.isIP(options.host) !== 0 ? options.host : null
  if (registration()?.rules.listens(address, port) !== true) return null
  const backlog = options.backlog ?? args.slice(1, 3).find((arg) => typeof arg === 'number')
  return {
    options: { ...options, port: isPort ? options.port : 0, backlog, exclusive: true } as Wish['options'],
    callback,
  }
}

type ListenForms = nodeNet.ListenOptions & { fd?: number; handle?: ListenForms; _handle?: ListenForms }

/** What Node's worker tells its primary, which then emits 'listening'. */
function announce(server: nodeNet.Server, host: string | undefined): void {
  const at = server.address()
  if (at === null || typeof at === 'string' || !process.connected) return
  const addressType = at.family === 'IPv6' && host !== undefined ? 6 : 4
  process.send?.({
    cmd: 'NODE_CLUSTER',
    act: 'listening',
    data: null,
    address: host ?? null,
    port: at.port,
    addressType,
  })
}
