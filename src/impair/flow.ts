import { Flag, ParseResult, parseSegment, type Segment } from '../wire/index.ts'

/** What one direction of a connection has sent through an impairment. */
export class Flow {
  /** Which of the connections of its path this is, from 0: with the seed it decides every random choice. */
  readonly ordinal: number
  /** Frames so far: the next one's index. */
  packets = 0
  /** The index from which stages that are configured anew begin. */
  base = 0
  /** The other direction. */
  peer: Flow = this

  /** Sequence number of the SYN; null where none was seen. */
  isn: number | null = null
  /** Sequence number of the first byte of data that was seen, or whose SYN was. */
  origin: number | null = null
  /** Of the SYN; -1: none was offered. */
  wscale = -1
  /** How often the last tracked segment has been seen, that time counted. */
  attempt = 1
  /** The latest acknowledgement number and what follows the last byte. */
  lastAck: number | null = null
  nextSeq: number | null = null
  readonly #seen = new Map<number, number>()
  #handshakeAcks = 0

  constructor(ordinal: number) {
    this.ordinal = ordinal
  }

  /** Takes note of a segment that enters. */
  track(segment: Segment): void {
    const { seq, flags } = segment
    if ((flags & Flag.SYN) !== 0) {
      this.isn = seq
      this.origin = (seq + 1) | 0
      this.wscale = segment.wscale
    }
    this.origin ??= seq
    if ((flags & Flag.ACK) !== 0) this.lastAck = segment.ack
    const end = (seq + segment.len) | 0
    if (this.nextSeq === null || ((end - this.nextSeq) | 0) > 0) this.nextSeq = end
    this.attempt = this.#attempt(segment)
  }

  /** The first segment behind a SYN that has no data: it completes the handshake. */
  isHandshakeAck(segment: Segment): boolean {
    return (
      this.isn !== null &&
      segment.len === 0 &&
      (segment.flags & (Flag.SYN | Flag.RST | Flag.ACK)) === Flag.ACK &&
      segment.seq === ((this.isn + 1) | 0) &&
      this.peer.isn !== null &&
      segment.ack === ((this.peer.isn + 1) | 0)
    )
  }

  #attempt(segment: Segment): number {
    if (segment.len === 0) return this.isHandshakeAck(segment) ? ++this.#handshakeAcks : 1
    const times = (this.#seen.get(segment.seq) ?? 0) + 1
    this.#seen.set(segment.seq, times)
    // The oldest are acknowledged long since.
    if (this.#seen.size > MAX_SEEN) this.#seen.delete(this.#seen.keys().next().value as number)
    return times
  }
}

const MAX_SEEN = 4096
/** Connections that are told apart on one path; beyond, the oldest are forgotten. */
const MAX_CONVERSATIONS = 8192

/** A connection, as a path sees it. */
export class Conversation {
  readonly in: Flow
  readonly out: Flow
  /** A reset was injected: what still comes is answered so. */
  isReset = false

  constructor(ordinal: number) {
    this.in = new Flow(ordinal)
    this.out = new Flow(ordinal)
    this.in.peer = this.out
    this.out.peer = this.in
  }
}

/** The connections of one path, which both its directions share, and the clock of what is scheduled on it. */
export class Conversations {
  /** When the first frame came, microseconds; null before. */
  startUs: number | null = null
  /** Some stage of either direction wants to know what the segments say. */
  tracks = false
  readonly #byPorts = new Map<number, Conversation>()
  #made = 0
  #lastKey = -1
  #last: Conversation | null = null

  /** The conversation of the segment at `buffer[start … end)`. A SYN that opens anew what was there before begins another. */
  find(buffer: Buffer, start: number, end: number, outgoing: boolean): Conversation {
    // Too short for a header: the ports, if there are any, still tell.
    const long = end - start >= 14
    const src = long ? (buffer[start] << 8) | buffer[start + 1] : 0
    const dst = long ? (buffer[start + 2] << 8) | buffer[start + 3] : 0
    const key = outgoing ? src * 65_536 + dst : dst * 65_536 + src
    if (key !== this.#lastKey || this.#last === null) {
      this.#last = this.#byPorts.get(key) ?? this.#add(key)
      this.#lastKey = key
    }
    if (long && (buffer[start + 13] & (Flag.SYN | Flag.ACK)) === Flag.SYN) {
      const { isn } = outgoing ? this.#last.out : this.#last.in
      if (isn !== null && isn !== buffer.readInt32BE(start + 4)) this.#last = this.#add(key)
    }
    return this.#last
  }

  [Symbol.iterator](): IterableIterator<[number, Conversation]> {
    return this.#byPorts.entries()
  }

  /** All begin again, as if nothing had come yet. */
  clear(): void {
    this.#byPorts.clear()
    this.#made = 0
    this.#last = null
    this.startUs = null
  }

  #add(key: number): Conversation {
    const conversation = new Conversation(this.#made++)
    this.#byPorts.delete(key)
    this.#byPorts.set(key, conversation)
    if (this.#byPorts.size > MAX_CONVERSATIONS) this.#byPorts.delete(this.#byPorts.keys().next().value as number)
    return conversation
  }
}

/** False: it is no segment that could be understood. */
export function decode(buffer: Buffer, start: number, end: number, into: Segment): boolean {
  const result = parseSegment(buffer, start, end, into)
  return result === ParseResult.Ok || result === ParseResult.BadOption
}
