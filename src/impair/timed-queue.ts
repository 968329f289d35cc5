import type { Frame } from './frame.ts'
import { Heap } from './heap.ts'

/** Frames by the time at which they are due, and among equals by their arrival. */
export class TimedQueue {
  readonly #heap = new Heap<Frame>((a, b) => a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order))
  #arrived = 0

  get size(): number {
    return this.#heap.size
  }

  /** When the first is due; `Infinity` when there is none. */
  get dueUs(): number {
    return this.#heap.first?.dueUs ?? Infinity
  }

  push(frame: Frame, dueUs: number): void {
    frame.dueUs = dueUs
    frame.order = this.#arrived++
    this.#heap.push(frame)
  }

  /** Takes the first out. There must be one. */
  pop(): Frame {
    return this.#heap.pop()
  }
}
