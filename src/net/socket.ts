import diagnostics from 'node:diagnostics_channel'
import nodeNet from 'node:net'
import { Duplex, type DuplexOptions } from 'node:stream'
import { isNormalized, normalizeArgs, toWholeSeconds, validateInt32, validateNumber } from './args.ts'
import { nextTick } from './at-start.ts'
import { BlockList } from './block-list.ts'
import { BoundSocket } from './bound-socket.ts'
import { clearAttemptTimer, lookupAndConnect, timersOf } from './connect.ts'
import {
  closedBeforeConnection,
  endedByPeer,
  invalidHandleType,
  invalidType,
  invalidValue,
  ioError,
  missingArguments,
  socketClosed,
} from './errors.ts'
import { Appetite, Handle, kData, kEnd, kFailed } from './handle.ts'
import {
  kAdopt,
  kConnected,
  kHandle,
  kRenew,
  kRoute,
  kStack,
  kState,
  type SocketInternals,
  type SocketState,
  type StreamChunk,
  type TcpTarget,
} from './internals.ts'
import { KernelHandle, type KernelTarget } from './kernel-handle.ts'
import { announcesEveryConnect, cancelledWritesFail, endsUnconnected } from './node-release.ts'
import { likeNode } from './node-shape.ts'
import { readInto, readIntoBuffers } from './onread.ts'
import { lookupFirst, type Route } from './route.ts'
import { addSettings, applyKeepAlive, applySettings } from './socket-settings.ts'
import { emitTo, forget, runAt } from './socket-tasks.ts'
import { Tcp } from './socket-tcp.ts'
import { addView } from './socket-view.ts'
import { toBuffers } from './text.ts'
import type { Socket as PublicSocket, SocketConstructor, SocketOptions } from './types.ts'

// `Socket` is a function and its methods hang on the prototype one by one, for programs call it without `new`, inherit from it
// by `util.inherits`, and patch its prototype. What it must know about itself it keeps in `kState` and does in the methods that
// the stream machinery calls (`_final`, `_destroy`, `_read`): its own listeners may be removed by anyone.

const clientSockets = diagnostics.channel('net.client.socket')

type Self = SocketInternals
type Done = (error?: Error | null) => void
type Options = SocketOptions & { handle?: object; manualStart?: boolean; pauseOnCreate?: boolean } & Record<
    string,
    unknown
  >

const NO_KEEPALIVE = { on: false, delay: 0, interval: 0, count: 0 } as const

function newState(): SocketState {
  return {
    idleTimer: null,
    attemptTimer: null,
    lastWriteQueueSize: 0,
    noDelay: false,
    keepAlive: NO_KEEPALIVE,
    typeOfService: undefined,
    readInto: null,
    tasks: null,
    localName: null,
    remoteName: null,
    bytesRead: 0,
    bytesWritten: 0,
    resetting: false,
    server: null,
    tcp: null,
  }
}

/** The constructor, as its own code sees it: types of a callable class cannot be written on a function. */
export const Socket = function Socket(this: Self, options?: SocketOptions | number): Self | undefined {
  if (!(this instanceof Socket)) return new Constructor(options as SocketOptions) as unknown as Self
  refuseObjectMode(options as Options)
  const { keepAliveInitialDelay } = (options ?? {}) as Options
  if (keepAliveInitialDelay !== undefined) validateNumber(keepAliveInitialDelay, 'options.keepAliveInitialDelay')
  const given: Options = typeof options === 'number' ? { fd: options } : { ...(options as Options) }

  // Before the stream is made: an aborted `signal` destroys it at once.
  const state = newState()
  state.noDelay = Boolean(given.noDelay)
  const delay = Math.max(0, toWholeSeconds(keepAliveInitialDelay))
  if (given.keepAlive || delay > 0) state.keepAlive = { on: Boolean(given.keepAlive), delay, interval: 0, count: 0 }
  state.readInto = readInto(given.onread)
  this.connecting = false
  this._hadError = false
  this._parent = null
  this._host = null
  this._closeAfterHandlingError = false
  this[kHandle] = null
  this[kState] = state
  this[kStack] = given.stack ? () => given.stack as NonNullable<SocketOptions['stack']> : undefined

  // `net` announces its close itself, for it says whether there was an error; and encodes strings itself, so that a queue counts
  // their characters.
  given.allowHalfOpen = Boolean(given.allowHalfOpen)
  given.emitClose = false
  given.autoDestroy = true
  given.decodeStrings = false
  Duplex.call(this as unknown as Duplex, given as DuplexOptions)
  const isBound = given.handle instanceof BoundSocket
  if (isBound) adoptBound(this, given.handle as BoundSocket)
  else if (given.handle || given.fd !== undefined) this[kHandle] = new KernelHandle(this, kernelSocket(given))

  if (given.typeOfService !== undefined) validateInt32(given.typeOfService, 'options.typeOfService', 0, 255)
  state.typeOfService = given.typeOfService
  this.on('end', onReadableEnd)
  initialize(this)
  this._pendingData = null
  this._pendingEncoding = ''
  if (this[kHandle] !== null && given.readable !== false && !isBound) {
    if (given.pauseOnCreate) (this as { readableFlowing: boolean | null }).readableFlowing = false
    else if (!given.manualStart) this.read(0)
  }
  this.server = null
  this._server = null
  if (given.blockList) {
    if (!BlockList.isBlockList(given.blockList))
      throw invalidType('options.blockList', 'an net.BlockList', given.blockList)
    this.blockList = given.blockList
  }
  return undefined
} as unknown as SocketConstructor

/** The same, where the inner name hides it. */
const Constructor = Socket

Object.setPrototypeOf(Socket.prototype, Duplex.prototype)
Object.setPrototypeOf(Socket, Duplex)

function refuseObjectMode(options: Options | null | undefined): void {
  for (const mode of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
    if (options?.[mode]) throw invalidValue(`options.${mode}`, options[mode], 'is not supported')
  }
}

/** Connects from the port, or the path, that was bound before. */
function adoptBound(socket: Self, bound: BoundSocket): void {
  const taken = BoundSocket.take(bound)
  if ('listener' in taken) {
    const handle = new Handle(socket)
    handle.reserve(taken)
    socket[kHandle] = handle
    socket[kStack] = () => taken.stack
  } else {
    socket[kHandle] = new KernelHandle(socket, new nodeNet.Socket({ handle: taken, allowHalfOpen: true } as object))
  }
}

/** For a descriptor or a handle that was opened elsewhere. */
function kernelSocket({ fd, handle, readable, writable }: Options): nodeNet.Socket {
  const how = { fd, handle, readable, writable, allowHalfOpen: true, manualStart: true }
  return new nodeNet.Socket(how as nodeNet.SocketConstructorOpts)
}

const proto = Socket.prototype as unknown as SocketInternals

// Getters are read on the prototype too, by whoever lists its members.
const nobody: SocketState = { ...newState(), bytesRead: undefined as never, bytesWritten: undefined as never }
Object.defineProperty(proto, kHandle, { value: null, writable: true })
Object.defineProperty(proto, kState, { value: nobody, writable: true })

// Connecting. ---------------------------------------------------------------------------------------------------------

/** A socket that begins a connection: whatever a former one left is gone. */
function initialize(socket: Self): void {
  const state = socket[kState]
  socket._undestroy()
  socket._sockname = null
  state.localName = null
  const into = state.readInto
  if (socket[kHandle] === null || into === null || into.nextBuffer === null) return
  const { nextBuffer } = into
  const buffer = nextBuffer()
  if (buffer instanceof Uint8Array) into.buffer = buffer
}

proto.connect = function (this: Self, ...args: unknown[]) {
  const [options, callback] = isNormalized<Target>(args) ? args[0] : normalizeArgs<Target>(args)
  if (announcesEveryConnect) announceClient(this)
  if (callback !== null) this.once('connect', callback as () => void)
  if ((this._parent as Self | null | undefined)?.connecting) return this
  if (options.port === undefined && options.path == null) throw missingArguments('options', 'port', 'path')
  if (this.write !== proto.write) this.write = proto.write
  const routed = this[kRoute]?.connects(options.host || 'localhost', Number(options.port))
  const state = this[kState]
  if (this.destroyed) {
    this[kHandle] = null
    state.remoteName = null
    state.localName = null
  }
  if (this[kHandle] === null) {
    state.tcp?.keepLast(undefined)
    state.bytesRead = 0
    state.bytesWritten = 0
    this[kHandle] = options.path || routed === false ? new KernelHandle(this) : new Handle(this)
    initialize(this)
  }
  this._unrefTimer()
  this.connecting = true
  if (this[kHandle] instanceof KernelHandle) connectKernel(this, this[kHandle], options)
  else if (routed === 'unknown') connectRouted(this, this[kRoute] as Route, options)
  else lookupAndConnect(this, options)
  return this
}

type Target = TcpTarget & { path?: string }

/** A pipe, or what was opened elsewhere: Node's own socket connects it, and has the very errors. */
function connectKernel(socket: Self, handle: KernelHandle, options: Target): void {
  if (options.path && typeof options.path !== 'string')
    throw invalidType('options.path', 'of type string', options.path)
  const emit = (...event: unknown[]): void => {
    // `net` has stopped connecting by then.
    if (event[0] === 'connectionAttemptFailed') socket.connecting = false
    socket.emit(...(event as [string]))
  }
  handle.connect(options as KernelTarget, emit, (error) => {
    if (error === null) socket[kConnected]()
    else socket.destroy(error)
  })
}

/** The address that its host has decides whose the connection is. */
function connectRouted(socket: Self, route: Route, options: Target): void {
  lookupFirst(socket, route, options, (isOurs, known) => {
    try {
      if (isOurs) {
        lookupAndConnect(socket, known)
        return
      }
      socket[kHandle]?.close()
      const handle = new KernelHandle(socket)
      socket[kHandle] = handle
      initialize(socket)
      connectKernel(socket, handle, known)
    } catch (error) {
      // What `connect` would have thrown if it had known.
      socket.destroy(error as Error)
    }
  })
}

proto[kRenew] = function (this: Self) {
  this[kHandle]?.close()
  const handle = new Handle(this)
  this[kHandle] = handle
  initialize(this)
  return handle
}

proto[kConnected] = function (this: Self) {
  this.connecting = false
  this._sockname = null
  this._unrefTimer()
  applySettings(this)
  emitTo(this, 'connect')
  this.emit('ready')
  if (this.readable && !this.isPaused()) this.read(0)
}

/** The server's end of a connection; its listeners come after this. */
proto[kAdopt] = function (this: Self, handle, { server, pause, noDelay, keepAlive, keepAliveInitialDelay }) {
  const state = this[kState]
  handle.user = this
  this[kHandle] = handle
  initialize(this)
  state.server = server
  this.server = server
  this._server = server
  if (pause) (this as { readableFlowing: boolean | null }).readableFlowing = false
  else this.read(0)
  if (noDelay) {
    state.noDelay = true
    handle.setNoDelay(true)
  }
  if (keepAlive) {
    state.keepAlive = { on: true, delay: keepAliveInitialDelay, interval: 0, count: 0 }
    applyKeepAlive(handle, state)
  }
}

// Reading. ------------------------------------------------------------------------------------------------------------

proto._read = function (this: Self, size) {
  const handle = this[kHandle]
  if (this.connecting || handle === null) runAt(this, 'connect', () => this._read(size))
  else handle.readStart()
}

proto[kData] = function (this: Self, piece) {
  this._unrefTimer()
  if (this[kState].readInto !== null) return readIntoBuffers(this, piece)
  if (!this.push(piece)) return Appetite.Enough
  // `await once(socket, 'data')` twice in a row must not lose what came between; and who takes one piece at each 'readable', which is all that
  // `read()` gives from Node 26 on, has to be told of each.
  return this.readableFlowing && this.listenerCount('data') > 0 ? Appetite.More : Appetite.Later
}

proto[kEnd] = function (this: Self) {
  this._unrefTimer()
  if (this.readableEnded) return
  if (!this.allowHalfOpen && carriesNativeStream(this)) this.allowHalfOpen = true
  this.push(null)
  this.read(0)
}

/**
 * Whether Node's TLS runs on this socket. It reaches streams without a handle through a wrapper (`JSStreamSocket`), keeps what it has
 * yet to write to itself, and ends the stream when that is written. A socket that ended itself at the peer's FIN, as `net` sockets
 * without `allowHalfOpen` do, would cut it off. The wrapper leaves no other trace than its listener.
 */
function carriesNativeStream(socket: Self): boolean {
  return socket
    .listeners('end')
    .some((listener) => listener !== onReadableEnd && listener.toString().includes('.emitEOF('))
}

proto[kFailed] = function (this: Self, failure) {
  this._unrefTimer()
  this.destroy(typeof failure === 'string' ? ioError(failure, 'read') : failure)
}

proto.pause = function (this: Self) {
  if (this[kState].readInto !== null && !this.connecting) this[kHandle]?.readStop()
  return Duplex.prototype.pause.call(this) as typeof this
}

proto.resume = function (this: Self) {
  if (this[kState].readInto !== null && !this.connecting) this[kHandle]?.readStart()
  return Duplex.prototype.resume.call(this) as typeof this
}

proto.read = function (this: Self, size) {
  if (this[kState].readInto !== null && !this.connecting) this[kHandle]?.readStart()
  return Duplex.prototype.read.call(this, size)
}

// Writing. ------------------------------------------------------------------------------------------------------------

/** From the peer's FIN on, who writes on a socket that this has ended learns that the peer did it. */
function onReadableEnd(this: Self): void {
  if (!this.allowHalfOpen) this.write = writeAfterEnd as Self['write']
}

function writeAfterEnd(
  this: Self,
  chunk: Buffer | string,
  encoding?: BufferEncoding | Done | null,
  callback?: Done,
): boolean {
  if (!this.writableEnded) return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback)
  const done = typeof encoding === 'function' ? encoding : callback
  const error = endedByPeer()
  if (typeof done === 'function') nextTick(done, error)
  this.destroy(error)
  return false
}

proto._write = function (this: Self, chunk, encoding, callback) {
  this._writeGeneric(false, chunk, encoding, callback)
}

proto._writev = function (this: Self, chunks, callback) {
  this._writeGeneric(true, chunks as StreamChunk[], '', callback)
}

proto._writeGeneric = function (this: Self, writev, data, encoding, callback) {
  if (this.connecting) {
    this._pendingData = data
    this._pendingEncoding = encoding
    this[kHandle]?.writeEarly(() => toBuffers(data, encoding))
    const failed = runAt(this, 'close', () => callback(closedBeforeConnection()))
    runAt(this, 'connect', () => {
      forget(this, failed)
      this._writeGeneric(writev, data, encoding, callback)
    })
    return
  }
  this._pendingData = null
  this._pendingEncoding = ''
  const handle = this[kHandle]
  if (handle === null) {
    callback(socketClosed())
    return false
  }
  this._unrefTimer()
  const result = handle.write(toBuffers(data, encoding), (failure) => {
    const error = typeof failure === 'string' ? ioError(failure, 'write') : failure
    if (this.destroyed) return callback(cancelledWritesFail ? error : null)
    if (error !== null) return callback(error)
    this._unrefTimer()
    this[kState].lastWriteQueueSize = 0
    callback(null)
  })
  if (result === true) callback()
  else if (result === false) this[kState].lastWriteQueueSize = handle.writeQueueSize
  else callback(ioError(result, 'write'))
  return
}

proto._final = function (this: Self, callback) {
  if (endsUnconnected ? this.connecting : this.pending) {
    runAt(this, 'connect', () => this._final(callback))
    return
  }
  // No connection to end any more: that is no error, for everything was written.
  if (!this[kHandle]?.shutdown(() => callback())) callback()
}

proto.end = function (this: Self, ...args: unknown[]) {
  Duplex.prototype.end.apply(this, args as Parameters<Duplex['end']>)
  return this
} as Self['end']

// Closing. ------------------------------------------------------------------------------------------------------------

proto.destroySoon = function (this: Self) {
  if (this.writable) this.end()
  if (this.writableFinished) this.destroy()
  else this.once('finish', this.destroy)
}

proto.resetAndDestroy = function (this: Self) {
  const handle = this[kHandle]
  if (handle instanceof KernelHandle && handle.isPipe) throw invalidHandleType()
  if (handle === null) this.destroy(socketClosed())
  else if (this.connecting) runAt(this, 'connect', () => this._reset())
  else this._reset()
  return this
}

proto._reset = function (this: Self) {
  this[kState].resetting = true
  this.destroy()
  return this
}

proto._destroy = function (this: Self, error, callback) {
  const state = this[kState]
  const handle = this[kHandle]
  const wasConnecting = this.connecting
  this.connecting = false
  clearAttemptTimer(this)
  if (state.idleTimer !== null) timersOf(this).clearTimeout(state.idleTimer)
  state.idleTimer = null
  // All that waited for a connection that will not come; a write among it hears of it at 'close'.
  for (const task of [...(state.tasks ?? [])]) {
    if (task.event === 'connect') forget(this, task)
  }

  if (handle !== null) {
    const hadError = Boolean(error)
    if (!wasConnecting) {
      state.localName = handle.localName()
      state.remoteName = handle.remoteName()
    }
    state.bytesRead = handle.bytesRead
    state.bytesWritten = handle.bytesWritten
    state.tcp?.keepLast(handle.info())
    this[kHandle] = null
    const closed = () => emitClose(this, hadError)
    if (state.resetting) handle.reset(closed)
    else handle.close(closed)
    state.resetting = false
    callback(error)
  } else {
    callback(error)
    nextTick(emitClose, this)
  }

  const { server } = state
  if (server !== null) {
    state.server = null
    server._connections--
    server._emitCloseIfDrained()
  }
}

function emitClose(socket: Self, ...hadError: boolean[]): void {
  emitTo(socket, 'close', ...hadError)
}

addSettings(proto)
addView(proto)

Object.defineProperty(proto, 'tcp', {
  get(this: Self) {
    const state = this[kState]
    if (state === nobody || this[kHandle] instanceof KernelHandle) return undefined
    state.tcp ??= new Tcp(this)
    return state.tcp
  },
  configurable: true,
})

/** There is none: Node's own code takes what it finds here for a handle of libuv's. */
Object.defineProperty(proto, '_handle', {
  get(this: Self) {
    return this[kState] === nobody ? undefined : null
  },
  set() {},
  configurable: true,
})

likeNode(proto, nodeNet.Socket.prototype)

/** Publishes a new client socket, as `net` does, to who listens. */
export function announceClient(socket: PublicSocket | Self): void {
  if (clientSockets.hasSubscribers) clientSockets.publish({ socket })
}
