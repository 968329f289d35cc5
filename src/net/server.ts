import diagnostics from 'node:diagnostics_channel'
import dns from 'node:dns'
import { EventEmitter } from 'node:events'
import type { AddressInfo } from 'node:net'
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
import {
  isPipeName,
  normalizeArgs,
  toNumber,
  toWholeSeconds,
  validateNumber,
  validatePort,
  validateSignal,
} from './args.ts'
import {
  alreadyListening,
  invalidType,
  invalidValue,
  listenError,
  notAvailable,
  type SystemError,
  serverNotRunning,
} from './errors.ts'
import { acceptedHandle, deafOwner, ListenHandle, socketName } from './handle.ts'
import { kAdopt, kListener, kStack, type ServerInternals, type SocketInternals } from './internals.ts'
import { Socket } from './socket.ts'
import type { ListenOptions, Socket as PublicSocket, ServerConstructor, ServerOptions, ServerTcp } from './types.ts'

const { nextTick } = process

const serverSockets = diagnostics.channel('net.server.socket')
const serverListen = diagnostics.tracingChannel<unknown, { server: unknown; options?: unknown; error?: unknown }>(
  'net.server.listen',
)

type Self = ServerInternals

/** linux: `listen` rounds 511 up to a queue of 512. */
const DEFAULT_BACKLOG = 511

/** Since Node 21 a limit of 0 lets nobody in; before, it was no limit. */
const zeroMeansNobody = Number.parseInt(process.versions.node, 10) >= 21

function ServerFunction(
  this: Self,
  options?: ServerOptions | ((socket: PublicSocket) => void) | null,
  connectionListener?: (socket: PublicSocket) => void,
): Self | undefined {
  if (!(this instanceof Server)) {
    return new Server(options as ServerOptions, connectionListener) as unknown as Self
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
  this._acceptPaused = false
  this._tcp = null
  this._listeningId = 1
  this[kListener] = null
  this[kStack] = given.stack ? () => given.stack as NonNullable<ServerOptions['stack']> : undefined

  this.allowHalfOpen = given.allowHalfOpen || false
  this.pauseOnConnect = Boolean(given.pauseOnConnect)
  this.noDelay = Boolean(given.noDelay)
  this.keepAlive = Boolean(given.keepAlive)
  this.keepAliveInitialDelay = Math.max(0, toWholeSeconds(keepAliveInitialDelay))
  this.highWaterMark = highWaterMark === undefined || highWaterMark < 0 ? getDefaultHighWaterMark(false) : highWaterMark
  return undefined
}

/** What makes servers; the interface of the same name says what they are. */
export const Server = ServerFunction as unknown as ServerConstructor
Object.defineProperty(Server, 'name', { value: 'Server' })
Object.setPrototypeOf(Server.prototype, EventEmitter.prototype)
Object.setPrototypeOf(Server, EventEmitter)

const proto = Server.prototype as unknown as ServerInternals

// Listening. ------------------------------------------------------------------------------------------------------------

type ListenForms = ListenOptions & { _handle?: object; handle?: object; fd?: number }

proto.listen = function (this: Self, ...args: unknown[]) {
  const [given, callback] = normalizeArgs<ListenForms>(args)
  if (this[kListener] !== null) throw alreadyListening()
  if (serverListen.hasSubscribers) serverListen.asyncStart.publish({ server: this, options: given })
  if (callback !== null) this.once('listening', callback as () => void)

  const options = (given._handle ?? given.handle ?? given) as ListenForms
  this._listeningId++
  if (options !== given) throw notAvailable('A sluice server cannot listen on a handle: use the Server of node:net')
  closeOnAbort(this, options)
  if (typeof options.fd === 'number' && options.fd >= 0) {
    throw notAvailable('A sluice server cannot listen on a file descriptor: use the Server of node:net')
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
    const backlog = options.backlog || toNumber(args.length > 1 && args[1]) || toNumber(args.length > 2 && args[2])
    const wish: Wish = {
      port: Number(port) | 0,
      backlog: backlog || DEFAULT_BACKLOG,
      exclusive: Boolean(options.exclusive),
      reusePort: Boolean(options.reusePort),
      ipv6Only: options.ipv6Only === true,
      tcp: options.tcp,
    }
    if (options.host) lookupAndListen(this, options.host, wish)
    else listenAnywhere(this, wish)
    return this
  }
  if (options.path && isPipeName(options.path)) {
    throw notAvailable(`A sluice server cannot listen on a pipe: use the Server of node:net for ${options.path}`)
  }
  if (!('port' in options || 'path' in options)) {
    throw invalidValue('options', options, 'must have the property "port" or "path"')
  }
  throw invalidValue('options', options, 'is invalid')
}

interface Wish {
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
  dns.lookup(host, (error, address, family) => {
    // Closed, or told to listen elsewhere, meanwhile.
    if (id !== server._listeningId) return
    if (error) server.emit('error', error)
    else listenOn(server, address, family === 6 ? 6 : 4, wish)
  })
}

/** On all addresses of both families, or of IPv4 where there is no IPv6. */
function listenAnywhere(server: Self, wish: Wish): void {
  const code = tryListen(server, '::', 6, { ...wish, ipv6Only: false })
  if (code === 'EAFNOSUPPORT' || code === 'EADDRNOTAVAIL' || code === 'EINVAL') listenOn(server, '0.0.0.0', 4, wish)
  else if (code !== null) failToListen(server, listenError(code, '::', wish.port))
}

function listenOn(server: Self, address: string, family: 4 | 6, wish: Wish): void {
  const code = tryListen(server, address, family, wish)
  if (code !== null) failToListen(server, listenError(code, address, wish.port))
}

function tryListen(server: Self, address: string, family: 4 | 6, wish: Wish): ErrorCode | null {
  const stack = (server[kStack] ?? defaultStack)()
  const handle = new ListenHandle((endpoint) => accept(server, endpoint))
  const listener = stack.listen({ ...wish, address }, handle)
  if (typeof listener === 'string') {
    handle.emitDestroy()
    return listener
  }
  server[kListener] = { listener, handle }
  server._connectionKey = `${family}:${address}:${wish.port}`
  if (serverListen.hasSubscribers) serverListen.asyncEnd.publish({ server })
  if (server._unref) listener.unref()
  if (server._acceptPaused) listener.pause()
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
  const { maxConnections } = server
  const limited = zeroMeansNobody ? maxConnections != null : Boolean(maxConnections)
  if (limited && server._connections >= maxConnections) {
    const mapped = endpoint.family !== family
    const local = socketName(endpoint.localAddress, endpoint.localPort, endpoint.family, mapped)
    const remote = socketName(endpoint.remoteAddress, endpoint.remotePort, endpoint.family, mapped)
    const ends = {
      localAddress: local.address,
      localPort: local.port,
      localFamily: local.family,
      remoteAddress: remote.address,
      remotePort: remote.port,
      remoteFamily: remote.family,
    }
    server.emit('drop', ends)
    endpoint.close()
    return deafOwner
  }

  const handle = acceptedHandle(endpoint, family)
  const { allowHalfOpen, highWaterMark } = server
  const socket = new Socket({
    allowHalfOpen,
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
  }) as unknown as SocketInternals
  socket[kStack] = server[kStack]
  server._connections++
  socket[kAdopt](handle, {
    server,
    pause: server.pauseOnConnect,
    noDelay: server.noDelay,
    keepAlive: server.keepAlive,
    keepAliveInitialDelay: server.keepAliveInitialDelay,
  })
  server.emit('connection', socket as unknown as PublicSocket & never)
  if (serverSockets.hasSubscribers) serverSockets.publish({ socket })
  // Destroyed by its listener: nothing more is to be heard, and nothing to be kept.
  return handle.user === null ? deafOwner : handle
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
  this._listeningId++
  if (typeof callback === 'function') {
    if (current === null) this.once('close', () => callback(serverNotRunning()))
    else this.once('close', callback)
  }
  if (current !== null) {
    this[kListener] = null
    current.listener.close()
    current.handle.emitDestroy()
  }
  this._emitCloseIfDrained()
  return this
}

/** Connections go on after `close`; 'close' comes when the last has gone. */
proto._emitCloseIfDrained = function (this: Self) {
  if (this[kListener] !== null || this._connections > 0) return
  nextTick(() => this.emit('close'))
}

proto[Symbol.asyncDispose] = async function (this: Self) {
  if (this[kListener] !== null) await promisify(this.close).call(this)
}

// The rest. -----------------------------------------------------------------------------------------------------------------

proto.address = function (this: Self): AddressInfo | null {
  const listener = this[kListener]?.listener
  return listener === undefined ? null : nameOf(listener)
}

function nameOf({ address, family, port }: Listener): AddressInfo {
  return { address, family, port }
}

Object.defineProperty(proto, 'listening', {
  get(this: Self) {
    return Boolean(this[kListener])
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
    this.#server._acceptPaused = true
    this.#server[kListener]?.listener.pause()
  }

  resumeAccept(): void {
    this.#server._acceptPaused = false
    this.#server[kListener]?.listener.resume()
  }
}

Object.defineProperty(proto, 'tcp', {
  get(this: Self) {
    if (!(this instanceof Server) || !Object.hasOwn(this, '_tcp')) return undefined
    this._tcp ??= new Tcp(this)
    return this._tcp
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
  return this
}

proto.unref = function (this: Self) {
  this._unref = true
  this[kListener]?.listener.unref()
  return this
}
