import type { RateSample } from '../controller.ts'
import { inNetworkAtNextSend, type Model } from './model.ts'

/** linux: bbr_pacing_gain; a quarter more to see whether there is more, a quarter less to clear what that queued, then six round trips level. */
const GAIN_CYCLE = [5 / 4, 3 / 4, 1, 1, 1, 1, 1, 1] as const
/** linux: bbr_cycle_rand; a cycle begins anywhere but at the drain. */
const RANDOM_PHASES = 7

/** The gain cycle of PROBE_BW, a phase about a round trip. */
export class ProbeBw {
  phase = 0
  #phaseStart = 0

  get gain(): number {
    return GAIN_CYCLE[this.phase]
  }

  get isUp(): boolean {
    return this.phase === 0
  }

  /** linux: bbr_reset_probe_bw_mode; flows that share a link must not probe in step. */
  start(now: number, random: () => number): void {
    const last = GAIN_CYCLE.length - 1
    this.phase = last - Math.min(Math.floor(random() * RANDOM_PHASES), RANDOM_PHASES - 1)
    this.#advance(now)
  }

  /** linux: bbr_update_cycle_phase. `gain`: in force, which a policer's rate makes 1 whatever the phase. */
  onAck(sample: RateSample, model: Model, gain: number, bwBps: number): void {
    if (this.#isOver(sample, model, gain, bwBps)) this.#advance(sample.now)
  }

  #isOver(sample: RateSample, model: Model, gain: number, bwBps: number): boolean {
    const full = sample.now - this.#phaseStart > model.minRtt
    if (gain === 1) return full
    const inFlight = inNetworkAtNextSend(sample.inFlightBefore, sample, bwBps, model.quantum, gain)
    // Probing goes on until so much more is in flight, or the path shows that it does not hold that.
    if (gain > 1) return full && (sample.lost > 0 || inFlight >= model.inflight(model.maxBwBps, gain, this.isUp))
    // And draining until the queue is gone, if that is before the round trip is over.
    return full || inFlight <= model.inflight(model.maxBwBps, 1, this.isUp)
  }

  #advance(now: number): void {
    this.phase = (this.phase + 1) % GAIN_CYCLE.length
    this.#phaseStart = now
  }
}
