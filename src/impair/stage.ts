import type { ImpairCounters } from './counters.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import type { FieldReader } from './values.ts'

/** Where a stage hands on what it lets through: the next stage, or the way out. */
export interface Outlet {
  push(frame: Frame, nowUs: number): void
}

/** What the frames of a pipeline are. */
export interface PipelineOptions {
  /**
   * `segment` (the default): TCP segments, whose own checksum finds damage. `datagram`: whole UDP datagrams, which nobody sees
   * once damaged.
   */
  unit?: 'segment' | 'datagram'
}

/** What a stage is made from. */
export interface StageEnvironment {
  /** The stage's own stream of random numbers. */
  readonly rng: Rng
  readonly counters: ImpairCounters
  readonly options: PipelineOptions
}

/**
 * One kind of impairment: how it is written in a spec, and how to make it. A new kind is a file that exports one of these and
 * a line in `stages.ts`.
 */
export interface StageType<Config> {
  readonly name: string
  /** The fields of a spec that are its own. */
  readonly fields: readonly string[]
  /** Null: off. Throws what `FieldReader` throws. */
  parse(reader: FieldReader): Config | null
  /** The fields that give this configuration, as `field=value` has them. */
  format(config: Config): Record<string, string>
  create(environment: StageEnvironment): Stage<Config>
}

/** One impairment at work. This base lets everything through and keeps nothing. */
export abstract class Stage<Config> implements Outlet {
  protected config: Config | null = null
  protected readonly rng: Rng
  protected readonly counters: ImpairCounters
  /** Set by the pipeline before the first `push`. */
  next: Outlet = NOWHERE

  constructor(environment: StageEnvironment) {
    this.rng = environment.rng
    this.counters = environment.counters
  }

  /** Called again whenever the spec changes; null is off. What is held stays held. */
  configure(config: Config | null): void {
    this.config = config
  }

  /** Whether the pipeline may leave it out of the way. */
  get idle(): boolean {
    return this.config === null
  }

  /** Never called while `idle`. The pipeline sees to it that `nowUs` never lies behind a deadline, however late a wake-up is. */
  abstract push(frame: Frame, nowUs: number): void

  /** When the first of the frames that it holds is due, whole microseconds; `Infinity` when it holds none. */
  get deadline(): number {
    return Infinity
  }

  /** Hands on what is due at `nowUs`. */
  release(_nowUs: number): void {}

  protected drop(): void {
    this.counters.dropped++
  }
}

const NOWHERE: Outlet = { push() {} }
