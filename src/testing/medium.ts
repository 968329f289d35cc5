import { FrameKind, SHIM_LENGTH, writeShim } from '../wire/frame.ts'
import {
  encodeHeader,
  Flag,
  HEADER_LENGTH,
  ParseResult,
  parseSegment,
  Segment,
  type Seq,
  writeChecksum,
} from '../wire/index.ts'
import type { NetworkCapture } from './capture.ts'
import { type LinkSegment, SegmentLog, type Stream, Streams, viewOf } from './segments.ts'
import type { Flow, LinkWatcher } from './sim/sim-link.ts'

/** Two hosts that cannot reach each other, in this direction; null: whoever. */
export interface Cut {
  readonly from: string | null
  readonly to: string | null
}

/** A segment that left its host, and what became of it at once. */
export interface SentSegment {
  /** Milliseconds of the network's time. */
  readonly time: number
  readonly segment: LinkSegment
  /** What lost it; null: nothing did so far. */
  readonly lostBy: string | null
  /** As tcpdump prints it. */
  readonly line: string
}

export type SegmentListener = (sent: SentSegment) => void

/** What `network.drop` returns. */
export interface Drop {
  /** Segments that it has lost. */
  readonly count: number
  /** Loses no more from now on. */
  stop(): void
}

/** What `network.hold` returns. */
export interface Hold {
  /** Segments that it keeps. */
  readonly count: number
  /** Sends them on, in their order, and keeps no more. */
  release(): void
}

class DropRule implements Drop {
  count = 0
  readonly predicate: (segment: LinkSegment) => boolean
  readonly #rules: Set<DropRule>
  readonly #times: number

  constructor(rules: Set<DropRule>, predicate: (segment: LinkSegment) => boolean, times: number) {
    this.#rules = rules
    this.predicate = predicate
    this.#times = times
    rules.add(this)
  }

  loses(view: LinkSegment): boolean {
    if (!this.predicate(view)) return false
    if (++this.count >= this.#times) this.stop()
    return true
  }

  stop(): void {
    this.#rules.delete(this)
  }
}

class HoldRule implements Hold {
  readonly #kept: { readonly flow: Flow; readonly datagram: Buffer }[] = []
  readonly #predicate: (segment: LinkSegment) => boolean
  readonly #rules: Set<HoldRule>
  readonly #times: number

  constructor(rules: Set<HoldRule>, predicate: (segment: LinkSegment) => boolean, times: number) {
    this.#rules = rules
    this.#predicate = predicate
    this.#times = times
  }

  get count(): number {
    return this.#kept.length
  }

  takes(view: LinkSegment): boolean {
    return this.#kept.length < this.#times && this.#predicate(view)
  }

  keep(flow: Flow, datagram: Buffer): void {
    // Its socket may be gone when it goes on, and another have its place.
    this.#kept.push({ flow: { ...flow, sink: null, sinkVersion: -1 }, datagram })
  }

  release(): void {
    this.#rules.delete(this)
    for (const { flow, datagram } of this.#kept.splice(0)) flow.link.transmit(datagram, 0, datagram.length, flow)
  }
}

/** All links of a network as one: sees every segment, loses those that a rule is for, and keeps the last to be shown. */
export class Medium implements LinkWatcher {
  readonly log: SegmentLog
  readonly streams = new Streams()
  readonly cuts: Cut[] = []
  readonly captures = new Set<NetworkCapture>()
  readonly watchers = new Set<SegmentListener>()
  /** Segments lost, by what lost them. */
  readonly lostBy = new Map<string, number>()
  retransmitted = 0

  readonly #nowUs: () => number
  readonly #framed: boolean
  readonly #drops = new Set<DropRule>()
  readonly #holds = new Set<HoldRule>()
  /** Streams of connections that were reset: whoever still sends is told so. */
  readonly #reset = new Set<Stream>()
  readonly #segment = new Segment()
  /** Of the segment that was judged last. */
  #stream: Stream | null = null
  #attempt = 1

  constructor(nowUs: () => number, { keep, framed }: { keep: number; framed: boolean }) {
    this.#nowUs = nowUs
    this.#framed = framed
    this.log = new SegmentLog(keep)
  }

  get lostCount(): number {
    let sum = 0
    for (const count of this.lostBy.values()) sum += count
    return sum
  }

  addDrop(predicate: (segment: LinkSegment) => boolean, times: number): Drop {
    return new DropRule(this.#drops, predicate, times)
  }

  addHold(predicate: (segment: LinkSegment) => boolean, times: number): Hold {
    const rule = new HoldRule(this.#holds, predicate, times)
    this.#holds.add(rule)
    return rule
  }

  /** Both ends hear a reset, now and whenever they send; null: nothing was seen of such a connection. */
  reset(ends: readonly [Stream | null, Stream | null]): boolean {
    const [there, back] = ends
    if (there === null || back === null) return false
    for (const [stream, other] of [
      [there, back],
      [back, there],
    ] as const) {
      this.#reset.add(stream)
      if (stream.lastAck !== null) this.#inject(stream, other, stream.lastAck)
    }
    return true
  }

  judge(flow: Flow, buffer: Buffer, start: number, end: number): string | null {
    const segment = this.#segment
    const result = parseSegment(buffer, start, end, segment)
    if (result !== ParseResult.Ok && result !== ParseResult.BadOption) {
      this.#stream = null
      return null
    }
    const stream = this.streams.of(flow, segment)
    this.#stream = stream
    this.#attempt = stream.track(segment)
    if (this.#attempt > 1) this.retransmitted++
    if (this.isCut(flow)) return 'partition'
    if (this.#reset.has(stream)) {
      if ((segment.flags & Flag.SYN) !== 0) this.#reset.delete(stream)
      else {
        const peer = this.streams.peerOf(flow, segment)
        if (peer !== null && (segment.flags & Flag.RST) === 0) this.#inject(stream, peer, segment.ack)
        return 'reset'
      }
    }
    if (this.#drops.size > 0 || this.#holds.size > 0) {
      const view = viewOf(flow, stream, segment, this.#attempt)
      for (const rule of this.#drops) if (rule.loses(view)) return 'drop'
      for (const rule of this.#holds) {
        if (!rule.takes(view)) continue
        rule.keep(flow, this.#datagram(buffer.subarray(start, end)))
        return 'hold'
      }
    }
    return null
  }

  sent(flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string | null): void {
    const stream = this.#stream
    const us = this.#nowUs()
    if (lostBy !== null) this.#countLoss(lostBy, stream)
    if (stream !== null) {
      const notes = this.#attempt > 1 && this.#segment.len > 0 ? ['again'] : []
      if (lostBy !== null) notes.push(`lost: ${lostBy}`)
      const peer = this.streams.peerOf(flow, this.#segment)
      this.log.add(us, flow, this.#segment, start, stream, peer, notes.join(', '))
    }
    for (const capture of this.captures) capture.sent(us, flow, buffer, start, end, lostBy)
    if (stream === null || this.watchers.size === 0) return
    const segment = viewOf(flow, stream, this.#segment, this.#attempt)
    for (const watcher of this.watchers) watcher({ time: us / 1000, segment, lostBy, line: this.log.last })
  }

  delivered(flow: Flow, buffer: Buffer, start: number, end: number): void {
    for (const capture of this.captures) capture.delivered(this.#nowUs(), flow, buffer, start, end)
  }

  lost(flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string): void {
    this.#countLoss(lostBy, null)
    for (const capture of this.captures) capture.lost(this.#nowUs(), flow, buffer, start, end, lostBy)
  }

  #countLoss(by: string, stream: Stream | null): void {
    this.lostBy.set(by, (this.lostBy.get(by) ?? 0) + 1)
    if (stream !== null) stream.lost++
  }

  isCut(flow: Flow): boolean {
    const { from, to } = flow.link
    return this.cuts.some(
      (cut) => (cut.from === null || cut.from === from.name) && (cut.to === null || cut.to === to.name),
    )
  }

  /** A reset from the other side, with the sequence number that the sender of `stream` expects (rfc5961#3.2: no other will do). */
  #inject(stream: Stream, other: Stream, seq: Seq): void {
    const bytes = Buffer.alloc(HEADER_LENGTH)
    const out = injected
    out.reset()
    out.srcPort = stream.dstPort
    out.dstPort = stream.srcPort
    out.seq = seq
    out.flags = Flag.RST
    encodeHeader(out, bytes, 0)
    writeChecksum(bytes, 0, HEADER_LENGTH)
    this.#deliver(bytes, stream, other)
  }

  answer(flow: Flow, bytes: Buffer): void {
    if (parseSegment(bytes, 0, bytes.length, injected) !== ParseResult.Ok) return
    const { srcPort, dstPort } = injected
    const stream = this.streams.find(flow.sourceAddress, dstPort, flow.address, srcPort)
    const other = this.streams.find(flow.address, srcPort, flow.sourceAddress, dstPort)
    if (stream !== null && other !== null) this.#deliver(bytes, stream, other)
  }

  /** A copy of a segment in what carries it. */
  #datagram(bytes: Buffer): Buffer {
    const shim = this.#framed ? SHIM_LENGTH : 0
    const message = Buffer.alloc(shim + bytes.length)
    if (shim > 0) writeShim(message, 0, FrameKind.Segment, bytes.length)
    bytes.copy(message, shim)
    return message
  }

  /** Gives the sender of `stream` a segment that the network made, as if it came from the other side. */
  #deliver(bytes: Buffer, stream: Stream, other: Stream): void {
    const shim = this.#framed ? SHIM_LENGTH : 0
    const message = this.#datagram(bytes)
    if (parseSegment(message, shim, message.length, injected) === ParseResult.Ok) {
      this.log.add(this.#nowUs(), other.flow, injected, shim, other, stream, 'injected')
    }
    stream.flow.link.from.arrive(message, other.flow)
  }
}

const injected = new Segment()
