import { type Segment, type Seq, seqAdd, seqDiff, seqGt, seqLeq, seqLt } from '../wire/index.ts'

/** rfc7323#5.5: a TS.Recent untouched for so long says nothing any more. */
const PAWS_IDLE_US = 24 * 24 * 3600 * 1_000_000

/** The timestamps option of one connection (rfc7323#3) and the protection against old segments that it gives (#5). */
export class Timestamps {
  /** Both sides agreed. */
  on = false
  /** TS.Recent: what our next segments echo. */
  recent: Seq = 0 as Seq
  /** When TS.Recent was set, µs; −1 never. */
  #recentAt = -1
  /** RCV.NXT of the last ACK we sent: Last.ACK.sent. */
  lastAckSent: Seq = 0 as Seq
  /** TSval of what we sent last. */
  sent: Seq = 0 as Seq
  /** The newest of our own that the peer has sent back; null: none yet. */
  #echoed: Seq | null = null
  /** Added to the clock, so that it tells nobody how long the host has been up (rfc7323#5.4). */
  readonly offset: number

  constructor(offset: number) {
    this.offset = offset
  }

  /** TSval of a segment that leaves at `now`; the clock ticks in milliseconds. */
  value(now: number): Seq {
    return seqAdd(Math.floor(now / 1000) as Seq, this.offset)
  }

  /** Round trip told by the echo in `segment`, µs; −1 where there is none (rfc7323#4.1). */
  rtt(segment: Segment, now: number): number {
    if (!segment.hasTimestamps || segment.tsEcr === 0) return -1
    const ticks = seqDiff(this.value(now), segment.tsEcr)
    // An echo from the future is a forgery; a round trip of no ticks took less than one.
    return ticks < 0 ? -1 : Math.max(1, ticks) * 1000
  }

  /** rfc7323#5.3 R1: the segment is older than what was seen, and what was seen is not stale. */
  isOld(segment: Segment, now: number): boolean {
    if (!segment.hasTimestamps || this.#recentAt < 0) return false
    return seqLt(segment.tsVal, this.recent) && now - this.#recentAt < PAWS_IDLE_US
  }

  /** rfc7323#4.3 (2): only a segment that spans what was last acknowledged moves TS.Recent, so that delayed ACKs measure from the first. */
  update(segment: Segment, now: number): void {
    if (!segment.hasTimestamps) return
    if (segment.tsEcr !== this.#echoed && this.#isInReach(segment.tsEcr)) this.#echoed = segment.tsEcr
    if (!seqLeq(segment.seq, this.lastAckSent)) return
    if (this.#recentAt >= 0 && seqLt(segment.tsVal, this.recent) && now - this.#recentAt < PAWS_IDLE_US) return
    this.recent = segment.tsVal
    this.#recentAt = now
  }

  /** From a SYN. */
  start(tsVal: Seq, now: number): void {
    this.recent = tsVal
    this.#recentAt = now
    this.sent = this.value(now)
  }

  /**
   * ours: the segment echoes what only the peer can know, unless somebody reads along: one of the few values between the newest that it has echoed
   * before and the last one sent, on a clock with an offset that nobody else knows (rfc7323#5.4).
   */
  isOurs(segment: Segment): boolean {
    return segment.hasTimestamps && this.#echoed !== null && this.#isInReach(segment.tsEcr)
  }

  #isInReach(echo: Seq): boolean {
    if (echo === 0 || seqGt(echo, this.sent)) return false
    return this.#echoed === null || !seqLt(echo, this.#echoed)
  }
}
