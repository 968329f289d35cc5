import type { Segment } from '../wire/index.ts'
import type { ImpairCounters } from './counters.ts'
import { Flow } from './flow.ts'

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
  /** The connection and direction that it belongs to. */
  flow: Flow
  /** Which of the frames of its flow this is, from 0. With `copy` it is the position of every random decision. */
  index = 0
  /** 0, or which duplicate. */
  copy = 0
  /** When it came. */
  enteredUs = 0
  /** Its sender declared it ECN-capable. */
  ect = false
  /** Congestion Experienced, by us or on the way here. */
  marked = false
  corrupted = false
  reordered = false
  injected = false
  /** The bytes are the pipeline's own, and will be the receiver's to keep. */
  owned = false
  /** It has waited in the pipeline. */
  held = false
  /** Chosen to overtake: no delay. */
  skipDelay = false
  /** Decoded, where a stage asked for that and it could be: valid while it passes for the first time. */
  segment: Segment | null = null

  /** When it leaves the stage that holds it, and its rank among those that leave then: fields of that stage's queue. */
  dueUs = 0
  order = 0

  readonly #passing: boolean

  constructor(passing: boolean, buffer: Buffer, start: number, end: number, tag: unknown, flow: Flow = NO_FLOW) {
    this.#passing = passing
    this.buffer = buffer
    this.start = start
    this.end = end
    this.tag = tag
    this.flow = flow
  }

  get length(): number {
    return this.end - this.start
  }

  /** Sets the record of passing frames to the next one. */
  enter(flow: Flow, buffer: Buffer, start: number, end: number, nowUs: number, tag: unknown, ect: boolean): void {
    this.flow = flow
    this.index = flow.packets++
    this.buffer = buffer
    this.start = start
    this.end = end
    this.tag = tag
    this.enteredUs = nowUs
    this.ect = ect
    this.copy = 0
    this.marked = false
    this.corrupted = false
    this.reordered = false
    this.injected = false
    this.owned = false
    this.held = false
    this.skipDelay = false
    this.segment = null
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
    frame.segment = null
    if (!frame.held) counters.delayed++
    frame.held = true
    return frame
  }

  /** A duplicate, with bytes of its own: who receives the other may move them about. */
  twin(): Frame {
    const twin = this.#clone()
    twin.owned = false
    twin.own()
    twin.copy++
    return twin
  }

  #clone(): Frame {
    const clone = new Frame(false, this.buffer, this.start, this.end, this.tag, this.flow)
    clone.index = this.index
    clone.copy = this.copy
    clone.enteredUs = this.enteredUs
    clone.ect = this.ect
    clone.marked = this.marked
    clone.corrupted = this.corrupted
    clone.reordered = this.reordered
    clone.injected = this.injected
    clone.owned = this.owned
    clone.held = this.held
    clone.skipDelay = this.skipDelay
    return clone
  }
}

const NO_FLOW = new Flow(0)
