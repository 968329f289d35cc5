/** linux: bbr_high_gain; 2/ln 2, the least that doubles the rate in a round, and its inverse, which empties in one round what that filled. */
export const HIGH_GAIN = 2885 / 1000
export const DRAIN_GAIN = 1 / HIGH_GAIN
/** linux: bbr_full_bw_thresh, bbr_full_bw_cnt: three rounds that bring less than a quarter more. */
const GROWTH = 1.25
const ROUNDS = 3

/** Whether STARTUP has filled the pipe: the bandwidth has stopped growing (linux: bbr_check_full_bw_reached). */
export class FullPipe {
  reached = false
  #bestBps = 0
  #rounds = 0

  get rounds(): number {
    return this.#rounds
  }

  onAck(maxBwBps: number, roundStart: boolean, appLimited: boolean): void {
    if (this.reached || !roundStart || appLimited) return
    if (maxBwBps >= this.#bestBps * GROWTH) {
      this.#bestBps = maxBwBps
      this.#rounds = 0
      return
    }
    this.#rounds++
    this.reached = this.#rounds >= ROUNDS
  }

  /** What was reached may be less than there is: look again from the next round on (linux: bbr_undo_cwnd, bbr_set_state). */
  lookAgain(): void {
    this.#bestBps = 0
    this.#rounds = 0
  }
}
