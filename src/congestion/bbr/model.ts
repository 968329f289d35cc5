import type { RateSample } from '../controller.ts'
import { paceQuantum } from '../pacer.ts'
import { RoundCounter, WindowedMax } from './filters.ts'

/** linux: bbr_bw_rtts, a gain cycle and two; rounds over which the best bandwidth is remembered. */
export const BW_ROUNDS = 10
/** linux: bbr_cwnd_min_target; two segments on their way, two being acknowledged. */
const MIN_WINDOW_SEGS = 4
/** linux: bbr_pacing_margin_percent; a little below the estimate, lest a queue never drains. */
const PACING_MARGIN = 0.99
/** The round trip to pace the first window by while none is known, µs. */
const NOMINAL_RTT_US = 1000

/**
 * What is known of the path: the best bandwidth of the last ten rounds, the smallest round trip of the last ten seconds, and what follows from
 * these two. What an application-limited sample shows is believed only if it is more than was known.
 */
export class Model {
  readonly round: RoundCounter = new RoundCounter()
  readonly #bw: WindowedMax = new WindowedMax(BW_ROUNDS)
  /** µs; `Infinity` before the first. */
  minRtt: number
  readonly #initialWindow: number
  mss: number
  /** What the pacer lets out in one go, bytes. */
  quantum = 0

  constructor(mss: number, initialWindow: number, minRtt: number) {
    this.mss = mss
    this.#initialWindow = initialWindow
    this.minRtt = minRtt
  }

  /** The best bandwidth of late, bytes a second. */
  get maxBwBps(): number {
    return this.#bw.value
  }

  get minWindow(): number {
    return MIN_WINDOW_SEGS * this.mss
  }

  /** A valid sample (linux: bbr_update_bw, its last part). */
  onBandwidth(rateBps: number, appLimited: boolean): void {
    if (!appLimited || rateBps >= this.#bw.value) this.#bw.update(rateBps, this.round.count)
  }

  /** linux: bbr_bdp; what the path holds without a queue at this bandwidth, times `gain`. */
  bdp(bwBps: number, gain: number): number {
    if (this.minRtt === Number.POSITIVE_INFINITY) return this.#initialWindow
    return Math.ceil((bwBps * this.minRtt * gain) / 1e6)
  }

  /**
   * linux: bbr_quantization_budget; room for what waits in bursts at both ends, and for a probe to be more than the product of small numbers.
   */
  budget(window: number, probingUp: boolean): number {
    const even = 2 * this.mss
    const budget = Math.ceil((window + 3 * this.quantum) / even) * even
    return probingUp ? budget + even : budget
  }

  inflight(bwBps: number, gain: number, probingUp: boolean): number {
    return this.budget(this.bdp(bwBps, gain), probingUp)
  }

  onPacingRate(rateBps: number): void {
    this.quantum = paceQuantum(rateBps, this.mss)
  }
}

/** linux: bbr_bw_to_pacing_rate */
export const pacingFor = (bwBps: number, gain: number): number => Math.max(bwBps * gain * PACING_MARGIN, 1)

/** linux: bbr_init_pacing_rate_from_rtt; for the first window, before any bandwidth is known. */
export const firstPacing = (window: number, srtt: number, gain: number): number =>
  pacingFor((window * 1e6) / (srtt > 0 ? srtt : NOMINAL_RTT_US), gain)

/**
 * linux: bbr_packets_in_net_at_edt; how much will be in the network when the next segment leaves. What waits for the pacer is in flight by
 * our count, but not there yet; until it leaves, more of what is there arrives.
 */
export function inNetworkAtNextSend(
  inFlight: number,
  sample: RateSample,
  bwBps: number,
  quantum: number,
  pacingGain: number,
): number {
  const wait = Math.max(sample.nextSendAt - sample.now, 0)
  const then = pacingGain > 1 ? inFlight + quantum : inFlight
  return Math.max(then - (bwBps * wait) / 1e6, 0)
}
