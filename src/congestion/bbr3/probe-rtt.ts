import { ProbeRttStay } from '../bbr/probe-rtt-stay.ts'
import type { RateSample } from '../controller.ts'
import type { Model } from './model.ts'

/** bbr3#2: ProbeRTTInterval, MinRTTFilterLen */
const INTERVAL_US = 5_000_000
const MIN_RTT_WINDOW_US = 10_000_000
/** bbr3#2: ProbeRTTCwndGain */
export const PROBE_RTT_CWND_GAIN = 0.5

/**
 * The smallest round trip of ten seconds, made of the smallest of each five; and half a path's worth in flight for 200 ms where five seconds
 * brought none as small. Twice as often as version 1, and half as deep a cut.
 */
export class ProbeRtt extends ProbeRttStay {
  /** The smallest since the last PROBE_RTT, and when. */
  #minDelay = Number.POSITIVE_INFINITY
  #minStamp: number
  /** When `model.minRtt` was measured. */
  #minRttStamp: number

  constructor(now: number) {
    super()
    this.#minStamp = now
    this.#minRttStamp = now
  }

  /** BBRProbeRTTCwnd */
  cwnd(model: Model): number {
    return Math.max(model.bdp(model.bw, PROBE_RTT_CWND_GAIN), model.minPipe)
  }

  /** BBRUpdateMinRTT; true: it is time for PROBE_RTT. */
  onRtt({ now, rtt }: RateSample, model: Model): boolean {
    const expired = now > this.#minStamp + INTERVAL_US
    if (rtt >= 0 && (rtt < this.#minDelay || expired)) {
      this.#minDelay = Math.max(rtt, 1)
      this.#minStamp = now
    }
    if (this.#minDelay < model.minRtt || now > this.#minRttStamp + MIN_RTT_WINDOW_US) {
      model.minRtt = this.#minDelay
      this.#minRttStamp = this.#minStamp
    }
    return expired
  }

  end(now: number): void {
    this.#minStamp = now
  }
}
