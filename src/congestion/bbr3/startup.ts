import type { RateSample } from '../controller.ts'
import type { Model } from './model.ts'
import type { Signals } from './signals.ts'

/** bbr3#2: StartupPacingGain (4·ln 2), DrainPacingGain, and the gain of the window in both. */
export const STARTUP_PACING_GAIN = 2.77
export const DRAIN_PACING_GAIN = 0.35
export const STARTUP_CWND_GAIN = 2
/** A quarter more is growth; three rounds without are enough. */
const GROWTH = 1.25
const ROUNDS = 3
/** bbr3#2: StartupFullLossCnt */
const LOSS_EVENTS = 6

/** Whether the bandwidth has stopped growing: in STARTUP, and in each probe upwards (BBRCheckFullBWReached). */
export class FullBandwidth {
  /** Once, so that STARTUP is over for good. */
  reached = false
  /** In the present probe. */
  now = false
  #best = 0
  #rounds = 0

  onAck(sample: RateSample, roundStart: boolean, appLimited: boolean): void {
    if (this.now || appLimited || sample.interval <= 0) return
    if (sample.rate >= this.#best * GROWTH) {
      this.restart(sample.rate)
      return
    }
    if (!roundStart) return
    this.#rounds++
    this.now = this.#rounds >= ROUNDS
    if (this.now) this.reached = true
  }

  /** BBRResetFullBW; to be grown from `best`. */
  restart(best: number): void {
    this.#best = Math.max(best, 0)
    this.#rounds = 0
    this.now = false
  }
}

/** BBRCheckStartupHighLoss: a round of recovery with more than 2 % lost, in more than a place or two. */
export const startupLossTooHigh = (sample: RateSample, signals: Signals, model: Model): boolean =>
  signals.roundStart && sample.inRecovery && signals.lossEvents >= LOSS_EVENTS && model.lossTooHigh(sample)
