import { costPerGigabyte, machineBusySeconds } from '../busy.ts'

/** What is received when all runs evenly: windows are open and code is compiled when the warm-up is over, and it counts from then on. */
export class Steady {
  bytes = 0
  /** How long that took; 0 until it is over. */
  seconds = 0
  /** Of all processors together, for a GB; null where this machine does not tell. */
  cost: number | null = null
  readonly #warmup: number
  readonly #duration: number
  #began = -1
  #from = -1
  #busy: number | null = null

  /** Both in ms. */
  constructor(warmup: number, duration: number) {
    this.#warmup = warmup
    this.#duration = duration
  }

  get isOver(): boolean {
    return this.seconds > 0
  }

  /** True: it is over with these bytes. */
  add(bytes: number): boolean {
    if (this.isOver) return false
    const now = performance.now()
    if (this.#began < 0) this.#began = now
    if (this.#from < 0) {
      if (now - this.#began < this.#warmup) return false
      this.#from = now
      this.#busy = machineBusySeconds()
      return false
    }
    this.bytes += bytes
    if (now - this.#from < this.#duration) return false
    this.seconds = (now - this.#from) / 1000
    this.cost = costPerGigabyte(this.#busy, machineBusySeconds(), this.bytes)
    return true
  }
}
