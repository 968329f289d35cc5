import type { Mib } from './mib.ts'

const PAGE = 4096

/** What all connections of a stack hold together, against `tcp_mem` (linux: sk_memory_allocated, tcp_enter_memory_pressure). */
export class Memory {
  readonly #mib: Pick<Mib, 'TCPMemoryPressures'>
  /** Bytes. */
  allocated = 0
  /** Above the second mark, until below the first: nothing grows. */
  pressure = false
  /** Above the third mark: nobody new, and nothing out of order. */
  isFull = false

  constructor(mib: Pick<Mib, 'TCPMemoryPressures'>) {
    this.#mib = mib
  }

  /** A connection held `before` bytes and holds `after` now; returns `after`. */
  account(before: number, after: number, tcpMem: readonly [number, number, number]): number {
    if (before === after) return after
    this.allocated += after - before
    const [low, pressure, high] = tcpMem
    const pages = this.allocated / PAGE
    this.isFull = pages > high
    if (this.pressure) this.pressure = pages >= low
    else if (pages > pressure) {
      this.pressure = true
      this.#mib.TCPMemoryPressures++
    }
    return after
  }
}
