import type { ImpairCounters } from './counters.ts'
import type { Conversation, Conversations, Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import type { FieldReader } from './values.ts'
import type { Observer } from './verdict.ts'

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
  /** Bytes of headers below a frame, down to IP: for what counts whole packets. Default 0. */
  overhead?: number
  /** Tells connections apart, each with decisions of its own. Shared by the two directions of a path; absent: all is one. */
  conversations?: Conversations
  /** Which of the two directions this is. Default: it leaves. */
  outgoing?: boolean
  /** A frame for where frames come from: a reset. Its bytes are the callee's. */
  answer?: (frame: Buffer) => void
  /** The path shall get another source address. */
  rebind?: () => void
  observer?: Observer | null
}

/** What a stage is made from. */
export interface StageEnvironment {
  /** The stage's own stream of random numbers. */
  readonly rng: Rng
  readonly counters: ImpairCounters
  readonly options: PipelineOptions
  /** What stages do to frames beyond handing them on. */
  readonly host: StageHost
}

export interface StageHost {
  /** A frame is gone; `rule` is the member of the spec that took it. */
  dropped(frame: Frame, rule: string, nowUs: number): void
  /** Ends a connection: what comes next from either side is answered with a reset. */
  reset(conversation: Conversation, nowUs: number): void
  /** The conversation of the frame that is passing; null where connections are not told apart. */
  readonly conversation: Conversation | null
}

/**
 * One kind of impairment: how it is written in a spec, and how to make it. A new kind is a file that exports one of these and
 * a line in `stages.ts`.
 */
export interface StageType<Config> {
  readonly name: string
  /** The fields of a spec that are its own. */
  readonly fields: readonly string[]
  /** It looks at segments, or at where in the connection they stand. */
  readonly decodes?: boolean
  /** Null: off. Throws what `FieldReader` throws. */
  parse(reader: FieldReader): Config | null
  /** The fields that give this configuration, as `field=value` has them. */
  format(config: Config): Record<string, string>
  create(environment: StageEnvironment): Stage<Config>
}

/** One impairment at work. This base lets everything through and keeps nothing. */
export abstract class Stage<Config, Memory = unknown> implements Outlet {
  protected config: Config | null = null
  protected rng: Rng
  protected readonly counters: ImpairCounters
  protected readonly host: StageHost
  protected readonly options: PipelineOptions
  /** Set by the pipeline before the first `push`. */
  next: Outlet = NOWHERE
  #memories = new WeakMap<Flow, Memory>()
  #lastFlow: Flow | null = null
  #lastMemory: Memory | null = null

  constructor(environment: StageEnvironment) {
    this.rng = environment.rng
    this.counters = environment.counters
    this.host = environment.host
    this.options = environment.options
  }

  /** Called again whenever the spec changes; null is off. What is held stays held. */
  configure(config: Config | null): void {
    this.config = config
    this.#forget()
  }

  /** Other random numbers from now on. */
  reseed(rng: Rng): void {
    this.rng = rng
    this.#forget()
  }

  #forget(): void {
    this.#memories = new WeakMap()
    this.#lastFlow = null
    this.#lastMemory = null
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

  /** What a stage knows of a flow, made on its first frame since the stage was configured. */
  protected recall(_rng: Rng, _flow: Flow): Memory {
    throw new Error('this stage remembers nothing')
  }

  /** What this stage knows of the flow of a frame. */
  protected memory(flow: Flow): Memory {
    if (flow === this.#lastFlow) return this.#lastMemory as Memory
    let memory = this.#memories.get(flow)
    if (memory === undefined) {
      // The first connection has the stage's own stream, so that a pipeline without connections is one with a single connection.
      memory = this.recall(flow.ordinal === 0 ? this.rng : this.rng.fork(flow.ordinal), flow)
      this.#memories.set(flow, memory)
    }
    this.#lastFlow = flow
    this.#lastMemory = memory
    return memory
  }

  protected drop(frame: Frame, rule: string, nowUs: number): void {
    this.host.dropped(frame, rule, nowUs)
  }
}

const NOWHERE: Outlet = { push() {} }
