import { type Conversations, type DirectionFields, Pipeline, parsePipelineSpec, type Rng } from '../../impair/index.ts'
import { FrameKind, FrameResult, FrameView, nextFrame, SHIM_LENGTH, segmentKind, writeShim } from '../../wire/frame.ts'
import type { SimSocket } from './sim-socket.ts'
import { Phase, type Task } from './world.ts'

/** The way of a datagram: from one UDP address to another. Sockets keep theirs, so that a datagram needs none of its own. */
export interface Flow {
  readonly family: 'IPv4' | 'IPv6'
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly address: string
  readonly port: number
  readonly link: SimLink
  /** Not a datagram, but the ICMP message that nobody has the port that one of this flow was for. */
  readonly refused: Flow | null
  /** The socket that took the last one, and the state of its host's table then. */
  sink: SimSocket | null
  sinkVersion: number
}

/** Looks at a datagram that is about to cross a link; false loses it. */
export type Tap = (datagram: Buffer, flow: Flow) => boolean

/** Is shown the segments on a link that carries segments, one by one: `buffer[start … end)`, borrowed until return. */
export interface LinkWatcher {
  /** Nothing of this flow passes now, segment or not. */
  isCut(flow: Flow): boolean
  /** About to be sent: a text says that it is lost, and by what. */
  judge(flow: Flow, buffer: Buffer, start: number, end: number): string | null
  /** It left its host, and was lost at once where `lostBy` names something. */
  sent(flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string | null): void
  delivered(flow: Flow, buffer: Buffer, start: number, end: number): void
  /** The link itself answers a segment of this flow: a reset, in its bytes. */
  answer(flow: Flow, segment: Buffer): void
  /** Lost on the way, in a queue. */
  lost(flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string): void
}

/** What a link carries as one, and for segments what it shares with the link that goes the other way. */
export type LinkUnit = { readonly unit: 'datagram' } | SegmentUnit

interface SegmentUnit {
  readonly unit: 'segment'
  /** Tells connections apart. */
  readonly conversations: Conversations
  /** One of the two is, whichever. */
  readonly outgoing: boolean
}

/** Where a link ends. */
export interface LinkEnd {
  readonly name: string
  /** `message` is the receiver's to keep. */
  arrive(message: Buffer, flow: Flow): void
}

/** What a link needs of time, virtual or real. */
export interface LinkTime {
  readonly nowUs: number
  schedule(us: number, task: Task, phase?: Phase): void
}

/** A frame under way: the flow, and what stood in its shim; -1: it was no frame of ours, and leaves as it came. */
interface Passenger {
  readonly flow: Flow
  readonly kind: number
  /** A segment's ECN bits: declared capable, and marked when it was sent. */
  readonly ect: boolean
  readonly marked: boolean
}

/** IPv4, UDP and our shim, for what counts whole packets. */
const OVERHEAD = 20 + 8 + SHIM_LENGTH
const NO_FRAME = -1
const plain = (flow: Flow): Passenger => ({ flow, kind: NO_FRAME, ect: false, marked: false })

/**
 * One direction of a link between two hosts: an impairment pipeline. For `datagram`s as they are, or for the `segment`s in them one
 * by one, each of which then travels alone: so that what is lost, delayed and counted is what TCP knows of.
 */
export class SimLink {
  readonly from: LinkEnd
  readonly to: LinkEnd
  readonly pipeline: Pipeline<Passenger>
  readonly unit: 'datagram' | 'segment'
  /** A dead link loses everything, silently; what is under way arrives. */
  down = false
  tap: Tap | null = null
  watcher: LinkWatcher | null = null
  /** Datagrams or segments that `down`, a tap or a watcher lost. */
  cut = 0

  readonly #time: LinkTime
  readonly #view = new FrameView()
  #eventUs = Infinity
  /** The sender's buffer while it is being sent: what comes out in the same moment has to be copied. */
  #sending: Buffer | null = null
  /** Set while a segment is pushed: what dropped it. */
  #droppedBy: string | null = null
  #lastFlow: Flow | null = null

  constructor(
    time: LinkTime,
    from: LinkEnd,
    to: LinkEnd,
    fields: DirectionFields,
    rng: Rng,
    how: LinkUnit = { unit: 'datagram' },
  ) {
    this.#time = time
    this.from = from
    this.to = to
    this.unit = how.unit
    this.pipeline = new Pipeline<Passenger>(parsePipelineSpec(fields) ?? {}, rng, {
      ...how,
      overhead: how.unit === 'segment' ? OVERHEAD : 0,
      answer: (segment) => {
        if (this.#lastFlow !== null) this.watcher?.answer(this.#lastFlow, segment)
      },
      observer: (verdict, buffer, start, end) => {
        if (verdict.fate === 'dropped') this.#dropped(verdict.by, buffer, start, end)
      },
    })
  }

  /** What happens to what is sent from now on. */
  set(fields: DirectionFields): void {
    this.pipeline.setSpec(parsePipelineSpec(fields) ?? {})
    this.#arm()
  }

  /** The bytes are the caller's again on return. */
  transmit(buffer: Buffer, start: number, end: number, flow: Flow): void {
    if (this.unit === 'segment') {
      this.#transmitFrames(buffer, start, end, flow)
      return
    }
    if (this.down || (this.tap !== null && !this.tap(buffer.subarray(start, end), flow))) {
      this.cut++
      return
    }
    this.#push(buffer, start, end, plain(flow))
  }

  #transmitFrames(buffer: Buffer, start: number, end: number, flow: Flow): void {
    const view = this.#view
    if (flow.refused !== null || nextFrame(buffer, start, end, view) !== FrameResult.Frame) {
      this.#send(buffer, start, end, plain(flow), flow.refused === null)
      return
    }
    for (let at = start; nextFrame(buffer, at, end, view) === FrameResult.Frame; ) {
      at = view.next
      const { kind, ect, marked } = view
      this.#send(buffer, view.start, view.end, { flow, kind, ect, marked }, kind === FrameKind.Segment)
    }
  }

  #send(buffer: Buffer, start: number, end: number, passenger: Passenger, isSegment: boolean): void {
    const { flow } = passenger
    if (!isSegment && this.watcher?.isCut(flow)) {
      this.cut++
      return
    }
    const watcher = isSegment ? this.watcher : null
    const lostBy = this.down ? 'partition' : (watcher?.judge(flow, buffer, start, end) ?? null)
    if (lostBy !== null) {
      this.cut++
      watcher?.sent(flow, buffer, start, end, lostBy)
      return
    }
    this.#push(buffer, start, end, passenger)
    watcher?.sent(flow, buffer, start, end, this.#droppedBy)
  }

  #push(buffer: Buffer, start: number, end: number, passenger: Passenger): void {
    this.#sending = buffer
    this.#droppedBy = null
    this.#lastFlow = passenger.flow
    const { ect, marked } = passenger
    this.pipeline.push(buffer, start, end, this.#time.nowUs, this.#emit, passenger, ect, marked)
    this.#sending = null
    this.#arm()
  }

  #dropped(by: string, buffer: Buffer, start: number, end: number): void {
    if (this.#sending !== null) this.#droppedBy = by
    else if (this.#lastFlow !== null && this.unit === 'segment') {
      this.watcher?.lost(this.#lastFlow, buffer, start, end, by)
    }
  }

  readonly #emit = (buffer: Buffer, start: number, end: number, passenger: Passenger, marked: boolean): void => {
    const { flow, kind, ect } = passenger
    if (kind === NO_FRAME) {
      const isSegment = this.unit === 'segment' && flow.refused === null
      if (isSegment) this.watcher?.delivered(flow, buffer, start, end)
      this.to.arrive(
        buffer === this.#sending ? Buffer.from(buffer.subarray(start, end)) : buffer.subarray(start, end),
        flow,
      )
      return
    }
    if (kind === FrameKind.Segment) this.watcher?.delivered(flow, buffer, start, end)
    const message = Buffer.allocUnsafe(SHIM_LENGTH + end - start)
    writeShim(message, 0, kind === FrameKind.Segment ? segmentKind(ect, marked) : (kind as FrameKind), end - start)
    buffer.copy(message, SHIM_LENGTH, start, end)
    this.to.arrive(message, flow)
  }

  #arm(): void {
    const { deadline } = this.pipeline
    if (deadline >= this.#eventUs) return
    this.#eventUs = deadline
    this.#time.schedule(deadline, this.#task, Phase.Poll)
  }

  readonly #task: Task = {
    fire: (nowUs) => {
      this.#eventUs = Infinity
      this.pipeline.release(nowUs, this.#emit)
      this.#arm()
    },
    isDue: (us) => us === this.#eventUs,
  }
}
