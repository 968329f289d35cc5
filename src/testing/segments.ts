import { partsOf, type SegmentParts } from '../impair/index.ts'
import { Flag, formatSegment, ParseResult, parseSegment, Segment, type Seq, seqAdd, seqDiff } from '../wire/index.ts'
import type { Flow } from './sim/sim-link.ts'

/** A segment on a link, as a predicate of `network.drop` sees it. */
export interface LinkSegment extends SegmentParts {
  /** The hosts that it goes between, by name. */
  readonly from: string
  readonly to: string
  /** Which segment of its connection and direction this is, from 0. */
  readonly index: number
  /** How often this SYN, these data or this FIN has come along, this time counted. */
  readonly attempt: number
  /** Position of the first byte of data in its direction, from 0. */
  readonly offset: number
}

/** One direction of a connection: what it has sent. */
export class Stream {
  /** The way that its last segment took. */
  flow: Flow
  iss: Seq | null = null
  readonly srcPort: number
  readonly dstPort: number
  /** Its latest acknowledgement: what it expects of the other side. */
  lastAck: Seq | null = null
  segments = 0
  retransmitted = 0
  lost = 0
  readonly #seen = new Map<number, number>()

  constructor(flow: Flow, srcPort: number, dstPort: number) {
    this.flow = flow
    this.srcPort = srcPort
    this.dstPort = dstPort
  }

  /** Takes note of a segment, and returns how often it has come along. */
  track(segment: Segment): number {
    const { flags, seq, len } = segment
    this.segments++
    if ((flags & Flag.SYN) !== 0 && seq !== this.iss) {
      this.iss = seq
      this.segments = 1
      this.#seen.clear()
    }
    this.iss ??= seqAdd(seq, -1)
    if ((flags & Flag.ACK) !== 0) this.lastAck = segment.ack
    if (len === 0) return 1
    const times = (this.#seen.get(seq) ?? 0) + 1
    this.#seen.set(seq, times)
    if (this.#seen.size > MOST_SEEN) this.#seen.delete(this.#seen.keys().next().value as number)
    if (times > 1) this.retransmitted++
    return times
  }
}

const MOST_SEEN = 4096

/** All connections of a network, by addresses and ports. */
export class Streams {
  readonly #all = new Map<string, Stream>()
  #lastKey = ''
  #last: Stream | null = null

  of(flow: Flow, segment: Segment): Stream {
    const key = keyOf(flow.sourceAddress, segment.srcPort, flow.address, segment.dstPort)
    if (key === this.#lastKey && this.#last !== null) {
      this.#last.flow = flow
      return this.#last
    }
    let stream = this.#all.get(key)
    if (stream === undefined) {
      stream = new Stream(flow, segment.srcPort, segment.dstPort)
      this.#all.set(key, stream)
    }
    stream.flow = flow
    this.#lastKey = key
    this.#last = stream
    return stream
  }

  find(from: string, fromPort: number, to: string, toPort: number): Stream | null {
    return this.#all.get(keyOf(from, fromPort, to, toPort)) ?? null
  }

  /** The other direction. */
  peerOf(flow: Flow, segment: Segment): Stream | null {
    return this.find(flow.address, segment.dstPort, flow.sourceAddress, segment.srcPort)
  }
}

const keyOf = (from: string, fromPort: number, to: string, toPort: number): string =>
  `${from}|${fromPort}>${to}|${toPort}`

/** The view of a segment for predicates. */
export function viewOf(flow: Flow, stream: Stream, segment: Segment, attempt: number): LinkSegment {
  const { flags, seq } = segment
  const syn = (flags & Flag.SYN) !== 0
  return {
    ...partsOf(segment),
    from: flow.link.from.name,
    to: flow.link.to.name,
    index: stream.segments - 1,
    attempt,
    offset: Math.max(0, seqDiff(seq, stream.iss ?? seq) - (syn ? 0 : 1)),
  }
}

interface Entry {
  readonly us: number
  readonly source: string
  readonly destination: string
  readonly header: Buffer
  readonly payloadLength: number
  readonly seqBase: Seq | null
  readonly ackBase: Seq | null
  readonly note: string
}

/** The last segments of a network, to be printed as tcpdump would, with what became of them. */
export class SegmentLog {
  /** How many are kept. */
  readonly limit: number
  #entries: Entry[] = []
  #total = 0

  constructor(limit: number) {
    this.limit = limit
  }

  /** Segments so far, kept or not. */
  get total(): number {
    return this.#total
  }

  /** `start`: where the segment begins in its buffer. */
  add(us: number, flow: Flow, segment: Segment, start: number, own: Stream, peer: Stream | null, note: string): void {
    this.#total++
    if (this.limit === 0) return
    const { buffer, payloadStart, payloadEnd } = segment
    this.#entries.push({
      us,
      source: flow.sourceAddress,
      destination: flow.address,
      header: Buffer.from(buffer.subarray(start, payloadStart)),
      payloadLength: payloadEnd - payloadStart,
      seqBase: own.iss,
      ackBase: peer?.iss ?? null,
      note,
    })
    if (this.#entries.length >= 2 * this.limit) this.#entries = this.#entries.slice(-this.limit)
  }

  /** The latest line. */
  get last(): string {
    const entry = this.#entries.at(-1)
    return entry === undefined ? '' : line(entry)
  }

  lines(): string[] {
    return this.#entries.slice(-this.limit).map(line)
  }
}

/** Seconds of the network's time, to the microsecond. */
const clockTime = (us: number): string => (us / 1e6).toFixed(6).padStart(11)

function line({ us, source, destination, header, payloadLength, seqBase, ackBase, note }: Entry): string {
  if (parseSegment(header, 0, header.length, printed) === ParseResult.BadDataOffset) return `${clockTime(us)} [|tcp]`
  printed.payloadEnd = printed.payloadStart + payloadLength
  const text = formatSegment(printed, {
    time: clockTime(us),
    src: source,
    dst: destination,
    seqBase: seqBase ?? undefined,
    ackBase: ackBase ?? undefined,
  })
  return note === '' ? text : `${text} [${note}]`
}

const printed = new Segment()
