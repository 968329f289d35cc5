import type { RateSample } from '../controller.ts'
import { HeldDown, type RoundCounter } from './filters.ts'

/** linux: bbr_probe_rtt_mode_ms; bbr3#2: ProbeRTTDuration */
const DURATION_US = 200_000

/** A stay in PROBE_RTT, of either version: until no more is in flight than a small window, and from then for 200 ms and a round trip. */
export class ProbeRttStay {
  /** When it may end; −1: what is in flight has not come down yet. */
  #doneStamp = -1
  #roundDone = false
  /** The low rate is not the path's. */
  readonly held: HeldDown = new HeldDown()

  start({ totalDelivered }: RateSample): void {
    this.#doneStamp = -1
    this.held.start(totalDelivered)
  }

  /** An acknowledgement in PROBE_RTT, whose window is `window`. True: it is over. */
  onAck({ now, totalDelivered, inFlight }: RateSample, round: RoundCounter, window: number): boolean {
    this.held.extend(totalDelivered, inFlight)
    if (this.#doneStamp < 0) {
      if (inFlight <= window) {
        this.#doneStamp = now + DURATION_US
        this.#roundDone = false
        round.restart(totalDelivered)
      }
      return false
    }
    if (round.started) this.#roundDone = true
    return this.#roundDone && this.isDone(now)
  }

  /** Also asked when sending resumes after silence, which is as good. */
  isDone(now: number): boolean {
    return this.#doneStamp >= 0 && now > this.#doneStamp
  }
}
