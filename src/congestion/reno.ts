import type { CongestionController, ControllerEnvironment, RateSample } from './controller.ts'
import { booleanOption, numberOption } from './options.ts'

/** The floor of `ssthresh`, in segments (rfc5681#3.1). */
export const MIN_SSTHRESH_SEGS = 2
/** What remains of the window after loss, and after a mark of Congestion Experienced (rfc8511#3.1: ABE). */
const BETA_LOSS = 0.5
const BETA_ECN = 0.8

/**
 * Reno: slow start, congestion avoidance, half on loss (rfc9293#3.8.2, rfc5681#3.1), counting bytes acknowledged rather than
 * acknowledgements (rfc3465), so that delayed and merged ACKs cost it no growth.
 *
 * Options: `abcLimit`, the segments that one ACK may add in slow start (L of rfc3465#2.2; Infinity, as Linux); `abe`, whether a mark costs
 * less than a loss (rfc8511; true, Linux has none).
 */
export class Reno implements CongestionController {
  readonly name: string = 'reno'
  readonly ownsRecovery: boolean = false
  cwnd: number
  ssthresh: number = Number.POSITIVE_INFINITY
  pacingBps = 0
  protected mss: number
  readonly #abcLimit: number
  readonly #abe: boolean
  /** Bytes acknowledged towards the next segment of linear growth. */
  #acked = 0
  /** Slow start after a timeout: what was sent before it is still being acknowledged. */
  #afterTimeout = false

  constructor({ mss, initialWindow, options }: ControllerEnvironment) {
    this.mss = mss
    this.cwnd = initialWindow
    this.#abcLimit = numberOption(options, 'abcLimit', Number.POSITIVE_INFINITY, 1, Number.POSITIVE_INFINITY)
    this.#abe = booleanOption(options, 'abe', true)
  }

  onAck(sample: RateSample): void {
    // rfc2861#3: a window that was not used has not been tested and does not grow.
    if (sample.inRecovery || !sample.cwndLimited) return
    this.grow(newlyAcked(sample))
  }

  /** Slow start and congestion avoidance for `acked` bytes. */
  protected grow(acked: number): void {
    const rest = this.cwnd < this.ssthresh ? this.slowStart(acked) : acked
    if (rest > 0) this.avoid(rest)
  }

  /** Returns what is left for congestion avoidance. */
  protected slowStart(acked: number): number {
    // rfc3465#2.3: after a timeout an ACK may cover what had arrived long before; L = 1 keeps that from becoming a burst.
    const limit = (this.#afterTimeout ? Math.min(this.#abcLimit, 1) : this.#abcLimit) * this.mss
    // linux: tcp_slow_start() takes all that was acknowledged, without a limit per ACK; the pace is kept elsewhere.
    const counted = this.#abcLimit === Number.POSITIVE_INFINITY ? acked : Math.min(acked, limit)
    const grown = Math.min(this.cwnd + counted, this.ssthresh)
    const rest = counted - (grown - this.cwnd)
    this.cwnd = grown
    return rest
  }

  /** rfc5681#3.1, rfc3465#2.1: one segment for each window of data acknowledged, counted in bytes. */
  protected avoid(acked: number): void {
    this.#acked += acked
    if (this.#acked >= this.cwnd) {
      const windows = Math.floor(this.#acked / this.cwnd)
      this.#acked -= windows * this.cwnd
      this.cwnd += windows * this.mss
    }
  }

  onEnterRecovery(_sample: RateSample): void {
    this.reduce(BETA_LOSS)
  }

  onExitRecovery(_now: number): void {
    this.#afterTimeout = false
  }

  onTimeout(_now: number, _inFlight: number, repeated: boolean): void {
    // rfc5681#3.1: ssthresh is set once for a segment; a backed-off timer says nothing new about the path.
    if (!repeated) this.reduce(BETA_LOSS)
    this.cwnd = this.mss
    this.#acked = 0
    this.#afterTimeout = true
  }

  onUndo(): void {
    this.#afterTimeout = false
  }

  onEcn(_now: number, _bytes: number): void {
    this.reduce(this.#abe ? BETA_ECN : BETA_LOSS)
  }

  onMss(mss: number, keepBytes = false): void {
    // The window stands for so many segments: growth and floors follow the new size.
    const scale = keepBytes ? 1 : mss / this.mss
    this.cwnd = Math.max(mss, Math.round(this.cwnd * scale))
    if (this.ssthresh !== Number.POSITIVE_INFINITY) this.ssthresh = Math.round(this.ssthresh * scale)
    this.mss = mss
    this.#acked = 0
  }

  /** Lowers the threshold to `beta` of the window. */
  protected reduce(beta: number): void {
    // linux: of cwnd, where rfc5681#3.1 says of FlightSize. The two agree because a window grows only while it is full.
    this.ssthresh = Math.max(Math.floor(this.cwnd * beta), MIN_SSTHRESH_SEGS * this.mss)
    this.#acked = 0
  }
}

/**
 * The bytes by which an ACK may make a window grow (linux: tcp_may_raise_cwnd, acked_sacked): only one that moves SND.UNA counts, and what had
 * been acknowledged selectively does not count again, or the end of a recovery would be a leap.
 */
export const newlyAcked = ({ acked, delivered }: RateSample): number => (acked > 0 ? delivered : 0)
