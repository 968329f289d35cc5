import type { ImpairCounters } from './counters.ts'

/**
 * A frame on its way through a pipeline. The bytes of one that was not kept are borrowed: they are the caller's again when `push`
 * returns. A pipeline has one such record and uses it for every frame that passes; what is kept gets a record of its own.
 */
export class Frame {
  buffer: Buffer
  start: number
  end: number
  /** Whatever the caller sent along. */
  tag: unknown
  /** Which of the frames that entered the pipeline this is, from 0. With `copy` it is the position of every random decision. */
  index = 0
  /** 0, or which duplicate. */
  copy = 0
  /** The bytes are the pipeline's own, and will be the receiver's to keep. */
  owned = false
  /** It has waited in the pipeline. */
  held = false
  /** Chosen to overtake: no delay. */
  skipDelay = false

  /** When it leaves the stage that holds it, and its rank among those that leave then: fields of that stage's queue. */
  dueUs = 0
  order = 0

  readonly #passing: boolean

  constructor(passing: boolean, buffer: Buffer, start: number, end: number, tag: unknown) {
    this.#passing = passing
    this.buffer = buffer
    this.start = start
    this.end = end
    this.tag = tag
  }

  get length(): number {
    return this.end - this.start
  }

  /** Sets the record of passing frames to the next one. */
  enter(index: number, buffer: Buffer, start: number, end: number, tag: unknown): void {
    this.buffer = buffer
    this.start = start
    this.end = end
    this.tag = tag
    this.index = index
    this.copy = 0
    this.owned = false
    this.held = false
    this.skipDelay = false
  }

  /** From now on the bytes may be changed, and are nobody else's. */
  own(): void {
    if (this.owned) return
    const length = this.end - this.start
    const copy = Buffer.allocUnsafe(length)
    this.buffer.copy(copy, 0, this.start, this.end)
    this.buffer = copy
    this.start = 0
    this.end = length
    this.owned = true
  }

  /** The record to put into a queue: this one, or another with the same fate and with bytes of its own. */
  hold(counters: ImpairCounters): Frame {
    const frame = this.#passing ? this.#clone() : this
    frame.own()
    if (!frame.held) counters.delayed++
    frame.held = true
    return frame
  }

  /** A duplicate, with the bytes shared. */
  twin(): Frame {
    const twin = this.#clone()
    // Whoever changes either of the two makes a copy first.
    twin.owned = false
    this.owned = false
    twin.copy++
    return twin
  }

  #clone(): Frame {
    const clone = new Frame(false, this.buffer, this.start, this.end, this.tag)
    clone.index = this.index
    clone.copy = this.copy
    clone.owned = this.owned
    clone.held = this.held
    clone.skipDelay = this.skipDelay
    return clone
  }
}
