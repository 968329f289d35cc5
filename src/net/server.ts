import diagnostics from 'node:diagnostics_channel'
import dns from 'node:dns'
import { EventEmitter } from 'node:events'
import nodeNet, { type AddressInfo, type DropArgument } from 'node:net'
import { getDefaultHighWaterMark } from 'node:stream'
import { promisify } from 'node:util'
import {
  defaultStack,
  type Endpoint,
  type EndpointOwner,
  type ErrorCode,
  type Listener,
  type ListenerInfo,
} from '../stack/index.ts'
import { adoptAccepted } from './accepted.ts'
import {
  isPipeName,
  normalizeArgs,
  toNumber,
  toWholeSeconds,
  validateNumber,
  validatePort,
  validateSignal,
} from './args.ts'
import { nextTick } from './at-start.ts'
import { BlockList } from './block-list.ts'
import { BoundSocket } from './bound-socket.ts'
import { isClusterWorker } from './cluster-worker.ts'
import {
  alreadyListening,
  invalidType,
  invalidValue,
  listenError,
  notAvailable,
  type SystemError,
  serverNotRunning,
} from './errors.ts'
import { socketName } from './handle.ts'
import { kAcceptPaused, kKernel, kListener, kStack, kTcp, type ServerInternals } from './internals.ts'
import { listenOnKernel } from './kernel-server.ts'
import { acceptedHandle, deafOwner, ListenHandle } from './listen-handle.ts'
import { listensOnRoutable, wildcardHeedsIpv6Only, zeroMeansNobody } from './node-release.ts'
import { likeNode } from './node-shape.ts'
import { Socket } from './socket.ts'
import { checkTcpOptions } from './socket-tcp.ts'
import type { ListenOptions, Socket as PublicSocket, ServerConstructor, ServerOptions, ServerTcp } from './types.ts'

const serverSockets = diagnostics.channel('net.server.socket')
const serverListen = diagnostics.tracingChannel<unknown, { server: unknown; options?: unknown; error?: unknown }>(
  'net.server.listen',
)

type Self = ServerInternals

/** linux: `listen` rounds 511 up to a queue of 512. */
export const DEFAULT_BACKLOG = 511

/** The constructor, as its own code sees it: types of a callable class cannot be written on a function. */
export const Server = function Server(
  this: Self,
  options?: ServerOptions | ((socket: PublicSocket) => void) | null,
  connectionListener?: (socket: PublicSocket) => void,
): Self | undefined {
  if (!(this instanceof Server)) {
    return new Constructor(options as ServerOptions, connectionListener) as unknown as Self
  }
  EventEmitter.call(this)
  let given: ServerOptions
  if (typeof options === 'function') {
    given = {}
    this.on('connection', options as never)
  } else if (options == null || typeof options === 'object') {
    given = { ...options }
    if (typeof connectionListener === 'function') this.on('connection', connectionListener as never)
  } else {
    throw invalidType('options', 'of type object', options)
  }
  const { keepAliveInitialDelay, highWaterMark } = given
  if (keepAliveInitialDelay !== undefined) validateNumber(keepAliveInitialDelay, 'options.keepAliveInitialDelay')
  if (highWaterMark !== undefined) validateNumber(highWaterMark, 'options.highWaterMark')

  this._connections = 0
  this._handle = null
  this._usingWorkers = false
  this._workers = []
  this._unref = false
  this[kAcceptPaused] = false
  this[kTcp] = null
  this._listeningId = 1
  this[kListener] = null
  this[kKernel] = null
  this[kStack] = given.stack ? () => given.stack as NonNullable<ServerOptions['stack']> : undefined

  this.allowHalfOpen = given.allowHalfOpen || false
  this.pauseOnConnect = Boolean(given.pauseOnConnect)
  this.noDelay = Boolean(given.noDelay)
  this.keepAlive = Boolean(given.keepAlive)
  this.keepAliveInitialDelay = Math.max(0, toWholeSeconds(keepAliveInitialDelay))
  this.highWaterMark = highWaterMark === undefined || highWaterMark < 0 ? getDefaultHighWaterMark(false) : highWaterMark
  if (given.blockList) {
    if (!BlockList.isBlockList(given.blockList))
      throw invalidType('options.blockList', 'an net.BlockList', given.blockList)
    this.blockList = given.blockList
  }
  return undefined
} as unknown as ServerConstructor

/** The same, where the inner name hides it. */
const Constructor = Server

Object.setPrototypeOf(Server.prototype, EventEmitter.prototype)
Object.setPrototypeOf(Server, EventEmitter)

const proto = Server.prototype as unknown as ServerInternals

// Listening. ------------------------------------------------------------------------------------------------------------

type ListenForms = ListenOptions & { _handle?: object; handle?: object; fd?: number }

proto.listen = function (this: Self, ...args: unknown[]) {
  const [given, callback] = normalizeArgs<ListenForms>(args)
  if (this.listening) throw alreadyListening()
  if (serverListen.hasSubscribers) serverListen.asyncStart.publish({ server: this, options: given })
  if (callback !== null) this.once('listening', callback as () => void)

  const options = (given._handle || given.handle || given) as ListenForms
  this._listeningId++
  const backlogGiven = toNumber(args.length > 1 && args[1]) || toNumber(args.length > 2 && args[2])
  if (options instanceof BoundSocket) {
    listenBound(this, options, backlogGiven || DEFAULT_BACKLOG)
    return this
  }
  if (isOurs(options)) {
    throw notAvailable(
      'A sluice socket or server has no handle to listen on: listen on its address, or on one of node:net',
    )
  }
  // linux: what libuv made has a descriptor, pipes too.
  if (options !== given || isNodeHandle(options)) {
    listenOnKernel(this, [{ handle: options }, backlogGiven], isAdmitted)
    return this
  }
  closeOnAbort(this, options)
  if (typeof options.fd === 'number' && options.fd >= 0) {
    listenOnKernel(this, [{ fd: options.fd }, backlogGiven], isAdmitted)
    return this
  }

  const anyPort =
    args.length === 0 ||
    typeof args[0] === 'function' ||
    (options.port === undefined && 'port' in options) ||
    options.port === null
  const port: unknown = anyPort ? 0 : options.port
  if (typeof port === 'number' || typeof port === 'string') {
    validatePort(port, 'options.port')
    // (port, backlog) or (port, host, backlog)
    checkTcpOptions(this[kStack] ?? defaultStack, options.tcp)
    const exclusive = Boolean(options.exclusive)
    const wish: Wish = {
      port: Number(port) | 0,
      backlog: options.backlog || backlogGiven || DEFAULT_BACKLOG,
      exclusive,
      // ours: workers of a cluster have no handle to share, so that each listens for itself.
      reusePort: options.reusePort === true || (!exclusive && isClusterWorker()),
      ipv6Only: options.ipv6Only === true,
      tcp: options.tcp,
    }
    if (options.host) lookupAndListen(this, options.host, wish)
    else listenAnywhere(this, wish)
    return this
  }
  if (options.path && isPipeName(options.path)) {
    this._pipeName = options.path
    const { path, exclusive, readableAll, writableAll } = options
    const backlog = options.backlog || backlogGiven
    listenOnKernel(this, [{ path, exclusive, readableAll, writableAll, backlog }], isAdmitted)
    return this
  }
  if (!('port' in options || 'path' in options)) {
    throw invalidValue('options', options, 'must have the property "port" or "path"')
  }
  throw invalidValue('options', options, 'is invalid')
}

/** On what was bound before. */
function listenBound(server: Self, socket: BoundSocket, backlog: number): void {
  const taken = BoundSocket.take(socket)
  if (!('listener' in taken)) {
    listenOnKernel(server, [taken, backlog], isAdmitted)
    return
  }
  const { stack, ipv6Only, reusePort, listener } = taken
  const { address, family, port } = listener
  server[kStack] = () => stack
  listener.close()
  const wish = { port, backlog, exclusive: true, reusePort, ipv6Only, tcp: undefined }
  listenOn(server, address, family === 'IPv6' ? 6 : 4, wish)
}

function isOurs(value: unknown): boolean {
  return value instanceof Server || value instanceof Socket
}

/** A handle of libuv's, bare, as the parent process may have sent it. */
function isNodeHandle(value: object): boolean {
  return 'listen' in value && 'getAsyncId' in value && typeof value.listen === 'function'
}

/** No more connections than `maxConnections` says. */
function isAdmitted({ maxConnections, _connections }: Self): boolean {
  const limited = zeroMeansNobody ? maxConnections != null : Boolean(maxConnections)
  return !limited || _connections < maxConnections
}

export interface Wish {
  readonly port: number
  readonly backlog: number
  readonly exclusive: boolean
  readonly reusePort: boolean
  readonly ipv6Only: boolean
  readonly tcp: ListenOptions['tcp']
}

function closeOnAbort(server: Self, { signal }: ListenOptions): void {
  if (signal === undefined) return
  validateSignal(signal, 'options.signal')
  const close = () => {
    server.close()
  }
  if (signal.aborted) {
    nextTick(close)
    return
  }
  signal.addEventListener('abort', close, { once: true })
  server.once('close', () => signal.removeEventListener('abort', close))
}

function lookupAndListen(server: Self, host: string, wish: Wish): void {
  const id = server._listeningId
  const lookup = (server[kStack]?.().setup.lookup ?? dns.lookup) as typeof dns.lookup
  const found = (error: Error | null, addresses: dns.LookupAddress[]): void => {
    // Closed, or told to listen elsewhere, meanwhile.
    if (id !== server._listeningId) return
    if (error) {
      server.emit('error', error)
      return
    }
    const { address, family } = addresses.find(({ address }) => !isLinkLocal(address)) ?? addresses[0]
    listenOn(server, address, family === 6 ? 6 : 4, wish)
  }
  if (listensOnRoutable) lookup(host, { all: true }, found)
  else lookup(host, {}, (error, address, family) => found(error, [{ address, family }]))
}

/** fe80::/10 */
function isLinkLocal(address: string): boolean {
  return listensOnRoutable && /^fe[89ab][0-9a-f]:/i.test(address)
}

/** On all addresses of both families, or of IPv4 where there is no IPv6. */
export function listenAnywhere(server: Self, wish: Wish): void {
  const code = tryListen(server, '::', 6, { ...wish, ipv6Only: wildcardHeedsIpv6Only && wish.ipv6Only })
  if (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EINVAL') listenOn(server, '0.0.0.0', 4, wish)
  else if (code !== null) failToListen(server, listenError(code, '::', wish.port))
}

export function listenOn(server: Self, address: string, family: 4 | 6, wish: Wish): void {
  const code = tryListen(server, address, family, wish)
  if (code !== null) failToListen(server, listenError(code, address, wish.port))
}

function tryListen(server: Self, address: string, family: 4 | 6, wish: Wish): ErrorCode | null {
  const stack = (server[kStack] ?? defaultStack)()
  const handle = new ListenHandle(stack, (endpoint) => accept(server, endpoint))
  const listener = stack.listen({ ...wish, address }, handle)
  if (typeof listener === 'string') {
    handle.emitDestroy()
    return listener
  }
  server[kListener] = { listener, handle }
  server._connectionKey = `${family}:${address}:${wish.port}`
  if (serverListen.hasSubscribers) serverListen.asyncEnd.publish({ server })
  if (server._unref) listener.unref()
  if (server[kAcceptPaused]) listener.pause()
  handle.runInAsyncScope(nextTick, undefined, emitListening, server)
  return null
}

function emitListening(server: Self): void {
  if (server[kListener] !== null) server.emit('listening')
}

function failToListen(server: Self, error: SystemError): void {
  if (serverListen.hasSubscribers) serverListen.error.publish({ server, error })
  nextTick(() => server.emit('error', error))
}

// Accepting. --------------------------------------------------------------------------------------------------------------

function accept(server: Self, endpoint: Endpoint): EndpointOwner | null {
  // Closed in this very turn: the kernel resets what then waits to be accepted.
  if (server[kListener] === null) return null
  const { family } = server[kListener].listener
  const mapped = endpoint.family !== family
  if (!isAdmitted(server)) {
    const local = socketName(endpoint.localAddress, endpoint.localPort, endpoint.family, mapped)
    const remote = socketName(endpoint.remoteAddress, endpoint.remotePort, endpoint.family, mapped)
    const ends = {
      __proto__: null,
      localAddress: local.address,
      localPort: local.port,
      localFamily: local.family,
      remoteAddress: remote.address,
      remotePort: remote.port,
      remoteFamily: remote.family,
    }
    server.emit('drop', ends as unknown as DropArgument)
    endpoint.close()
    return deafOwner
  }

  if (server.blockList !== undefined) {
    const { address, family } = socketName(endpoint.remoteAddress, endpoint.remotePort, endpoint.family, mapped)
    if (server.blockList.check(address, family === 'IPv4' ? 'ipv4' : 'ipv6')) {
      endpoint.close()
      return deafOwner
    }
  }

  const handle = acceptedHandle(endpoint, family, (server[kStack] ?? defaultStack)())
  const socket = adoptAccepted(server, handle)
  if (serverSockets.hasSubscribers) serverSockets.publish({ socket })
  return handle
}

Object.defineProperty(proto, EventEmitter.captureRejectionSymbol, {
  value(this: Self, error: Error, event: string, socket: PublicSocket) {
    // A listener's promise failed: its connection dies of it, not the server.
    if (event === 'connection') socket.destroy(error)
    else this.emit('error', error)
  },
  writable: true,
  configurable: true,
})

// Closing. ----------------------------------------------------------------------------------------------------------------

proto.close = function (this: Self, callback) {
  const current = this[kListener]
  const kernel = this[kKernel]
  this._listeningId++
  if (typeof callback === 'function') {
    if (!this.listening) this.once('close', () => callback(serverNotRunning()))
    else this.once('close', callback)
  }
  if (current !== null) {
    this[kListener] = null
    current.listener.close()
    current.handle.emitDestroy()
  }
  if (kernel !== null) {
    this[kKernel] = null
    kernel.close()
  }
  this._emitCloseIfDrained()
  return this
}

/** Connections go on after `close`; 'close' comes when the last has gone. */
proto._emitCloseIfDrained = function (this: Self) {
  if (this.listening || this._connections > 0) return
  nextTick(() => this.emit('close'))
}

proto[Symbol.asyncDispose] = async function (this: Self) {
  if (this.listening) await promisify(this.close).call(this)
}

// The rest. -----------------------------------------------------------------------------------------------------------------

proto.address = function (this: Self): AddressInfo | string | null {
  const listener = this[kListener]?.listener
  if (listener !== undefined) return nameOf(listener)
  return this[kKernel]?.address() ?? this._pipeName ?? null
}

export function nameOf({ address, family, port }: Listener): AddressInfo {
  // In short: as the kernel writes it, however it was given.
  if (family === 'IPv6') address = new nodeNet.SocketAddress({ address, family: 'ipv6' }).address
  return { address, family, port }
}

Object.defineProperty(proto, 'listening', {
  get(this: Self) {
    return Boolean(this[kListener]) || this[kKernel]?.listening === true
  },
  configurable: true,
  enumerable: true,
})

class Tcp implements ServerTcp {
  readonly #server: Self

  constructor(server: Self) {
    this.#server = server
  }

  info(): ListenerInfo | undefined {
    return this.#server[kListener]?.listener.info()
  }

  pauseAccept(): void {
    this.#server[kAcceptPaused] = true
    this.#server[kListener]?.listener.pause()
  }

  resumeAccept(): void {
    this.#server[kAcceptPaused] = false
    this.#server[kListener]?.listener.resume()
  }
}

Object.defineProperty(proto, 'tcp', {
  get(this: Self) {
    if (!(this instanceof Server) || !Object.hasOwn(this, kTcp) || this[kKernel] !== null) return undefined
    this[kTcp] ??= new Tcp(this)
    return this[kTcp]
  },
  configurable: true,
})

proto.getConnections = function (this: Self, callback) {
  nextTick(callback, null, this._connections)
  return this
}

proto.ref = function (this: Self) {
  this._unref = false
  this[kListener]?.listener.ref()
  this[kKernel]?.ref()
  return this
}

proto.unref = function (this: Self) {
  this._unref = true
  this[kListener]?.listener.unref()
  this[kKernel]?.unref()
  return this
}

likeNode(proto, nodeNet.Server.prototype)
