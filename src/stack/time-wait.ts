import { type TimeWaitRecord, TimeWaitVerdict, timeWaitAck, timeWaitArrives } from '../tcp/index.ts'
import type { Segment } from '../wire/index.ts'
import type { PathFlows } from './flows.ts'
import type { Mib } from './mib.ts'
import type { Wheel, WheelItem } from './wheel.ts'

/** A record in the table: what is left of the connection, where it belongs and when it goes. */
export class TimeWaitEntry implements WheelItem {
  readonly record: TimeWaitRecord
  readonly flows: PathFlows
  readonly key: number
  readonly checksumOffload: boolean
  deadline: number

  wheelPrev: WheelItem | null = null
  wheelNext: WheelItem | null = null
  wheelSlot = -1
  wheelAt = Number.POSITIVE_INFINITY

  constructor(record: TimeWaitRecord, flows: PathFlows, key: number, checksumOffload: boolean, deadline: number) {
    this.record = record
    this.flows = flows
    this.key = key
    this.checksumOffload = checksumOffload
    this.deadline = deadline
  }
}

export interface TimeWaitHost {
  readonly mib: Mib
  readonly wheel: Wheel<WheelItem>
  readonly sysctl: {
    readonly tcp_timewait_len: number
    readonly tcp_max_tw_buckets: number
    readonly tcp_rfc1337: number
  }
  /** Sends what `fill` writes into the segment it is given, as an answer on the path of `flows`; nothing where it returns false. */
  reply(flows: PathFlows, request: Segment, fill: (out: Segment) => boolean): void
}

/** rfc9293#3.6.1: the memory of connections that ended, for 2 MSL, so that their last ACK can be repeated and their old segments known. */
export class TimeWaitTable {
  readonly #host: TimeWaitHost
  size = 0

  constructor(host: TimeWaitHost) {
    this.#host = host
  }

  /** Puts a record in the place of its connection; false where there is no room (`tcp_max_tw_buckets`). */
  add(record: TimeWaitRecord, flows: PathFlows, key: number, checksumOffload: boolean, now: number): boolean {
    const { sysctl, mib, wheel } = this.#host
    if (this.size >= sysctl.tcp_max_tw_buckets) {
      mib.TCPTimeWaitOverflow++
      return false
    }
    const entry = new TimeWaitEntry(record, flows, key, checksumOffload, now + sysctl.tcp_timewait_len * 1_000_000)
    flows.set(key, entry)
    wheel.schedule(entry)
    this.size++
    return true
  }

  /** A segment came for it. True: it opens a new incarnation, and the record is gone. */
  arrives(entry: TimeWaitEntry, segment: Segment, now: number): boolean {
    const { sysctl, mib } = this.#host
    switch (timeWaitArrives(entry.record, segment, sysctl.tcp_rfc1337 !== 0)) {
      case TimeWaitVerdict.Kill:
        this.remove(entry)
        return false
      case TimeWaitVerdict.Reopen:
        mib.TWRecycled++
        this.remove(entry)
        return true
      case TimeWaitVerdict.Restart:
        entry.deadline = now + sysctl.tcp_timewait_len * 1_000_000
        this.#answer(entry, segment, now)
        return false
      case TimeWaitVerdict.Ack:
        this.#answer(entry, segment, now)
        return false
      default:
        return false
    }
  }

  expired(entry: TimeWaitEntry): void {
    this.#host.mib.TW++
    this.remove(entry)
  }

  /** linux: a bucket that is given up for another connection's sake (TWKilled). */
  reclaim(entry: TimeWaitEntry): void {
    this.#host.mib.TWKilled++
    this.remove(entry)
  }

  remove(entry: TimeWaitEntry): void {
    if (entry.flows.get(entry.key) !== entry) return
    this.size--
    this.#host.wheel.remove(entry)
    entry.flows.delete(entry.key)
  }

  #answer(entry: TimeWaitEntry, segment: Segment, now: number): void {
    this.#host.reply(entry.flows, segment, (out) => timeWaitAck(entry.record, out, now / 1000))
  }
}
