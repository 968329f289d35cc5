import type { ControllerEnvironment, RateSample } from './controller.ts'
import { numberOption } from './options.ts'
import { MIN_SSTHRESH_SEGS, newlyAcked, Reno } from './reno.ts'

/** linux: module parameters of tcp_vegas: fewer, and more, segments in the queue than these move the window; γ ends slow start. */
const ALPHA_SEGS = 2
const BETA_SEGS = 4
const GAMMA_SEGS = 1
/** A round with fewer RTT samples may have seen only delayed ACKs. */
const ENOUGH_SAMPLES = 3

/**
 * Vegas (Brakmo and Peterson 1994, as linux's tcp_vegas does it): the RTT above the smallest known tells how many segments of ours stand in
 * the queue; once a round trip the window moves by one segment to hold that between α and β. Loss is answered as Reno answers it.
 *
 *     queued = cwnd · (RTT − baseRTT) / baseRTT
 *
 * Options: `alpha`, `beta`, `gamma`, in segments.
 */
export class Vegas extends Reno {
  override readonly name: string = 'vegas'
  readonly #alpha: number
  readonly #beta: number
  readonly #gamma: number
  /** The round trip without a queue: the smallest ever. */
  #baseRtt = Number.POSITIVE_INFINITY
  /** The smallest in this round, and how many there were. */
  #minRtt = Number.POSITIVE_INFINITY
  #samples = 0
  /** The round ends when so much is delivered; −1: the next ACK begins one. */
  #roundEnd = -1
  /** Segments in the queue at the end of the last round. */
  #queued = 0

  constructor(environment: ControllerEnvironment) {
    super(environment)
    const { options } = environment
    this.#alpha = numberOption(options, 'alpha', ALPHA_SEGS, 0, 1000)
    this.#beta = numberOption(options, 'beta', BETA_SEGS, this.#alpha, 1000)
    this.#gamma = numberOption(options, 'gamma', GAMMA_SEGS, 0, 1000)
  }

  override onAck(sample: RateSample): void {
    const { rtt } = sample
    if (rtt >= 0) {
      if (rtt < this.#baseRtt) this.#baseRtt = Math.max(rtt, 1)
      if (rtt < this.#minRtt) this.#minRtt = rtt
      this.#samples++
    }
    if (sample.inRecovery) {
      // linux: vegas is off outside of Open, for the RTTs of a recovery tell of something else.
      this.#roundEnd = -1
      return
    }
    if (this.#roundEnd < 0) this.#startRound(sample)
    const ended = sample.totalDelivered > this.#roundEnd
    const enough = this.#samples >= ENOUGH_SAMPLES
    if (sample.cwndLimited) {
      if (ended && enough) this.#adjust(sample)
      else if (ended) this.grow(newlyAcked(sample))
      else if (this.cwnd < this.ssthresh) this.slowStart(newlyAcked(sample))
    }
    if (ended) this.#startRound(sample)
  }

  /** linux: CA_EVENT_TX_START; what was measured before the silence is of another time. */
  onIdleRestart(): void {
    this.#restart()
    this.#baseRtt = Number.POSITIVE_INFINITY
  }

  override onExitRecovery(now: number): void {
    super.onExitRecovery(now)
    this.#restart()
  }

  info(): Record<string, number | string | boolean> {
    return {
      base_rtt: this.#baseRtt === Number.POSITIVE_INFINITY ? 0 : this.#baseRtt,
      rtt: this.#minRtt === Number.POSITIVE_INFINITY ? 0 : this.#minRtt,
      samples: this.#samples,
      queued: this.#queued,
    }
  }

  /** linux: tcp_vegas_cong_avoid, once a round trip. */
  #adjust(sample: RateSample): void {
    const { mss } = this
    const base = this.#baseRtt
    const least = MIN_SSTHRESH_SEGS * mss
    const slowStart = this.cwnd < this.ssthresh
    this.#queued = (this.cwnd * (this.#minRtt - base)) / base / mss
    if (slowStart && this.#queued > this.#gamma) {
      // Too fast: back to what the path holds without a queue.
      const target = Math.floor((this.cwnd * base) / this.#minRtt)
      this.cwnd = Math.max(Math.min(this.cwnd, target + mss), least)
      this.#lowerThreshold(least)
    } else if (slowStart) {
      this.slowStart(newlyAcked(sample))
    } else if (this.#queued > this.#beta) {
      this.cwnd = Math.max(this.cwnd - mss, least)
      this.#lowerThreshold(least)
    } else if (this.#queued < this.#alpha) this.cwnd += mss
    // linux: tcp_current_ssthresh; slow start does not begin again for a window that fell step by step.
    if (this.ssthresh !== Number.POSITIVE_INFINITY)
      this.ssthresh = Math.max(this.ssthresh, Math.floor((this.cwnd * 3) / 4))
  }

  /** linux: tcp_vegas_ssthresh; out of slow start, and not back in. */
  #lowerThreshold(least: number): void {
    this.ssthresh = Math.max(Math.min(this.ssthresh, this.cwnd - this.mss), least)
  }

  #startRound({ totalDelivered, inFlight }: RateSample): void {
    this.#roundEnd = totalDelivered + inFlight
    this.#minRtt = Number.POSITIVE_INFINITY
    this.#samples = 0
  }

  #restart(): void {
    this.#roundEnd = -1
  }
}
