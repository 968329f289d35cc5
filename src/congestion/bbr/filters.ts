/**
 * The largest of what was measured within a window of time (Kathleen Nichols' filter; linux: lib/win_minmax.c): the best, the best after it and
 * the best after that, each of a later quarter of the window, so that one is at hand when another grows too old. `time` may count anything.
 */
export class WindowedMax {
  readonly #window: number
  #value0 = 0
  #time0 = 0
  #value1 = 0
  #time1 = 0
  #value2 = 0
  #time2 = 0

  constructor(window: number) {
    this.#window = window
  }

  get value(): number {
    return this.#value0
  }

  reset(value: number, time: number): void {
    this.#value0 = this.#value1 = this.#value2 = value
    this.#time0 = this.#time1 = this.#time2 = time
  }

  update(value: number, time: number): void {
    if (value >= this.#value0 || time - this.#time2 > this.#window) {
      // A new best, or nothing of all that is left within the window.
      this.reset(value, time)
      return
    }
    if (value >= this.#value1) {
      this.#value1 = this.#value2 = value
      this.#time1 = this.#time2 = time
    } else if (value >= this.#value2) {
      this.#value2 = value
      this.#time2 = time
    }
    const age = time - this.#time0
    if (age > this.#window) {
      // The best is too old: the next move up.
      this.#shift(value, time)
      if (time - this.#time0 > this.#window) this.#shift(value, time)
    } else if (this.#time1 === this.#time0 && age > this.#window / 4) {
      // A quarter has passed without a second best: take it from here on.
      this.#value1 = this.#value2 = value
      this.#time1 = this.#time2 = time
    } else if (this.#time2 === this.#time1 && age > this.#window / 2) {
      this.#value2 = value
      this.#time2 = time
    }
  }

  #shift(value: number, time: number): void {
    this.#value0 = this.#value1
    this.#time0 = this.#time1
    this.#value1 = this.#value2
    this.#time1 = this.#time2
    this.#value2 = value
    this.#time2 = time
  }
}

/**
 * Rounds as packets time them: one ends when something is delivered that was sent after it began (linux: bbr_update_bw, first part; BBRUpdateRound).
 */
export class RoundCounter {
  /** Rounds so far. */
  count = 0
  /** The acknowledgement in work began one. */
  started = false
  #nextDelivered = -0

  update(priorDelivered: number, totalDelivered: number): void {
    this.started = priorDelivered >= this.#nextDelivered
    if (!this.started) return
    this.#nextDelivered = totalDelivered
    this.count++
  }

  /** A round begins here, whatever the last one was up to. */
  restart(totalDelivered: number): void {
    this.#nextDelivered = totalDelivered
  }
}

/**
 * What was sent while the controller itself held the rate down, and what its samples must not be taken for (linux: bbr_update_min_rtt sets
 * tp->app_limited). Counted as the sampler stamps segments, by what had been delivered.
 */
export class HeldDown {
  #from = Number.POSITIVE_INFINITY
  #until = -1

  start(totalDelivered: number): void {
    this.#from = totalDelivered
  }

  /** Still so: until all that is now in flight is delivered, at least. */
  extend(totalDelivered: number, inFlight: number): void {
    this.#until = totalDelivered + inFlight
  }

  covers(priorDelivered: number): boolean {
    return priorDelivered >= this.#from && priorDelivered <= this.#until
  }
}
