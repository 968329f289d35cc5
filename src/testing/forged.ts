import { FrameKind, SHIM_LENGTH, writeShim } from '../wire/frame.ts'
import { encodeHeader, Flag, Segment, type Seq, writeChecksum } from '../wire/index.ts'

/** A segment as `network.inject` takes it: what no host of the network has sent. */
export interface ForgedSegment {
  /** The address that it claims to come from; default: the host's whose link it takes. */
  readonly address?: string
  readonly srcPort: number
  readonly dstPort: number
  readonly syn?: boolean
  readonly ack?: boolean
  readonly fin?: boolean
  readonly rst?: boolean
  readonly psh?: boolean
  /** Sequence and acknowledgement numbers, 0 … 2³² − 1; default 0. */
  readonly seq?: number
  readonly ackNumber?: number
  /** The window field, unscaled. Default 65,535. */
  readonly window?: number
  /** Options; absent: none. */
  readonly mss?: number
  readonly wscale?: number
  readonly sackPermitted?: boolean
  /** TSval and TSecr. */
  readonly timestamps?: readonly [value: number, echo: number]
  readonly payload?: Uint8Array
}

/** Header, options and payload, with a right checksum. */
const LONGEST_HEADER = 60

/** The datagram that carries it. */
export function datagramOf(forged: ForgedSegment, framed: boolean): Buffer {
  const out = segment
  out.reset()
  out.srcPort = forged.srcPort
  out.dstPort = forged.dstPort
  out.seq = ((forged.seq ?? 0) | 0) as Seq
  out.ack = ((forged.ackNumber ?? 0) | 0) as Seq
  out.flags =
    (forged.syn ? Flag.SYN : 0) |
    (forged.ack ? Flag.ACK : 0) |
    (forged.fin ? Flag.FIN : 0) |
    (forged.rst ? Flag.RST : 0) |
    (forged.psh ? Flag.PSH : 0)
  out.wnd = forged.window ?? 65_535
  out.mss = forged.mss ?? -1
  out.wscale = forged.wscale ?? -1
  out.sackPermitted = forged.sackPermitted ?? false
  out.hasTimestamps = forged.timestamps !== undefined
  const [value, echo] = forged.timestamps ?? [0, 0]
  out.tsVal = (value | 0) as Seq
  out.tsEcr = (echo | 0) as Seq
  const { payload = NOTHING } = forged
  const start = framed ? SHIM_LENGTH : 0
  const bytes = Buffer.alloc(start + LONGEST_HEADER + payload.length)
  const length = encodeHeader(out, bytes, start) + payload.length
  bytes.set(payload, start + length - payload.length)
  writeChecksum(bytes, start, start + length)
  if (framed) writeShim(bytes, 0, FrameKind.Segment, length)
  return bytes.subarray(0, start + length)
}

const NOTHING = new Uint8Array(0)
const segment = new Segment()
