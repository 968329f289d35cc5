import { type ImpairCounters, makeCounters } from './counters.ts'
import { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import type { Outlet, PipelineOptions, Stage } from './stage.ts'
import { type PipelineSpec, STAGE_TYPES } from './stages.ts'

/**
 * Takes a frame that leaves a pipeline. A frame that passed at once is what `push` was given, with the same rights to it; one
 * that was kept lies in a buffer that nobody else will touch. A duplicate may share its bytes with its original.
 */
export type Emit<Tag> = (buffer: Buffer, start: number, end: number, tag: Tag) => void

/**
 * The impairment of one direction of a path: frames go in, and come out later, more than once, damaged, in another order or
 * not at all. It reads no clock and starts no timer: whoever pushes also calls `release` at `deadline`. The same spec, seed and
 * times give the same fates, and what a stage decides about the n-th frame depends on the seed and n only, whatever the other
 * stages are set to.
 */
export class Pipeline<Tag = undefined> {
  readonly counters: ImpairCounters = makeCounters()
  readonly #stages: readonly Stage<unknown>[]
  /** Those of `#stages` that frames go through now. */
  #linked: Stage<unknown>[] = []
  #first: Outlet
  readonly #exit: Exit<Tag>
  readonly #passing = new Frame(true, EMPTY, 0, 0, undefined)
  #spec: PipelineSpec
  #deadline = Infinity

  constructor(spec: PipelineSpec, rng: Rng, options: PipelineOptions = {}) {
    this.#exit = new Exit(this.counters)
    this.#first = this.#exit
    this.#spec = spec
    this.#stages = STAGE_TYPES.map((type) =>
      type.create({ rng: rng.fork(type.name), counters: this.counters, options }),
    )
    this.setSpec(spec)
  }

  /** What it does now. */
  get spec(): PipelineSpec {
    return this.#spec
  }

  /** When the next kept frame is due, microseconds; `Infinity`: none is kept. */
  get deadline(): number {
    return this.#deadline
  }

  /** Changes what happens to frames from now on. Those that are kept leave when they would have, queued ones at the new rate. */
  setSpec(spec: PipelineSpec): void {
    this.#spec = spec
    for (const [i, type] of STAGE_TYPES.entries()) {
      this.#stages[i].configure(spec[type.name as keyof PipelineSpec] ?? null)
    }
    this.#linked = this.#stages.filter((stage) => !stage.idle)
    let next: Outlet = this.#exit
    for (const stage of this.#linked.toReversed()) {
      stage.next = next
      next = stage
    }
    this.#first = next
  }

  /**
   * A frame at `buffer[start … end)`, borrowed until return. `emit` is called for what is due by now: others that waited, this
   * one if it passes at once. It must not call back into the pipeline. `tag` is handed on with the frame.
   */
  push(buffer: Buffer, start: number, end: number, nowUs: number, emit: Emit<Tag>, tag?: Tag): void {
    if (this.#deadline <= nowUs) this.release(nowUs, emit)
    this.#exit.emit = emit
    this.#passing.enter(this.counters.in++, buffer, start, end, tag)
    this.#first.push(this.#passing, nowUs)
    this.#settle()
  }

  /** Emits the frames that are due by `nowUs`. With `Infinity` all that are kept, in the order in which they would have left. */
  release(nowUs: number, emit: Emit<Tag>): void {
    this.#exit.emit = emit
    // From deadline to deadline: a late call does in the right order what calls in time would have done, and lateness does not
    // add up from stage to stage.
    while (this.#deadline <= nowUs && this.#deadline !== Infinity) {
      const atUs = this.#deadline
      for (const stage of this.#linked) stage.release(atUs)
      this.#settle()
    }
  }

  #settle(): void {
    const counters = this.counters
    counters.held = counters.in + counters.duplicated - counters.out - counters.dropped
    let deadline = Infinity
    if (counters.held > 0) {
      for (const stage of this.#linked) deadline = Math.min(deadline, stage.deadline)
    }
    this.#deadline = deadline
  }
}

/** The way out, behind the last stage. */
class Exit<Tag> implements Outlet {
  readonly #counters: ImpairCounters
  emit: Emit<Tag> | null = null

  constructor(counters: ImpairCounters) {
    this.#counters = counters
  }

  push(frame: Frame): void {
    this.#counters.out++
    this.emit?.(frame.buffer, frame.start, frame.end, frame.tag as Tag)
  }
}

const EMPTY = Buffer.alloc(0)
