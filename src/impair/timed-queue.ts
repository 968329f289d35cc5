import type { Frame } from './frame.ts'

/** Frames by the time at which they are due, and among equals by their arrival: a binary heap. */
export class TimedQueue {
  readonly #heap: Frame[] = []
  #arrived = 0

  get size(): number {
    return this.#heap.length
  }

  /** When the first is due; `Infinity` when there is none. */
  get dueUs(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].dueUs
  }

  push(frame: Frame, dueUs: number): void {
    frame.dueUs = dueUs
    frame.order = this.#arrived++
    const heap = this.#heap
    let at = heap.length
    heap.push(frame)
    while (at > 0) {
      const parent = (at - 1) >> 1
      // The newcomer is the last of its equals, so only a later one makes way.
      if (heap[parent].dueUs <= dueUs) break
      heap[at] = heap[parent]
      at = parent
    }
    heap[at] = frame
  }

  /** Takes the first out. There must be one. */
  pop(): Frame {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop() as Frame
    const size = heap.length
    if (size === 0) return first
    let at = 0
    for (let child = 1; child < size; child = 2 * at + 1) {
      if (child + 1 < size && before(heap[child + 1], heap[child])) child++
      if (!before(heap[child], last)) break
      heap[at] = heap[child]
      at = child
    }
    heap[at] = last
    return first
  }
}

const before = (a: Frame, b: Frame): boolean => a.dueUs < b.dueUs || (a.dueUs === b.dueUs && a.order < b.order)
