import { debuglog } from 'node:util'
import { EventEmitter } from 'eventemitter3'
import { ImpairControl, Impairment, type ImpairSpec } from '../impair/index.ts'
import type { Capture, CaptureOptions, TraceListener, WritableLike } from '../observe/index.ts'
import type { Tracer } from '../observe/tracer.ts'
import { State, type TcpHost } from '../tcp/index.ts'
import {
  type ErrorCode,
  type ListenRequest,
  type Path,
  type PathUser,
  type TunnelOwner,
  UdpTunnel,
} from '../tunnel/index.ts'
import { Segment, toSeq } from '../wire/index.ts'
import { above } from './above.ts'
import { type Clock, LoopClock, type Polled } from './clock.ts'
import { type CongestionControlProblem, congestionControlProblem, controllerMaker } from './congestion.ts'
import { openControl } from './control.ts'
import { Endpoint, type EndpointOwner } from './endpoint.ts'
import { closeAtExit, nothingToClose } from './exit.ts'
import { FastOpenCache, FastOpenKeys } from './fast-open.ts'
import { type FlowsHost, PathFlows } from './flows.ts'
import { impairTarget, readImpairFile } from './impairing.ts'
import { SequenceNumbers, type StartingNumbers } from './isn.ts'
import { Listener, type ListenerHost, type ListenerOwner, type ListenOptions } from './listener.ts'
import { Memory } from './memory.ts'
import { Metrics } from './metrics.ts'
import { Mib } from './mib.ts'
import { checkMtu } from './mtu-option.ts'
import { newSysctl } from './new-sysctl.ts'
import { Observers } from './observers.ts'
import { checkOffload } from './offload.ts'
import { Opening, type OpeningHost } from './opening.ts'
import type { ConnectRequest, StackOptions } from './options.ts'
import { EphemeralPorts, ListenPorts } from './ports.ts'
import { CryptoRandom, type Random } from './random.ts'
import { RateLimit } from './rate-limit.ts'
import { Rebinding } from './rebinding.ts'
import { Replies } from './replies.ts'
import { SharedUdp } from './shared-udp.ts'
import { halfOpenRecord, type SocketRecord, socketRecord, timeWaitRecord } from './sockets.ts'
import { Strangers, type StrangersHost } from './strangers.ts'
import { HalfOpen, SynQueue, type SynQueueHost } from './syn-queue.ts'
import type { Sysctl } from './sysctl.ts'
import { type TimeWaitHost, TimeWaitTable } from './time-wait.ts'
import { TupleHashes } from './tuples.ts'
import { Turn, type TurnHost } from './turn.ts'
import { Upkeep, type UpkeepHost } from './upkeep.ts'
import { Wheel, type WheelItem } from './wheel.ts'

/** What `NODE_DEBUG=sluice` prints. */
const log = debuglog('sluice')

export interface StackEvents {
  /** The stack has closed. */
  close: []
}

type Writable<Type> = { -readonly [Key in keyof Type]: Type[Key] }

/**
 * What the parts of a stack see of it. Object literals without accessors: an accessor makes a hash table of them, and they are read many times for
 * each segment.
 */
type Host = Writable<
  FlowsHost &
    ListenerHost &
    OpeningHost &
    StrangersHost &
    SynQueueHost &
    TimeWaitHost &
    TunnelOwner &
    TurnHost &
    UpkeepHost
>
/** Parts that others see, and that see the host themselves. */
type Parts = 'opening' | 'rebinding' | 'synQueue' | 'timeWait' | 'tunnel'

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
  readonly #afterTurn: (() => void)[] = []
  readonly #timeWait: TimeWaitTable
  readonly #synQueue: SynQueue
  readonly #hashes: TupleHashes
  readonly #opening: Opening
  readonly #strangers: Strangers
  readonly #upkeep: Upkeep
  readonly #rebinding: Rebinding | null
  readonly #tcpHost: Writable<TcpHost>
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
  readonly #replies = new Replies(this.mib, this.#outSegment)
  /** Made when asked for: most hosts never load what impairs. */
  #impair: ImpairControl | null = null
  readonly #observers = new Observers((tracer) => {
    this.#tcpHost.tracer = tracer
    this.#host.tracer = tracer
  })
  #held = 0
  #closed: Promise<void> | null = null
  #whenIdle: (() => void) | null = null
  /** Nobody outside can look into it any more. */
  #closeControl: () => void = () => {}

  constructor(options: StackOptions = {}) {
    super()
    const impair = options.impair ?? null
    this.#options = options
    this.#isReal = options.clock === undefined
    this.sysctl = newSysctl()
    if (options.sysctl !== undefined) this.sysctl.assign(options.sysctl)
    this.#clock = options.clock ?? new LoopClock(this.#polled())
    this.#random = options.random ?? new CryptoRandom()
    this.seed = options.seed ?? Math.floor(this.#random.public() * 0x1_0000_0000)
    this.#numbers = options.numbers ?? new SequenceNumbers(this.#random)
    this.#ephemeral = new EphemeralPorts(this.#random)
    this.#wheel = new Wheel<WheelItem>(this.#clock.nowUs())
    this.#tcpHost = this.#makeTcpHost()
    this.#hashes = new TupleHashes(this.#random)
    const host = this.#makeHost() as Host
    this.#host = host
    this.#turn = new Turn(host)
    host.timeWait = this.#timeWait = new TimeWaitTable(host)
    host.synQueue = this.#synQueue = new SynQueue(host, this.#random)
    host.opening = this.#opening = new Opening(host)
    this.#strangers = new Strangers(host)
    this.#upkeep = new Upkeep(host)
    const moves = options.tunnel !== undefined && options.encapsulation !== 'bare'
    host.rebinding = this.#rebinding = moves ? new Rebinding(host) : null
    host.tunnel = this.#tunnel = new UdpTunnel({
      owner: host,
      encapsulation: options.encapsulation ?? 'framed',
      mtu: checkMtu(options),
      linkMtu: options.linkMtu,
      tunnel: options.tunnel,
      dgram: options.dgram,
      interfaces: options.interfaces,
      recvBufferSize: options.recvBufferSize,
      offload: checkOffload(options.offload),
      impair: impair === null ? null : Impairment.parse(impair, { readFile: readImpairFile }),
      impairs: options.impairs,
      seed: this.seed,
    })
    if (impair !== null) this.#impair = this.#controlImpairment(impair)
    this.#clock.start(
      (now) => this.#wake(now),
      (now) => this.#runTurn(now),
    )
    if (options.capture !== undefined) this.capture(options.capture)
    if (log.enabled) this.#observers.explain((line) => log('%s', line))
    if (this.#isReal && process.env.SLUICE_CONTROL) this.#closeControl = openControl(this)
  }

  // ---- What users see ------------------------------------------------------------------------------------------------------------

  /**
   * What is done to what this stack sends and receives. Every member can be read and set while it runs (`stack.impair.loss = '5%'`),
   * `seed` says what decides the choices, and `report()` what was done. Assign a spec to replace everything, `null` for nothing. Throws on
   * a bad value, and then nothing has changed.
   */
  get impair(): ImpairControl {
    this.#impair ??= this.#controlImpairment(null)
    return this.#impair
  }

  set impair(spec: ImpairSpec | ImpairControl | null) {
    this.impair.assign(spec)
  }

  #controlImpairment(spec: ImpairSpec | null): ImpairControl {
    return new ImpairControl(
      impairTarget(this.#tunnel, () => this.#rearm()),
      spec,
    )
  }

  /** The counters of the host, by the kernel's names (`netstat -s`), copied. */
  counters(): Record<string, number> {
    this.#tunnel.countDrops()
    return this.mib.toObject()
  }

  /** One record per listener and connection, half-open ones and TIME_WAIT included: what `ss -tipean` shows. */
  sockets(): SocketRecord[] {
    this.#tunnel.countDrops()
    const now = this.#clock.nowUs()
    const records = [...this.#listeners].map((listener) => socketRecord(listener, now))
    for (const flows of this.#flows) {
      // linux: tcp_done; what is over is in no table any more, while its owner is being told too.
      for (const endpoint of flows.endpoints())
        if (!endpoint.connection.isDone) records.push(socketRecord(endpoint, now))
    }
    for (const record of this.#synQueue) records.push(halfOpenRecord(record, Math.max(0, record.deadline - now)))
    for (const entry of this.#timeWait) records.push(timeWaitRecord(entry, this.#timeWait.left(entry, now)))
    return records
  }

  /** What it was made with. */
  get setup(): Readonly<StackOptions> {
    return this.#options
  }

  /** Hears of every segment and decision; `null` for nobody. */
  get tracer(): Tracer | null {
    return this.#observers.assigned
  }

  set tracer(tracer: Tracer | null) {
    this.#observers.assigned = tracer
  }

  /** Tells `listener` of every segment and decision, as objects; what it returns ends that. Costs nothing while nobody listens. */
  trace(listener: TraceListener): () => void {
    return this.#observers.trace(listener)
  }

  /**
   * Captures every segment, as pcapng that Wireshark, tcpdump and tcptrace read as plain TCP: into a file (`%p` in its name is the
   * process's id) or a stream. What impairment drops is on a second interface, `dropped`, with a comment that names rule and seed.
   * Ends with `stop()`, or with the stack. Throws where the file cannot be opened.
   */
  capture(target: string | WritableLike, options: CaptureOptions = {}): Capture {
    return this.#observers.capture(target, options, this.#clock.nowUs(), this.#isReal)
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
        this.#observers.end()
        this.#closeControl()
        this.emit('close')
        resolve()
      }
    })
    this.#clock.soon()
    return this.#closed
  }

  // ---- What `net` calls ----------------------------------------------------------------------------------------------------------

  /** Owners are being told what happened, and nobody above them waits for a call to return. */
  get isInTurn(): boolean {
    return this.#turn.isRunning
  }

  /** Called when this turn is over and what it had to send is sent, before the event loop goes on. */
  afterTurn(run: () => void): void {
    this.#afterTurn.push(run)
  }

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
    const udp = this.#bindUdp({ address, port, ipv6Only, reusePort })
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
    return this.#closed === null ? this.#opening.connect(request, owner) : 'EINVAL'
  }

  /** What keeps a connection from having this congestion control; null: nothing. Throws a `TypeError` where it takes no such options. */
  congestionControlProblem(name: string, options?: Readonly<Record<string, unknown>>): CongestionControlProblem | null {
    return congestionControlProblem(name, this.sysctl.values, options)
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
          // What was lent leaves before it is let go of.
          this.#tunnel.flush(now)
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

  /** A socket of its own, or that of the listener with which it shares the port. */
  #bindUdp({ address, port, ipv6Only, reusePort }: ListenRequest): SharedUdp | ErrorCode {
    if (reusePort && port !== 0) {
      for (const listener of this.#listeners) {
        if (listener.reusePort && listener.port === port && listener.wanted === address) return listener.udp.share()
      }
    }
    const udp = this.#tunnel.listen({ address, port, ipv6Only, reusePort })
    return typeof udp === 'string' ? udp : new SharedUdp(udp)
  }

  #listenerAt({ path }: PathFlows, port: number): Listener | null {
    // In direct mode the TCP port is the UDP port: a socket of another port has no business with it.
    if (this.#options.tunnel === undefined && path.localPort !== port) return null
    const listener = this.#ports.find(path.localAddress, port, path.remotePort)
    return listener?.isReservation ? null : listener
  }

  #ready(endpoint: Endpoint): void {
    this.#turn.add(endpoint)
    if (!this.#turn.isRunning) this.#clock.soon()
  }

  #runTurn(now: number): void {
    try {
      this.#turn.run(now)
      for (let run = this.#afterTurn.shift(); run !== undefined; run = this.#afterTurn.shift()) run()
    } finally {
      // User code may have thrown: the rest of the turn comes in another, and no timer is lost.
      this.#rearm()
      if (!this.#turn.isEmpty || this.#afterTurn.length > 0) this.#clock.soon()
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
    this.#rebinding?.expire(now)
    this.#runTurn(now)
  }

  #rearm(): void {
    const candidates = this.#rebinding?.deadline ?? Infinity
    this.#clock.wakeAt(Math.min(this.#wheel.nextWakeUs(), this.#tunnel.deadline, candidates))
  }

  #polled(): Polled {
    const { mib } = this
    const { values } = this.sysctl
    return {
      limit: () => values.busy_poll,
      readAgain: () => {
        const before = mib.UdpInDatagrams
        const looked = this.#tunnel.readAgain()
        mib.BusyPollRxPackets += mib.UdpInDatagrams - before
        return looked
      },
    }
  }

  #makeTcpHost(): TcpHost {
    return {
      sysctl: this.sysctl.values,
      mib: this.mib,
      outSegment: this.#outSegment,
      tracer: null,
      memory: this.#memory,
      mayChallenge: (now) => this.#challenges.take(now, this.sysctl.values.tcp_challenge_ack_limit),
      random: () => this.#random.public(),
      createCongestionControl: controllerMaker(this.mib),
    }
  }

  /** What the parts of the stack see of it: one object for all, each part through its own interface. */
  #makeHost(): Omit<Host, Parts> {
    const { values } = this.sysctl
    return {
      tracer: null,
      mib: this.mib,
      counters: this.mib,
      sysctl: values,
      settings: values,
      wheel: this.#wheel,
      inSegment: this.#inSegment,
      options: this.#options,
      tcp: this.#tcpHost,
      memory: this.#memory,
      metrics: this.#metrics,
      ephemeral: this.#ephemeral,
      fastOpenCache: new FastOpenCache(),
      fastOpenKeys: new FastOpenKeys(this.#random),
      bare: this.#options.encapsulation === 'bare',
      nowUs: () => this.#clock.nowUs(),
      wantTurn: (bytes) => this.#clock.soon(bytes),
      turnNow: () => {
        if (this.#isReal) this.#runTurn(this.#clock.nowUs())
      },
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
      orphaned: (endpoint, now) => this.#upkeep.orphaned(endpoint, now),
      held: (by) => {
        this.#held += by
        this.#clock.hold(this.#held > 0)
      },
      listenerClosed: (listener) => {
        this.#listeners.delete(listener)
        this.#ports.release(listener.port, listener)
      },
      timeWaitReclaim: (flows) => this.#timeWait.reclaim(flows),
      strangerArrives: (flows, segment, summed, now) => this.#strangers.arrives(flows, segment, summed, now),
      pathHash: (path) => this.#hashes.ofPath(path),
      flowsTo: (...ends) => (this.#tunnel.pathTo(...ends)?.user as PathFlows | undefined) ?? null,
      isn: (...tuple) => this.#numbers.isn(...tuple),
      timestampOffset: (...tuple) =>
        // rfc7323#5.4; 2: as before there were offsets.
        values.tcp_timestamps === 2 ? toSeq(0) : this.#numbers.timestampOffset(...tuple),
      mayChallenge: (now) => this.#challenges.take(now, values.tcp_challenge_ack_limit),
      isProven: (address) => this.#metrics.knows(address),
      tryFastOpen: (listener, flows, segment, now) => this.#strangers.tryFastOpen(listener, flows, segment, now),
      offload: (this.#options.checksum ?? 'offload') === 'offload',
      keepsPaths: () => this.#tunnel.impair !== null,
      listenerAt: (flows, port) => this.#listenerAt(flows, port),
      isListening: (port) => this.#ports.has(port),
      reply: (flows, request, fill) => this.#replies.send(flows, request, fill),
      settled: (endpoint, now) => this.#upkeep.settled(endpoint, now),
      flush: (now) => this.#tunnel.flush(now),
    }
  }
}

// Declared where it is made.
Object.defineProperty(Stack.prototype, 'net', {
  configurable: true,
  get(this: Stack): unknown {
    return above.netFor?.(this as never)
  },
})
