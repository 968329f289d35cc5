import { type DirectionFields, Pipeline, type PipelineOptions, parsePipelineSpec, Rng } from '../../src/impair/index.ts'

/** A frame that came out of a pipeline. */
export interface Arrival {
  /** Which of the frames that went in, from 0. */
  index: number
  us: number
  body: Buffer
}

export interface RigOptions extends PipelineOptions {
  seed?: number
  /** Between two frames. */
  intervalUs?: number
  size?: number
}

/** A pipeline to push numbered frames through, in virtual time, woken at its deadlines and not otherwise. */
export class PipelineRig {
  readonly pipeline: Pipeline<number>
  readonly arrivals: Arrival[] = []
  nowUs = 0
  readonly #options: RigOptions
  #pushed = 0

  constructor(fields: DirectionFields, options: RigOptions = {}) {
    this.#options = options
    this.pipeline = new Pipeline(parsePipelineSpec(fields) ?? {}, new Rng(options.seed ?? 1), options)
  }

  /** Pushes `count` frames at their interval; the time ends at the last. */
  push(count: number): this {
    const { intervalUs = 1000, size = 100 } = this.#options
    for (let i = 0; i < count; i++) {
      if (i > 0) this.advance(intervalUs)
      const index = this.#pushed++
      const frame = Buffer.alloc(size, index & 0xff)
      this.pipeline.push(frame, 0, size, this.nowUs, this.#emit, index)
      // What was kept must not be the sender's buffer any more.
      frame.fill(0xee)
    }
    return this
  }

  advance(us: number): this {
    const until = this.nowUs + us
    while (this.pipeline.deadline <= until) {
      this.nowUs = Math.max(this.nowUs, this.pipeline.deadline)
      this.pipeline.release(this.nowUs, this.#emit)
    }
    this.nowUs = until
    return this
  }

  /** Until nothing is kept any more. */
  drain(): this {
    while (this.pipeline.deadline !== Infinity) this.advance(Math.max(0, this.pipeline.deadline - this.nowUs))
    return this
  }

  setFields(fields: DirectionFields): this {
    this.pipeline.setSpec(parsePipelineSpec(fields) ?? {})
    return this
  }

  /** Which frames came, in order. */
  get order(): number[] {
    return this.arrivals.map((arrival) => arrival.index)
  }

  get times(): number[] {
    return this.arrivals.map((arrival) => arrival.us)
  }

  /** How long each arrival took. */
  get delays(): number[] {
    const { intervalUs = 1000 } = this.#options
    return this.arrivals.map((arrival) => arrival.us - arrival.index * intervalUs)
  }

  readonly #emit = (buffer: Buffer, start: number, end: number, index: number): void => {
    this.arrivals.push({ index, us: this.nowUs, body: Buffer.from(buffer.subarray(start, end)) })
  }
}

/** All frames of a run, pushed and waited for. */
export function runPipeline(fields: DirectionFields, count: number, options: RigOptions = {}): PipelineRig {
  return new PipelineRig(fields, options).push(count).drain()
}

/**
 * Whether `hits` of `trials` is what a probability gives, within four standard deviations: with a fixed seed it is so or not for
 * ever, and a wrong probability shows.
 */
export function isLikely(hits: number, trials: number, probability: number): boolean {
  return Math.abs(hits - trials * probability) <= 4 * Math.sqrt(trials * probability * (1 - probability))
}
