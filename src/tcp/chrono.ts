/** What keeps a connection from being done with its data (linux: enum tcp_chrono). */
export const Chrono = {
  /** Nothing to send. */
  Idle: 0,
  Busy: 1,
  /** The peer's window. */
  RwndLimited: 2,
  /** Our send buffer. */
  SndbufLimited: 3,
} as const
export type Chrono = (typeof Chrono)[keyof typeof Chrono]

/** How long each lasted, µs; busy_time of `tcp_info` is the sum of the last three. */
export class Chronograph {
  #now: Chrono = Chrono.Idle
  #since = 0
  #spent: [number, number, number, number] | null = null

  set(state: Chrono, now: number): void {
    if (state === this.#now) return
    this.#spent ??= [0, 0, 0, 0]
    this.#spent[this.#now] += now - this.#since
    this.#now = state
    this.#since = now
  }

  spent(state: Chrono, now: number): number {
    return (this.#spent?.[state] ?? 0) + (state === this.#now ? now - this.#since : 0)
  }

  busy(now: number): number {
    return this.spent(Chrono.Busy, now) + this.spent(Chrono.RwndLimited, now) + this.spent(Chrono.SndbufLimited, now)
  }
}
