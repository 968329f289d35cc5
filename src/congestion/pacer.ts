/** The time that one wake-up's worth of data takes at the pacing rate: timers are no finer, and a wake-up costs more than a segment. */
export const QUANTUM_US = 1000
/** linux: below 1.2 Mbit/s two segments at once would be a burst (bbr_min_tso_rate). */
const SINGLE_SEGMENT_BPS = 1_200_000 / 8
/** A wake-up that came later than this is not made up for: the path did not wait. */
const MAX_LATE_US = 10_000
/** Quanta that may leave within a quantum of time, to make up for late wake-ups. */
const CATCH_UP = 4
/** Sending goes on so much early, lest a wake-up on a grid of a millisecond be missed by a hair. */
const SLACK_US = QUANTUM_US / 8

/**
 * What leaves in one go at a rate: a millisecond's worth, at least two segments, or one where the rate is low (linux: tcp_tso_autosize,
 * bbr_tso_segs_goal).
 */
export function paceQuantum(rateBps: number, mss: number): number {
  const least = rateBps < SINGLE_SEGMENT_BPS ? mss : 2 * mss
  return Math.max((rateBps * QUANTUM_US) / 1e6, least)
}

/**
 * The pace of a controller that names none: its window over the round-trip time, times `ssRatio` % in the first half of slow start and
 * `caRatio` % after it (linux: tcp_update_pacing_rate). Bytes a second; `Infinity`: not paced.
 *
 * @param packetsOut bytes outstanding: what exceeds the window after a reduction still leaves at its old pace
 * @param srtt µs; 0: no round trip was measured, and nothing is known to pace by
 * @param maxBps the connection's `maxPacingRate`
 */
export function pacingRate(
  { cwnd, ssthresh, pacingBps }: { readonly cwnd: number; readonly ssthresh: number; readonly pacingBps: number },
  packetsOut: number,
  srtt: number,
  ssRatio: number,
  caRatio: number,
  maxBps: number = Number.POSITIVE_INFINITY,
): number {
  if (pacingBps > 0) return Math.min(pacingBps, maxBps)
  if (srtt <= 0) return maxBps
  const ratio = cwnd < ssthresh / 2 ? ssRatio : caRatio
  return Math.min((Math.max(cwnd, packetsOut) * ratio * 1e4) / srtt, maxBps)
}

/**
 * Spreads what is sent over time. Sending is on or off: on, until one more segment would be more than a quantum ahead of the rate; off, until
 * time has caught up. So a wake-up a millisecond fills any rate with bursts of a millisecond's worth, and low rates go segment by segment.
 *
 *     ahead  ▲ quantum ┄┄┄╱│┄┄┄┄┄╱│┄┄┄┄      the rate is held in the long run: a late wake-up begins behind (below 0)
 *            │          ╱  ╲    ╱  ╲         and makes up for that, four quanta at most at a time
 *          0 ┼─────────╱────╲──╱────╲───▶ t
 */
export class Pacer {
  /** When sending may go on, µs; in the past: now. */
  nextSendAt = Number.NEGATIVE_INFINITY
  /** When the last byte would have left, had all been sent at the rate exactly. */
  #doneAt = Number.NEGATIVE_INFINITY
  #rateBps = 0
  /** Bytes that still leave without delay. */
  #unpaced: number
  /** Sent since `#burstAt`, within one quantum of time. */
  #burst = 0
  #burstAt = Number.NEGATIVE_INFINITY

  /**
   * @param unpaced bytes that leave without delay when the connection is new: the initial window (linux: sch_fq's initial quantum, and the
   * first ten segments of internal pacing)
   */
  constructor(unpaced = 0) {
    this.#unpaced = unpaced
  }

  /** Whether a segment may leave now. */
  canSend(now: number): boolean {
    return now >= this.nextSendAt
  }

  /**
   * `bytes` left.
   *
   * @param rateBps the rate to hold, bytes a second; `Infinity` or 0: none
   */
  onSent(now: number, bytes: number, rateBps: number): void {
    if (this.#unpaced > 0) {
      this.#unpaced -= bytes
      return
    }
    if (!(rateBps > 0) || rateBps === Number.POSITIVE_INFINITY) {
      this.#doneAt = now
      this.#rateBps = 0
      return
    }
    if (rateBps !== this.#rateBps) this.onRate(now, rateBps)
    // Silence is no credit: the application, or the window, let the time pass.
    if (this.#doneAt < now - MAX_LATE_US) this.#doneAt = now
    if (now >= this.#burstAt + QUANTUM_US) {
      this.#burstAt = now
      this.#burst = 0
    }
    const time = (bytes * 1e6) / rateBps
    this.#doneAt += time
    this.#burst += time
    if (this.#doneAt + time > now + QUANTUM_US) this.nextSendAt = this.#doneAt - SLACK_US
    else if (this.#burst >= CATCH_UP * QUANTUM_US) this.nextSendAt = this.#burstAt + QUANTUM_US
  }

  /** The rate changes: what was sent ahead of the old one is waited for at the new one. Optional; `onSent` sees it otherwise. */
  onRate(now: number, rateBps: number): void {
    const old = this.#rateBps
    if (!(rateBps > 0) || rateBps === Number.POSITIVE_INFINITY) return
    this.#rateBps = rateBps
    const ahead = this.#doneAt - now
    if (old === 0 || ahead <= 0) return
    this.#doneAt = now + (ahead * old) / rateBps
    if (this.nextSendAt > now) this.nextSendAt = Math.min(this.nextSendAt, this.#doneAt - SLACK_US)
  }
}
