import type { RateSample } from '../controller.ts'
import { HeldDown } from './filters.ts'
import type { Model } from './model.ts'

/** linux: bbr_min_rtt_win_sec, bbr_probe_rtt_mode_ms */
const MIN_RTT_WINDOW_US = 10_000_000
const DURATION_US = 200_000

/**
 * The smallest round trip of the last ten seconds, and what to do when none as small was seen for so long: send next to nothing for 200 ms and a
 * round trip, so that every queue of ours has drained and the path shows its length (linux: bbr_update_min_rtt).
 */
export class ProbeRtt {
  /** When `model.minRtt` was measured, or PROBE_RTT ended. */
  #minRttStamp: number
  /** When PROBE_RTT may end; −1: the window has not come down yet. */
  #doneStamp = -1
  #roundDone = false
  /** The low rate is not the path's. */
  readonly held: HeldDown = new HeldDown()

  constructor(now: number) {
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

  start({ totalDelivered }: RateSample): void {
    this.#doneStamp = -1
    this.held.start(totalDelivered)
  }

  /** An acknowledgement in PROBE_RTT. True: it is over. */
  onAck({ now, totalDelivered, inFlight }: RateSample, model: Model): boolean {
    this.held.extend(totalDelivered, inFlight)
    if (this.#doneStamp < 0) {
      if (inFlight <= model.minWindow) {
        this.#doneStamp = now + DURATION_US
        this.#roundDone = false
        model.round.restart(totalDelivered)
      }
      return false
    }
    if (model.round.started) this.#roundDone = true
    return this.#roundDone && this.isDone(now)
  }

  /** Also asked when sending resumes after silence, which is as good. */
  isDone(now: number): boolean {
    return this.#doneStamp >= 0 && now > this.#doneStamp
  }

  end(now: number): void {
    this.#minRttStamp = now
  }
}

/** linux: FLAG_ACK_MAYBE_DELAYED; a lone small segment, the only one in its round trip, is what receivers sit on. */
const mayBeDelayed = ({ delivered, sacked, inRecovery, mss, priorDelivered, totalDelivered }: RateSample): boolean =>
  delivered < mss && sacked === 0 && !inRecovery && priorDelivered + delivered === totalDelivered
