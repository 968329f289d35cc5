/** linux: bbr_high_gain; 2/ln 2, the least that doubles the rate in a round, and its inverse, which empties in one round what that filled. */
export const HIGH_GAIN = 2885 / 1000
export const DRAIN_GAIN = 1 / HIGH_GAIN
/** linux: bbr_full_bw_thresh, bbr_full_bw_cnt: three rounds that bring less than a quarter more. */
export const GROWTH = 1.25
const ROUNDS = 3

/** Whether STARTUP has filled the pipe: the bandwidth has stopped growing (linux: bbr_check_full_bw_reached). */
export class FullPipe {
  reached = false
  #bestBps = 0
  #rounds = 0

  get rounds(): number {
    return this.#rounds
  }

  /** `tellsNothing`: the sample would be no larger if the pipe were. */
  onAck(maxBwBps: number, roundStart: boolean, tellsNothing: boolean): void {
    if (this.reached || !roundStart || tellsNothing) return
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

/** ours: an estimate that falls by more than the pacing margin (linux: bbr_pacing_margin_percent) leaves a queue that the margin cannot drain in time. */
const TOO_FAST = 0.99

/**
 * ours: whether STARTUP took the path for faster than it is. A process in user space reads acknowledgements late, and answers late, while all of it is
 * new to the machine: a few per cent more than there is are measured, held for ten rounds, and the queue that they make is drained by the pacing
 * margin alone, in seconds. So it is looked at once, when the samples of STARTUP have left the filter.
 */
export class Overshoot {
  /** What STARTUP ended with; 0: nothing is to be looked at. */
  #bps = 0
  #until = 0

  /** STARTUP is over; its samples count for `rounds` from now on. */
  start(maxBwBps: number, round: number, rounds: number): void {
    this.#bps = maxBwBps
    this.#until = round + rounds
  }

  /** True once, if it was: the queue is to be drained again. */
  isFound(maxBwBps: number, round: number): boolean {
    if (this.#bps === 0 || round <= this.#until) return false
    const found = maxBwBps < this.#bps * TOO_FAST
    this.#bps = 0
    return found
  }
}
