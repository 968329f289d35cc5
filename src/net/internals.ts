import type { Listener } from '../stack/index.ts'
import type { Appetite, Handle, kData, kEnd, kFailed, ListenHandle, SocketName } from './handle.ts'
import type { Server, ServerTcp, Socket, SocketTcp, StackSource, TcpConnectOptions } from './types.ts'

// What the files of this folder keep on sockets and servers, out of reach of the names that users and frameworks put there.

/** The live connection or attempt: a `Handle` from `connect()` until the socket is destroyed. */
export const kHandle = Symbol('sluice.handle')
export const kStack = Symbol('sluice.stack')
/** Makes the handle of the next attempt, in place of the one that failed. */
export const kRenew = Symbol('sluice.renew')
/** The attempt succeeded. */
export const kConnected = Symbol('sluice.connected')
/** Makes of a new socket the server's end of a connection. */
export const kAdopt = Symbol('sluice.adopt')
export const kState = Symbol('sluice.state')
export const kListener = Symbol('sluice.listener')

/** Bookkeeping that waits for an event of the socket itself. */
export interface Task {
  readonly event: 'connect' | 'close'
  readonly run: () => void
  readonly listener: () => void
}

/** The `onread` option: data goes to a buffer of the user's, past the stream. */
export interface ReadInto {
  buffer: Uint8Array
  readonly nextBuffer: (() => Uint8Array) | null
  readonly callback: (bytes: number, buffer: Uint8Array) => unknown
}

/** The private state of a socket. */
export interface SocketState {
  idleTimer: NodeJS.Timeout | null
  /** Until the next address is tried. */
  attemptTimer: NodeJS.Timeout | null
  /** Bytes that waited in the handle when the idle timer last looked. */
  lastWriteQueueSize: number
  noDelay: boolean
  keepAlive: KeepAlive
  readInto: ReadInto | null
  tasks: Task[]
  localName: SocketName | null
  remoteName: SocketName | null
  /** As they were when the handle went. */
  bytesRead: number
  bytesWritten: number
  resetting: boolean
  /** Counts this connection until it closes. */
  server: ServerInternals | null
  tcp: SocketTcp | null
}

export interface KeepAlive {
  on: boolean
  /** Seconds; 0: as the stack has it. */
  delay: number
  interval: number
  count: number
}

/** How a server wants its end of a connection. */
export interface Adoption {
  server: ServerInternals
  pause: boolean
  noDelay: boolean
  keepAlive: boolean
  keepAliveInitialDelay: number
}

/** A socket, seen from inside. */
export interface SocketInternals extends Omit<Socket, 'connecting' | 'timeout' | 'autoSelectFamilyAttemptedAddresses'> {
  connecting: boolean
  timeout?: number
  autoSelectFamilyAttemptedAddresses: string[]
  server: Server | null

  _hadError: boolean
  _parent: null
  _host: string | null
  _pendingData: WriteData | null
  _pendingEncoding: string
  _server: Server | null
  readonly _bytesDispatched: number
  readonly _connecting: boolean
  readonly writableBuffer?: readonly StreamChunk[]
  _undestroy(): void
  _unrefTimer(): void
  _onTimeout(): void
  _reset(): this
  _getsockname(): Partial<SocketName>
  _getpeername(): Partial<SocketName>
  _writeGeneric(
    writev: boolean,
    data: WriteData,
    encoding: string,
    callback: (error?: Error | null) => void,
  ): false | undefined

  [kHandle]: Handle | null
  [kStack]: StackSource | undefined
  [kState]: SocketState
  [kRenew](): Handle
  [kConnected](): void
  [kAdopt](handle: Handle, adoption: Adoption): void
  [kData](piece: Buffer): Appetite
  [kEnd](): void
  [kFailed](code: string): void
}

/** A chunk as `stream.Writable` queues it. */
export interface StreamChunk {
  chunk: Buffer | string
  encoding: BufferEncoding
}

/** What `_write` and `_writev` are called with. */
export type WriteData = Buffer | string | (StreamChunk[] & { allBuffers?: boolean })

/** A server, seen from inside. */
export interface ServerInternals extends Server {
  _connections: number
  _connectionKey: string | undefined
  _handle: null
  _unref: boolean
  _usingWorkers: boolean
  _workers: unknown[]
  _listeningId: number
  allowHalfOpen: boolean
  pauseOnConnect: boolean
  noDelay: boolean
  keepAlive: boolean
  keepAliveInitialDelay: number
  highWaterMark: number | undefined
  _emitCloseIfDrained(): void
  _acceptPaused: boolean
  _tcp: ServerTcp | null
  [kListener]: { listener: Listener; handle: ListenHandle } | null
  [kStack]: StackSource | undefined
}

/** The options of `connect`, past the forms that name a pipe. */
export type TcpTarget = Omit<TcpConnectOptions, 'port'> & { port?: number | string }
