/** How far polling may run into loss, µs, and how much of all time it may lose for good. */
const CREDIT_US = 20_000
const LOSS = 0.01
/** What was slept for so many times the limit may come within it once neither side sleeps. */
const NEAR = 3
/** So many of these in a row begin it; each one found raises the count, up to the most, and one that stays away lowers it. */
const STREAK = 4
const MOST_STREAK = 16
const STAYED_AWAY = 6

/**
 * Whether to look for what comes next instead of sleeping until it is there (`net.core.busy_poll`). Where two processes take turns, most of a round
 * trip is falling asleep and waking up, and most of the processor time too. ours: Linux polls for everybody or, by default, for nobody; this one
 * keeps books. The limit says what a sleep costs: what comes sooner is a gain, time spent in vain a loss. While the gains are larger it goes
 * on; else a hundredth of all time is spent to find out whether they have become so.
 */
export class BusyPoll {
  #limit = 0
  /** Since when nothing came; null: it is not waited, or nobody wants to know. */
  #since: number | null = null
  #polls = false
  #streak = 0
  #balance = CREDIT_US
  #balancedAt = 0

  /** All that came is dealt with. Returns until when to look for more, `limit` µs at most; 0: not at all. */
  begin(now: number, limit: number): number {
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
      this.#book(now, this.#limit - waited)
    } else if (waited > this.#limit * NEAR) {
      this.#streak = 0
    } else if (++this.#streak >= STREAK) {
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

  #book(now: number, gain: number): void {
    this.#balance = Math.min(CREDIT_US, this.#balance + gain + (now - this.#balancedAt) * LOSS)
    this.#balancedAt = now
    if (this.#balance <= 0) this.#stop()
  }

  #stop(): void {
    this.#polls = false
    this.#streak = 0
  }
}
