import { type Connection, type TimeWaitAnswer, TimeWaitVerdict, timeWaitAck, timeWaitArrives } from '../tcp/index.ts'
import { type Segment, type Seq, seqAdd, seqLt } from '../wire/index.ts'
import type { PathFlows } from './flows.ts'
import type { Mib } from './mib.ts'
import { localOf, remoteOf, type TupleRecord, TupleTable } from './tuples.ts'
import type { Wheel, WheelItem } from './wheel.ts'

const TIMESTAMPS = 1 << 16
const OFFLOAD = 1 << 17
/** Not ours to keep a socket open for: see `Path.heardAnyway`. */
const PATHLESS = null

/**
 * What is left of a connection in TIME_WAIT. Small integers and references only: there may be hundreds of thousands. It knows its tuple, so
 * that it stays in force when the UDP socket is closed and the port bound again.
 */
export class TimeWaitEntry implements TupleRecord {
  readonly localAddress: string
  readonly remoteAddress: string
  readonly udpPorts: number
  readonly tcpPorts: number
  hash = 0
  chain: this | null = null
  readonly sndNxt: Seq
  readonly rcvNxt: Seq
  readonly tsRecent: Seq
  /** The window field in the lower half, flags above it. */
  readonly #bits: number
  /** Milliseconds: the 2 MSL count from here. */
  startMs: number
  /** The path that it keeps open; null: none. */
  flows: PathFlows | null
  /** In the order in which they end. */
  before: TimeWaitEntry | null = null
  after: TimeWaitEntry | null = null

  constructor(connection: Connection, flows: PathFlows, startMs: number) {
    const { path } = flows
    const { sender, receiver, timestamps } = connection
    this.localAddress = path.localAddress
    this.remoteAddress = path.remoteAddress
    this.udpPorts = flows.udpPorts
    this.tcpPorts = (connection.localPort << 16) | connection.remotePort
    this.sndNxt = sender.sndNxt
    this.rcvNxt = receiver.rcvNxt
    this.tsRecent = timestamps.recent
    const window = Math.min(65_535, Math.floor(receiver.rcvWnd / 2 ** receiver.window.shift))
    this.#bits = window | (timestamps.on ? TIMESTAMPS : 0) | (connection.checksumOffload ? OFFLOAD : 0)
    this.startMs = startMs
    this.flows = path.heardAnyway ? PATHLESS : flows
  }

  get timestamps(): boolean {
    return (this.#bits & TIMESTAMPS) !== 0
  }

  get checksumOffload(): boolean {
    return (this.#bits & OFFLOAD) !== 0
  }

  get windowField(): number {
    return this.#bits & 0xffff
  }
}

export interface TimeWaitHost {
  readonly mib: Mib
  readonly wheel: Wheel<WheelItem>
  readonly sysctl: {
    readonly tcp_timewait_len: number
    readonly tcp_max_tw_buckets: number
    readonly tcp_rfc1337: number
    readonly tcp_tw_reuse: number
    readonly tcp_invalid_ratelimit: number
  }
  /** Sends what `fill` writes into the segment it is given, as an answer on the path of `flows`; nothing where it returns false. */
  reply(flows: PathFlows, request: Segment, fill: (out: Segment) => boolean): void
  timestampOffset(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): number
}

/** linux: a new incarnation begins beyond any window that the old one can have had. */
export const afterlife = (entry: TimeWaitEntry): Seq => seqAdd(entry.sndNxt, 65_537)

/** rfc9293#3.6.1: the memory of connections that ended, for 2 MSL, so that their last ACK can be repeated and their old segments known. */
export class TimeWaitTable implements WheelItem {
  readonly #host: TimeWaitHost
  readonly #table = new TupleTable<TimeWaitEntry>()
  /** All wait equally long, so that the first to have begun is the first to go. */
  #first: TimeWaitEntry | null = null
  #last: TimeWaitEntry | null = null
  /** Of the last answer to what was out of place (`tcp_invalid_ratelimit`). */
  #answeredMs = Number.NEGATIVE_INFINITY
  #answered: TimeWaitEntry | null = null

  wheelPrev: WheelItem | null = null
  wheelNext: WheelItem | null = null
  wheelSlot = -1
  wheelAt = 0

  constructor(host: TimeWaitHost) {
    this.#host = host
  }

  get size(): number {
    return this.#table.size
  }

  /** For the wheel: when the next of them goes. */
  get deadline(): number {
    const first = this.#first
    return first === null ? Number.POSITIVE_INFINITY : first.startMs * 1000 + this.#lengthUs
  }

  [Symbol.iterator](): Generator<TimeWaitEntry> {
    return this.#table[Symbol.iterator]()
  }

  /** µs that an entry still has. */
  left(entry: TimeWaitEntry, now: number): number {
    return Math.max(0, entry.startMs * 1000 + this.#lengthUs - now)
  }

  /** Puts a record in the place of a connection; false where there is no room (`tcp_max_tw_buckets`). */
  add(connection: Connection, flows: PathFlows, now: number): boolean {
    const { sysctl, mib } = this.#host
    if (this.size >= sysctl.tcp_max_tw_buckets) {
      mib.TCPTimeWaitOverflow++
      return false
    }
    const entry = new TimeWaitEntry(connection, flows, Math.floor(now / 1000))
    this.#table.add(flows.hashOf(entry.tcpPorts), entry)
    entry.flows?.waits(1)
    this.#append(entry)
    this.#host.wheel.schedule(this)
    return true
  }

  find(flows: PathFlows, tcpPorts: number): TimeWaitEntry | undefined {
    return this.size === 0 ? undefined : this.#table.get(flows.hashOf(tcpPorts), flows.tuple(tcpPorts))
  }

  /** A segment came for it. Not null: it opens a new incarnation, which is to begin with this number, and the record is gone. */
  arrives(entry: TimeWaitEntry, flows: PathFlows, segment: Segment, now: number): Seq | null {
    const { sysctl, mib } = this.#host
    // linux: tcp_timewait_state_process counts what PAWS turns away.
    if (entry.timestamps && segment.hasTimestamps && seqLt(segment.tsVal, entry.tsRecent)) mib.PAWSEstab++
    switch (timeWaitArrives(entry, segment, sysctl.tcp_rfc1337 !== 0)) {
      case TimeWaitVerdict.Kill:
        this.remove(entry)
        return null
      case TimeWaitVerdict.Reopen:
        this.remove(entry)
        return afterlife(entry)
      case TimeWaitVerdict.Restart:
        this.#detach(entry)
        entry.startMs = Math.floor(now / 1000)
        this.#append(entry)
        this.#answer(entry, flows, segment, now)
        return null
      case TimeWaitVerdict.Ack:
        if (this.#mayAnswer(entry, now)) this.#answer(entry, flows, segment, now)
        else mib.TCPACKSkippedTimeWait++
        return null
      default:
        return null
    }
  }

  /**
   * Whether a connect may have the tuple of `entry` (linux: tcp_twsk_unique): both sides used timestamps, so that the new incarnation's are
   * later than all of the old one's, and the last of these is a second old at least. `tcp_tw_reuse`: 1 everywhere, 2 on loopback.
   */
  isReusable(entry: TimeWaitEntry, loopback: boolean, now: number): boolean {
    const { tcp_tw_reuse } = this.#host.sysctl
    if (tcp_tw_reuse === 0 || (tcp_tw_reuse === 2 && !loopback)) return false
    return entry.timestamps && now / 1000 - entry.startMs > 1000
  }

  /** A connect takes the tuple over. */
  recycle(entry: TimeWaitEntry): void {
    this.#host.mib.TWRecycled++
    this.remove(entry)
  }

  /** Removes what has waited long enough. */
  expire(now: number): void {
    while (this.deadline <= now) {
      this.#host.mib.TW++
      this.remove(this.#first as TimeWaitEntry)
    }
    this.#host.wheel.schedule(this)
  }

  /** Sockets are scarce: the records that hold this path open go before their time. */
  reclaim(flows: PathFlows): void {
    let next = this.#first
    while (next !== null && flows.waiting > 0) {
      const entry = next
      next = entry.after
      if (entry.flows !== flows) continue
      this.#host.mib.TWKilled++
      this.remove(entry)
    }
  }

  remove(entry: TimeWaitEntry): void {
    if (!this.#table.delete(entry)) return
    this.#detach(entry)
    if (this.#answered === entry) this.#answered = null
    const { flows } = entry
    entry.flows = PATHLESS
    flows?.waits(-1)
  }

  get #lengthUs(): number {
    return this.#host.sysctl.tcp_timewait_len * 1_000_000
  }

  /** One record's answers are held back, not all: an old duplicate of many connections at once is rare, an endless exchange with one is not. */
  #mayAnswer(entry: TimeWaitEntry, now: number): boolean {
    const ms = now / 1000
    if (this.#answered === entry && ms - this.#answeredMs < this.#host.sysctl.tcp_invalid_ratelimit) return false
    this.#answered = entry
    this.#answeredMs = ms
    return true
  }

  #answer(entry: TimeWaitEntry, flows: PathFlows, segment: Segment, now: number): void {
    const record: TimeWaitAnswer = {
      sndNxt: entry.sndNxt,
      rcvNxt: entry.rcvNxt,
      windowField: entry.windowField,
      timestamps: entry.timestamps,
      tsRecent: entry.tsRecent,
      // A hash, the same in every incarnation: not worth keeping.
      tsOffset: this.#host.timestampOffset(
        entry.localAddress,
        localOf(entry.tcpPorts),
        entry.remoteAddress,
        remoteOf(entry.tcpPorts),
      ),
    }
    this.#host.reply(flows, segment, (out) => timeWaitAck(record, out, now / 1000))
  }

  #append(entry: TimeWaitEntry): void {
    entry.before = this.#last
    if (this.#last === null) this.#first = entry
    else this.#last.after = entry
    this.#last = entry
  }

  #detach(entry: TimeWaitEntry): void {
    const { before, after } = entry
    if (before === null) this.#first = after
    else before.after = after
    if (after === null) this.#last = before
    else after.before = before
    entry.before = null
    entry.after = null
  }
}
