import { type Emit, type Impairment, type ImpairRule, Pipeline, Rng } from '../impair/index.ts'
import type { UdpPath } from './path.ts'

/** What is done to the segments of one path, each direction by itself. */
export class PathImpairment {
  readonly #out: Pipeline
  readonly #in: Pipeline
  readonly #elsewhere: ImpairedFlows
  /** The flow that arrives here, as its sender notes it. */
  readonly #arriving: string
  readonly #leaving: string
  #rule: ImpairRule | null = null

  constructor(path: UdpPath, rule: ImpairRule | null, rng: Rng, elsewhere: ImpairedFlows) {
    this.#out = new Pipeline({}, rng.fork('out'))
    this.#in = new Pipeline({}, rng.fork('in'))
    this.#elsewhere = elsewhere
    const local = `${path.localAddress}|${path.localPort}`
    const remote = `${path.remoteAddress}|${path.remotePort}`
    this.#arriving = `${remote}>${local}`
    this.#leaving = `${local}>${remote}`
    this.setRule(rule)
  }

  /** Null: nothing more happens, but what is held leaves when it would have. */
  setRule(rule: ImpairRule | null): void {
    this.#rule = rule
    this.#out.setSpec(rule?.out ?? {})
    this.#in.setSpec(rule?.in ?? {})
    if (rule?.out) this.#elsewhere.add(this.#leaving)
    else this.#elsewhere.remove(this.#leaving)
  }

  /** When one of the directions has something to release. */
  get deadline(): number {
    return Math.min(this.#out.deadline, this.#in.deadline)
  }

  /** Nothing is done any more, and nothing held. */
  get isOver(): boolean {
    return this.#rule === null && this.isEmpty
  }

  /** Holds nothing. */
  get isEmpty(): boolean {
    return this.deadline === Infinity
  }

  pushOut(buffer: Buffer, start: number, end: number, nowUs: number, emit: Emit<undefined>): void {
    this.#out.push(buffer, start, end, nowUs, emit)
  }

  pushIn(buffer: Buffer, start: number, end: number, nowUs: number, emit: Emit<undefined>): void {
    if (this.#elsewhere.has(this.#arriving)) emit(buffer, start, end, undefined)
    else this.#in.push(buffer, start, end, nowUs, emit)
  }

  releaseOut(nowUs: number, emit: Emit<undefined>): void {
    this.#out.release(nowUs, emit)
  }

  releaseIn(nowUs: number, emit: Emit<undefined>): void {
    this.#in.release(nowUs, emit)
  }

  close(): void {
    this.#elsewhere.remove(this.#leaving)
  }
}

// ours: "between two ends in one process once, at the sender". An impaired path is noted where every tunnel of the process finds
// it, whichever copy of this module it came from; what comes by such a path was impaired when it was sent. Simulated networks
// have addresses of their own: a table for each dgram module.
type Registry = WeakMap<object, Map<string, number>>
const REGISTRY = Symbol.for('sluice.impairedFlows')

/** The flows, from one address to another, that tunnels of this process impair when they send. */
class ImpairedFlows {
  readonly #all: Map<string, number>
  readonly #own = new Set<string>()

  constructor(dgram: object) {
    const globals = globalThis as { [REGISTRY]?: Registry }
    globals[REGISTRY] ??= new WeakMap()
    const all = globals[REGISTRY].get(dgram) ?? new Map<string, number>()
    globals[REGISTRY].set(dgram, all)
    this.#all = all
  }

  add(flow: string): void {
    if (this.#own.has(flow)) return
    this.#own.add(flow)
    this.#all.set(flow, (this.#all.get(flow) ?? 0) + 1)
  }

  remove(flow: string): void {
    if (!this.#own.delete(flow)) return
    const left = (this.#all.get(flow) ?? 1) - 1
    if (left > 0) this.#all.set(flow, left)
    else this.#all.delete(flow)
  }

  has(flow: string): boolean {
    return this.#all.has(flow)
  }
}

/** What a tunnel does to its paths, by their destinations. */
export class Impairer {
  readonly #flows: ImpairedFlows
  readonly #seed: number
  #impairment: Impairment | null
  #rng: Rng
  /** Paths so far: each has random numbers of its own, the same in every run that opens the same paths in the same order. */
  #paths = 0

  constructor(impairment: Impairment | null, seed: number, dgram: object) {
    this.#flows = new ImpairedFlows(dgram)
    this.#seed = seed
    this.#impairment = impairment
    this.#rng = new Rng(impairment?.seed ?? seed)
  }

  get impairment(): Impairment | null {
    return this.#impairment
  }

  get isOn(): boolean {
    return this.#impairment !== null
  }

  set(impairment: Impairment | null): void {
    this.#impairment = impairment
    this.#rng = new Rng(impairment?.seed ?? this.#seed)
    this.#paths = 0
  }

  /** Gives a path what is for its destination; called again when that changes. */
  apply(path: UdpPath): void {
    const rule = this.#impairment?.find(path.remoteAddress, path.remotePort) ?? null
    if (path.impairment !== null) {
      path.impairment.setRule(rule)
      path.endImpairment()
    } else if (rule !== null) {
      // Two ends with the same seed must not lose the same packets.
      const rng = this.#rng.fork(path.opened ? 'opened' : 'accepted').fork(this.#paths++)
      path.impairment = new PathImpairment(path, rule, rng, this.#flows)
    }
  }
}
