import type { Endpoint, EndpointOwner } from './endpoint.ts'
import type { OwnParameters } from './settings.ts'
import type { SharedUdp } from './shared-udp.ts'

/** What holds for every connection that comes to a listener. */
export interface ListenTcpOptions extends Omit<OwnParameters, 'synRetries'> {
  /** Seconds to wait for data before a connection is handed on, as TCP_DEFER_ACCEPT; default: `tcp_defer_accept`. */
  deferAccept?: number | undefined
  noDelay?: boolean | undefined
  /** Connections by Fast Open whose handshake is not done, as TCP_FASTOPEN; 0: none. Default: as many as may wait to be accepted. */
  fastOpen?: number | undefined
  congestionControl?: string | undefined
  /** Settings of that controller, by its own names: `{ cwndSegs: 10 }` of `fixed`. */
  congestionOptions?: Readonly<Record<string, unknown>> | undefined
  /** Bytes a second that sending never exceeds, as SO_MAX_PACING_RATE. */
  maxPacingRate?: number | undefined
  /** Bytes, as SO_SNDBUF, SO_RCVBUF and TCP_MAXSEG. */
  sndbuf?: number | undefined
  rcvbuf?: number | undefined
  mss?: number | undefined
  notsentLowat?: number | undefined
}

export interface ListenOptions {
  /** Undefined: every address, IPv6 too where there is any. */
  address: string | undefined
  /** 0: one is chosen. */
  port: number
  backlog: number
  ipv6Only: boolean
  reusePort: boolean
  exclusive: boolean
  /** Takes the port and answers nobody: as a bound socket before listen(2). */
  reserve?: boolean | undefined
  tcp?: ListenTcpOptions | undefined
}

/** Hears of connections that came to a listener. */
export interface ListenerOwner {
  /** Takes a connection and says who will hear of it; null: nobody wants it, the stack resets it. */
  accepted(endpoint: Endpoint): EndpointOwner | null
}

export interface ListenerHost {
  held(by: 1 | -1): void
  ready(endpoint: Endpoint): void
  listenerClosed(listener: Listener): void
  readonly sysctl: ListenerSysctl
}

export interface ListenerSysctl {
  readonly somaxconn: number
  readonly tcp_max_syn_backlog: number
  readonly tcp_syncookies: number
  readonly tcp_synack_retries: number
  readonly tcp_defer_accept: number
}

/** The state of a listener's queues. */
export interface ListenerInfo {
  /** Connections that wait to be accepted: ss's Recv-Q. */
  acceptQueue: number
  /** How many may: ss's Send-Q. */
  acceptLimit: number
  /** Handshakes under way. */
  synQueue: number
  /** How many there may be before cookies are sent, or SYNs dropped. */
  synLimit: number
  paused: boolean
}

/** linux: TCP_RTO_MAX, in the unit of the first timeout. */
const LONGEST_WAIT_S = 120

/** A port that accepts connections. */
export class Listener {
  readonly port: number
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  readonly backlog: number
  readonly tcp: ListenTcpOptions
  /** Nobody listens yet. */
  readonly isReservation: boolean
  /** When a SYN cookie was last sent, µs: without one lately no ACK can bring one back. */
  lastCookieUs = Number.NEGATIVE_INFINITY
  isClosed = false
  readonly #host: ListenerHost
  readonly udp: SharedUdp
  /** As the options have it. */
  readonly wanted: string | undefined
  readonly reusePort: boolean
  readonly #owner: ListenerOwner
  /** Half-open connections, and how many of them have not waited for a second yet. */
  #halfOpen = 0
  #young = 0
  /** Established, and not accepted. */
  readonly #queue = new Set<Endpoint>()
  #paused = false
  /** Connections by Fast Open in SYN_RECV. */
  #early = 0
  #wantsRef = true
  #holding = false

  constructor(
    host: ListenerHost,
    owner: ListenerOwner,
    udp: SharedUdp,
    address: string,
    port: number,
    options: ListenOptions,
  ) {
    this.#host = host
    this.#owner = owner
    this.udp = udp
    this.wanted = options.address
    this.reusePort = options.reusePort
    this.port = port
    this.address = address
    this.family = address.includes(':') ? 'IPv6' : 'IPv4'
    this.backlog = options.backlog
    this.tcp = options.tcp ?? {}
    this.isReservation = options.reserve === true
  }

  /** It is in the stack's port table from now on. */
  open(): void {
    this.#updateHold()
  }

  /** Handshakes under way. */
  get halfOpen(): number {
    return this.#halfOpen
  }

  /** Connections that wait to be accepted. */
  get waiting(): number {
    return this.#queue.size
  }

  /** How many connections may wait to be accepted: the backlog, cut to `somaxconn`. */
  limit(somaxconn: number): number {
    return Math.min(somaxconn, Math.max(this.backlog, 1))
  }

  info(): ListenerInfo {
    const { sysctl } = this.#host
    return {
      acceptQueue: this.waiting,
      acceptLimit: this.limit(sysctl.somaxconn),
      synQueue: this.#halfOpen,
      synLimit: this.#synLimit(sysctl),
      paused: this.#paused,
    }
  }

  // ---- The SYN queue -------------------------------------------------------------------------------------------------------------

  /** linux: inet_csk_reqsk_queue_is_full; as long as the accept queue; ours: and `tcp_max_syn_backlog` where no cookie can stand in. */
  isSynQueueFull(sysctl: ListenerSysctl): boolean {
    return this.#halfOpen >= this.#synLimit(sysctl)
  }

  #synLimit(sysctl: ListenerSysctl): number {
    const limit = this.limit(sysctl.somaxconn)
    return sysctl.tcp_syncookies === 0 ? Math.min(limit, sysctl.tcp_max_syn_backlog) : limit
  }

  /** linux: tcp_conn_request; without cookies the last quarter of `tcp_max_syn_backlog` is for peers that have been heard before. */
  isSynQueueForProven({ tcp_syncookies, tcp_max_syn_backlog }: ListenerSysctl): boolean {
    return tcp_syncookies === 0 && tcp_max_syn_backlog - this.#halfOpen < tcp_max_syn_backlog >> 2
  }

  began(): void {
    this.#halfOpen++
    this.#young++
  }

  /** One of them has waited for a second: its SYN-ACK was lost, or nobody asked for it. */
  matured(): void {
    this.#young--
  }

  ended(young: boolean): void {
    this.#halfOpen--
    if (young) this.#young--
  }

  /** linux: reqsk_timer_handler; where the queue is filling with old ones, these are asked less often, so that half is left to the young. */
  synAckRetries({ tcp_synack_retries, somaxconn }: ListenerSysctl): number {
    let most = tcp_synack_retries
    if (this.#halfOpen * 2 > Math.max(8, this.limit(somaxconn))) {
      for (let young = this.#young * 2; most > 2 && this.#halfOpen >= young; young *= 2) most--
    }
    return most
  }

  /** How many times the timer of a half-open connection has to expire before it is accepted without data (linux: secs_to_retrans). */
  deferTimeouts({ tcp_defer_accept }: ListenerSysctl): number {
    const seconds = this.tcp.deferAccept ?? tcp_defer_accept
    let timeouts = 0
    for (let wait = 1, sum = 0; sum < seconds && timeouts < 255; timeouts++) {
      sum += wait
      wait = Math.min(wait * 2, LONGEST_WAIT_S)
    }
    return timeouts
  }

  // ---- Fast Open -----------------------------------------------------------------------------------------------------------------

  /** linux: tcp_fastopen_queue_check. */
  isFastOpenFull(somaxconn: number): boolean {
    return this.#early >= (this.tcp.fastOpen ?? this.limit(somaxconn))
  }

  get isFastOpenOn(): boolean {
    return this.tcp.fastOpen !== 0
  }

  beganEarly(): void {
    this.#early++
  }

  endedEarly(): void {
    this.#early--
  }

  // ---- The accept queue ----------------------------------------------------------------------------------------------------------

  /**
   * linux: sk_acceptq_is_full, which lets one more in than the limit says. Who accepts at once has taken all that a turn brings, so that only
   * a listener that holds connections back can be full.
   */
  isAcceptQueueFull(somaxconn: number): boolean {
    return this.#paused && this.#queue.size > this.limit(somaxconn)
  }

  /** A handshake is done: the connection waits to be accepted, in the next turn if not longer. */
  enqueue(endpoint: Endpoint): void {
    endpoint.listener = this
    this.#queue.add(endpoint)
  }

  /** The turn has come to a connection that waits. False: it has to wait longer. User code runs in here. */
  deliver(endpoint: Endpoint): boolean {
    if (this.#paused && !this.isClosed) return false
    this.#queue.delete(endpoint)
    endpoint.listener = null
    const owner = this.isClosed ? null : this.#owner.accepted(endpoint)
    if (owner === null) endpoint.abort()
    else endpoint.owner = owner
    endpoint.updateHold()
    return true
  }

  /** From now on connections wait, up to the limit, and then are turned away, as where an application is too slow to call accept. */
  pause(): void {
    this.#paused = true
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    for (const endpoint of this.#queue) this.#host.ready(endpoint)
  }

  // --------------------------------------------------------------------------------------------------------------------------------

  /** Takes no more connections; those accepted go on, those that wait are reset, and half-open ones forgotten. */
  close(): void {
    if (this.isClosed) return
    this.isClosed = true
    for (const endpoint of this.#queue) {
      endpoint.listener = null
      endpoint.abort()
    }
    this.#queue.clear()
    this.#updateHold()
    this.#host.listenerClosed(this)
    this.udp.close()
  }

  ref(): void {
    this.#wantsRef = true
    this.#updateHold()
  }

  unref(): void {
    this.#wantsRef = false
    this.#updateHold()
  }

  hasRef(): boolean {
    return this.#wantsRef
  }

  #updateHold(): void {
    const hold = this.#wantsRef && !this.isClosed
    if (hold === this.#holding) return
    this.#holding = hold
    this.#host.held(hold ? 1 : -1)
  }
}
