import { Flag, type Segment } from '../wire/index.ts'

/** What a segment itself says, in plain numbers for predicates of users. */
export interface SegmentParts {
  readonly srcPort: number
  readonly dstPort: number
  readonly syn: boolean
  readonly ack: boolean
  readonly fin: boolean
  readonly rst: boolean
  readonly psh: boolean
  readonly urg: boolean
  readonly ece: boolean
  readonly cwr: boolean
  /** Sequence and acknowledgement numbers, 0 … 2³² − 1. */
  readonly seq: number
  readonly ackNumber: number
  /** The window field, unscaled. */
  readonly window: number
  /** Bytes of data, and the data, borrowed until return. */
  readonly length: number
  readonly payload: Buffer
  /** Options; −1 or empty where absent. */
  readonly mss: number
  readonly wscale: number
  readonly sack: readonly (readonly [number, number])[]
  readonly tsVal: number
  readonly tsEcr: number
}

export function partsOf(segment: Segment): SegmentParts {
  const { flags } = segment
  const has = (flag: number): boolean => (flags & flag) !== 0
  return {
    srcPort: segment.srcPort,
    dstPort: segment.dstPort,
    syn: has(Flag.SYN),
    ack: has(Flag.ACK),
    fin: has(Flag.FIN),
    rst: has(Flag.RST),
    psh: has(Flag.PSH),
    urg: has(Flag.URG),
    ece: has(Flag.ECE),
    cwr: has(Flag.CWR),
    seq: segment.seq >>> 0,
    ackNumber: segment.ack >>> 0,
    window: segment.wnd,
    length: segment.payloadLength,
    payload: segment.buffer.subarray(segment.payloadStart, segment.payloadEnd),
    mss: segment.mss,
    wscale: segment.wscale,
    sack: Array.from(
      { length: segment.sackCount },
      (_, i) => [segment.sack[2 * i] >>> 0, segment.sack[2 * i + 1] >>> 0] as const,
    ),
    tsVal: segment.hasTimestamps ? segment.tsVal >>> 0 : -1,
    tsEcr: segment.hasTimestamps ? segment.tsEcr >>> 0 : -1,
  }
}
