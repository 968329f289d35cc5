import type { RateSample } from '../controller.ts'

/** linux v3: bbr_ecn_alpha_gain, bbr_ecn_factor, bbr_ecn_thresh, bbr_full_ecn_cnt */
const ALPHA_GAIN = 1 / 16
const FACTOR = 1 / 3
const THRESHOLD = 1 / 2
const STARTUP_ROUNDS = 2

/**
 * The share of what is delivered that bears a mark of Congestion Experienced, smoothed over rounds (as DCTCP's α, rfc8257#3.3). The answer is made for
 * queues that mark early, so it is given only where the round trip is as short as in such networks (linux v3: bbr_ecn_max_rtt_us).
 */
export class Ecn {
  /** It begins at 1: whoever finds marks when it starts must not wait for the mean to rise. */
  alpha = 1
  /** The share in the last round. */
  ratio = 0
  readonly #maxRtt: number
  #seen = false
  #eligible = false
  #marked = 0
  #delivered = 0
  #roundsInStartup = 0

  /** `maxRtt` µs; 0: any. */
  constructor(maxRtt: number) {
    this.#maxRtt = maxRtt
  }

  /** What a round with marks takes off what may be in flight. */
  get cut(): number {
    return this.#eligible ? this.alpha * FACTOR : 0
  }

  /** So much was marked of the last round that probing has gone too far. */
  get tooHigh(): boolean {
    return this.#eligible && this.ratio > THRESHOLD
  }

  /** STARTUP has filled more than the pipe. */
  get endsStartup(): boolean {
    return this.#roundsInStartup >= STARTUP_ROUNDS
  }

  onAck(sample: RateSample, roundStart: boolean, minRtt: number, inStartup: boolean): void {
    const marked = sample.ecnMarked
    if (marked > 0) this.#seen = true
    this.#marked += marked
    this.#delivered += sample.delivered
    if (!roundStart) return
    this.#eligible = this.#seen && (this.#maxRtt === 0 || minRtt <= this.#maxRtt)
    this.ratio = this.#delivered > 0 ? Math.min(this.#marked / this.#delivered, 1) : 0
    this.#marked = 0
    this.#delivered = 0
    if (!this.#eligible) return
    this.alpha += ALPHA_GAIN * (this.ratio - this.alpha)
    if (inStartup) this.#roundsInStartup = this.ratio > THRESHOLD ? this.#roundsInStartup + 1 : 0
  }
}
