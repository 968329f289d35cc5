import {
  agree,
  fillSynAck,
  fillSynRecvAck,
  type SynOptions,
  type SynRecord,
  SynVerdict,
  synRecvArrives,
  synWindow,
  type TcpSysctl,
  windowShift,
} from '../tcp/index.ts'
import type { Path } from '../tunnel/index.ts'
import { Flag, type Segment, type Seq, seqAdd, seqGt } from '../wire/index.ts'
import type { PathFlows } from './flows.ts'
import type { Listener } from './listener.ts'
import type { Mib } from './mib.ts'
import type { Random } from './random.ts'
import { COOKIE_LIFE_US, cookieOptions, cookieTimestamp, SynCookies } from './syn-cookie.ts'
import { localOf, remoteOf, type Tuple, type TupleRecord, TupleTable } from './tuples.ts'
import type { Wheel, WheelItem } from './wheel.ts'

/** linux: TCP_TIMEOUT_INIT; the first wait for an answer to a SYN-ACK. */
const SYNACK_US = 1_000_000

const SACK = 1 << 4
const TIMESTAMPS = 1 << 5
const OFFLOAD = 1 << 6
const NO_MSS = 1 << 7
/** An ACK came that could not be taken, for want of data (`tcp_defer_accept`) or of room. */
const ACKED = 1 << 8
const ECN = 1 << 9
const SCALING = 0xf
const NO_SCALING = 0xf
const TIMEOUTS_SHIFT = 12
const RETRIES_SHIFT = 20

/**
 * A half-open connection: what the two SYNs said, small integers and references only, for whoever wants to make many of them can. It knows its
 * tuple and keeps no path, which would weigh more than all the rest.
 */
export class HalfOpen implements TupleRecord, SynRecord, WheelItem {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly udpPorts: number
  readonly tcpPorts: number
  hash = 0
  chain: this | null = null
  readonly listener: Listener
  readonly iss: Seq
  readonly irs: Seq
  tsVal: Seq
  /** MSS above, window below. */
  readonly #sizes: number
  #bits: number
  /** When the first SYN-ACK was sent. */
  readonly sentAt: number
  /** When an unacceptable segment was last answered. */
  answeredMs = -0x4000_0000
  /** Only where the path has something to remember: see `SynQueueHost.keepsPaths`. */
  readonly flows: PathFlows | null

  wheelPrev: WheelItem | null = null
  wheelNext: WheelItem | null = null
  wheelSlot = -1
  wheelAt = 0

  constructor(
    tuple: Tuple,
    listener: Listener,
    iss: Seq,
    irs: Seq,
    options: SynOptions,
    wnd: number,
    now: number,
    flows: PathFlows | null,
  ) {
    this.localAddress = tuple.localAddress
    this.remoteAddress = tuple.remoteAddress
    this.udpPorts = tuple.udpPorts
    this.tcpPorts = tuple.tcpPorts
    this.listener = listener
    this.iss = iss
    this.irs = irs
    this.tsVal = options.tsVal
    this.#sizes = (Math.max(options.mss, 0) << 16) | wnd
    this.#bits =
      (options.wscale < 0 ? NO_SCALING : options.wscale) |
      (options.sackPermitted ? SACK : 0) |
      (options.hasTimestamps ? TIMESTAMPS : 0) |
      (options.checksumOffload ? OFFLOAD : 0) |
      (options.ecn ? ECN : 0) |
      (options.mss < 0 ? NO_MSS : 0)
    this.sentAt = now
    this.flows = flows
  }

  get mss(): number {
    return (this.#bits & NO_MSS) === 0 ? this.#sizes >>> 16 : -1
  }

  get wnd(): number {
    return this.#sizes & 0xffff
  }

  get wscale(): number {
    const wscale = this.#bits & SCALING
    return wscale === NO_SCALING ? -1 : wscale
  }

  get sackPermitted(): boolean {
    return (this.#bits & SACK) !== 0
  }

  get hasTimestamps(): boolean {
    return (this.#bits & TIMESTAMPS) !== 0
  }

  get checksumOffload(): boolean {
    return (this.#bits & OFFLOAD) !== 0
  }

  get ecn(): boolean {
    return (this.#bits & ECN) !== 0
  }

  get acked(): boolean {
    return (this.#bits & ACKED) !== 0
  }

  set acked(on: boolean) {
    this.#bits = on ? this.#bits | ACKED : this.#bits & ~ACKED
  }

  /** Expirations of its timer. */
  get timeouts(): number {
    return (this.#bits >>> TIMEOUTS_SHIFT) & 0xff
  }

  /** SYN-ACKs sent after the first. */
  get retries(): number {
    return this.#bits >>> RETRIES_SHIFT
  }

  timedOut(): void {
    this.#bits += 1 << TIMEOUTS_SHIFT
  }

  sentAgain(): void {
    if (this.retries < 0x7ff) this.#bits += 1 << RETRIES_SHIFT
  }

  /** linux: 1, 2, 4 … s, `TCP_RTO_MAX` at most; the sum of the waits is a power of two less one until then. */
  get deadline(): number {
    const { timeouts } = this
    return this.sentAt + (2 ** Math.min(timeouts + 1, 7) - 1 + Math.max(0, timeouts - 6) * 120) * SYNACK_US
  }
}

export interface SynQueueHost {
  readonly mib: Mib
  readonly wheel: Wheel<WheelItem>
  readonly sysctl: TcpSysctl & {
    readonly tcp_defer_accept: number
    readonly tcp_max_syn_backlog: number
    readonly somaxconn: number
    readonly tcp_syncookies: number
    readonly tcp_abort_on_overflow: number
  }
  readonly bare: boolean
  /** We offer to leave checksums to UDP. */
  readonly offload: boolean
  /** Paths have a state of their own (impairment): handshakes keep theirs. */
  keepsPaths(): boolean
  reply(flows: PathFlows, request: Segment | null, fill: (out: Segment) => boolean): void
  flowsTo(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): PathFlows | null
  isn(localAddress: string, localPort: number, remoteAddress: string, remotePort: number, now: number): Seq
  timestampOffset(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): number
  mayChallenge(now: number): boolean
  /** A connection with this address has been before. */
  isProven(address: string): boolean
  /** A SYN with the option of Fast Open: true where it has opened a connection, else the cookie to give, if any. */
  tryFastOpen(listener: Listener, flows: PathFlows, segment: Segment, now: number): true | Buffer | null
}

/** All half-open connections of a stack that came to its listeners (rfc9293#3.10.7.2, and SYN-RECEIVED of #3.10.7.4). */
export class SynQueue {
  readonly #host: SynQueueHost
  readonly #table = new TupleTable<HalfOpen>()
  readonly #cookies: SynCookies

  constructor(host: SynQueueHost, random: Random) {
    this.#host = host
    this.#cookies = new SynCookies(random)
  }

  get size(): number {
    return this.#table.size
  }

  [Symbol.iterator](): Generator<HalfOpen> {
    return this.#table[Symbol.iterator]()
  }

  find(flows: PathFlows, tcpPorts: number): HalfOpen | undefined {
    if (this.size === 0) return undefined
    const record = this.#table.get(flows.hashOf(tcpPorts), flows.tuple(tcpPorts))
    // linux: what a listener had not taken when it closed is forgotten without a word; its timer clears it away.
    return record?.listener.isClosed ? undefined : record
  }

  /**
   * A SYN for a listener, of a connection that is not known (linux: tcp_conn_request).
   *
   * @param iss what the connection has to begin with, after one in TIME_WAIT; such a peer is real, and let in before others
   */
  syn(listener: Listener, flows: PathFlows, segment: Segment, tcpPorts: number, iss: Seq | null, now: number): void {
    const { mib, sysctl } = this.#host
    let cookie = false
    if (iss === null && (sysctl.tcp_syncookies === 2 || listener.isSynQueueFull(sysctl))) {
      if (sysctl.tcp_syncookies === 0) {
        mib.TCPReqQFullDrop++
        mib.ListenDrops++
        return
      }
      mib.TCPReqQFullDoCookies++
      cookie = true
    }
    if (listener.isAcceptQueueFull(sysctl.somaxconn)) {
      mib.ListenOverflows++
      mib.ListenDrops++
      return
    }
    const { path } = flows
    if (iss === null && listener.isSynQueueForProven(sysctl) && !this.#host.isProven(path.remoteAddress)) {
      mib.ListenDrops++
      return
    }
    const fast =
      cookie || segment.fastOpenCookie === null ? null : this.#host.tryFastOpen(listener, flows, segment, now)
    if (fast === true) return
    const tuple = flows.tuple(tcpPorts)
    const options = agree(segment, sysctl, this.#host.offload, !this.#host.bare)
    const wnd = synWindow(listener.tcp, sysctl, path.receiveBudget.windowLimit(path.maxSegment - 32))
    if (cookie) {
      this.#sendCookie(listener, flows, segment, tuple, options, wnd, now)
      return
    }
    iss ??= this.#host.isn(path.localAddress, localOf(tcpPorts), path.remoteAddress, remoteOf(tcpPorts), now)
    const kept = this.#host.keepsPaths() ? flows : null
    const record = new HalfOpen(tuple, listener, iss, segment.seq, options, wnd, now, kept)
    kept?.retain()
    this.#table.add(flows.hashOf(tcpPorts), record)
    listener.began()
    this.#host.wheel.schedule(record)
    this.#sendSynAck(record, flows, now, fast, segment.fastOpenExperimental)
  }

  /** A segment for a half-open connection. True: it completes the handshake, and nothing else has been done. */
  arrives(record: HalfOpen, flows: PathFlows, segment: Segment, now: number): boolean {
    const { mib, sysctl } = this.#host
    const verdict = synRecvArrives(record, segment)
    switch (verdict) {
      case SynVerdict.SynAck:
        if (!this.#mayAnswer(record, now)) mib.TCPACKSkippedSynRecv++
        else this.#sendAgain(record, flows, now)
        return false
      case SynVerdict.Old:
      case SynVerdict.Ack:
        if (verdict === SynVerdict.Old) mib.PAWSEstab++
        if (this.#mayAnswer(record, now)) this.#sendAck(record, flows, segment, now)
        else mib.TCPACKSkippedSynRecv++
        return false
      case SynVerdict.Challenge:
        if (this.#mayAnswer(record, now)) {
          mib.TCPChallengeACK++
          if ((segment.flags & Flag.SYN) !== 0) mib.TCPSYNChallenge++
          this.#sendAck(record, flows, segment, now)
        } else mib.TCPACKSkippedChallenge++
        return false
      case SynVerdict.Refused:
        this.#fail(record)
        mib.EmbryonicRsts++
        return false
      case SynVerdict.Reset:
        this.#host.reply(flows, segment, (out) => {
          out.reset()
          out.seq = segment.ack
          out.flags = Flag.RST
          return true
        })
        return false
      case SynVerdict.Complete:
        break
      default:
        return false
    }
    // linux: tcp_check_req; later segments tell of a later time.
    const rcvNxt = seqAdd(record.irs, 1)
    if (segment.hasTimestamps && !seqGt(segment.seq, rcvNxt)) record.tsVal = segment.tsVal
    const { listener } = record
    const bare = segment.len === 0 && segment.seq === rcvNxt
    if (bare && record.timeouts < listener.deferTimeouts(sysctl)) {
      mib.TCPDeferAcceptDrop++
      record.acked = true
      return false
    }
    if (listener.isAcceptQueueFull(sysctl.somaxconn)) {
      mib.ListenOverflows++
      mib.ListenDrops++
      if (sysctl.tcp_abort_on_overflow === 0) record.acked = true
      else {
        this.#reset(record, flows, segment)
        this.#fail(record)
        mib.EmbryonicRsts++
      }
      return false
    }
    return true
  }

  /** What the ACK of a SYN cookie stands for; null: it is no such thing. `summed`: the segment had a checksum. */
  fromCookie(
    listener: Listener,
    flows: PathFlows,
    segment: Segment,
    tcpPorts: number,
    summed: boolean,
    now: number,
  ): SynRecord | null {
    const { mib, sysctl, bare } = this.#host
    if (sysctl.tcp_syncookies === 0 || now - listener.lastCookieUs > COOKIE_LIFE_US) return null
    const irs = seqAdd(segment.seq, -1)
    const iss = seqAdd(segment.ack, -1)
    const mss = this.#cookies.check(flows.tuple(tcpPorts), irs, iss, now)
    if (mss === 0) {
      mib.SyncookiesFailed++
      return null
    }
    const { path } = flows
    const hasTimestamps = segment.hasTimestamps && sysctl.tcp_timestamps !== 0
    const options = hasTimestamps
      ? cookieOptions(seqAdd(segment.tsEcr, -this.#offset(path, tcpPorts)))
      : { wscale: -1, sackPermitted: false, checksumOffload: false, ecn: false }
    // linux: cookie_timestamp_decode; we never agreed to what we do not do.
    const wrong =
      (options.sackPermitted && sysctl.tcp_sack === 0) ||
      (options.wscale >= 0 && sysctl.tcp_window_scaling === 0) ||
      (options.checksumOffload && !this.#host.offload) ||
      (options.ecn && sysctl.tcp_ecn === 0) ||
      (!summed && !bare && !options.checksumOffload)
    if (wrong) {
      mib.SyncookiesFailed++
      return null
    }
    mib.SyncookiesRecv++
    const wnd = synWindow(listener.tcp, sysctl, path.receiveBudget.windowLimit(path.maxSegment - 32))
    const tsVal = hasTimestamps ? segment.tsVal : (0 as Seq)
    return { ...options, mss, hasTimestamps, tsVal, iss, irs, wnd, retries: 0, sentAt: -1 }
  }

  /** The handshake is done: the record has served. */
  completed(record: HalfOpen): void {
    this.#remove(record)
  }

  /** Its timer expired (linux: reqsk_timer_handler). */
  due(record: HalfOpen, now: number): void {
    const { sysctl } = this.#host
    const { listener } = record
    if (listener.isClosed) {
      this.#remove(record)
      return
    }
    const most = listener.synAckRetries(sysctl)
    const { timeouts, acked } = record
    const defer = listener.deferTimeouts(sysctl)
    const isOver = timeouts >= most && (defer === 0 || !acked || timeouts >= defer)
    if (isOver) {
      this.#fail(record)
      return
    }
    if (timeouts === 0) listener.matured()
    record.timedOut()
    // Who waits for data is asked again only when the wait is over.
    if (defer === 0 || !acked || timeouts >= defer - 1) {
      const flows = record.flows ?? this.#flowsOf(record)
      if (flows !== null) this.#sendAgain(record, flows, now)
    }
    this.#host.wheel.schedule(record)
  }

  #flowsOf({ localAddress, remoteAddress, udpPorts }: HalfOpen): PathFlows | null {
    return this.#host.flowsTo(localAddress, localOf(udpPorts), remoteAddress, remoteOf(udpPorts))
  }

  /** It came to nothing: back to LISTEN without a word (rfc9293#3.5 MUST-11). */
  #fail(record: HalfOpen): void {
    this.#host.mib.AttemptFails++
    this.#remove(record)
  }

  #remove(record: HalfOpen): void {
    if (!this.#table.delete(record)) return
    this.#host.wheel.remove(record)
    record.listener.ended(record.timeouts === 0)
    record.flows?.release()
  }

  #mayAnswer(record: HalfOpen, now: number): boolean {
    const ms = Math.floor(now / 1000)
    if (ms - record.answeredMs < this.#host.sysctl.tcp_invalid_ratelimit || !this.#host.mayChallenge(now)) return false
    record.answeredMs = ms
    return true
  }

  #sendAgain(record: HalfOpen, flows: PathFlows, now: number): void {
    const { mib } = this.#host
    mib.RetransSegs++
    mib.TCPSynRetrans++
    record.sentAgain()
    this.#sendSynAck(record, flows, now)
  }

  #sendSynAck(
    record: HalfOpen,
    flows: PathFlows,
    now: number,
    cookie: Buffer | null = null,
    experimental = false,
  ): void {
    const tsVal = this.#timestamp(flows.path, record.tcpPorts, now)
    this.#writeSynAck(record, record, record.listener, flows, tsVal, cookie, experimental)
  }

  #writeSynAck(
    tuple: Tuple,
    record: SynRecord,
    listener: Listener,
    flows: PathFlows,
    tsVal: Seq,
    cookie: Buffer | null = null,
    experimental = false,
  ): void {
    const { path } = flows
    const mss = Math.min(path.mostSegment - 20, listener.tcp.mss ?? Number.POSITIVE_INFINITY, 65_535)
    this.#host.reply(flows, null, (out) => {
      fillSynAck(record, out, mss, this.#shift(listener), tsVal)
      out.fastOpenCookie = cookie
      out.fastOpenExperimental = experimental
      out.srcPort = localOf(tuple.tcpPorts)
      out.dstPort = remoteOf(tuple.tcpPorts)
      return true
    })
  }

  #sendAck(record: HalfOpen, flows: PathFlows, request: Segment, now: number): void {
    const tsVal = this.#timestamp(flows.path, record.tcpPorts, now)
    this.#host.reply(flows, request, (out) => fillSynRecvAck(record, out, this.#shift(record.listener), tsVal))
  }

  #sendCookie(
    listener: Listener,
    flows: PathFlows,
    segment: Segment,
    tuple: Tuple,
    options: SynOptions,
    wnd: number,
    now: number,
  ): void {
    const { path } = flows
    this.#host.mib.SyncookiesSent++
    listener.lastCookieUs = now
    const size = options.mss < 0 ? (path.family === 'IPv4' ? 536 : 1220) : options.mss
    const iss = this.#cookies.make(tuple, segment.seq, size, now)
    // Without timestamps there is nowhere to keep them.
    const kept = options.hasTimestamps
      ? options
      : { ...options, wscale: -1, sackPermitted: false, checksumOffload: false, ecn: false }
    const record: SynRecord = { ...kept, iss, irs: segment.seq, wnd, retries: 0, sentAt: now }
    const tsVal = seqAdd(cookieTimestamp(options, now / 1000) as Seq, this.#offset(path, tuple.tcpPorts))
    this.#writeSynAck(tuple, record, listener, flows, tsVal)
  }

  #reset({ iss }: HalfOpen, flows: PathFlows, segment: Segment): void {
    this.#host.reply(flows, segment, (out) => {
      out.reset()
      out.seq = seqAdd(iss, 1)
      out.flags = Flag.RST
      return true
    })
  }

  #shift({ tcp }: Listener): number {
    return windowShift(Math.max(tcp.rcvbuf ?? 0, this.#host.sysctl.tcp_rmem[2]))
  }

  #timestamp(path: Path, tcpPorts: number, now: number): Seq {
    return seqAdd(Math.floor(now / 1000) as Seq, this.#offset(path, tcpPorts))
  }

  #offset({ localAddress, remoteAddress }: Path, tcpPorts: number): number {
    return this.#host.timestampOffset(localAddress, localOf(tcpPorts), remoteAddress, remoteOf(tcpPorts))
  }
}
