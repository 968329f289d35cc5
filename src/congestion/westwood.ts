import type { ControllerEnvironment, RateSample } from './controller.ts'
import { MIN_SSTHRESH_SEGS, newlyAcked, Reno } from './reno.ts'

/** linux: TCP_WESTWOOD_RTT_MIN; the least time that one bandwidth sample spans. */
const SPAN_MIN_US = 50_000
/** linux: westwood_do_filter; what of the old remains. */
const KEEP = 7 / 8

/**
 * Westwood+ (Mascolo, Casetti, Gerla et al. 2001; Grieco and Mascolo 2004): Reno, but what the path was delivering when a loss came decides
 * how far the window falls, so that a loss by noise on an idle path costs nothing:
 *
 *     ssthresh = BWE · RTT_min
 *
 * BWE is a low-pass filter of low-pass filtered samples, each of what was acknowledged in a round trip, 50 ms at least.
 */
export class Westwood extends Reno {
  override readonly name: string = 'westwood'
  /** Bandwidth estimate, and the first stage of its filter, bytes a second. */
  #bwEst = 0
  #bwNsEst = 0
  /** Delivered since the sample began, and when that was. */
  #bk = 0
  #spanStart: number
  #rtt = 0
  #rttMin = Number.POSITIVE_INFINITY
  /** The path may have changed: the next RTT is the smallest known. */
  #resetRttMin = false
  /** The window when the present episode began; 0: none is under way. */
  #priorCwnd = 0

  constructor(environment: ControllerEnvironment) {
    super(environment)
    this.#spanStart = environment.now
  }

  override onAck(sample: RateSample): void {
    const { now, rtt } = sample
    if (rtt >= 0) {
      this.#rtt = rtt
      if (this.#resetRttMin || rtt < this.#rttMin) this.#rttMin = rtt
      this.#resetRttMin = false
    }
    const span = now - this.#spanStart
    if (this.#rtt > 0 && span > Math.max(this.#rtt, SPAN_MIN_US)) {
      this.#filter((this.#bk * 1e6) / span)
      this.#bk = 0
      this.#spanStart = now
    }
    // linux: westwood_acked_count guesses from duplicate ACKs; `delivered` knows.
    this.#bk += sample.delivered
    if (!sample.inRecovery && sample.cwndLimited) this.grow(newlyAcked(sample))
  }

  override onEnterRecovery(sample: RateSample): void {
    this.#priorCwnd = this.cwnd
    super.onEnterRecovery(sample)
  }

  override onExitRecovery(now: number): void {
    super.onExitRecovery(now)
    // linux: CA_EVENT_COMPLETE_CWR; what was delivered in the episode has made the estimate a better one.
    const bdp = this.#bandwidthDelay()
    if (this.#priorCwnd > 0 && bdp > 0) this.cwnd = this.ssthresh = this.#bounded(bdp, this.#priorCwnd)
    this.#priorCwnd = 0
  }

  override onUndo(): void {
    super.onUndo()
    this.#priorCwnd = 0
  }

  override onTimeout(now: number, inFlight: number, repeated: boolean): void {
    super.onTimeout(now, inFlight, repeated)
    this.#priorCwnd = 0
    this.#resetRttMin = true
  }

  info(): Record<string, number | string | boolean> {
    return {
      bw_est: Math.round(this.#bwEst),
      rtt_min: this.#rttMin === Number.POSITIVE_INFINITY ? 0 : this.#rttMin,
      ssthresh_now: this.#bandwidthDelay(),
    }
  }

  /** `beta` is for before anything was measured. */
  protected override reduce(beta: number): void {
    const { cwnd } = this
    super.reduce(beta)
    const bdp = this.#bandwidthDelay()
    if (bdp > 0) this.ssthresh = this.#bounded(bdp, cwnd)
  }

  /** linux: tcp_westwood_bw_rttmin. A measurement above the window is no reason to grow. */
  #bounded(bdp: number, cwnd: number): number {
    return Math.max(Math.min(bdp, cwnd), MIN_SSTHRESH_SEGS * this.mss)
  }

  /** 0: not known. */
  #bandwidthDelay(): number {
    return this.#rttMin === Number.POSITIVE_INFINITY ? 0 : Math.floor((this.#bwEst * this.#rttMin) / 1e6)
  }

  #filter(bandwidth: number): void {
    if (this.#bwEst === 0 && this.#bwNsEst === 0) {
      this.#bwEst = this.#bwNsEst = bandwidth
      return
    }
    this.#bwNsEst = KEEP * this.#bwNsEst + (1 - KEEP) * bandwidth
    this.#bwEst = KEEP * this.#bwEst + (1 - KEEP) * this.#bwNsEst
  }
}
