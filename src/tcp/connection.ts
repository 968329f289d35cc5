import { type CongestionController, Pacer, type RateSample } from '../congestion/index.ts'
import { type Segment, type Seq, seqAdd, seqDiff } from '../wire/index.ts'
import { AckPolicy } from './ack-policy.ts'
import { segmentArrives } from './arrive.ts'
import type { Chronograph } from './chrono.ts'
import { abort, close, end, finish } from './close.ts'
import { changeController, firstController } from './controllers.ts'
import type { Ecn } from './ecn.ts'
import type { FastOpen } from './fast-open.ts'
import { openActive, openFast } from './handshake.ts'
import type { SegmentSink, TcpHost } from './host.ts'
import { type TcpInfo, tcpInfo } from './info.ts'
import { Keepalive, NO_KEEPALIVE } from './keepalive.ts'
import type { AckResult } from './loss/ack-result.ts'
import { Recovery } from './loss/recovery.ts'
import { MtuProbe } from './mtu-probe.ts'
import type { Persist } from './persist.ts'
import { problemOf } from './problem.ts'
import { Receiver } from './receiver.ts'
import { Refusals } from './refusals.ts'
import { RttEstimator } from './rtt.ts'
import * as scratch from './scratch.ts'
import { DEFAULT_MSS_IPV4, DEFAULT_MSS_IPV6, Sender } from './sender.ts'
import { reportSoftError } from './soft-errors.ts'
import { CloseReason, Event, isSynchronized, maySend, State } from './state.ts'
import { openFromSynRecv, type SynRecord } from './syn-recv.ts'
import { deadlinePassed } from './timeout.ts'
import { OFF, Timers } from './timers.ts'
import { Timestamps } from './timestamps.ts'
import { traceCwnd } from './trace-recovery.ts'
import { fill } from './transmit.ts'
import { windowShift } from './window.ts'

/** As many as the option can say. */
const MAX_MSS = 65_535
/** linux: TCP_INIT_CWND, of a peer whose `tcp_init_cwnd` is not known. */
const INITIAL_SEGMENTS = 10

/** Of those that search for nothing, which is most. */
const NO_MTU_PROBE = new MtuProbe()
const NO_OPTIONS: Readonly<Record<string, unknown>> = Object.freeze({})

/** What a connection is made with. */
export interface ConnectionOptions {
  /** Tells the connections of a stack apart in traces. */
  id: number
  family: 'IPv4' | 'IPv6'
  localPort: number
  remotePort: number
  /** Initial sequence number (rfc6528). */
  iss: Seq
  /** Added to the timestamp clock. */
  tsOffset: number
  /** Bytes of the largest segment, header included, that the path takes. */
  maxSegment: number
  /** The largest that the peer may send, to be announced; default: the same. */
  mostSegment?: number
  /** Largest window that the path's UDP socket can back; see `ReceiveBudget`. */
  receiveLimit: () => number
  /** Offer to leave segments to the UDP checksum. */
  checksumOffload: boolean
  /** What carries the segments also carries their ECN bits; default: it does. */
  ecn?: boolean
  noDelay?: boolean
  congestionControl?: string
  /** Settings of the controller, by its own names. */
  congestionOptions?: Readonly<Record<string, unknown>>
  /** As SO_SNDBUF and SO_RCVBUF: set by hand, a buffer is no longer tuned. Bytes. */
  sndbuf?: number
  rcvbuf?: number
  /** Bytes written and not sent at which the application is told to wait, as TCP_NOTSENT_LOWAT. */
  notsentLowat?: number
  /** Largest segment to announce and to send, as TCP_MAXSEG. Bytes. */
  mss?: number
  /** Bytes a second, as SO_MAX_PACING_RATE. */
  maxPacingRate?: number
}

/**
 * One TCP connection, sans-IO: segments, calls of the application and the passing of time go in; segments written into a sink, a next
 * deadline and a set of events come out. It reads no clock, starts no timer and calls nobody back. Between calls its state is consistent.
 *
 * After any call that moves it, its owner takes the events, pulls `fill` until it returns false, and looks at `deadline`.
 */
export class Connection {
  readonly id: number
  readonly host: TcpHost
  readonly family: 'IPv4' | 'IPv6'
  readonly localPort: number
  readonly remotePort: number

  state: State = State.CLOSE
  /** Opened by LISTEN: a failed handshake goes back to it without a word (rfc9293#3.5 MUST-11). */
  passive = false
  closeReason: CloseReason = CloseReason.None
  /** Met, and not given up for (linux: sk_err_soft). */
  softError: CloseReason = CloseReason.None
  /** The application has let go. */
  orphan = false

  readonly sender: Sender
  readonly receiver: Receiver
  readonly timers: Timers = new Timers()
  readonly rtt: RttEstimator
  readonly timestamps: Timestamps
  readonly ackPolicy: AckPolicy = new AckPolicy()
  readonly recovery: Recovery
  // What few connections need is there for those only.
  mtuProbe: MtuProbe = NO_MTU_PROBE
  keepalive: Keepalive = NO_KEEPALIVE
  /** Null: the peer's window is not being probed. */
  persist: Persist | null = null
  /** Null: none has come since something was heard. */
  refusals: Refusals | null = null
  /** Null: it has nothing to do with it. */
  fastOpen: FastOpen | null = null
  /** Null: not agreed on. */
  ecn: Ecn | null = null
  /** Null: nothing was ever to be sent. */
  chrono: Chronograph | null = null
  /** Made with the first data: who has nothing to send needs none. */
  #cc: CongestionController | null = null
  #pacer: Pacer | null = null
  /** By this name the controller was chosen. */
  congestionControl: string
  congestionOptions: Readonly<Record<string, unknown>>

  /** Negotiated: selective acknowledgements, scaled windows, segments without a checksum of their own. */
  sackOk = false
  windowScaling = false
  checksumOffload: boolean
  readonly offersChecksumOffload: boolean
  readonly offersEcn: boolean

  /** A SYN or SYN-ACK is to be sent. */
  synDue = false
  /** SYN or SYN-ACK retransmissions made. */
  synRetries = 0
  /** A RST for the connection itself is to be sent; then it is gone. */
  resetDue = false
  /** The third segment of our handshake was not sent yet: it goes before a RST, so that the peer knows whom it lost. */
  handshakeAckDue = false
  /** A RST in answer to an unacceptable ACK, with this sequence number (rfc9293#3.5.2). */
  resetReplySeq: Seq | null = null
  /** A probe below SND.UNA is to be sent, for a window, keepalive or a refused path. */
  probeDue = false
  /** A tail loss probe is to be sent. */
  lossProbeDue = false
  /** The persist timer allows a segment that is too small. */
  overrideDue = false
  /** The first retransmission of an episode leaves whatever the window says. */
  forceRetransmit = false
  /** The sink took no more; the owner pulls again when it does. */
  blocked = false
  /** A small segment waits for earlier ones to leave (see `isAutocorked`); the sink says when they have. */
  autocorked = false
  /** The batch that the last data went into (`SegmentSink.batch`). */
  dataBatch = 0

  /** Bytes a second that sending never exceeds, as SO_MAX_PACING_RATE; `Infinity`: no limit. */
  maxPacingRate: number
  /** TCP_LINGER2, seconds that an orphan waits for the peer's FIN; below 0: not at all; `null` follows `tcp_fin_timeout`. */
  finTimeout: number | null = null
  /** TCP_USER_TIMEOUT, ms; 0 follows `tcp_retries2`. */
  userTimeoutMs = 0
  /** When the first retransmission of what is now outstanding was made, µs; −1 none (linux: retrans_stamp). */
  retransStamp = -1
  /** When anything was last heard from the peer. */
  lastHeard = 0
  /** When an ACK last came. */
  lastAckTs = 0
  /** Last answer to an unacceptable segment (`tcp_invalid_ratelimit`), µs; −1 none. */
  lastInvalidAck = -1
  /** Where the peer's urgent data ends (RCV.UP, rfc9293#3.8.5); null: it sent none. It is delivered in line. */
  rcvUp: Seq | null = null
  segsIn = 0
  segsOut = 0
  dataSegsIn = 0
  dataSegsOut = 0

  /** Where the controller said that it stands, for the tracer. */
  ccState = ''

  /** MSS option of the peer, or the default without one (rfc9293#3.7.1 MUST-15). */
  peerMss: number
  /** Window shift that we offer. */
  readonly offeredShift: number
  /** Bytes of the largest segment that is sent, and of the largest that the path says it takes. */
  maxSegment: number
  #pathSegment: number
  readonly #mostSegment: number
  readonly userMss: number
  initialWindow = 0
  /** Slow start threshold from an earlier connection to the same host; null: none is known. */
  startSsthresh: number | null = null
  readonly sndbufLocked: boolean
  #events = 0

  constructor(host: TcpHost, options: ConnectionOptions, now: number) {
    const { sysctl } = host
    this.id = options.id
    this.host = host
    this.family = options.family
    this.localPort = options.localPort
    this.remotePort = options.remotePort
    this.peerMss = options.family === 'IPv4' ? DEFAULT_MSS_IPV4 : DEFAULT_MSS_IPV6
    this.maxSegment = options.maxSegment
    this.#pathSegment = options.maxSegment
    const { mostSegment = 0 } = options
    this.#mostSegment = mostSegment > options.maxSegment ? mostSegment : 0
    this.userMss = options.mss ?? MAX_MSS
    this.offersChecksumOffload = options.checksumOffload
    this.checksumOffload = false
    this.offersEcn = options.ecn ?? true
    this.lastHeard = now

    this.maxPacingRate = options.maxPacingRate ?? Number.POSITIVE_INFINITY
    this.sndbufLocked = options.sndbuf !== undefined
    this.sender = new Sender(options.sndbuf ?? sysctl.tcp_wmem[1])
    this.sender.noDelay = options.noDelay ?? false
    this.sender.notSentLowat = options.notsentLowat ?? sysctl.tcp_notsent_lowat
    this.sender.start(options.iss)
    // A buffer set by hand is doubled, for half of it is overhead (linux: SO_RCVBUF).
    const rcvBuf = options.rcvbuf === undefined ? sysctl.tcp_rmem[1] : options.rcvbuf * 2
    this.receiver = new Receiver(rcvBuf, sysctl.tcp_adv_win_scale, sysctl.tcp_app_win)
    this.receiver.window.locked = options.rcvbuf !== undefined
    this.receiver.window.pathLimit = options.receiveLimit
    this.offeredShift = windowShift(Math.max(options.rcvbuf ?? 0, sysctl.tcp_rmem[2]))
    this.timestamps = new Timestamps(options.tsOffset)
    this.rtt = new RttEstimator(sysctl.rto_algorithm)
    this.recovery = new Recovery(sysctl, host.mib)
    this.updateMss()
    this.receiver.mostMss = this.advertisedMss
    this.congestionControl = options.congestionControl ?? sysctl.tcp_congestion_control
    this.congestionOptions = options.congestionOptions ?? NO_OPTIONS
  }

  // ---- What the owner calls --------------------------------------------------------------------------------------------------

  /** Active open (rfc9293#3.10.1): a SYN waits to be pulled. */
  openActive(now: number): void {
    openActive(this, now)
  }

  /** A SYN with a good cookie has come to a listener (rfc7413#4.2.2): a SYN-ACK waits to be pulled, its data to be read. */
  openFast(segment: Segment, now: number): void {
    openFast(this, segment, now)
  }

  /** A listener's handshake is about to be completed by the segment that comes next (rfc9293#3.10.7.4): for who keeps half-open ones as records. */
  openFromSynRecv(record: SynRecord, now: number): void {
    openFromSynRecv(this, record, now)
  }

  /** A segment for this connection, its checksum verified. Borrowed until return. */
  segmentArrives(segment: Segment, now: number): void {
    segmentArrives(this, segment, now)
  }

  /** Does what was due at or before `now`. Calling it early does nothing. */
  deadlinePassed(now: number): void {
    deadlinePassed(this, now)
  }

  /** When `deadlinePassed` wants to be called, µs; `Infinity` for never. */
  get deadline(): number {
    return this.timers.earliest()
  }

  /** Writes at most one segment. True: it did, pull again. */
  fill(sink: SegmentSink, now: number): boolean {
    return fill(this, sink, now)
  }

  /** Queues as much of `chunk` as fits and returns how much; less than all means that `Event.Writable` follows. `chunk` is borrowed. */
  write(chunk: Buffer): number {
    if (!maySend(this.state) || this.sender.finQueued) {
      // Before the handshake is done the application may write already.
      if ((this.state !== State.SYN_SENT && this.state !== State.SYN_RECV) || this.sender.finQueued) return 0
    }
    this.sender.checkAppLimited(this.cc.cwnd)
    return this.sender.write(chunk)
  }

  /** How far the receive buffer may grow, bytes; 0: not at all. */
  get largestReceiveBuffer(): number {
    const { tcp_moderate_rcvbuf, tcp_rmem } = this.host.sysctl
    return tcp_moderate_rcvbuf === 1 && !this.host.memory.pressure ? tcp_rmem[2] : 0
  }

  /** The next data received, the caller's to keep; null when there is none. May make a window update due. */
  read(now: number): Buffer | null {
    const { receiver, host } = this
    const data = receiver.take()
    if (data === null) return null
    host.mib.TCPRcvCoalesce += receiver.coalesced
    receiver.coalesced = 0
    if (this.rcvUp !== null && this.urgent === 0) this.rcvUp = null
    const { window } = receiver
    const reach = receiver.reassembly.reach(receiver.rcvNxt)
    window.tune(now, receiver.taken, receiver.rcvMss, this.largestReceiveBuffer, reach)
    if (receiver.unread === 0 && receiver.reassembly.isEmpty) this.ackPolicy.onAllRead(host.sysctl)
    if (isSynchronized(this.state) && !receiver.finished) {
      // linux: tcp_cleanup_rbuf; tell of the window when it has at least doubled, else the next ACK does.
      const current = receiver.rcvWnd
      if (current * 2 <= window.capacity) {
        const next = window.select(receiver.rcvNxt, receiver.unread, receiver.rcvMss)
        if (next > 0 && next >= current * 2) this.ackPolicy.now = true
      }
    }
    return data
  }

  /** SHUT_RD: what comes is acknowledged and discarded, and so is what waits. */
  shutdownRead(): void {
    this.receiver.discard = true
    this.receiver.clear()
  }

  /** Memory above the usual limits is wanted back (linux: tcp_prune_ofo_queue): data out of order, which the peer still has. Bytes freed. */
  prune(): number {
    const { reassembly } = this.receiver
    const freed = reassembly.length
    reassembly.clear()
    return freed
  }

  /** It has something to send, and waits until what it or others sent before is gone. */
  get awaitsSink(): boolean {
    return this.blocked || this.autocorked
  }

  /** Bytes that the connection holds. */
  get memory(): number {
    return this.sender.queue.length + this.receiver.unread + this.receiver.reassembly.length
  }

  /** Bytes of urgent data that are still to be read (rfc9293#3.8.5 MUST-33); 0: none. */
  get urgent(): number {
    const { rcvUp, receiver } = this
    return rcvUp === null ? 0 : Math.max(0, seqDiff(rcvUp, seqAdd(receiver.rcvNxt, -receiver.unread)))
  }

  /** Bytes received that the application has not read. */
  get unread(): number {
    return this.receiver.unread
  }

  /** No more will be written: a FIN follows what is queued. */
  end(now: number): void {
    end(this, now)
  }

  /** The application lets go of the connection: what is queued still goes out (rfc9293#3.6.1); unread data makes it a reset. */
  close(now: number): void {
    close(this, now)
  }

  /** Ends the connection with a RST at once. */
  abort(now: number): void {
    abort(this, now)
  }

  /** The path said that nobody has the remote port. */
  pathRefused(now: number): void {
    this.refusals ??= new Refusals()
    this.refusals.onRefused(this, now)
  }

  /** The path cannot be sent on: fatal to a SYN only (rfc9293#3.9.2.2 MUST-56). */
  pathUnreachable(reason: CloseReason, now: number): void {
    if (this.state === State.SYN_SENT) finish(this, reason, now)
    else if (isSynchronized(this.state) && this.state !== State.TIME_WAIT) reportSoftError(this, reason, now)
  }

  /** The path's largest segment has changed. */
  setMaxSegment(maxSegment: number, now: number): void {
    this.#pathSegment = maxSegment
    this.mtuProbe.stop()
    this.useSegments(maxSegment, now)
  }

  /** Segments are as large as this from now on, which the path may take or not. Windows keep their number of segments, or of bytes. */
  useSegments(maxSegment: number, now: number, keepBytes = false): void {
    this.maxSegment = maxSegment
    const { mss: before } = this.sender
    // Its window counts in what segments were until now.
    if (this.initialWindow > 0) void this.cc
    this.updateMss()
    const changed = this.sender.mss !== before && this.state !== State.CLOSE
    if (!changed || this.#cc === null) return
    const { cwnd } = this.#cc
    this.#cc.onMss?.(this.sender.mss, keepBytes)
    traceCwnd(this, now, cwnd, 'segment size')
  }

  /** Segments are no larger than `mss` now, and from there what the path takes is searched for. `suspected`: it seems to swallow larger ones. */
  shrinkSegments(mss: number, now: number, suspected = false): void {
    if (this.sender.mss <= mss) return
    this.useSegments(mss + this.headerLength, now)
    if (this.mtuProbe === NO_MTU_PROBE) this.mtuProbe = new MtuProbe()
    this.mtuProbe.begin(this.maxSegment, this.largestSegment, now, suspected)
  }

  /** Bytes of the largest segment that path and peer may take. */
  get largestSegment(): number {
    return Math.min(this.#pathSegment, Math.min(this.peerMss, this.userMss) + 20)
  }

  /** Bytes of the header of a data segment without selective acknowledgements. */
  get headerLength(): number {
    return 20 + (this.timestamps.on ? 12 : 0)
  }

  /** Times in seconds; 0 leaves them as they are, at first as the sysctls say. */
  setKeepalive(on: boolean, now: number, time = 0, intvl = 0, probes = 0): void {
    if (this.keepalive === NO_KEEPALIVE) this.keepalive = new Keepalive()
    this.keepalive.set(on, time, intvl, probes)
    const lives = this.state !== State.CLOSE && this.state !== State.TIME_WAIT
    this.timers.keepalive = on && lives ? now + this.keepalive.timeUs(this.host.sysctl) : OFF
  }

  /** The events since the last call, as bits of `Event`. */
  takeEvents(): number {
    if (this.sender.wantsRoom && this.sender.takeRoom()) this.#events |= Event.Writable
    const events = this.#events
    this.#events = 0
    return events
  }

  /** Data, the FIN or a RST is still to be sent, or acknowledged. */
  get owes(): boolean {
    const { sender } = this
    if (this.state === State.CLOSE) return this.resetDue
    if (sender.queue.length > 0) return true
    return sender.finQueued && this.state !== State.FIN_WAIT2 && this.state !== State.TIME_WAIT
  }

  /** All of ours is acknowledged, the FIN too, and the peer has not finished. */
  get awaitsFin(): boolean {
    return this.state === State.FIN_WAIT2
  }

  /** Nothing more will come of it: closed, and its RST sent. */
  get isDone(): boolean {
    return this.state === State.CLOSE && !this.resetDue && this.resetReplySeq === null
  }

  info(now: number): TcpInfo {
    return tcpInfo(this, now)
  }

  // ---- What the parts share --------------------------------------------------------------------------------------------------

  post(event: number): void {
    this.#events |= event
  }

  setState(state: State, now: number): void {
    const from = this.state
    if (from === state) return
    this.state = state
    const { mib, tracer } = this.host
    if (state === State.ESTABLISHED) mib.CurrEstab++
    else if (from === State.ESTABLISHED && state !== State.CLOSE_WAIT) mib.CurrEstab--
    else if (from === State.CLOSE_WAIT) mib.CurrEstab--
    if (tracer !== null) tracer.stateChanged(this.id, now, from, state)
  }

  get rto(): number {
    return this.rtt.rto(this.host.sysctl.tcp_rto_max_ms * 1000)
  }

  /** µs until the timer fires again after it has: no later than the end of the user timeout (linux: tcp_clamp_rto_to_user_timeout). */
  retryAfter(now: number): number {
    const { rto } = this
    if (this.userTimeoutMs === 0 || this.retransStamp < 0) return rto
    return Math.min(rto, Math.max(1000, this.retransStamp + this.userTimeoutMs * 1000 - now))
  }

  /** rfc9293#3.7.1 MUST-16: the smaller of what the peer takes and what the path takes, less what every segment carries. */
  updateMss(): void {
    const most = Math.min(this.peerMss, this.maxSegment - 20, this.userMss)
    this.sender.mss = Math.max(1, most - (this.timestamps.on ? 12 : 0))
  }

  /** MSS to announce (rfc6691#2): what the path takes less the bare header. */
  get advertisedMss(): number {
    return Math.min(Math.max(this.maxSegment, this.#mostSegment) - 20, this.userMss, MAX_MSS)
  }

  /** The handshake is done, and the segment size known (linux: tcp_init_transfer). */
  startTransfer(now: number): void {
    const { host, sender } = this
    const { tcp_init_cwnd, tcp_mtu_probing, tcp_base_mss } = host.sysctl
    // rfc4821#7.2: cautious from the start.
    if (tcp_mtu_probing === 2) this.shrinkSegments(tcp_base_mss, now)
    const { mss } = sender
    // rfc3390#1 or so many segments (rfc6928#2).
    this.initialWindow = tcp_init_cwnd === 'rfc3390' ? Math.min(4 * mss, Math.max(2 * mss, 4380)) : tcp_init_cwnd * mss
    sender.usedSince = now
    this.#cc = null
    this.#pacer = null
    this.receiver.window.measureAgainst(INITIAL_SEGMENTS * this.advertisedMss, now)
  }

  /**
   * Another controller takes over, in the middle of whatever goes on (linux: tcp_reinit_congestion_control): with the window, the threshold and the
   * round-trip times of the one before it.
   */
  setCongestionControl(name: string, options: Readonly<Record<string, unknown>>, now: number): void {
    changeController(this, name, options, now)
  }

  get cc(): CongestionController {
    return this.#cc ?? this.#startController()
  }

  set cc(controller: CongestionController) {
    this.#cc = controller
  }

  /** It has had something to send. */
  get hasController(): boolean {
    return this.#cc !== null
  }

  #startController(): CongestionController {
    this.#cc = firstController(this)
    if (this.sackOk) this.recovery.useSack()
    this.growSendBuffer()
    return this.#cc
  }

  /** The slow start threshold in force. */
  get ssthresh(): number {
    return this.#cc === null ? (this.startSsthresh ?? Number.POSITIVE_INFINITY) : this.#cc.ssthresh
  }

  get pacer(): Pacer {
    this.#pacer ??= new Pacer(this.initialWindow)
    return this.#pacer
  }

  /**
   * linux: tcp_sndbuf_expand; twice the window, so that the application can refill one while the other is in flight, and thrice for a controller
   * that goes on growing in a recovery (bbr_sndbuf_expand).
   */
  growSendBuffer(): void {
    if (this.sndbufLocked || this.host.memory.pressure) return
    const { cc, sender, initialWindow } = this
    const windows = (cc.ownsRecovery ? 3 : 2) * Math.max(cc.cwnd, initialWindow)
    // ours: what was selectively acknowledged is in no window, and yet in the queue; Linux counts twice what the data is.
    const wanted = Math.floor(Math.min(windows + sender.board.sackedOut, this.host.sysctl.tcp_wmem[2]))
    if (wanted > this.sender.sndBuf) this.sender.sndBuf = wanted
  }

  /** What happens now, for the parts to fill and to read. */
  get ack(): AckResult {
    return scratch.ack
  }

  /** What a controller is told. */
  get sample(): RateSample {
    return scratch.sample
  }

  /** Whether an unacceptable segment may be answered: not if one was just now (rfc5961#7, linux: tcp_oow_rate_limited). Counts it. */
  mayAnswer(now: number): boolean {
    const { lastInvalidAck, host } = this
    if (lastInvalidAck >= 0 && now - lastInvalidAck < host.sysctl.tcp_invalid_ratelimit * 1000) return false
    if (!host.mayChallenge(now)) return false
    this.lastInvalidAck = now
    return true
  }

  /** Answers an unacceptable segment by an ACK, if it may be; returns whether it will be. */
  answerInvalid(now: number): boolean {
    if (!this.mayAnswer(now)) return false
    this.ackPolicy.now = true
    return true
  }

  /** rfc5961: asks whether the peer meant it. Nobody off the path can answer. */
  challenge(now: number): void {
    const { mib } = this.host
    if (this.answerInvalid(now)) mib.TCPChallengeACK++
    else mib.TCPACKSkippedChallenge++
  }

  /** For the tests of every step: what is wrong with the state, or null. */
  check(): string | null {
    return problemOf(this)
  }
}
