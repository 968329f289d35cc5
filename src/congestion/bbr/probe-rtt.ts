import type { RateSample } from '../controller.ts'
import type { Model } from './model.ts'
import { ProbeRttStay } from './probe-rtt-stay.ts'

/** linux: bbr_min_rtt_win_sec */
const MIN_RTT_WINDOW_US = 10_000_000

/**
 * The smallest round trip of the last ten seconds, and what to do when none as small was seen for so long: send next to nothing for 200 ms and a
 * round trip, so that every queue of ours has drained and the path shows its length (linux: bbr_update_min_rtt).
 */
export class ProbeRtt extends ProbeRttStay {
  /** When `model.minRtt` was measured, or PROBE_RTT ended. */
  #minRttStamp: number

  constructor(now: number) {
    super()
    this.#minRttStamp = now
  }

  /** Takes the sample's round trip; true: it is time for PROBE_RTT. */
  onRtt(sample: RateSample, model: Model): boolean {
    const { now, rtt } = sample
    const expired = now > this.#minRttStamp + MIN_RTT_WINDOW_US
    if (rtt >= 0 && (rtt < model.minRtt || (expired && !mayBeDelayed(sample)))) {
      model.minRtt = Math.max(rtt, 1)
      this.#minRttStamp = now
    }
    return expired
  }

  end(now: number): void {
    this.#minRttStamp = now
  }
}

/** linux: FLAG_ACK_MAYBE_DELAYED; a lone small segment, the only one in its round trip, is what receivers sit on. */
const mayBeDelayed = ({ delivered, sacked, inRecovery, mss, priorDelivered, totalDelivered }: RateSample): boolean =>
  delivered < mss && sacked === 0 && !inRecovery && priorDelivered + delivered === totalDelivered
