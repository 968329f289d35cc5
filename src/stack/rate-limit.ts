const SECOND_US = 1_000_000

/**
 * So many a second for the whole stack, give or take a random half: an exact number would tell whoever provokes the answers how many somebody
 * else has drawn, and so whether a guess about another connection was right (CVE-2016-5696; linux: tcp_send_challenge_ack).
 */
export class RateLimit {
  readonly #random: () => number
  #windowStart = Number.NEGATIVE_INFINITY
  #left = 0

  constructor(random: () => number) {
    this.#random = random
  }

  /** Whether one more is allowed at `now`; takes it. */
  take(now: number, perSecond: number): boolean {
    if (now - this.#windowStart >= SECOND_US) {
      this.#windowStart = now
      this.#left = Math.ceil(perSecond / 2 + this.#random() * perSecond)
    }
    if (this.#left === 0) return false
    this.#left--
    return true
  }
}
