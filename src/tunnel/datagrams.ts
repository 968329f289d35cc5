import type { Tracer } from '../observe/tracer.ts'

// The border between a host and its datagrams. The stack knows this file; only the tunnel knows UDP.

/** Where segments are written: see `SegmentSink` of the protocol, which this satisfies. */
export interface FrameSink {
  reserve(size: number): boolean
  readonly buffer: Buffer
  readonly offset: number
  /** `ect`: the segment is ECN-capable. */
  commit(size: number, ect?: boolean): void
  readonly batch: number
  isWaiting(batch: number): boolean
  /** Room for as many as `count` segments of `size` bytes, the first at `offset`, each `stride` behind the one before; returns for how many, 0 as `reserve`. */
  reserveRun(size: number, count: number): number
  readonly stride: number
  /** The first `count` of them are written. */
  commitRun(size: number, count: number, ect: boolean): void
  /** Payload need not be copied into what was reserved: `lend` says where it is. */
  readonly lends: boolean
  /** `size` bytes for `buffer[at …)`, within what was reserved, are at `source[start …)`, and stay there until the batch is sent off (`flush`). */
  lend(at: number, source: Buffer, start: number, size: number): void
}

/** A local UDP socket and a remote UDP address. */
export interface Path extends FrameSink {
  readonly family: 'IPv4' | 'IPv6'
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
  /** The remote address is one of this machine's loopback addresses. */
  readonly loopback: boolean
  /** Set by the owner: no payload is taken now, `reserve` refuses it, and the owner knows when to try again. */
  crowded: boolean
  /** Bytes of the largest TCP segment, header included, that fits a frame of this path now. */
  readonly maxSegment: number
  /** The same for what the peer may send: with `mtu: 'probe'` ours begin small, and grow to what the path takes. */
  readonly mostSegment: number
  /** Datagrams are sent and read many at a time (UDP GSO and GRO). */
  readonly offload: boolean
  /** What the UDP socket under this path can hold for all its connections together. */
  readonly receiveBudget: ReceiveBudget
  /** Datagrams that its UDP socket had no room for, when that was last looked at. */
  readonly receiveDrops: number
  /** Whose segments arrive here; set by the owner in `pathOpened`. */
  user: PathUser
  /** Records (connections, TIME_WAIT) that need the path: it closes when the last lets go. */
  retain(): void
  release(): void
  /** Segments of the peer are heard even when nobody retains the path: it lies on a UDP socket that hears strangers. */
  readonly heardAnyway: boolean
  /** Carries at least one connection: then it is kept alive (`path_keepalive`) and its probes are answered. */
  active: boolean
  /** When the peer was last heard: a segment, or the answer to a probe of ours. */
  readonly lastHeardUs: number
  /**
   * Segments of more bytes than this seem to vanish: neither are frames packed into datagrams that are longer. Otherwise small segments, sent
   * together, would go the way of the large ones. For as long as the path lasts.
   */
  packAtMost(maxSegment: number): void
  /** Segments as long as `maxSegment` seem to vanish: with `mtu: 'probe'` it is searched for anew how large they may be. */
  blackHole(): void
  /** A refused send is to be probed at once: sends one probe frame now. Nothing in bare mode, which has no probes. */
  probe(): void
}

/** The share-out of a UDP socket's granted receive buffer among the windows that are open on it. */
export interface ReceiveBudget {
  /** Bytes granted by the kernel, as `SO_RCVBUF` reads back. */
  readonly granted: number
  /** Bytes of payload that a connection with segments of `mss` may have promised, given how many others share the socket. */
  windowLimit(mss: number): number
  /** Connections now sharing it. */
  users: number
}

export interface PathUser {
  /**
   * One TCP segment at `buffer[start … end)`. What was read belongs to those whose segments it holds: pieces are kept, and moved together over what
   * was looked at before. `marked`: it met congestion (ECN). Never throws.
   */
  segmentArrives(buffer: Buffer, start: number, end: number, nowUs: number, marked?: boolean): void
  /**
   * The first of several segments at `buffer[start … end)`, each in a frame, the next of which begins at `end`; `readEnd`: where the last ends. May
   * take some of those behind it along: returns where the first frame begins that it left. Nobody is shown the frames. Never throws.
   */
  runArrives?(buffer: Buffer, start: number, end: number, readEnd: number, nowUs: number): number
  /** A send or receive said ECONNREFUSED: nobody has the remote port. */
  refused(nowUs: number): void
  /** ENETUNREACH or EHOSTUNREACH (`code`). */
  unreachable(code: string, nowUs: number): void
  /** After a `reserve` that returned false: there is room again. */
  writable(): void
  /** `maxSegment` changed. */
  maxSegmentChanged(): void
  /** The last `probe` was answered. */
  probeAnswered?(nowUs: number): void
  /** It was idle, and a probe keeps it alive (`path_keepalive`). */
  keptAlive?(): void
  /** Sockets are scarce and this path is not `active`: the records that only remember (TIME_WAIT) may let go of it now. */
  reclaim?(): void
}

export interface TunnelOwner {
  nowUs(): number
  /** Who is shown every segment; null or absent: nobody. */
  readonly tracer?: Tracer | null
  /** A datagram from a new remote address came to a listening socket, or `open` was called. Called before any segment, once. */
  pathOpened(path: Path): PathUser
  /** Input was processed, or a deadline moved: a turn is wanted before the loop goes on. `bytes`: so long a datagram was read. */
  wantTurn(bytes?: number): void
  /** So much was read that a turn is wanted before more is. */
  turnNow?(): void
  /** Counters of the tunnel, by name. */
  readonly counters: TunnelCounters
  /** Uniform in [0, 1), for tokens of probes (not guessable). */
  randomToken(): bigint
  readonly settings: TunnelSettings
}

/** Read anew each time: the stack's own live parameters. */
export interface TunnelSettings {
  /** Seconds between probes of an idle path by its opener; 0 is off. */
  readonly path_keepalive: number
  /** Seconds after which larger datagrams are tried again; 0: never. */
  readonly tcp_probe_interval: number
  readonly max_paths: number
  readonly tcp_limit_output_bytes: number
  /** Of sockets that are opened from now on. */
  readonly ip_default_ttl: number
  /** min, default, max; the last tells how large the buffer of a socket should be that is opened from now on. */
  readonly tcp_rmem: readonly [number, number, number]
}

export interface TunnelCounters {
  UdpInDatagrams: number
  UdpOutDatagrams: number
  /** Datagrams or frames dropped for a bad magic, version, kind or length. */
  UdpInErrors: number
  /** Sends that the kernel refused for lack of buffers: a lost packet. */
  UdpSndbufErrors: number
  UdpRcvbufErrors: number
  /** Calls that sent several datagrams, and reads that may have returned several. */
  UdpGsoSends: number
  UdpGroReads: number
  /** Sockets whose device could not cut after all: they go on one datagram at a time. */
  UdpGsoFailures: number
  PathProbesSent: number
  PathProbesAnswered: number
  PathProbesIgnored: number
  /** Datagrams that the system refused as too large for the link, or for what it heard of the way. */
  UdpTooLarge: number
  /** Probes of a path's size, and how often that grew and shrank (`mtu: 'probe'`). */
  PathMtuProbesSent: number
  PathMtuRaised: number
  PathMtuLowered: number
}

/** A UDP socket, or one per local address behind a wildcard, that accepts datagrams from anybody. */
export interface UdpListener {
  /** The UDP port; the one the kernel chose when 0 was asked for. */
  readonly port: number
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  /** No new paths from now on; the sockets close with their last path. */
  close(): void
}

/** The `code` of a failed system call, such as `EADDRINUSE`. */
export type ErrorCode = string

export interface ListenRequest {
  /** Undefined: `::` where IPv6 is to be had, else `0.0.0.0`. */
  address: string | undefined
  port: number
  ipv6Only: boolean
  reusePort: boolean
}

export interface OpenRequest {
  remoteAddress: string
  remotePort: number
  localAddress: string | undefined
  /** UDP port to bind; 0 leaves it to `choosePort`, or to the kernel. */
  localPort: number
  /** Goes through ports until one `isFree`, which binds it; null: none was. Called only where a socket has to be opened. */
  choosePort?: (isFree: (port: number) => boolean) => number | null
}

/** UDP input and output of one host. Everything returns at once; nothing throws. */
export interface Tunnel {
  listen(request: ListenRequest): UdpListener | ErrorCode
  /**
   * The path to a destination: an existing one where it can be shared, else from a new connected socket. It closes at the next
   * `flush` unless it was retained by then.
   */
  open(request: OpenRequest): Path | ErrorCode
  /** The path to a peer from a UDP socket that hears strangers, which is known or made anew; null where there is no such socket any more. */
  pathTo(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): Path | null
  /** Sends what the paths have gathered, in as few system calls as possible. */
  flush(nowUs: number): void
  /** When `deadlinePassed` wants to be called: delayed frames, path keepalives. `Infinity`: never. */
  readonly deadline: number
  deadlinePassed(nowUs: number): void
  /** Sends everything that waits, impaired or not, without waiting for the event loop: at process exit. */
  flushSync(): void
  /** Reads what has come to the socket that was read last, without waiting for the event loop. False: it cannot. */
  readAgain(): boolean
  close(): void
}
