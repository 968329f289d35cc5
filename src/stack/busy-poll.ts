/** How far polling may run into loss, µs, and how much of all time it may lose for good. */
const CREDIT_US = 20_000
const LOSS = 0.01
/** What a µs of processor time is worth, in µs that nothing has to wait. */
const PRICE = 0.5
/** What was slept for so many times the limit may come within it once neither side sleeps. */
const NEAR = 3
/** So many of these in a row begin it; each one found raises the count, up to the most, and one that stays away lowers it. */
const STREAK = 4
const MOST_STREAK = 16
const STAYED_AWAY = 6

/**
 * Whether to look for what comes next instead of sleeping until it is there (`net.core.busy_poll`). Where two processes take turns, most of a round
 * trip may be falling asleep and waking up, and most of the processor time too; or next to nothing, where both run on one processor. ours: Linux
 * polls for everybody or, by default, for nobody; this one keeps books. What comes sooner than it did to a sleeper is a gain, time spent looking a
 * loss. While the gains are larger it goes on; else a hundredth of all time is spent to find out whether they have become so.
 */
export class BusyPoll {
  /** Since when nothing came; null: it is not waited, or nobody wants to know. */
  #since: number | null = null
  #limit = 0
  #polls = false
  #streak = 0
  /** How long a sleeper waits, on average. */
  #slept = 0
  #balance = CREDIT_US
  #balancedAt = 0

  /** All that came is dealt with. Returns until when to look for more, `limit` µs at most; 0: not at all. */
  begin(now: number, limit: number): number {
    // There was something to do that had not come.
    if (this.#polls && this.#since !== null) this.#book(now, this.#since - now)
    this.#limit = limit
    this.#since = limit === 0 ? null : now
    return this.#polls && limit > 0 ? now + limit : 0
  }

  get isWaiting(): boolean {
    return this.#since !== null
  }

  /** Something came. */
  arrived(now: number): void {
    if (this.#since === null) return
    const waited = now - this.#since
    this.#since = null
    if (this.#polls) {
      if (this.#streak < MOST_STREAK) this.#streak++
      this.#book(now, this.#slept - waited - PRICE * waited)
    } else if (waited > this.#limit * NEAR) {
      this.#streak = 0
    } else {
      if (this.#streak < STREAK) this.#streak++
      this.#slept += (waited - this.#slept) / this.#streak
      if (this.#streak < STREAK) return
      this.#book(now, 0)
      this.#polls = this.#balance >= CREDIT_US / 4
    }
  }

  /** Nothing came until the time was up: it is slept. */
  missed(now: number): void {
    if (this.#since === null) return
    this.#book(now, this.#since - now)
    this.#since = null
    this.#streak -= STAYED_AWAY
    if (this.#streak < STREAK) this.#stop()
  }

  /** The event loop had work, and would not have slept: whatever comes is neither gain nor loss. */
  forget(): void {
    this.#since = null
  }

  #book(now: number, gain: number): void {
    const balance = this.#balance + gain + (now - this.#balancedAt) * LOSS
    this.#balance = Math.max(-CREDIT_US, Math.min(CREDIT_US, balance))
    this.#balancedAt = now
    if (this.#balance <= 0) this.#stop()
  }

  #stop(): void {
    this.#polls = false
    this.#streak = 0
  }
}
