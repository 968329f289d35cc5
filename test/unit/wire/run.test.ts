import { describe, expect, it } from 'vitest'
import {
  encodeHeader,
  Flag,
  FrameKind,
  joinRun,
  optionsLength,
  parseSegment,
  Segment,
  SHIM_LENGTH,
  toSeq,
  writeShim,
} from '../../../src/wire/index.ts'

// linux: tcp_gro_receive, the rules by which segments of one read are taken for one.

interface Piece {
  seq: number
  length: number
  flags?: number
  ack?: number
  wnd?: number
  srcPort?: number
  tsVal?: number
  urgentPointer?: number
  kind?: FrameKind
  checksum?: number
}

/** A read of frames, whose payload counts the bytes of the stream. */
function readOf(...pieces: Piece[]): Buffer {
  return Buffer.concat(
    pieces.map(({ seq, length, flags = Flag.ACK, ack = 7, wnd = 500, srcPort = 80, tsVal = 9, ...rest }) => {
      const segment = new Segment()
      const { urgentPointer = 0, kind = FrameKind.Segment, checksum = 0 } = rest
      Object.assign(segment, { seq: toSeq(seq), ack: toSeq(ack), flags, wnd, srcPort, dstPort: 81, urgentPointer })
      Object.assign(segment, { hasTimestamps: true, tsVal: toSeq(tsVal), tsEcr: toSeq(3) })
      const header = 20 + optionsLength(segment)
      const frame = Buffer.alloc(SHIM_LENGTH + header + length)
      writeShim(frame, 0, kind, header + length)
      encodeHeader(segment, frame, SHIM_LENGTH)
      frame.writeUInt16BE(checksum, SHIM_LENGTH + 16)
      for (let i = 0; i < length; i++) frame[SHIM_LENGTH + header + i] = seq + i
      return frame
    }),
  )
}

/** What the first segment of a read becomes, and how many bytes of the read are left. */
function joined(...pieces: Piece[]) {
  const read = readOf(...pieces)
  const segment = new Segment()
  const end = SHIM_LENGTH + read.readUInt16BE(2)
  parseSegment(read, SHIM_LENGTH, end, segment)
  const left = read.length - joinRun(segment, read, SHIM_LENGTH, read.length)
  const { count, payloadLength: length, unitLength: unit, lastLength: last, flags, payloadStart, payloadEnd } = segment
  const payload = read.subarray(payloadStart, payloadEnd)
  expect([...payload]).toEqual(Array.from(payload, (_, i) => (pieces[0].seq + i) & 0xff))
  return { count, length, unit, last, push: (flags & Flag.PSH) !== 0, left }
}

const FRAME = SHIM_LENGTH + 32 + 100
const first = { seq: 0, length: 100 }
const second = { seq: 100, length: 100 }

describe('joinRun', () => {
  it('takes segments that continue each other for one', () => {
    expect(joined(first, second, { seq: 200, length: 100 })).toEqual({
      count: 3,
      length: 300,
      unit: 100,
      last: 100,
      push: false,
      left: 0,
    })
  })

  it('ends with a shorter one, and with PSH', () => {
    const shorter = joined(first, { seq: 100, length: 40 }, { seq: 140, length: 40 })
    expect(shorter).toMatchObject({ count: 2, length: 140, unit: 100, last: 40, left: FRAME - 60 })
    const pushed = joined(first, { ...second, flags: Flag.ACK | Flag.PSH }, { seq: 200, length: 100 })
    expect(pushed).toMatchObject({ count: 2, length: 200, push: true, left: FRAME })
  })

  it('goes on over the end of the sequence space', () => {
    expect(joined({ seq: -100, length: 100 }, { seq: 0, length: 100 })).toMatchObject({ count: 2, left: 0 })
  })

  it.each<[string, Partial<Piece>]>([
    ['a gap', { seq: 101 }],
    ['a longer one', { length: 101 }],
    ['no data', { length: 0 }],
    ['another acknowledgement', { ack: 8 }],
    ['another window', { wnd: 501 }],
    ['another connection', { srcPort: 79 }],
    ['another timestamp', { tsVal: 10 }],
    ['a FIN', { flags: Flag.ACK | Flag.FIN }],
    ['urgent data', { flags: Flag.ACK | Flag.URG, urgentPointer: 1 }],
    ['a checksum', { checksum: 1 }],
    ['a frame of another kind', { kind: FrameKind.SegmentEct }],
  ])('leaves %s', (_, difference) => {
    expect(joined(first, { ...second, ...difference })).toMatchObject({ count: 1, length: 100 })
  })

  it('begins with nothing but data and ACK', () => {
    for (const flags of [Flag.ACK | Flag.PSH, Flag.ACK | Flag.CWR, Flag.ACK | Flag.FIN, Flag.PSH]) {
      expect(joined({ ...first, flags }, { ...second, flags })).toMatchObject({ count: 1 })
    }
    expect(joined({ ...first, checksum: 5 }, second)).toMatchObject({ count: 1 })
  })

  it('leaves what the read cuts off', () => {
    const read = readOf(first, second)
    for (const cut of [1, 100, 101, FRAME - 1]) {
      const segment = new Segment()
      parseSegment(read, SHIM_LENGTH, FRAME, segment)
      expect(joinRun(segment, read, SHIM_LENGTH, read.length - cut)).toBe(FRAME)
      expect(segment.count).toBe(1)
    }
  })
})
