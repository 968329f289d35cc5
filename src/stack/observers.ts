import { performance } from 'node:perf_hooks'
import {
  type Capture,
  CaptureFile,
  type CaptureOptions,
  CaptureTracer,
  DecisionTracer,
  EventTracer,
  type TraceListener,
  tee,
  type WritableLike,
} from '../observe/index.ts'
import type { Tracer } from '../observe/tracer.ts'
import { type CloseReason, type State, softErrorCode, stateName } from '../tcp/index.ts'

// Captured at load: fake timers of a test runner must not set the clock of a capture.
const { timeOrigin } = performance
const sinceOriginMs = performance.now.bind(performance)

/** Everybody who watches a stack. */
export class Observers {
  /** Hears of all of them as one, or of nobody. */
  readonly #changed: (tracer: Tracer | null) => void
  /** The one that was assigned to `stack.tracer`. */
  #assigned: Tracer | null = null
  readonly #others: Tracer[] = []

  constructor(changed: (tracer: Tracer | null) => void) {
    this.#changed = changed
  }

  get assigned(): Tracer | null {
    return this.#assigned
  }

  set assigned(tracer: Tracer | null) {
    this.#assigned = tracer
    this.#join()
  }

  /** Tells `log` in words what is decided, for ever. */
  explain(log: (line: string) => void): void {
    const state = (number: number): string => stateName(number as State)
    this.#add(new DecisionTracer(log, state, (reason) => softErrorCode(reason as CloseReason)))
  }

  /** What it returns ends it. */
  trace(listener: TraceListener): () => void {
    const tracer = new EventTracer(listener, (state) => stateName(state as State))
    this.#add(tracer)
    return () => this.#remove(tracer)
  }

  /** `nowUs`: the stack's time; `isReal`: it began when it began, else in 1970, so that captures of one scenario are the same each time. */
  capture(target: string | WritableLike, options: CaptureOptions, nowUs: number, isReal: boolean): Capture {
    const epochUs = isReal ? Math.round((timeOrigin + sinceOriginMs()) * 1000) - nowUs : 0
    const file = new CaptureFile(target, options, epochUs, () => this.#remove(tracer))
    const tracer = new CaptureTracer(file, options.filter)
    this.#add(tracer)
    return file
  }

  /** The stack has closed: captures are complete. */
  end(): void {
    for (const tracer of [...this.#others]) if (tracer instanceof CaptureTracer) tracer.file.stop()
  }

  #add(tracer: Tracer): void {
    this.#others.push(tracer)
    this.#join()
  }

  #remove(tracer: Tracer): void {
    const at = this.#others.indexOf(tracer)
    if (at >= 0) this.#others.splice(at, 1)
    this.#join()
  }

  #join(): void {
    this.#changed(tee(this.#assigned === null ? this.#others : [this.#assigned, ...this.#others]))
  }
}
