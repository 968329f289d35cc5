import type { Connection } from '../../src/tcp/index.ts'
import { Flag, parseSegment, Segment, type Seq, seqAdd, seqDiff, toSeq, verifyChecksum } from '../../src/wire/index.ts'

// The other end of a script: what it says is made from a few words, what it hears is read and compared with what may be said to it.

/** A segment of the peer. What is left out: `flags` '.', `seq` what is expected next, `ack` nothing new, `wnd` as before. */
export interface Arrival {
  /** As tcpdump prints them: S F R P U E W and '.' for ACK. */
  flags?: string
  seq?: number
  ack?: number
  /** The window field, unscaled. */
  wnd?: number
  /** The urgent pointer, from `seq` on; goes with U. */
  up?: number
  /** Bytes of payload, made up from their sequence number. */
  len?: number
  sack?: readonly (readonly [number, number])[]
  /** TSval and TSecr; by default the peer's clock and the newest TSval that it was sent, where timestamps are in use; null: none. */
  ts?: readonly [number, number] | null
  mss?: number
  wscale?: number
  sackPermitted?: boolean
  checksumOffload?: boolean
  /** It met congestion on its way. */
  marked?: boolean
}

/** A segment that left. `t` is in milliseconds. */
export interface Departure {
  t: number
  flags: string
  seq: number
  len: number
  ack: number
  wnd: number
  sack: [number, number][]
  ts: [number, number] | null
  mss: number
  wscale: number
  sackPermitted: boolean
  checksumOffload: boolean
  hasChecksum: boolean
  /** It was declared ECN-capable. */
  ect: boolean
}

/** What the peer's SYN offers. */
export interface PeerOptions {
  mss?: number
  wscale?: number
  sack?: boolean
  timestamps?: boolean
  checksumOffload?: boolean
  /** Window of the peer's SYN and of all its segments until another is given: the field, unscaled. */
  sndWnd?: number
}

const FLAGS: readonly (readonly [string, number])[] = [
  ['S', Flag.SYN],
  ['F', Flag.FIN],
  ['R', Flag.RST],
  ['P', Flag.PSH],
  ['U', Flag.URG],
  ['E', Flag.ECE],
  ['W', Flag.CWR],
  ['.', Flag.ACK],
]

export const ISS: Seq = toSeq(0x7fff_f000)
const IRS = toSeq(0xffff_f000)
export const LOCAL_PORT = 5000
export const REMOTE_PORT = 80

/** What is sent at each position of a stream repeats after so many bytes; a mistake of a segment or a window does not go unseen. */
const PERIOD = 65_536
const STREAM = Buffer.from(Array.from({ length: PERIOD }, (_, i) => (i * 31 + (i >> 8)) & 0xff))
const STREAM_TWICE = Buffer.concat([STREAM, STREAM])

export function pattern(position: number, length: number): Buffer {
  const from = ((position % PERIOD) + PERIOD) % PERIOD
  if (from + length <= STREAM_TWICE.length) return STREAM_TWICE.subarray(from, from + length)
  const data = Buffer.alloc(length)
  for (let at = 0; at < length; at += PERIOD) STREAM_TWICE.copy(data, at, from, from + Math.min(PERIOD, length - at))
  return data
}

/** As `expect`, for what is looked at after every step. */
export function must(condition: boolean, wanted: string): void {
  if (!condition) throw new Error(`expected ${wanted}`)
}

/** What the peer of a script has said and heard. */
export class ScriptPeer {
  /** The right edge of our window may seem to go back by what rounding to the scale takes. */
  mayRound = false
  readonly #options: PeerOptions
  readonly #segment = new Segment()
  #wnd: number
  #shift = 0
  /** The highest right edge that it has told of, relative. */
  #edge = 0
  /** Of the last segment with a window: what the peer may send up to, relative. */
  #ourEdge = Number.NEGATIVE_INFINITY
  #lastTsVal = 0

  constructor(options: PeerOptions) {
    this.#options = options
    this.#wnd = options.sndWnd ?? 65_535
  }

  /** What its SYN or SYN-ACK offers. */
  offers(now: number): Arrival {
    const { mss = 1000, wscale, sack = false, timestamps = false, checksumOffload = false } = this.#options
    return {
      mss,
      wscale,
      sackPermitted: sack,
      ts: timestamps ? [clock(now), this.#lastTsVal] : null,
      checksumOffload,
    }
  }

  /** The segment that `arrival` describes, for `c` as it stands. */
  fill(c: Connection, arrival: Arrival, now: number): Segment {
    const seg = this.#segment
    seg.reset()
    seg.srcPort = REMOTE_PORT
    seg.dstPort = LOCAL_PORT
    for (const letter of arrival.flags ?? '.') {
      const flag = FLAGS.find(([name]) => name === letter)
      if (flag === undefined) throw new Error(`no flag ${letter}`)
      seg.flags |= flag[1]
    }
    const synced = c.receiver.irs === IRS
    seg.seq = seqAdd(IRS, arrival.seq ?? (synced ? seqDiff(c.receiver.rcvNxt, IRS) : 0))
    if ((seg.flags & Flag.ACK) !== 0) {
      const ack = arrival.ack ?? seqDiff(c.sender.sndUna, ISS)
      seg.ack = seqAdd(ISS, ack)
      if (arrival.wnd !== undefined) this.#wnd = arrival.wnd
      if ((seg.flags & Flag.SYN) !== 0 && arrival.wscale !== undefined) this.#shift = arrival.wscale
      const shift = (seg.flags & Flag.SYN) !== 0 || !c.windowScaling ? 0 : this.#shift
      this.#edge = Math.max(this.#edge, ack + this.#wnd * 2 ** shift)
    } else if ((seg.flags & Flag.SYN) !== 0) {
      if (arrival.wnd !== undefined) this.#wnd = arrival.wnd
      if (arrival.wscale !== undefined) this.#shift = arrival.wscale
      this.#edge = Math.max(this.#edge, 1 + this.#wnd)
    }
    seg.wnd = this.#wnd
    seg.urgentPointer = arrival.up ?? 0
    if (arrival.mss !== undefined) seg.mss = arrival.mss
    if (arrival.wscale !== undefined) seg.wscale = arrival.wscale
    seg.sackPermitted = arrival.sackPermitted ?? false
    seg.checksumOffload = arrival.checksumOffload ?? false
    seg.marked = arrival.marked ?? false
    const ts = arrival.ts === undefined && c.timestamps.on ? [clock(now), this.#lastTsVal] : (arrival.ts ?? null)
    if (ts !== null) {
      seg.hasTimestamps = true
      seg.tsVal = toSeq(ts[0] as number)
      seg.tsEcr = toSeq(ts[1] as number)
    }
    for (const [start, end] of arrival.sack ?? []) {
      seg.sack[seg.sackCount * 2] = seqAdd(ISS, start)
      seg.sack[seg.sackCount * 2 + 1] = seqAdd(ISS, end)
      seg.sackCount++
    }
    const length = arrival.len ?? 0
    if (length > 0) {
      // Surrounded by other bytes, as in a datagram.
      const data = pattern(seqDiff(seg.seq, IRS) - 1, length)
      seg.buffer = Buffer.concat([Buffer.alloc(32, 0xee), data, Buffer.alloc(3, 0xee)])
      seg.payloadStart = 32
      seg.payloadEnd = 32 + length
    }
    return seg
  }

  /** Reads what `c` has sent, at `t`: it must be what was written, within the windows, and intact. */
  read(c: Connection, buffer: Buffer, start: number, end: number, t: number): Omit<Departure, 'ect'> {
    const seg = new Segment()
    must(parseSegment(buffer, start, end, seg) === 0, 'a segment that can be read')
    must(seg.srcPort === LOCAL_PORT && seg.dstPort === REMOTE_PORT, 'the ports of the connection')
    const hasChecksum = buffer.readUInt16BE(start + 16) !== 0
    if (hasChecksum) must(verifyChecksum(buffer, start, end), 'a good checksum')
    const seq = seqDiff(seg.seq, ISS)
    const length = seg.payloadLength
    if (length > 0) {
      const data = buffer.subarray(seg.payloadStart, seg.payloadEnd)
      must(data.equals(pattern(seq - 1, length)), `the data of ${seq}`)
      must(seq + length <= this.#edge, `nothing beyond the right edge of the window, ${this.#edge}`)
    }
    const acks = (seg.flags & Flag.ACK) !== 0
    const ack = acks ? seqDiff(seg.ack, IRS) : 0
    if (acks && (seg.flags & (Flag.RST | Flag.SYN)) === 0) {
      const { shift } = c.receiver.window
      const edge = ack + seg.wnd * 2 ** shift
      // rfc9293#3.8.6 SHLD-14, rfc7323#2.4
      const rounding = this.mayRound ? 2 ** shift - 1 : 0
      must(
        edge >= this.#ourEdge - rounding,
        `the right edge of our window where it was, at ${this.#ourEdge}, not ${edge}`,
      )
      this.#ourEdge = edge
    }
    if (seg.hasTimestamps) this.#lastTsVal = seg.tsVal
    return {
      t,
      flags: FLAGS.filter(([, flag]) => (seg.flags & flag) !== 0)
        .map(([letter]) => letter)
        .join(''),
      seq,
      len: length,
      ack,
      wnd: seg.wnd,
      sack: Array.from({ length: seg.sackCount }, (_, i) => [
        seqDiff(seg.sack[i * 2] as Seq, IRS),
        seqDiff(seg.sack[i * 2 + 1] as Seq, IRS),
      ]),
      ts: seg.hasTimestamps ? [seg.tsVal, seg.tsEcr] : null,
      mss: seg.mss,
      wscale: seg.wscale,
      sackPermitted: seg.sackPermitted,
      checksumOffload: seg.checksumOffload,
      hasChecksum,
    }
  }
}

/** The peer's timestamp clock. */
const clock = (now: number): number => 700_000 + Math.floor(now / 1000)
