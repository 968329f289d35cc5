import diagnostics from 'node:diagnostics_channel'
import { Duplex, type DuplexOptions } from 'node:stream'
import timers from 'node:timers'
import type { Endpoint, TcpInfo } from '../stack/index.ts'
import {
  isNormalized,
  normalizeArgs,
  timerDuration,
  toWholeSeconds,
  validateFunction,
  validateInt32,
  validateNumber,
} from './args.ts'
import { clearAttemptTimer, lookupAndConnect } from './connect.ts'
import {
  closedBeforeConnection,
  endedByPeer,
  invalidType,
  invalidValue,
  ioError,
  missingArguments,
  notAvailable,
  socketClosed,
} from './errors.ts'
import { Appetite, Handle, kData, kEnd, kFailed } from './handle.ts'
import {
  kAdopt,
  kConnected,
  kHandle,
  kRenew,
  kStack,
  kState,
  type SocketInternals,
  type SocketState,
  type StreamChunk,
  type Task,
  type TcpTarget,
  type WriteData,
} from './internals.ts'
import type { KeepAliveOptions, Socket as PublicSocket, SocketConstructor, SocketOptions, SocketTcp } from './types.ts'

// `Socket` is a function and its methods hang on the prototype one by one, for programs call it without `new`, inherit from it
// by `util.inherits`, and patch its prototype. What it must know about itself it keeps in `kState` and does in the methods that
// the stream machinery calls (`_final`, `_destroy`, `_read`): its own listeners may be removed by anyone.

// Captured at load: fake timers of a test runner must not be able to stop a connection.
const { setTimeout, clearTimeout } = timers
const { nextTick } = process

/** Since Node 22 a write that `destroy` cut off fails; before, its callback heard of no error. */
const cancelledWritesFail = Number.parseInt(process.versions.node, 10) >= 22

const clientSockets = diagnostics.channel('net.client.socket')

type Self = SocketInternals
type Done = (error?: Error | null) => void

function newState(): SocketState {
  return {
    idleTimer: null,
    attemptTimer: null,
    lastWriteQueueSize: 0,
    noDelay: false,
    keepAlive: { on: false, delay: 0, interval: 0, count: 0 },
    readInto: null,
    tasks: [],
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
function SocketFunction(this: Self, options?: SocketOptions | number): Self | undefined {
  if (!(this instanceof Socket)) return new Socket(options as SocketOptions) as unknown as Self
  const given: SocketOptions & Record<string, unknown> =
    typeof options === 'number' ? { fd: options } : { ...(options as SocketOptions) }
  for (const mode of ['objectMode', 'readableObjectMode', 'writableObjectMode']) {
    if (given[mode]) throw invalidValue(`options.${mode}`, given[mode], 'is not supported')
  }
  const { keepAliveInitialDelay } = given
  if (keepAliveInitialDelay !== undefined) validateNumber(keepAliveInitialDelay, 'options.keepAliveInitialDelay')
  if (given.fd !== undefined) {
    validateInt32(given.fd, 'fd', 0)
    throw notAvailable('A sluice socket has no file descriptor: open fd with the Socket of node:net')
  }
  if (given.handle) throw notAvailable('A sluice socket has no handle: give it to the Socket of node:net')

  // Before the stream is made: an aborted `signal` destroys it at once.
  const state = newState()
  state.noDelay = Boolean(given.noDelay)
  state.keepAlive.on = Boolean(given.keepAlive)
  state.keepAlive.delay = Math.max(0, toWholeSeconds(keepAliveInitialDelay))
  state.readInto = readInto(given.onread)
  this.connecting = false
  this._hadError = false
  this._parent = null
  this._host = null
  this[kHandle] = null
  this[kState] = state
  this[kStack] = given.stack ? () => given.stack as NonNullable<SocketOptions['stack']> : undefined

  // `net` announces its close itself, for it says whether there was an error; and encodes strings itself, so that a queue counts
  // their characters.
  const streamOptions = { ...given, allowHalfOpen: Boolean(given.allowHalfOpen), emitClose: false, autoDestroy: true }
  Duplex.call(this as unknown as Duplex, { ...streamOptions, decodeStrings: false } as DuplexOptions)
  this._undestroy()

  this._pendingData = null
  this._pendingEncoding = ''
  this.server = null
  this._server = null
  return undefined
}

/** What makes sockets; the interface of the same name says what they are. */
export const Socket = SocketFunction as unknown as SocketConstructor
Object.defineProperty(Socket, 'name', { value: 'Socket' })
Object.setPrototypeOf(Socket.prototype, Duplex.prototype)
Object.setPrototypeOf(Socket, Duplex)

const proto = Socket.prototype as unknown as SocketInternals

// Getters are read on the prototype too, by whoever lists its members.
const nobody = newState()
Object.defineProperty(proto, kHandle, { value: null, writable: true })
Object.defineProperty(proto, kState, { value: nobody, writable: true })

function getter<Key extends keyof SocketInternals>(
  name: Key,
  get: (this: Self) => SocketInternals[Key] | undefined,
  how: { enumerable?: boolean; configurable?: boolean } = {},
): void {
  Object.defineProperty(proto, name, { get, ...how })
}

/** As `net` shows those that are part of its documented surface. */
const shown = { enumerable: true }

// What waits for events of the socket's own. -------------------------------------------------------------------------

/**
 * Runs `run` at the next `event`: in its place among the listeners, or behind them if it was removed with them. Destroying the
 * socket forgets what waits for 'connect', so that nothing of one connection leaks into the next.
 */
function runAt(socket: Self, event: Task['event'], run: () => void): Task {
  const { tasks } = socket[kState]
  const task: Task = {
    event,
    run,
    listener: () => {
      if (removeTask(tasks, task)) run()
    },
  }
  tasks.push(task)
  socket.once(event, task.listener)
  return task
}

function removeTask(tasks: Task[], task: Task): boolean {
  const at = tasks.indexOf(task)
  if (at >= 0) tasks.splice(at, 1)
  return at >= 0
}

function forget(socket: Self, task: Task): void {
  if (removeTask(socket[kState].tasks, task)) socket.off(task.event, task.listener)
}

/** Emits, and runs what lost its listener. What begins to wait during the event waits for the next. */
function emitTo(socket: Self, event: Task['event'], ...args: unknown[]): void {
  const due = socket[kState].tasks.filter((task) => task.event === event)
  socket.emit(event, ...args)
  for (const task of due) task.listener()
}

// Connecting. ---------------------------------------------------------------------------------------------------------

/** A socket that begins a connection: whatever a former one left is gone. */
function initialize(socket: Self): void {
  const state = socket[kState]
  socket._undestroy()
  state.localName = null
  const into = state.readInto
  if (into?.nextBuffer) {
    const buffer = into.nextBuffer()
    if (buffer instanceof Uint8Array) into.buffer = buffer
  }
}

proto.connect = function (this: Self, ...args: unknown[]) {
  const [options, callback] = isNormalized<TcpTarget & { path?: string }>(args)
    ? args[0]
    : normalizeArgs<TcpTarget & { path?: string }>(args)
  if (callback !== null) this.once('connect', callback as () => void)
  if (options.port === undefined && options.path == null) throw missingArguments('options', 'port', 'path')
  if (options.path) {
    if (typeof options.path !== 'string') throw invalidType('options.path', 'of type string', options.path)
    throw notAvailable(`A sluice socket cannot connect to a pipe: use the connect of node:net for ${options.path}`)
  }
  const state = this[kState]
  if (this.destroyed) {
    this[kHandle] = null
    state.remoteName = null
    state.localName = null
  }
  if (this[kHandle] === null) {
    ;(state.tcp as Tcp | null)?.keepLast(undefined)
    state.bytesRead = 0
    state.bytesWritten = 0
    this[kHandle] = new Handle(this)
    initialize(this)
  }
  this._unrefTimer()
  this.connecting = true
  lookupAndConnect(this, options)
  return this
}

proto[kRenew] = function (this: Self) {
  this[kHandle]?.close()
  const handle = new Handle(this)
  this[kHandle] = handle
  initialize(this)
  return handle
}

proto[kConnected] = function (this: Self) {
  const handle = this[kHandle] as Handle
  const state = this[kState]
  this.connecting = false
  this._unrefTimer()
  if (state.noDelay) handle.setNoDelay(true)
  if (state.keepAlive.on) applyKeepAlive(handle, state)
  if (state.tcp !== null) (state.tcp as Tcp).apply()
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
  // `await once(socket, 'data')` twice in a row must not lose what came between.
  return this.readableFlowing && this.listenerCount('data') === 0 ? Appetite.Later : Appetite.More
}

function readInto(onread: SocketOptions['onread']): SocketState['readInto'] {
  if (onread === null || typeof onread !== 'object' || typeof onread.callback !== 'function') return null
  const { buffer, callback } = onread
  if (typeof buffer === 'function') return { buffer: new Uint8Array(0), nextBuffer: buffer, callback }
  return buffer instanceof Uint8Array ? { buffer, nextBuffer: null, callback } : null
}

/** `onread`: fills the user's buffer as often as it takes, until the callback returns false. */
function readIntoBuffers(socket: Self, piece: Buffer): Appetite {
  const into = socket[kState].readInto as NonNullable<SocketState['readInto']>
  const handle = socket[kHandle] as Handle
  let at = 0
  while (at < piece.length) {
    const { buffer } = into
    const length = Math.min(buffer.length, piece.length - at)
    // A buffer without room can never be filled: what comes is thrown away, as there is nowhere to put it.
    if (length === 0) return Appetite.More
    buffer.set(piece.subarray(at, at + length))
    at += length
    const goOn = into.callback(length, buffer) !== false
    if (into.nextBuffer !== null) {
      const next = into.nextBuffer()
      if (next instanceof Uint8Array) into.buffer = next
    }
    if (socket[kHandle] !== handle) return Appetite.Enough
    if (!goOn || !handle.reading) {
      if (at < piece.length) handle.unread(piece.subarray(at))
      return Appetite.Enough
    }
  }
  return Appetite.More
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
  return socket.listeners('end').some((listener) => listener.toString().includes('.emitEOF('))
}

proto[kFailed] = function (this: Self, code) {
  this._unrefTimer()
  this.destroy(ioError(code, 'read'))
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

/** As `Duplex.write`, but who writes after the peer's FIN ended the socket learns that the peer did it. */
proto.write = function (
  this: Self,
  chunk: Buffer | string,
  encoding?: BufferEncoding | Done | null,
  callback?: Done,
): boolean {
  if (!this.writableEnded || this.allowHalfOpen || !this.readableEnded) {
    return Duplex.prototype.write.call(this, chunk, encoding as BufferEncoding, callback)
  }
  const done = typeof encoding === 'function' ? encoding : callback
  const error = endedByPeer()
  if (typeof done === 'function') nextTick(done, error)
  this.destroy(error)
  return false
} as SocketInternals['write']

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
  const result = handle.write(toBuffers(data, encoding), (code) => {
    if (this.destroyed) return callback(code !== null && cancelledWritesFail ? ioError(code, 'write') : null)
    if (code !== null) return callback(ioError(code, 'write'))
    this._unrefTimer()
    this[kState].lastWriteQueueSize = 0
    callback(null)
  })
  if (result === true) callback()
  else if (result === false) this[kState].lastWriteQueueSize = handle.writeQueueSize
  else callback(ioError(result, 'write'))
  return
}

function toBuffers(data: WriteData, encoding: string): Buffer[] {
  if (!Array.isArray(data)) return [toBuffer(data, encoding)]
  return data.map(({ chunk, encoding }) => toBuffer(chunk, encoding))
}

function toBuffer(chunk: Buffer | string, encoding: string): Buffer {
  return typeof chunk === 'string' ? Buffer.from(chunk, encoding as BufferEncoding) : chunk
}

function byteLength(data: WriteData, encoding: string): number {
  if (typeof data === 'string') return Buffer.byteLength(data, encoding as BufferEncoding)
  if (!Array.isArray(data)) return data.length
  let length = 0
  for (const { chunk, encoding } of data) length += byteLength(chunk, encoding)
  return length
}

proto._final = function (this: Self, callback) {
  if (this.pending) {
    runAt(this, 'connect', () => this._final(callback))
    return
  }
  // No connection to end any more: that is no error, for everything was written.
  if (!this[kHandle]?.shutdown(() => callback())) callback()
}

proto.end = function (this: Self, ...args: unknown[]) {
  Duplex.prototype.end.apply(this, args as Parameters<Duplex['end']>)
  return this
} as SocketInternals['end']

// Closing. ------------------------------------------------------------------------------------------------------------

proto.destroySoon = function (this: Self) {
  if (this.writable) this.end()
  if (this.writableFinished) this.destroy()
  else this.once('finish', this.destroy)
}

proto.resetAndDestroy = function (this: Self) {
  if (this[kHandle] === null) this.destroy(socketClosed())
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
  clearAttemptTimer(state)
  if (state.idleTimer !== null) clearTimeout(state.idleTimer)
  state.idleTimer = null
  // All that waited for a connection that will not come; a write among it hears of it at 'close'.
  for (const task of [...state.tasks]) {
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
    if (state.tcp !== null) (state.tcp as Tcp).keepLast(handle.info())
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

// The idle timeout. -----------------------------------------------------------------------------------------------------

proto.setTimeout = function (this: Self, msecs, callback) {
  if (this.destroyed) return this
  this.timeout = msecs
  const duration = timerDuration(msecs, 'msecs')
  const state = this[kState]
  if (state.idleTimer !== null) clearTimeout(state.idleTimer)
  state.idleTimer = null
  if (duration !== 0) {
    state.idleTimer = setTimeout(() => this._onTimeout(), duration)
    state.idleTimer.unref()
  }
  if (callback !== undefined) {
    validateFunction(callback, 'callback')
    if (duration === 0) this.off('timeout', callback)
    else this.once('timeout', callback)
  }
  return this
}

/** Something happened on the connection: the idle time begins anew. */
proto._unrefTimer = function (this: Self) {
  this[kState].idleTimer?.refresh()
}

proto._onTimeout = function (this: Self) {
  const state = this[kState]
  const handle = this[kHandle]
  // A write that moves is activity, though its callback is yet to come.
  if (state.lastWriteQueueSize > 0 && handle !== null && state.lastWriteQueueSize !== handle.writeQueueSize) {
    state.lastWriteQueueSize = handle.writeQueueSize
    this._unrefTimer()
    return
  }
  this.emit('timeout')
}

// Options of the connection. ----------------------------------------------------------------------------------------------

proto.setNoDelay = function (this: Self, enable) {
  const on = enable === undefined || Boolean(enable)
  const state = this[kState]
  const handle = this[kHandle]
  // Before the connection stands it is only remembered.
  if (handle !== null && on !== state.noDelay) handle.setNoDelay(on)
  state.noDelay = on
  return this
}

proto.setKeepAlive = function (
  this: Self,
  enable?: boolean | KeepAliveOptions,
  initialDelay?: number,
  interval?: number,
  count?: number,
) {
  if (enable !== null && typeof enable === 'object') {
    const { enable: on, ...rest } = enable
    return this.setKeepAlive(on, rest.initialDelay, rest.interval, rest.count)
  }
  const state = this[kState]
  const was = state.keepAlive
  const next = {
    on: Boolean(enable),
    delay: Math.max(0, toWholeSeconds(initialDelay)),
    interval: Math.max(0, toWholeSeconds(interval)),
    count: Math.max(0, Math.trunc(Number(count)) || 0),
  }
  state.keepAlive = next
  const changed =
    next.on !== was.on ||
    (next.on && (next.delay !== was.delay || next.interval !== was.interval || next.count !== was.count))
  const handle = this[kHandle]
  if (handle !== null && changed) applyKeepAlive(handle, state)
  return this
}

/** With a delay come a second between probes and ten of them, as libuv sets these; without, all is as the stack has it. */
function applyKeepAlive(handle: Handle, state: SocketState): void {
  const { on, delay, interval, count } = state.keepAlive
  if (!on) handle.setKeepAlive(false)
  else if (delay === 0) handle.setKeepAlive(true, undefined, interval * 1000 || undefined, count || undefined)
  else handle.setKeepAlive(true, delay * 1000, (interval || 1) * 1000, count || 10)
}

proto.ref = function (this: Self) {
  if (this[kHandle] === null) runAt(this, 'connect', () => this.ref())
  else this[kHandle].ref()
  return this
}

proto.unref = function (this: Self) {
  if (this[kHandle] === null) runAt(this, 'connect', () => this.unref())
  else this[kHandle].unref()
  return this
}

// What a socket tells of itself. ------------------------------------------------------------------------------------------

proto.address = function (this: Self) {
  return this[kHandle] === null ? {} : this._getsockname()
}

proto._getsockname = function (this: Self) {
  return this[kHandle]?.localName() ?? this[kState].localName ?? {}
}

proto._getpeername = function (this: Self) {
  return this[kHandle]?.remoteName() ?? this[kState].remoteName ?? {}
}

getter('_connecting', function () {
  return this.connecting
})

getter(
  'pending',
  function () {
    return this[kHandle] === null || this.connecting
  },
  { configurable: true },
)

getter('readyState', function () {
  if (this.connecting) return 'opening'
  if (this.readable) return this.writable ? 'open' : 'readOnly'
  return this.writable ? 'writeOnly' : 'closed'
})

getter('bufferSize', function () {
  return this[kHandle] === null ? undefined : this.writableLength
})

getter(
  'bytesRead',
  function () {
    return this[kHandle]?.bytesRead ?? this[kState].bytesRead
  },
  shown,
)

getter(
  '_bytesDispatched',
  function () {
    return this[kHandle]?.bytesWritten ?? this[kState].bytesWritten
  },
  shown,
)

getter(
  'bytesWritten',
  function () {
    const { writableBuffer } = this
    if (!writableBuffer) return undefined
    let bytes = this._bytesDispatched
    for (const { chunk, encoding } of writableBuffer) bytes += byteLength(chunk, encoding)
    if (this._pendingData !== null) bytes += byteLength(this._pendingData, this._pendingEncoding)
    return bytes
  },
  shown,
)

for (const [name, end, part] of [
  ['localAddress', '_getsockname', 'address'],
  ['localPort', '_getsockname', 'port'],
  ['localFamily', '_getsockname', 'family'],
  ['remoteAddress', '_getpeername', 'address'],
  ['remotePort', '_getpeername', 'port'],
  ['remoteFamily', '_getpeername', 'family'],
] as const) {
  getter(
    name,
    function () {
      return this[end]()[part]
    },
    shown,
  )
}

class Tcp implements SocketTcp {
  readonly #socket: Self
  #last: TcpInfo | undefined
  #linger = -1
  /** Null leaves it to the options of `connect`. */
  #userTimeout: number | null = null
  #corked = false

  constructor(socket: Self) {
    this.#socket = socket
  }

  info(): TcpInfo | undefined {
    return this.#socket[kHandle]?.info() ?? this.#last
  }

  keepLast(info: TcpInfo | undefined): void {
    this.#last = info
  }

  shutdownRead(): void {
    this.#endpoint?.shutdownRead()
  }

  get linger(): number {
    return this.#linger
  }

  set linger(seconds: number) {
    validateNumber(seconds, 'linger')
    this.#linger = seconds < 0 ? -1 : seconds
    this.apply()
  }

  get userTimeout(): number {
    return this.#userTimeout ?? this.#endpoint?.userTimeout ?? 0
  }

  set userTimeout(ms: number) {
    validateInt32(ms, 'userTimeout', 0)
    this.#userTimeout = ms
    this.apply()
  }

  cork(): void {
    this.#corked = true
    this.#endpoint?.cork()
  }

  uncork(): void {
    this.#corked = false
    this.#endpoint?.uncork()
  }

  /** To the connection, if there is one: settings may come before it, and are those of the next as well. */
  apply(): void {
    const endpoint = this.#endpoint
    if (endpoint === undefined || endpoint === null) return
    endpoint.linger = this.#linger
    if (this.#userTimeout !== null) endpoint.userTimeout = this.#userTimeout
    if (this.#corked) endpoint.cork()
  }

  get #endpoint(): Endpoint | null | undefined {
    return this.#socket[kHandle]?.endpoint
  }
}

getter('tcp', function () {
  const state = this[kState]
  if (state === nobody) return undefined
  if (state.tcp === null) state.tcp = new Tcp(this)
  return state.tcp
})

/** Publishes a new client socket, as `net` does, to who listens. */
export function announceClient(socket: PublicSocket): void {
  if (clientSockets.hasSubscribers) clientSockets.publish({ socket })
}
