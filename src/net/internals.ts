import type { BlockList, Server as NodeServer } from 'node:net'
import type { ErrorCode, Listener } from '../stack/index.ts'
import type { Appetite, Handle, kData, kEnd, kFailed, SocketName } from './handle.ts'
import type { KernelHandle } from './kernel-handle.ts'
import type { ListenHandle } from './listen-handle.ts'
import type { Route } from './route.ts'
import type { Tcp } from './socket-tcp.ts'
import type { Server, ServerTcp, Socket, StackSource, TcpConnectOptions } from './types.ts'

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
/** No connection is accepted, by `server.tcp.pauseAccept`. */
export const kAcceptPaused = Symbol('sluice.acceptPaused')
/** A server's `tcp`. */
export const kTcp = Symbol('sluice.tcp')
/** The server of Node's own that listens for one of ours. */
export const kKernel = Symbol('sluice.kernel')

/** Who decides which destinations are the stack's; absent: all are. */
export const kRoute = Symbol('sluice.route')

/** Bookkeeping that waits for an event of the socket itself. */
export interface Task {
  readonly event: 'connect' | 'close'
  readonly run: () => void
  readonly listener: () => void
}

/** The `onread` option: data goes to a buffer of the user's, past the stream. */
export interface ReadInto {
  buffer: Uint8Array
  readonly nextBuffer: (() => unknown) | null
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
  /** As the application gave it; undefined: it gave none. */
  typeOfService: number | undefined
  readInto: ReadInto | null
  tasks: Task[] | null
  localName: SocketName | null
  remoteName: SocketName | null
  /** As they were when the handle went. */
  bytesRead: number
  bytesWritten: number
  resetting: boolean
  /** Counts this connection until it closes. */
  server: ServerInternals | null
  tcp: Tcp | null
}

export interface KeepAlive {
  readonly on: boolean
  /** Seconds; 0: as the stack has it. */
  readonly delay: number
  readonly interval: number
  readonly count: number
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
  _closeAfterHandlingError: boolean
  /** What `_getsockname` told first. */
  _sockname: Partial<SocketName> | null
  _aborted?: boolean
  blockList?: BlockList
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

  [kHandle]: Handle | KernelHandle | null
  [kStack]: StackSource | undefined
  [kRoute]?: Route | undefined
  [kState]: SocketState
  [kRenew](): Handle
  [kConnected](): void
  [kAdopt](handle: Handle | KernelHandle, adoption: Adoption): void
  [kData](piece: Buffer): Appetite
  [kEnd](): void
  [kFailed](failure: ErrorCode | Error): void
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
  blockList?: BlockList
  _emitCloseIfDrained(): void
  [kAcceptPaused]: boolean
  [kTcp]: ServerTcp | null
  _pipeName?: string
  [kListener]: { listener: Listener; handle: ListenHandle } | null
  [kKernel]: NodeServer | null
  [kStack]: StackSource | undefined
}

/** The options of `connect`, past the forms that name a pipe. */
export type TcpTarget = Omit<TcpConnectOptions, 'port'> & { port?: number | string }
