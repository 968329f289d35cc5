import type nodeNet from 'node:net'
import type { ConnectRequest, ListenerInfo, ListenTcpOptions, Stack, TcpInfo } from '../stack/index.ts'

// The shapes that users see. They extend those of Node's own `net`, so that a sluice socket goes wherever the types ask for one
// of Node's; what differs, and what Node's types leave out, is declared here.

/** Where a socket or a server finds its stack. */
export type StackSource = () => Stack

/** TCP's own parameters for one connection: the members of `tcp` in the options of `connect`. */
export type TcpOptions = Omit<
  ConnectRequest,
  'address' | 'port' | 'localAddress' | 'localPort' | 'noDelay' | 'keepAlive' | 'keepAliveTimeMs'
>

export interface SocketOptions extends nodeNet.SocketConstructorOpts, nodeNet.ConnectOpts {
  /** Bytes that each direction of the stream buffers before it says to wait; `stream.Duplex`'s default. */
  highWaterMark?: number | undefined
  readableHighWaterMark?: number | undefined
  writableHighWaterMark?: number | undefined
  noDelay?: boolean | undefined
  keepAlive?: boolean | undefined
  /** Milliseconds, in whole seconds; 0 leaves `tcp_keepalive_time`. */
  keepAliveInitialDelay?: number | undefined
  /** What the socket may not connect to: an attempt fails with `ERR_IP_BLOCKED`. */
  blockList?: nodeNet.BlockList | undefined
  /** 0–255, as `setTypeOfService` takes it. */
  typeOfService?: number | undefined
  /** The host whose TCP carries the connection; default: the one of the module that the constructor came from. */
  stack?: Stack | undefined
}

/** The arguments of `setKeepAlive`, by name. */
export interface KeepAliveOptions {
  enable?: boolean | undefined
  initialDelay?: number | undefined
  interval?: number | undefined
  count?: number | undefined
}

export interface TcpConnectOptions extends nodeNet.TcpSocketConnectOpts {
  tcp?: TcpOptions | undefined
}

export type ConnectOptions = TcpConnectOptions | nodeNet.IpcSocketConnectOpts

/** What the functions `connect` and `createConnection` take: options of the socket and of its connect. */
export type NetConnectOptions = ConnectOptions & SocketOptions & { timeout?: number | undefined }

export interface ServerOptions extends nodeNet.ServerOpts {
  /** Whose connections are closed at once. */
  blockList?: nodeNet.BlockList | undefined
  /** The host that listens; default: the one of the module that the constructor came from. */
  stack?: Stack | undefined
}

/** Of the constructor `BoundSocket`. */
export interface BoundSocketOptions {
  /** An IP address; default `0.0.0.0`, or `::` with `ipv6Only`. */
  host?: string | null | undefined
  /** 0, the default: one is chosen. */
  port?: number | string | null | undefined
  ipv6Only?: boolean | null | undefined
  reusePort?: boolean | null | undefined
  /** A Unix domain socket or a pipe instead. */
  path?: string | undefined
  /** The host whose port it is; default: the one of the module that the constructor came from. */
  stack?: Stack | undefined
}

export interface ListenOptions extends nodeNet.ListenOptions {
  /** TCP's own parameters for the connections that come. */
  tcp?: ListenTcpOptions | undefined
  /** Several processes may listen on the port, and share its connections. */
  reusePort?: boolean | undefined
}

/** The TCP below a socket: `socket.tcp`, present on sluice's sockets only. */
export interface SocketTcp {
  /**
   * The state of the connection by the names and units of Linux's `tcp_info`, without `tcpi_`: `rtt` in µs, `snd_cwnd` in
   * segments. Undefined before the connection was begun; after the socket has closed, as it was then if `tcp` was read before.
   */
  info(): TcpInfo | undefined

  /**
   * SHUT_RD: what comes from here on is acknowledged and thrown away, and so is what waits to be read. The peer learns nothing of it. The
   * stream does not end by it; writing goes on. No effect before the connection is established.
   */
  shutdownRead(): void

  /**
   * Seconds, as SO_LINGER; −1 (default) is off. With 0, `destroy` resets the connection, which then skips TIME_WAIT; with more, a closed socket
   * holds the process so long at most until its data is acknowledged, in place of `exit_linger`. Holds for the next connection too.
   */
  linger: number

  /** Milliseconds that data may stay unacknowledged before the connection fails with ETIMEDOUT, as TCP_USER_TIMEOUT; 0 follows `tcp_retries2`. */
  userTimeout: number

  /**
   * Name of the congestion control, as TCP_CONGESTION; default: that of `connect`, or `tcp_congestion_control`. Set while the connection runs it takes
   * over at once, with the window and the round-trip times known. Throws ENOENT where none is registered by that name, EPERM where
   * `tcp_allowed_congestion_control` leaves it out.
   */
  congestionControl: string

  /** Bytes a second that sending never exceeds, as SO_MAX_PACING_RATE; `Infinity`: no limit. */
  maxPacingRate: number

  /** Holds back what does not fill a segment, as TCP_CORK, for 200 ms at most; `uncork` sends it. */
  cork(): void
  uncork(): void
}

/** The TCP below a server: `server.tcp`, present on sluice's servers only. */
export interface ServerTcp {
  /** The server's queues, as `ss -ltn` shows them; undefined while it does not listen. */
  info(): ListenerInfo | undefined
  /**
   * Connections are no longer accepted: they wait, established, up to the backlog, and what comes beyond is dropped or reset
   * (`tcp_abort_on_overflow`), as where an application is too slow to call accept. May be called before `listen`.
   */
  pauseAccept(): void
  /** Accepts those that wait, in the next turn, and whoever comes. */
  resumeAccept(): void
}

/**
 * A TCP connection as a `stream.Duplex`. Behaves as `net.Socket`; its TCP is sluice's. Unlike that it has no `_handle`, and
 * `localAddress` and `remoteAddress` with their ports and families stay readable after `'close'`.
 */
export interface Socket extends nodeNet.Socket {
  readonly tcp: SocketTcp

  /**
   * Connects; returns at once. `'lookup'` (for host names), `'connectionAttempt'`, `'connect'` and `'ready'` follow, or `'error'`
   * and `'close'`. A socket that has closed can connect again. Throws `ERR_MISSING_ARGS`, `ERR_SOCKET_BAD_PORT`,
   * `ERR_INVALID_ARG_TYPE`, `ERR_INVALID_IP_ADDRESS` for arguments that cannot be.
   */
  connect(options: ConnectOptions, connectionListener?: () => void): this
  connect(port: number, host: string, connectionListener?: () => void): this
  connect(port: number, connectionListener?: () => void): this
  connect(path: string, connectionListener?: () => void): this

  /**
   * Probes a peer that has been silent for `initialDelay` milliseconds, then each `interval` milliseconds, and gives up with
   * `read ETIMEDOUT` after `count` probes. Times are whole seconds; 0 leaves `tcp_keepalive_time`. With a delay given the interval
   * is a second and the count 10 unless said otherwise, as in Node.
   */
  setKeepAlive(enable?: boolean, initialDelay?: number, interval?: number, count?: number): this
  setKeepAlive(options: KeepAliveOptions): this

  /**
   * The Type of Service of IPv4, the Traffic Class of IPv6, 0–255; throws `ERR_OUT_OF_RANGE` or `ERR_INVALID_ARG_TYPE`. It is kept and told,
   * without the ECN bits once connected, as Linux does; the datagrams of a path are many connections' and do not bear it.
   */
  setTypeOfService(tos: number): this
  getTypeOfService(): number
}

/** Listens for connections. Behaves as `net.Server`. */
export interface Server extends nodeNet.Server {
  readonly tcp: ServerTcp

  /**
   * Listens; returns at once. Without a host the port is bound when the call returns, as `address()` tells. `'listening'` follows,
   * or `'error'` with EADDRINUSE, EADDRNOTAVAIL or what the lookup of the host met. Throws `ERR_SERVER_ALREADY_LISTEN`,
   * `ERR_SOCKET_BAD_PORT`, `ERR_INVALID_ARG_VALUE`.
   */
  listen(port?: number, hostname?: string, backlog?: number, listeningListener?: () => void): this
  listen(port?: number, hostname?: string, listeningListener?: () => void): this
  listen(port?: number, backlog?: number, listeningListener?: () => void): this
  listen(port?: number, listeningListener?: () => void): this
  listen(path: string, backlog?: number, listeningListener?: () => void): this
  listen(path: string, listeningListener?: () => void): this
  listen(options: ListenOptions, listeningListener?: () => void): this
  listen(handle: unknown, backlog?: number, listeningListener?: () => void): this
  listen(handle: unknown, listeningListener?: () => void): this

  on(event: 'connection', listener: (socket: Socket) => void): this
  on(event: 'listening' | 'close', listener: () => void): this
  on(event: 'error', listener: (error: Error) => void): this
  on(event: 'drop', listener: (ends?: nodeNet.DropArgument) => void): this
  on(event: string | symbol, listener: (...args: never[]) => void): this

  once(event: 'connection', listener: (socket: Socket) => void): this
  once(event: 'listening' | 'close', listener: () => void): this
  once(event: 'error', listener: (error: Error) => void): this
  once(event: 'drop', listener: (ends?: nodeNet.DropArgument) => void): this
  once(event: string | symbol, listener: (...args: never[]) => void): this
}

/** Callable with and without `new`, and as the base of classes old and new. */
export interface SocketConstructor {
  new (options?: SocketOptions): Socket
  (options?: SocketOptions): Socket
  readonly prototype: Socket
}

export interface ServerConstructor {
  new (connectionListener?: (socket: Socket) => void): Server
  new (options?: ServerOptions, connectionListener?: (socket: Socket) => void): Server
  (connectionListener?: (socket: Socket) => void): Server
  (options?: ServerOptions, connectionListener?: (socket: Socket) => void): Server
  readonly prototype: Server
}
