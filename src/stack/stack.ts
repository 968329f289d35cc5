import { EventEmitter } from 'eventemitter3'
import { createCongestionControl } from '../congestion/index.ts'
import { Impairment, type ImpairSpec } from '../impair/index.ts'
import type { Tracer } from '../observe/tracer.ts'
import { Connection, type ConnectionOptions, resetFor, State, type SynRecord, type TcpHost } from '../tcp/index.ts'
import { type ErrorCode, type Path, type PathUser, type TunnelOwner, UdpTunnel } from '../tunnel/index.ts'
import { encodeHeader, Flag, optionsLength, Segment, type Seq, toSeq, writeChecksum } from '../wire/index.ts'
import { type Clock, LoopClock } from './clock.ts'
import { Endpoint, type EndpointHost, type EndpointOwner } from './endpoint.ts'
import { closeAtExit, nothingToClose } from './exit.ts'
import { CookieVerdict, FastOpenCache, FastOpenKeys } from './fast-open.ts'
import { type FlowsHost, flowKey, PathFlows } from './flows.ts'
import { SequenceNumbers, type StartingNumbers } from './isn.ts'
import { Listener, type ListenerHost, type ListenerOwner, type ListenOptions } from './listener.ts'
import { Memory } from './memory.ts'
import { Metrics } from './metrics.ts'
import { Mib } from './mib.ts'
import { newSysctl } from './new-sysctl.ts'
import type { ConnectRequest, StackOptions } from './options.ts'
import { EphemeralPorts, ListenPorts, looksLikeShim } from './ports.ts'
import { CryptoRandom, type Random } from './random.ts'
import { RateLimit } from './rate-limit.ts'
import { halfOpenRecord, type SocketRecord, socketRecord, timeWaitRecord } from './sockets.ts'
import { HalfOpen, SynQueue, type SynQueueHost } from './syn-queue.ts'
import type { Sysctl } from './sysctl.ts'
import { afterlife, type TimeWaitHost, TimeWaitTable } from './time-wait.ts'
import { TupleHashes } from './tuples.ts'
import { isOver, Turn, type TurnHost } from './turn.ts'
import { Wheel, type WheelItem } from './wheel.ts'

export interface StackEvents {
  /** The stack has closed. */
  close: []
}

/** What the parts of a stack see of it. */
type Host = EndpointHost & FlowsHost & ListenerHost & SynQueueHost & TimeWaitHost & TurnHost & TunnelOwner

/**
 * A host: its own ports, parameters, counters, timers and UDP sockets. `import net from 'sluice'` uses the default one; make as many as you like.
 *
 * @example
 * const stack = new Stack({ impair: { loss: 0.05, delay: 100 }, seed: 42 })
 * stack.net.connect(8080, 'localhost')
 */
export class Stack extends EventEmitter<StackEvents> {
  readonly sysctl: Sysctl
  /** The counters, live. `counters()` copies them. */
  readonly mib: Mib = new Mib()
  readonly seed: number
  readonly #options: StackOptions
  /** On the event loop's time and the system's UDP: then the end of the process concerns it. */
  readonly #isReal: boolean
  readonly #clock: Clock
  readonly #random: Random
  readonly #numbers: StartingNumbers
  readonly #ephemeral: EphemeralPorts
  readonly #tunnel: UdpTunnel
  readonly #wheel: Wheel<WheelItem>
  readonly #turn: Turn
  readonly #timeWait: TimeWaitTable
  readonly #synQueue: SynQueue
  readonly #hashes: TupleHashes
  readonly #fastOpenKeys: FastOpenKeys
  readonly #fastOpenCache = new FastOpenCache()
  readonly #tcpHost: TcpHost
  readonly #host: Host
  readonly #listeners = new Set<Listener>()
  readonly #ports = new ListenPorts<Listener>()
  /** Paths with connections or TIME_WAIT records. */
  readonly #flows = new Set<PathFlows>()
  readonly #memory = new Memory(this.mib)
  readonly #challenges = new RateLimit(() => this.#random.public())
  readonly #metrics = new Metrics()
  readonly #inSegment = new Segment()
  readonly #outSegment = new Segment()
  #impairSpec: ImpairSpec | null = null
  #tracer: Tracer | null = null
  #held = 0
  #orphans = 0
  #nextId = 1
  #closed: Promise<void> | null = null
  #whenIdle: (() => void) | null = null

  constructor(options: StackOptions = {}) {
    super()
    this.#options = options
    this.#isReal = options.clock === undefined
    this.sysctl = newSysctl()
    if (options.sysctl !== undefined) this.sysctl.assign(options.sysctl)
    this.#clock = options.clock ?? new LoopClock()
    this.#random = options.random ?? new CryptoRandom()
    this.seed = options.seed ?? Math.floor(this.#random.public() * 0x1_0000_0000)
    this.#numbers = options.numbers ?? new SequenceNumbers(this.#random)
    this.#ephemeral = new EphemeralPorts(this.#random)
    this.#wheel = new Wheel<WheelItem>(this.#clock.nowUs())
    this.#tcpHost = this.#makeTcpHost()
    this.#host = this.#makeHost()
    this.#turn = new Turn(this.#host)
    this.#timeWait = new TimeWaitTable(this.#host)
    this.#synQueue = new SynQueue(this.#host, this.#random)
    this.#hashes = new TupleHashes(this.#random)
    this.#fastOpenKeys = new FastOpenKeys(this.#random)
    this.#tunnel = new UdpTunnel({
      owner: this.#host,
      encapsulation: options.encapsulation ?? 'framed',
      mtu: options.mtu ?? 'auto',
      tunnel: options.tunnel,
      dgram: options.dgram,
      interfaces: options.interfaces,
      recvBufferSize: options.recvBufferSize,
      impair: Impairment.parse(options.impair),
      seed: this.seed,
    })
    this.#impairSpec = options.impair ?? null
    this.#clock.start(
      (now) => this.#wake(now),
      (now) => this.#runTurn(now),
    )
  }

  // ---- What users see ------------------------------------------------------------------------------------------------------------

  /** What is done to what this stack sends and receives; assign to change it while running, `null` for nothing. Throws on a bad value. */
  get impair(): ImpairSpec | null {
    return this.#impairSpec
  }

  set impair(spec: ImpairSpec | null) {
    this.#tunnel.setImpair(Impairment.parse(spec))
    this.#impairSpec = spec
    this.#rearm()
  }

  /** The counters of the host, by the kernel's names (`netstat -s`), copied. */
  counters(): Record<string, number> {
    this.#tunnel.countDrops()
    return this.mib.toObject()
  }

  /** One record per listener and connection, half-open ones and TIME_WAIT included: what `ss -tipean` shows. */
  sockets(): SocketRecord[] {
    const now = this.#clock.nowUs()
    const records = [...this.#listeners].map((listener) => socketRecord(listener, now))
    for (const flows of this.#flows) for (const endpoint of flows.endpoints()) records.push(socketRecord(endpoint, now))
    for (const record of this.#synQueue) records.push(halfOpenRecord(record))
    for (const entry of this.#timeWait) records.push(timeWaitRecord(entry))
    return records
  }

  /** Hears of every segment and decision; `null` for nobody. */
  get tracer(): Tracer | null {
    return this.#tracer
  }

  set tracer(tracer: Tracer | null) {
    this.#tracer = tracer
  }

  /**
   * Closes everything: listeners at once, connections by FIN (`abort`: by RST). Resolves when all is acknowledged, or given up, and the UDP sockets
   * are closed. TIME_WAIT is not waited for.
   */
  close({ abort = false }: { abort?: boolean } = {}): Promise<void> {
    for (const listener of [...this.#listeners]) listener.close()
    for (const flows of this.#flows) {
      for (const endpoint of [...flows.endpoints()]) {
        const { owner } = endpoint
        if (abort) endpoint.abort()
        else endpoint.close()
        owner?.closed(endpoint.connection.closeReason)
      }
    }
    this.#closed ??= new Promise<void>((resolve) => {
      this.#whenIdle = () => {
        this.#whenIdle = null
        this.#clock.stop()
        this.#tunnel.close()
        this.emit('close')
        resolve()
      }
    })
    this.#clock.soon()
    return this.#closed
  }

  // ---- What `net` calls ----------------------------------------------------------------------------------------------------------

  /** Binds at once; the code of the failed system call where it cannot. */
  listen(options: ListenOptions, owner: ListenerOwner): Listener | ErrorCode {
    if (this.#closed !== null) return 'EINVAL'
    const { address, ipv6Only, reusePort } = options
    const direct = this.#options.tunnel === undefined
    let { port } = options
    // In tunnel mode TCP ports are the stack's alone: the UDP port is shared.
    if (!direct && port === 0) {
      port = this.#ephemeral.any(this.sysctl.values.ip_local_port_range, (candidate) => this.#ports.has(candidate)) ?? 0
      if (port === 0) return 'EADDRINUSE'
    }
    const udp = this.#tunnel.listen({ address, port, ipv6Only, reusePort })
    if (typeof udp === 'string') return udp
    if (direct) port = udp.port
    const listener = new Listener(
      this.#host,
      owner,
      udp,
      direct ? udp.address : (address ?? udp.address),
      port,
      options,
    )
    const failure = this.#ports.bind({ address: listener.address, port, ipv6Only, reusePort }, listener)
    if (failure !== null) {
      udp.close()
      return failure
    }
    listener.open()
    this.#listeners.add(listener)
    return listener
  }

  /** Begins to connect (rfc9293#3.9.1.1); the code of the failed system call where it cannot. */
  connect(request: ConnectRequest, owner: EndpointOwner): Endpoint | ErrorCode {
    if (this.#closed !== null) return 'EINVAL'
    const { tunnel } = this.#options
    const udpPort = request.tunnelPort ?? (tunnel === undefined ? request.port : (tunnel.peerPort ?? tunnel.port))
    const throughTunnel = tunnel !== undefined || request.tunnelPort !== undefined
    const path = this.#tunnel.open({
      remoteAddress: request.address,
      remotePort: udpPort,
      localAddress: request.localAddress,
      localPort: throughTunnel ? 0 : (request.localPort ?? 0),
      choosePort: throughTunnel
        ? undefined
        : (isFree) =>
            this.#ephemeral.pick(
              request.localAddress ?? '',
              request.address,
              request.port,
              this.sysctl.values.ip_local_port_range,
              (port) => (this.#host.bare && looksLikeShim(port)) || !isFree(port),
            ),
    })
    if (typeof path === 'string') return path
    const flows = path.user as PathFlows
    const now = this.#clock.nowUs()
    const localPort = this.#localPort(flows, path, request, throughTunnel, now)
    if (typeof localPort === 'string') return localPort
    // After one in TIME_WAIT: beyond its numbers.
    const before = this.#timeWait.find(flows, flowKey(localPort, request.port))
    const iss = before === undefined ? null : afterlife(before)
    const connection = this.#makeConnection(path, localPort, request.port, request, now, iss)
    const endpoint = new Endpoint(this.#host, connection, path, owner)
    flows.set(flowKey(localPort, request.port), endpoint)
    // Not before: it may be what holds the path.
    if (before !== undefined) this.#timeWait.recycle(before)
    connection.userTimeoutMs = request.userTimeout ?? 0
    if (request.fastOpen === true && (this.sysctl.values.tcp_fastopen & 1) !== 0) {
      const known = this.#fastOpenCache.forSyn(path.remoteAddress, now)
      connection.fastOpen.cookie = known?.cookie ?? null
      connection.fastOpen.mss = known?.mss ?? 0
    }
    connection.openActive(now)
    endpoint.updateHold()
    this.#ready(endpoint)
    return endpoint
  }

  // ---- For the process's end -----------------------------------------------------------------------------------------------------

  /** Sends the last segment of every connection without waiting for the event loop: FIN, or RST where data is unread or unsent. */
  closeNow(): void {
    const now = this.#clock.nowUs()
    for (const flows of this.#flows) {
      for (const endpoint of flows.endpoints()) {
        const { connection, path } = endpoint
        // Who has had our FIN is told that nobody will answer its own.
        if (connection.unread > 0 || connection.awaitsFin) connection.abort(now)
        else connection.end(now)
        while (connection.fill(path, now));
        const { sender } = connection
        if (sender.hasUnsent && connection.state !== State.SYN_SENT) {
          connection.abort(now)
          while (connection.fill(path, now));
        }
      }
    }
    this.#tunnel.flush(now)
    this.#tunnel.flushSync()
  }

  /** Whether anything keeps the event loop open. */
  get isHeld(): boolean {
    return this.#held > 0
  }

  // ---- Inside --------------------------------------------------------------------------------------------------------------------

  #localPort(
    flows: PathFlows,
    path: Path,
    { address, port, localPort = 0 }: ConnectRequest,
    throughTunnel: boolean,
    now: number,
  ): number | ErrorCode {
    const { bare } = this.#host
    const isInUse = (candidate: number): boolean => {
      const key = flowKey(candidate, port)
      if (flows.get(key) !== undefined || this.#synQueue.find(flows, key) !== undefined) return true
      const entry = this.#timeWait.find(flows, key)
      return entry !== undefined && !this.#timeWait.isReusable(entry, path.loopback, now)
    }
    const isTaken = (candidate: number): boolean => {
      if (isInUse(candidate)) return true
      return (throughTunnel && this.#ports.has(candidate)) || (bare && looksLikeShim(candidate))
    }
    if (localPort !== 0) {
      // linux: bind takes the port, connect finds the tuple taken.
      return isInUse(localPort) ? 'EADDRNOTAVAIL' : localPort
    }
    // ours: the first connection of a path has the path's UDP port for its own, so that firewalls and logs show one number.
    if (!throughTunnel && !isTaken(path.localPort)) return path.localPort
    return (
      this.#ephemeral.pick(path.localAddress, address, port, this.sysctl.values.ip_local_port_range, isTaken) ??
      'EADDRNOTAVAIL'
    )
  }

  #makeConnection(
    path: Path,
    localPort: number,
    remotePort: number,
    settings: Pick<ConnectRequest, 'noDelay' | 'congestionControl' | 'sndbuf' | 'rcvbuf' | 'mss' | 'notsentLowat'>,
    now: number,
    iss: Seq | null,
  ): Connection {
    const { localAddress, remoteAddress } = path
    const options: ConnectionOptions = {
      id: this.#nextId++,
      family: path.family,
      localPort,
      remotePort,
      iss: iss ?? this.#numbers.isn(localAddress, localPort, remoteAddress, remotePort, now),
      tsOffset: this.#host.timestampOffset(localAddress, localPort, remoteAddress, remotePort),
      maxSegment: path.maxSegment,
      receiveLimit: () => path.receiveBudget.windowLimit(path.maxSegment - 32),
      checksumOffload: (this.#options.checksum ?? 'offload') === 'offload',
      noDelay: settings.noDelay,
      congestionControl: settings.congestionControl,
      sndbuf: settings.sndbuf,
      rcvbuf: settings.rcvbuf,
      mss: settings.mss,
      notsentLowat: settings.notsentLowat,
    }
    const connection = new Connection(this.#tcpHost, options, now)
    this.#metrics.apply(remoteAddress, connection)
    return connection
  }

  /**
   * A segment of no connection: for what is left of one, or for one that is not there yet, or to a listener if it is a SYN, or it draws a RST
   * (rfc9293#3.10.7.1, #3.10.7.2). `summed`: it had a checksum.
   */
  #stranger(flows: PathFlows, segment: Segment, summed: boolean, now: number): void {
    const { path } = flows
    const { flags } = segment
    const tcpPorts = flowKey(segment.dstPort, segment.srcPort)
    const mayLackChecksum = summed || this.#host.bare
    let iss: Seq | null = null

    const entry = this.#timeWait.find(flows, tcpPorts)
    if (entry !== undefined) {
      if (!mayLackChecksum && !entry.checksumOffload) {
        this.#damaged()
        return
      }
      // A new incarnation: on to the listener with it, if there is one.
      iss = this.#timeWait.arrives(entry, flows, segment, now)
      if (iss === null) return
    }
    const record = this.#synQueue.find(flows, tcpPorts)
    if (record !== undefined) {
      if (!mayLackChecksum && !record.checksumOffload) this.#damaged()
      else if (this.#synQueue.arrives(record, flows, segment, now)) {
        this.#accept(record.listener, record, flows, segment, now)
        // Not before: it may be what holds the path.
        this.#synQueue.completed(record)
      }
      return
    }

    const listener = (flags & Flag.RST) === 0 ? this.#listenerFor(path, segment.dstPort) : null
    if (listener !== null && (flags & (Flag.ACK | Flag.SYN)) === Flag.SYN) {
      // linux: a SYN with FIN is no way to begin.
      if ((flags & Flag.FIN) !== 0) return
      // linux: beyond the last mark of tcp_mem nobody new is let in.
      if (this.#memory.isFull) this.mib.ListenDrops++
      else this.#synQueue.syn(listener, flows, segment, tcpPorts, iss, now)
      return
    }
    if (listener !== null && (flags & (Flag.ACK | Flag.SYN)) === Flag.ACK) {
      const cookie = this.#synQueue.fromCookie(listener, flows, segment, tcpPorts, summed, now)
      if (cookie !== null) {
        if (listener.isAcceptQueueFull(this.sysctl.values.somaxconn) || this.#memory.isFull) {
          this.mib.ListenOverflows++
          this.mib.ListenDrops++
        } else this.#accept(listener, cookie, flows, segment, now)
        return
      }
    }
    // rfc9293#3.10.7.2: what a listener gets before any SYN is from another life.
    this.#reply(flows, segment, (out) => resetFor(segment, out))
  }

  /** `segment` completes the handshake of `record`. */
  #accept(listener: Listener, record: SynRecord, flows: PathFlows, segment: Segment, now: number): void {
    const { path } = flows
    const { dstPort, srcPort } = segment
    const connection = this.#makeConnection(path, dstPort, srcPort, listener.tcp, now, record.iss)
    connection.openFromSynRecv(record, now)
    const endpoint = new Endpoint(this.#host, connection, path, null)
    listener.enqueue(endpoint)
    flows.set(flowKey(dstPort, srcPort), endpoint)
    connection.segmentArrives(segment, now)
    this.#ready(endpoint)
  }

  /** linux: tcp_try_fastopen. True: the SYN has opened a connection; else the cookie to answer with. */
  #tryFastOpen(listener: Listener, flows: PathFlows, segment: Segment, now: number): true | Buffer | null {
    const { mib } = this
    const { tcp_fastopen, somaxconn } = this.sysctl.values
    const { path } = flows
    const cookie = segment.fastOpenCookie
    if (cookie === null) return null
    if (cookie.length === 0) mib.TCPFastOpenCookieReqd++
    if ((tcp_fastopen & 2) === 0 || !listener.isFastOpenOn) return null
    if (listener.isFastOpenFull(somaxconn)) {
      mib.TCPFastOpenListenOverflow++
      return null
    }
    if (cookie.length === 0) return this.#fastOpenKeys.cookie(path, now)
    const verdict = this.#fastOpenKeys.check(cookie, path, now)
    if (verdict === CookieVerdict.Wrong) {
      mib.TCPFastOpenPassiveFail++
      return this.#fastOpenKeys.cookie(path, now)
    }
    mib.TCPFastOpenPassive++
    const { dstPort, srcPort } = segment
    const connection = this.#makeConnection(path, dstPort, srcPort, listener.tcp, now, null)
    if (verdict === CookieVerdict.Old) {
      mib.TCPFastOpenPassiveAltKey++
      connection.fastOpen.cookie = this.#fastOpenKeys.cookie(path, now)
      connection.fastOpen.experimental = segment.fastOpenExperimental
    }
    const endpoint = new Endpoint(this.#host, connection, path, null)
    endpoint.earlyAt = listener
    listener.beganEarly()
    listener.enqueue(endpoint)
    flows.set(flowKey(dstPort, srcPort), endpoint)
    connection.openFast(segment, now)
    this.#ready(endpoint)
    return true
  }

  /** What Fast Open has to remember of a connection. */
  #noteFastOpen(endpoint: Endpoint, now: number): void {
    const { connection, earlyAt, remoteAddress } = endpoint
    const { fastOpen } = connection
    if (earlyAt !== null && (connection.state !== State.SYN_RECV || endpoint.detached)) {
      endpoint.earlyAt = null
      earlyAt.endedEarly()
    }
    if (fastOpen.received !== null) this.#fastOpenCache.learn(remoteAddress, fastOpen.received, connection.peerMss)
    else if (fastOpen.lost) this.#fastOpenCache.lost(remoteAddress, now)
    fastOpen.received = null
    fastOpen.lost = false
  }

  #damaged(): void {
    this.mib.InCsumErrors++
    this.mib.InErrs++
  }

  #listenerFor(path: Path, port: number): Listener | null {
    // In direct mode the TCP port is the UDP port: a socket of another port has no business with it.
    if (this.#options.tunnel === undefined && path.localPort !== port) return null
    return this.#ports.find(path.localAddress, port)
  }

  /** A stateless answer; without a request, `fill` names the ports. It is no longer than what drew it (a RST, or a bare ACK with timestamps only where there were some). */
  #reply(flows: PathFlows, request: Segment | null, fill: (out: Segment) => boolean): void {
    const out = this.#outSegment
    if (fill(out) === false) return
    if (request !== null) {
      out.srcPort = request.dstPort
      out.dstPort = request.srcPort
      if (!request.hasTimestamps) out.hasTimestamps = false
    }
    const length = 20 + optionsLength(out)
    const { path } = flows
    if (!path.reserve(length)) return
    const { buffer, offset } = path
    encodeHeader(out, buffer, offset)
    writeChecksum(buffer, offset, offset + length)
    path.commit(length)
    this.mib.OutSegs++
    if ((out.flags & Flag.RST) !== 0) this.mib.OutRsts++
  }

  #ready(endpoint: Endpoint): void {
    this.#turn.add(endpoint)
    if (!this.#turn.isRunning) this.#clock.soon()
  }

  #runTurn(now: number): void {
    try {
      this.#turn.run(now)
    } finally {
      // User code may have thrown: the rest of the turn comes in another, and no timer is lost.
      this.#rearm()
      if (!this.#turn.isEmpty) this.#clock.soon()
    }
    if (this.#whenIdle !== null && ![...this.#flows].some((flows) => !flows.endpoints().next().done)) this.#whenIdle()
  }

  #wake(now: number): void {
    this.#wheel.advance(now, (item) => {
      if (item instanceof Endpoint) {
        item.deadlinePassed(now)
        this.#turn.add(item)
      } else if (item instanceof HalfOpen) this.#synQueue.due(item, now)
      else this.#timeWait.expire(now)
    })
    if (now >= this.#tunnel.deadline) this.#tunnel.deadlinePassed(now)
    this.#runTurn(now)
  }

  #rearm(): void {
    this.#clock.wakeAt(Math.min(this.#wheel.nextWakeUs(), this.#tunnel.deadline))
  }

  #settled(endpoint: Endpoint, now: number): void {
    if (endpoint.detached) return
    const { connection } = endpoint
    this.#noteFastOpen(endpoint, now)
    endpoint.accounted = this.#memory.account(
      endpoint.accounted,
      isOver(endpoint) ? 0 : connection.memory,
      this.sysctl.values.tcp_mem,
    )
    if (this.#memory.isFull && connection.receiver.reassembly.length > 0) this.#prune(endpoint)
    if (isOver(endpoint)) {
      endpoint.detached = true
      this.#countOrphan(endpoint)
      const { tcp_no_metrics_save, tcp_no_ssthresh_metrics_save } = this.sysctl.values
      if (tcp_no_metrics_save === 0)
        this.#metrics.save(endpoint.remoteAddress, connection, tcp_no_ssthresh_metrics_save === 0)
      this.#wheel.remove(endpoint)
      const flows = endpoint.path.user as PathFlows
      const key = flowKey(connection.localPort, connection.remotePort)
      if (connection.state === State.TIME_WAIT) this.#timeWait.add(connection, flows, now)
      flows.delete(key)
      endpoint.updateHold()
      return
    }
    this.#countOrphan(endpoint)
    endpoint.updateHold()
    this.#wheel.schedule(endpoint)
    // linux: tcp_data_snd_check; what was sent just now may have made room, and where little may wait the next ACK is too late.
    const { sender } = connection
    if (sender.notSentLowat < sender.sndBuf && sender.hasRoom) this.#ready(endpoint)
  }

  /** linux: a connection that nobody owns any more and that still has to deliver; in FIN_WAIT_2 it has. */
  #countOrphan(endpoint: Endpoint): void {
    const { connection } = endpoint
    const counts = connection.orphan && !endpoint.detached && connection.owes
    if (counts === endpoint.countsAsOrphan) return
    endpoint.countsAsOrphan = counts
    this.#orphans += counts ? 1 : -1
  }

  /** linux: tcp_close, tcp_check_oom; whoever lets go of one too many, or of any where memory has run out, loses what is not delivered. */
  #orphaned(endpoint: Endpoint, now: number): void {
    this.#countOrphan(endpoint)
    if (!endpoint.countsAsOrphan) return
    if (this.#orphans <= this.sysctl.values.tcp_max_orphans && !this.#memory.isFull) return
    this.mib.TCPAbortOnMemory++
    endpoint.connection.abort(now)
  }

  /** linux: tcp_prune_ofo_queue; beyond the last mark of `tcp_mem` what came out of order goes first, for the peer still has it. */
  #prune(endpoint: Endpoint): void {
    endpoint.connection.prune()
    this.mib.OfoPruned++
    endpoint.accounted = this.#memory.account(
      endpoint.accounted,
      endpoint.connection.memory,
      this.sysctl.values.tcp_mem,
    )
  }

  #makeTcpHost(): TcpHost {
    const stack = this
    return {
      sysctl: this.sysctl.values,
      mib: this.mib,
      outSegment: this.#outSegment,
      get tracer() {
        return stack.#tracer
      },
      get memoryPressure() {
        return stack.#memory.pressure
      },
      mayChallenge: (now) => this.#challenges.take(now, this.sysctl.values.tcp_challenge_ack_limit),
      random: () => this.#random.public(),
      createCongestionControl,
    }
  }

  /** What the parts of the stack see of it: one object for all, each part through its own interface. */
  #makeHost(): Host {
    const { values } = this.sysctl
    const stack = this
    return {
      mib: this.mib,
      counters: this.mib,
      sysctl: values,
      settings: values,
      wheel: this.#wheel,
      inSegment: this.#inSegment,
      bare: this.#options.encapsulation === 'bare',
      nowUs: () => this.#clock.nowUs(),
      wantTurn: () => this.#clock.soon(),
      randomToken: () => this.#random.secret(8).readBigUInt64BE(),
      pathOpened: (path: Path): PathUser => new PathFlows(this.#host, path),
      flowsBegan: (flows) => {
        if (this.#flows.size === 0 && this.#isReal) closeAtExit(this)
        this.#flows.add(flows)
      },
      flowsEnded: (flows) => {
        this.#flows.delete(flows)
        if (this.#flows.size === 0) nothingToClose(this)
      },
      ready: (endpoint) => this.#ready(endpoint),
      orphaned: (endpoint, now) => this.#orphaned(endpoint, now),
      held: (by) => {
        this.#held += by
        this.#clock.hold(this.#held > 0)
      },
      get memoryPressure() {
        return stack.#memory.pressure
      },
      get exitLinger() {
        return values.exit_linger
      },
      listenerClosed: (listener) => {
        this.#listeners.delete(listener)
        this.#ports.release(listener.port, listener)
      },
      timeWaitReclaim: (flows) => this.#timeWait.reclaim(flows),
      strangerArrives: (flows, segment, summed, now) => this.#stranger(flows, segment, summed, now),
      pathHash: (path) => this.#hashes.ofPath(path),
      flowsTo: (...ends) => (this.#tunnel.pathTo(...ends)?.user as PathFlows | undefined) ?? null,
      isn: (...tuple) => this.#numbers.isn(...tuple),
      timestampOffset: (...tuple) =>
        // rfc7323#5.4; 2: as before there were offsets.
        values.tcp_timestamps === 2 ? toSeq(0) : this.#numbers.timestampOffset(...tuple),
      mayChallenge: (now) => this.#challenges.take(now, values.tcp_challenge_ack_limit),
      tryFastOpen: (listener, flows, segment, now) => this.#tryFastOpen(listener, flows, segment, now),
      offload: (this.#options.checksum ?? 'offload') === 'offload',
      get keepsPaths() {
        return stack.#impairSpec !== null
      },
      reply: (flows, request, fill) => this.#reply(flows, request, fill),
      settled: (endpoint, now) => this.#settled(endpoint, now),
      flush: (now) => this.#tunnel.flush(now),
    }
  }
}
