import { formatFlags, formatSegment, type Segment } from '../wire/index.ts'
import { BaseTracer } from './base-tracer.ts'
import type { Ends } from './tracer.ts'

interface Moment {
  /** Milliseconds since the stack began. */
  readonly time: number
  /** Tells the connections of a stack apart. */
  readonly connection: number
}

/** What `stack.trace` tells. */
export type TraceEvent =
  | (Moment & {
      readonly type: 'sent' | 'received'
      /** As tcpdump writes them: `S`, `S.`, `P.`, `.`, `F.`, `R`. */
      readonly flags: string
      /** 0 … 2³² − 1; `ack` means something only with ACK set. */
      readonly seq: number
      readonly ack: number
      /** Unscaled. */
      readonly window: number
      /** Bytes of data. */
      readonly length: number
      readonly retransmission: boolean
      /** The segment as tcpdump prints it, with absolute numbers. */
      readonly line: string
    })
  | (Moment & { readonly type: 'state'; readonly from: string; readonly to: string })
  | (Moment & { readonly type: 'ca-state'; readonly from: string; readonly to: string; readonly reason: string })
  | (Moment & {
      /** The congestion controller moved between states of its own, `STARTUP` to `DRAIN`; empty where it names none. */
      readonly type: 'cc-state'
      readonly name: string
      readonly from: string
      readonly to: string
    })
  | (Moment & { readonly type: 'cwnd'; readonly cwnd: number; readonly ssthresh: number; readonly reason: string })
  | (Moment & { readonly type: 'timer'; readonly timer: string })
  | (Moment & { readonly type: 'soft-error'; readonly reason: number })
  | (Moment & { readonly type: 'urgent'; readonly bytes: number })
  | (Moment & {
      /** The peer seems to be heard from another address. */
      readonly type: 'path'
      readonly what: 'asked' | 'moved' | 'forgotten' | 'ignored'
      readonly address: string
      readonly port: number
      readonly reason: string
    })
  | {
      readonly type: 'dropped'
      readonly time: number
      readonly outgoing: boolean
      /** The part of the impairment that dropped it, and the seed that decided. */
      readonly rule: string
      readonly seed: number
    }

type PathEvent = Extract<TraceEvent, { type: 'path' }>

export type TraceListener = (event: TraceEvent) => void

export const CA_STATES = ['Open', 'Disorder', 'CWR', 'Recovery', 'Loss']

/** Makes an object of everything that happens, for a listener. */
export class EventTracer extends BaseTracer {
  readonly #listener: TraceListener
  readonly #stateName: (state: number) => string

  constructor(listener: TraceListener, stateName: (state: number) => string) {
    super()
    this.#listener = listener
    this.#stateName = stateName
  }

  override segmentSent(id: number, now: number, segment: Segment, retransmission: boolean): void {
    this.#segment('sent', id, now, segment, retransmission)
  }

  override segmentReceived(id: number, now: number, segment: Segment): void {
    this.#segment('received', id, now, segment, false)
  }

  override stateChanged(id: number, now: number, from: number, to: number): void {
    this.#listener({
      type: 'state',
      time: now / 1000,
      connection: id,
      from: this.#stateName(from),
      to: this.#stateName(to),
    })
  }

  override caStateChanged(id: number, now: number, from: number, to: number, reason: string): void {
    const names = { from: CA_STATES[from], to: CA_STATES[to] }
    this.#listener({ type: 'ca-state', time: now / 1000, connection: id, ...names, reason })
  }

  override ccStateChanged(id: number, now: number, from: string, to: string, name: string): void {
    this.#listener({ type: 'cc-state', time: now / 1000, connection: id, name, from, to })
  }

  override cwndChanged(id: number, now: number, cwnd: number, ssthresh: number, reason: string): void {
    this.#listener({ type: 'cwnd', time: now / 1000, connection: id, cwnd, ssthresh, reason })
  }

  override timerFired(id: number, now: number, timer: string): void {
    this.#listener({ type: 'timer', time: now / 1000, connection: id, timer })
  }

  override softError(id: number, now: number, reason: number): void {
    this.#listener({ type: 'soft-error', time: now / 1000, connection: id, reason })
  }

  override urgentData(id: number, now: number, bytes: number): void {
    this.#listener({ type: 'urgent', time: now / 1000, connection: id, bytes })
  }

  override pathEvent(id: number, now: number, what: PathEvent['what'], ends: Ends, reason: string): void {
    const { remoteAddress: address, remotePort: port } = ends
    this.#listener({ type: 'path', time: now / 1000, connection: id, what, address, port, reason })
  }

  override frameDropped(
    now: number,
    _ends: Ends,
    outgoing: boolean,
    _buffer: Buffer,
    _start: number,
    _end: number,
    rule: string,
    seed: number,
  ): void {
    this.#listener({ type: 'dropped', time: now / 1000, outgoing, rule, seed })
  }

  #segment(type: 'sent' | 'received', id: number, now: number, segment: Segment, retransmission: boolean): void {
    this.#listener({
      type,
      time: now / 1000,
      connection: id,
      flags: formatFlags(segment.flags),
      seq: segment.seq >>> 0,
      ack: segment.ack >>> 0,
      window: segment.wnd,
      length: segment.payloadLength,
      retransmission,
      line: formatSegment(segment),
    })
  }
}
