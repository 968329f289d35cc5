import {
  Conversations,
  type Emit,
  formatPipelineSpec,
  type Impairment,
  type ImpairReportEntry,
  type ImpairRule,
  type Observer,
  Pipeline,
  type PipelineOptions,
  ReportTable,
  Rng,
} from '../impair/index.ts'
import { SHIM_LENGTH } from '../wire/frame.ts'
import type { TunnelOwner } from './datagrams.ts'
import { ImpairedFlows } from './impaired-flows.ts'
import { ImpairedFrames } from './impaired-frames.ts'
import type { UdpPath } from './path.ts'

/** IP and UDP headers in front of what a datagram holds. */
const HEADERS = { IPv4: 28, IPv6: 48 } as const

/** What comes out: with `ect` as its tag, undefined for what the pipeline made itself. */
export type EcnEmit = Emit<boolean | undefined>

/** What is done to the segments of one path, each direction by itself. */
export class PathImpairment {
  /** What the path sends and hears through it. */
  readonly frames: ImpairedFrames
  readonly #path: UdpPath
  readonly #impairer: Impairer
  readonly #out: Pipeline<boolean | undefined>
  readonly #in: Pipeline<boolean | undefined>
  /** The flow that arrives here, as its sender notes it. */
  readonly #arriving: string
  readonly #leaving: string
  /** Which of the paths of its kind: decides its random numbers. */
  readonly #ordinal: number
  #rule: ImpairRule | null = null
  /** Resets of our own, for this end and for the other. */
  #toUs: Buffer[] = []
  #toPeer: Buffer[] = []

  constructor(path: UdpPath, ordinal: number, impairer: Impairer) {
    this.#path = path
    this.frames = new ImpairedFrames(path, this)
    this.#ordinal = ordinal
    this.#impairer = impairer
    const local = `${path.localAddress}|${path.localPort}`
    const remote = `${path.remoteAddress}|${path.remotePort}`
    this.#arriving = `${remote}>${local}`
    this.#leaving = `${local}>${remote}`
    const conversations = new Conversations()
    const rng = impairer.rngOf(path, ordinal)
    this.#out = new Pipeline({}, rng.fork('out'), this.#options(conversations, true))
    this.#in = new Pipeline({}, rng.fork('in'), this.#options(conversations, false))
  }

  #options(conversations: Conversations, outgoing: boolean): PipelineOptions {
    const path = this.#path
    const { owner } = this.#impairer
    const observer: Observer = (verdict, buffer, start, end, nowUs) => {
      const { seed } = this.#impairer
      owner.tracer?.frameImpaired?.(nowUs, path, outgoing, buffer, start, end, verdict, seed)
      if (verdict.fate === 'dropped') {
        owner.tracer?.frameDropped?.(nowUs, path, outgoing, buffer, start, end, verdict.by, seed)
      }
    }
    return {
      overhead: HEADERS[path.family] + (path.framed ? SHIM_LENGTH : 0),
      conversations,
      outgoing,
      answer: (segment) => (outgoing ? this.#toUs : this.#toPeer).push(segment),
      // Only we can give ourselves another address.
      ...(outgoing && { rebind: () => this.#impairer.rebind(path) }),
      get observer() {
        return (owner.tracer ?? null) === null ? null : observer
      },
    }
  }

  /** Null: nothing more happens, but what is held leaves when it would have. */
  setRule(rule: ImpairRule | null): void {
    if (this.#rule !== rule) this.settle()
    this.#rule = rule
    this.#out.setSpec(rule?.out ?? {})
    this.#in.setSpec(rule?.in ?? {})
    if (rule?.out) this.#impairer.flows.add(this.#leaving)
    else this.#impairer.flows.remove(this.#leaving)
  }

  /** Bytes of packet beyond which what leaves is dropped, outside of schedules. */
  get mtu(): number {
    return this.#rule?.out?.mtu?.bytes ?? Infinity
  }

  /** Another seed: all is decided anew. */
  reseed(): void {
    const rng = this.#impairer.rngOf(this.#path, this.#ordinal)
    this.#out.reseed(rng.fork('out'))
    this.#in.reseed(rng.fork('in'))
  }

  /** When one of the directions has something to release, or to do. */
  get deadline(): number {
    return this.#answers > 0 ? 0 : Math.min(this.#out.deadline, this.#in.deadline)
  }

  get #answers(): number {
    return this.#toUs.length + this.#toPeer.length
  }

  /** Nothing is done any more, and nothing held. */
  get isOver(): boolean {
    return this.#rule === null && this.isEmpty
  }

  /** Segments that leave here and were dropped, so far. */
  get droppedOut(): number {
    return this.#out.counters.dropped
  }

  /** Holds nothing. */
  get isEmpty(): boolean {
    if (this.#out.lingers || this.#in.lingers) return false
    return this.#answers + this.#out.counters.held + this.#in.counters.held === 0
  }

  /** `ect` and `marked` are its ECN bits; the first goes along as the tag. */
  pushOut(buffer: Buffer, start: number, end: number, nowUs: number, emit: EcnEmit, ect: boolean): void {
    this.#out.push(buffer, start, end, nowUs, emit, ect, ect)
  }

  pushIn(
    buffer: Buffer,
    start: number,
    end: number,
    nowUs: number,
    emit: EcnEmit,
    ect: boolean,
    marked: boolean,
  ): void {
    if (!this.#impairer.flows.has(this.#arriving)) this.#in.push(buffer, start, end, nowUs, emit, ect, ect, marked)
    else if (this.#in.watch(buffer, start, end)) emit(buffer, start, end, ect, marked)
  }

  releaseOut(nowUs: number, emit: EcnEmit): void {
    this.#out.release(nowUs, emit)
    for (const segment of this.#toPeer.splice(0)) emit(segment, 0, segment.length, undefined, false)
  }

  releaseIn(nowUs: number, emit: EcnEmit): void {
    this.#in.release(nowUs, emit)
    for (const segment of this.#toUs.splice(0)) emit(segment, 0, segment.length, undefined, false)
  }

  close(): void {
    this.settle()
    this.frames.close()
    this.#impairer.closed(this, this.#leaving)
  }

  /** Hands what was done under the present rule to the report, which goes on from there. */
  settle(): void {
    this.report(this.#impairer.past)
    for (const pipeline of [this.#out, this.#in]) pipeline.countAnew()
  }

  report(table: ReportTable): void {
    const rule = this.#rule
    const { opened, remoteAddress, remotePort } = this.#path
    const host = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress
    // Peers that connected to us have ports that mean nothing.
    const destination = opened ? `${host}:${remotePort}` : remoteAddress
    for (const direction of ['out', 'in'] as const) {
      const entry: ImpairReportEntry = {
        rule: rule === null ? -1 : this.#impairer.indexOf(rule),
        to: rule?.to ? String(rule.to) : null,
        destination,
        direction,
        seed: this.#impairer.seed,
        spec: formatPipelineSpec(rule?.[direction] ?? null).join(','),
        counters: (direction === 'out' ? this.#out : this.#in).counters,
      }
      table.add(entry)
    }
  }
}

/** What a tunnel does to its paths, by their destinations. */
export class Impairer {
  readonly owner: TunnelOwner
  readonly flows: ImpairedFlows
  readonly rebind: (path: UdpPath) => void
  readonly #ownSeed: number
  readonly #live = new Set<PathImpairment>()
  #impairment: Impairment | null
  #seed: number
  // Made when something is impaired: most hosts never load what impairs.
  #rng: Rng | null = null
  #past: ReportTable | null = null
  readonly #openedOnly: boolean
  /** Paths so far, by who began them: each has random numbers of its own, the same in every run that opens them in the same order. */
  readonly #paths = { opened: 0, accepted: 0 }

  constructor(
    impairment: Impairment | null,
    seed: number,
    dgram: object,
    owner: TunnelOwner,
    rebind: (path: UdpPath) => void,
    openedOnly = false,
  ) {
    this.#openedOnly = openedOnly
    this.owner = owner
    this.rebind = rebind
    this.flows = new ImpairedFlows(dgram)
    this.#ownSeed = seed
    this.#impairment = impairment
    this.#seed = impairment?.seed ?? seed
  }

  get impairment(): Impairment | null {
    return this.#impairment
  }

  get isOn(): boolean {
    return this.#impairment !== null
  }

  /** What decides every choice. */
  get seed(): number {
    return this.#seed
  }

  set(impairment: Impairment | null): void {
    this.#impairment = impairment
    // While nothing is impaired there is nothing to decide.
    const seed = impairment === null ? this.#seed : (impairment.seed ?? this.#ownSeed)
    if (seed === this.#seed) return
    for (const path of this.#live) path.settle()
    this.#seed = seed
    this.#rng = null
    for (const path of this.#live) path.reseed()
  }

  /** Two ends with the same seed must not lose the same packets. */
  rngOf(path: UdpPath, ordinal: number): Rng {
    this.#rng ??= new Rng(this.#seed)
    return this.#rng.fork(path.opened ? 'opened' : 'accepted').fork(ordinal)
  }

  /** Counts of paths that have closed, and of rules that hold no more. */
  get past(): ReportTable {
    this.#past ??= new ReportTable()
    return this.#past
  }

  indexOf(rule: ImpairRule): number {
    return this.#impairment?.rules.indexOf(rule) ?? -1
  }

  /** Gives a path what is for its destination; called again when that changes. */
  apply(path: UdpPath): void {
    const isConcerned = path.opened || !this.#openedOnly
    const rule = isConcerned ? (this.#impairment?.find(path.remoteAddress, path.remotePort) ?? null) : null
    const ordinal = path.ordinal ?? this.#paths[path.opened ? 'opened' : 'accepted']++
    path.ordinal = ordinal
    if (path.impairment === null) {
      if (rule === null) return
      path.impairment = new PathImpairment(path, ordinal, this)
      this.#live.add(path.impairment)
    }
    path.impairment.setRule(rule)
    path.endImpairment()
  }

  /** For each rule, destination and direction what was done so far. */
  report(): ImpairReportEntry[] {
    const table = this.past.copy()
    for (const path of this.#live) path.report(table)
    return table.toArray()
  }

  closed(path: PathImpairment, flow: string): void {
    this.#live.delete(path)
    this.flows.remove(flow)
  }
}
