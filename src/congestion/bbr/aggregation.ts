import type { RateSample } from '../controller.ts'

/** linux: bbr_extra_acked_win_rtts; each of two buckets holds so many rounds. */
const BUCKET_ROUNDS = 5
/** linux: bbr_extra_acked_max_us; what is allowed for is never more than this time's worth. */
const EXTRA_MAX_US = 100_000
/** linux: bbr_ack_epoch_acked_reset_thresh, segments: begin anew rather than average over minutes. */
const EPOCH_MAX_SEGS = 2 ** 20

/**
 * How many bytes more than the bandwidth explains arrive at once, because a link or a receiver held acknowledgements back (linux:
 * bbr_update_ack_aggregation): the window is larger by the most of the last five to ten rounds, or sending would stop while they are held.
 */
export class AckAggregation {
  #epochStart: number
  #epochAcked = 0
  #rounds = 0
  #current = 0
  #previous = 0

  constructor(now: number) {
    this.#epochStart = now
  }

  /** The largest excess of late, bytes. */
  get extraAcked(): number {
    return Math.max(this.#current, this.#previous)
  }

  /** What the window should be larger by. */
  allowance(bwBps: number): number {
    return Math.min(this.extraAcked, (bwBps * EXTRA_MAX_US) / 1e6)
  }

  /** Sending begins after silence. */
  restart(now: number): void {
    this.#epochStart = now
    this.#epochAcked = 0
  }

  onAck(sample: RateSample, roundStart: boolean, bwBps: number, cwnd: number): void {
    const { now, delivered, interval } = sample
    if (delivered <= 0 || interval <= 0) return
    if (roundStart && ++this.#rounds >= BUCKET_ROUNDS) {
      this.#rounds = 0
      this.#previous = this.#current
      this.#current = 0
    }
    let expected = (bwBps * (now - this.#epochStart)) / 1e6
    // No faster than expected: the surplus begins with this ACK.
    if (this.#epochAcked <= expected || this.#epochAcked + delivered >= EPOCH_MAX_SEGS * sample.mss) {
      this.restart(now)
      expected = 0
    }
    this.#epochAcked += delivered
    const extra = Math.min(this.#epochAcked - expected, cwnd)
    if (extra > this.#current) this.#current = extra
  }
}
