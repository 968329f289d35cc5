import { Flag, Segment } from '../wire/index.ts'
import { type ImpairCounters, makeCounters } from './counters.ts'
import { type Conversation, decode, Flow } from './flow.ts'
import { Frame } from './frame.ts'
import { makeReset } from './reset.ts'
import type { Rng } from './rng.ts'
import { Scheduler } from './schedule.ts'
import type { Outlet, PipelineOptions, Stage, StageHost } from './stage.ts'
import { type PipelineSpec, STAGE_TYPES } from './stages.ts'

/**
 * Takes a frame that leaves a pipeline. A frame that passed at once is what `push` was given, with the same rights to it; one
 * that was kept lies in a buffer that nobody else will touch. A duplicate may share its bytes with its original. `marked`: it
 * carries the mark of congestion.
 */
export type Emit<Tag> = (buffer: Buffer, start: number, end: number, tag: Tag, marked: boolean) => void

/**
 * The impairment of one direction of a path: frames go in, and come out later, more than once, damaged, in another order or
 * not at all. It reads no clock and starts no timer: whoever pushes also calls `release` at `deadline`. The same spec, seed and
 * times give the same fates, and what a stage decides about the n-th frame of a connection depends on the seed, on which
 * connection that is and on n only, whatever the other stages are set to.
 */
export class Pipeline<Tag = undefined> {
  readonly counters: ImpairCounters = makeCounters()
  readonly #options: PipelineOptions
  readonly #stages: readonly Stage<unknown>[]
  /** What each stage is set to. */
  readonly #configs: unknown[] = STAGE_TYPES.map(() => null)
  /** Those of `#stages` that frames go through now. */
  #linked: Stage<unknown>[] = []
  #first: Outlet
  readonly #exit: Exit<Tag>
  readonly #passing = new Frame(true, EMPTY, 0, 0, undefined)
  readonly #segment = new Segment()
  /** Of all frames, where connections are not told apart. */
  #flow = new Flow(0)
  #startUs: number | null = null
  #conversation: Conversation | null = null
  #decodes = false
  #spec: PipelineSpec
  #scheduler: Scheduler | null = null
  #deadline = Infinity
  #lingersUs = Infinity
  /** The latest time that it was told. */
  #nowUs = 0

  constructor(spec: PipelineSpec, rng: Rng, options: PipelineOptions = {}) {
    this.#options = options
    this.#exit = new Exit(this.counters, options)
    this.#first = this.#exit
    this.#spec = spec
    const host = this.#makeHost()
    this.#stages = STAGE_TYPES.map((type) =>
      type.create({ rng: rng.fork(type.name), counters: this.counters, options, host }),
    )
    this.setSpec(spec)
  }

  /** What it does now, but for what is scheduled. */
  get spec(): PipelineSpec {
    return this.#spec
  }

  /** When the next kept frame is due or something scheduled happens, microseconds; `Infinity`: nothing waits. */
  get deadline(): number {
    return this.#deadline
  }

  /** The end of a connection that was reset may still have to hear of it. */
  get lingers(): boolean {
    return this.#lingersUs !== Infinity
  }

  /** Changes what happens to frames from now on. Those that are kept leave when they would have, queued ones at the new rate. */
  setSpec(spec: PipelineSpec): void {
    if (!same(this.#spec.schedule, spec.schedule) || this.#scheduler === null) {
      this.#scheduler = spec.schedule === undefined ? null : new Scheduler(spec.schedule)
    }
    this.#spec = spec
    this.#flow.base = this.#flow.packets
    if (this.#options.conversations !== undefined) {
      const outgoing = this.#options.outgoing ?? true
      for (const [, conversation] of this.#options.conversations) {
        const flow = outgoing ? conversation.out : conversation.in
        flow.base = flow.packets
      }
    }
    this.#apply()
    this.#settle()
  }

  /** Other random numbers from now on; packets are counted from 0 again. */
  reseed(rng: Rng): void {
    for (const [i, type] of STAGE_TYPES.entries()) this.#stages[i].reseed(rng.fork(type.name))
    this.#flow = new Flow(0)
  }

  /**
   * A frame at `buffer[start … end)`, borrowed until return. `emit` is called for what is due by now: others that waited, this
   * one if it passes at once. It must not call back into the pipeline. `tag` is handed on with the frame. `ect`: its sender
   * declared it ECN-capable; `marked`: it came with a mark.
   */
  push(
    buffer: Buffer,
    start: number,
    end: number,
    nowUs: number,
    emit: Emit<Tag>,
    tag?: Tag,
    ect = false,
    marked = false,
  ): void {
    if (this.#deadline <= nowUs) this.release(nowUs, emit)
    this.#exit.emit = emit
    this.#nowUs = Math.max(this.#nowUs, nowUs)
    this.counters.in++
    this.counters.inBytes += end - start
    const { conversations, outgoing = true } = this.#options
    if (conversations !== undefined) {
      conversations.startUs ??= nowUs
      this.#conversation = conversations.find(buffer, start, end, outgoing)
    } else {
      this.#startUs ??= nowUs
    }
    if (this.#scheduler !== null) this.#look(this.#scheduler, nowUs)
    const conversation = this.#conversation
    const flow = conversation === null ? this.#flow : outgoing ? conversation.out : conversation.in
    const frame = this.#passing
    frame.enter(flow, buffer, start, end, nowUs, tag, ect)
    frame.marked = marked
    if (this.#decodes || conversations?.tracks || conversation?.isReset) {
      if (this.#options.unit !== 'datagram' && decode(buffer, start, end, this.#segment)) {
        flow.track(this.#segment)
        frame.segment = this.#segment
      }
    }
    if (conversation?.isReset) this.#refuse(frame, nowUs)
    else this.#first.push(frame, nowUs)
    this.#settle()
  }

  /** A frame of this direction that is not for us to impair. False: its connection was reset, and it is gone. */
  watch(buffer: Buffer, start: number, end: number): boolean {
    const { conversations, outgoing = true } = this.#options
    if (!conversations?.tracks) return true
    const conversation = conversations.find(buffer, start, end, outgoing)
    if (!decode(buffer, start, end, this.#segment)) return true
    const flow = outgoing ? conversation.out : conversation.in
    flow.track(this.#segment)
    if (!conversation.isReset) return true
    this.#answer(flow)
    return false
  }

  /** Counts from 0 again, but for what is held. */
  countAnew(): void {
    const { held } = this.counters
    Object.assign(this.counters, makeCounters())
    // What is still here counts as having come since, so that the sums stay right.
    this.counters.in = held
    this.counters.held = held
  }

  /** Emits the frames that are due by `nowUs`. With `Infinity` all that are kept, in the order in which they would have left. */
  release(nowUs: number, emit: Emit<Tag>): void {
    this.#exit.emit = emit
    // From deadline to deadline: a late call does in the right order what calls in time would have done, and lateness does not
    // add up from stage to stage.
    while (this.#deadline <= nowUs && this.#deadline !== Infinity) {
      if (nowUs === Infinity && this.counters.held === 0) return
      // A stage that was turned off lets go at once, not in the past.
      const atUs = this.#deadline > 0 || nowUs === Infinity ? Math.max(this.#deadline, this.#nowUs) : nowUs
      if (atUs >= this.#lingersUs) this.#lingersUs = Infinity
      this.#nowUs = atUs
      if (this.#scheduler !== null) this.#look(this.#scheduler, atUs)
      for (const stage of this.#linked) stage.release(atUs)
      this.#settle()
    }
  }

  // ---- inside

  /** Puts the stages that have something to do into the way. */
  #apply(): void {
    let spec = this.#spec as Record<string, unknown>
    for (const overlay of this.#scheduler?.active ?? []) spec = { ...spec, ...overlay }
    this.#decodes = false
    for (const [i, type] of STAGE_TYPES.entries()) {
      const config = spec[type.name] ?? null
      if (config !== null && type.decodes) this.#decodes = true
      if (same(config, this.#configs[i])) continue
      this.#configs[i] = config
      this.#stages[i].configure(config)
    }
    if (this.#decodes || this.#scheduler !== null) this.#track()
    this.#linked = this.#stages.filter((stage) => !stage.idle)
    let next: Outlet = this.#exit
    for (const stage of this.#linked.toReversed()) {
      stage.next = next
      next = stage
    }
    this.#first = next
  }

  /** The other direction has to look at its segments too. */
  #track(): void {
    if (this.#options.conversations !== undefined) this.#options.conversations.tracks = true
  }

  #look(scheduler: Scheduler, nowUs: number): void {
    const startUs = this.#options.conversations?.startUs ?? this.#startUs
    if (startUs === null) return
    const happens = (action: 'reset' | 'rebind'): void => {
      if (action === 'rebind') this.#options.rebind?.()
      else this.#resetAll(nowUs)
    }
    if (scheduler.look(nowUs - startUs, this.counters.inBytes, happens)) this.#apply()
  }

  #settle(): void {
    const counters = this.counters
    counters.held = counters.in + counters.duplicated + counters.injected - counters.out - counters.dropped
    let deadline = this.#lingersUs
    for (const stage of this.#linked) deadline = Math.min(deadline, stage.deadline)
    const scheduler = this.#scheduler
    const startUs = this.#options.conversations?.startUs ?? this.#startUs
    // What is scheduled needs a wake-up only where it does something by itself: settings are looked at when a frame comes.
    if (scheduler !== null && startUs !== null && (counters.held > 0 || scheduler.happensByItself)) {
      deadline = Math.min(deadline, startUs + scheduler.nextUs)
    }
    this.#deadline = deadline
  }

  #makeHost(): StageHost {
    const pipeline = this
    return {
      dropped: (frame, rule, nowUs) => this.#exit.dropped(frame, rule, nowUs),
      reset: (conversation, nowUs) => {
        const { srcPort, dstPort, seq } = this.#segment
        this.#reset(conversation, srcPort, dstPort, nowUs, seq)
      },
      get conversation() {
        return pipeline.#conversation
      },
    }
  }

  /** Both ends get a reset, and so does whatever they say from now on. `seq` is what the receiver of this direction expects next. */
  #reset(conversation: Conversation, srcPort: number, dstPort: number, nowUs: number, seq: number | null = null): void {
    if (conversation.isReset) return
    conversation.isReset = true
    this.#track()
    this.#lingersUs = nowUs + LINGER_US
    const flow = (this.#options.outgoing ?? true) ? conversation.out : conversation.in
    // rfc5961#3.2: only a reset at exactly RCV.NXT counts. That is what was acknowledged last, or what comes next, or else what the
    // challenge says that one of these draws.
    for (const at of new Set([flow.peer.lastAck, seq ?? flow.nextSeq])) {
      if (at !== null) this.#inject(makeReset(flow, srcPort, dstPort, at), flow, nowUs)
    }
    for (const at of new Set([flow.lastAck, flow.peer.nextSeq])) {
      if (at !== null) this.#options.answer?.(makeReset(flow.peer, dstPort, srcPort, at))
    }
  }

  #resetAll(nowUs: number): void {
    const { conversations, outgoing = true } = this.#options
    for (const [key, conversation] of conversations ?? []) {
      const [local, remote] = [Math.floor(key / 65_536), key % 65_536]
      if (outgoing) this.#reset(conversation, local, remote, nowUs)
      else this.#reset(conversation, remote, local, nowUs)
    }
  }

  /** A frame of a connection that was reset. */
  #refuse(frame: Frame, nowUs: number): void {
    const { segment, flow } = frame
    this.#exit.dropped(frame, 'reset', nowUs)
    if (segment !== null) this.#answer(flow)
  }

  /** Resets the sender of the segment at hand: what it acknowledges is where it expects the next byte, and a reset there counts. */
  #answer(flow: Flow): void {
    const { flags, srcPort, dstPort } = this.#segment
    if ((flags & Flag.RST) !== 0) return
    if (flow.lastAck !== null) this.#options.answer?.(makeReset(flow.peer, dstPort, srcPort, flow.lastAck))
  }

  #inject(bytes: Buffer, flow: Flow, nowUs: number): void {
    const frame = new Frame(false, bytes, 0, bytes.length, this.#passing.tag, flow)
    frame.owned = true
    frame.injected = true
    frame.index = flow.packets
    frame.enteredUs = nowUs
    this.counters.injected++
    this.#exit.push(frame, nowUs)
  }
}

/** The way out, behind the last stage. */
class Exit<Tag> implements Outlet {
  readonly #counters: ImpairCounters
  readonly #options: PipelineOptions
  emit: Emit<Tag> | null = null

  constructor(counters: ImpairCounters, options: PipelineOptions) {
    this.#counters = counters
    this.#options = options
  }

  push(frame: Frame, nowUs: number): void {
    this.#counters.out++
    this.#counters.outBytes += frame.length
    this.#tell(frame, '', nowUs)
    this.emit?.(frame.buffer, frame.start, frame.end, frame.tag as Tag, frame.marked)
  }

  dropped(frame: Frame, rule: string, nowUs: number): void {
    const { droppedBy } = this.#counters
    this.#counters.dropped++
    // "loss" of "loss=5%", "queue" of "queue=1000" and of "queue codel".
    const name = /^\w+/.exec(rule)?.[0] ?? rule
    droppedBy[name] = (droppedBy[name] ?? 0) + 1
    this.#tell(frame, rule, nowUs)
  }

  #tell(frame: Frame, by: string, nowUs: number): void {
    const { observer = null } = this.#options
    if (observer === null) return
    const { index, copy, corrupted, marked, reordered, injected, buffer, start, end } = frame
    const delayedUs = Math.max(0, nowUs - frame.enteredUs)
    const connection = frame.flow.ordinal
    const fate = by === '' ? 'passed' : 'dropped'
    observer(
      { fate, by, index, copy, connection, delayedUs, corrupted, marked, reordered, injected },
      buffer,
      start,
      end,
      nowUs,
    )
  }
}

/** Equal in all their members. */
function same(a: unknown, b: unknown): boolean {
  if (a === b) return true
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false
  if (Array.isArray(a) !== Array.isArray(b)) return false
  const [left, right] = [Object.entries(a), Object.entries(b)]
  return (
    left.length === right.length &&
    left.every(([name, value]) => Object.hasOwn(b, name) && same(value, (b as Record<string, unknown>)[name]))
  )
}

/** For so long a path stays after a reset: its other end may have been about to say something. */
const LINGER_US = 5_000_000
const EMPTY = Buffer.alloc(0)
