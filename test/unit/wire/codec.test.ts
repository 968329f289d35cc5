import { describe, expect, it } from 'vitest'
import {
  encodeHeader,
  Flag,
  HEADER_LENGTH,
  hasChecksum,
  MAX_WINDOW_SHIFT,
  ParseResult,
  parseSegment,
  Segment,
  seqPrint,
  toSeq,
} from '../../../src/wire/index.ts'

// What Linux 6 sent over its loopback interface, and what we therefore write for the same segment.
const LINUX = {
  syn: '8bb8e92f02d5c88400000000a002ffd7fe3000000204ffd70402080affbba0dd000000000103030a',
  synAck: 'e92f8bb830208b6802d5c885a012ffcbfe3000000204ffd70402080a58bc2bb0ffbba0dd0103030a',
  data: '8bb8e92f02d5c88530208b6980180040fe2d00000101080affbba0dd58bc2bb068656c6c6f',
  urgent: 'e92f8bb830208b6902d5c88a80380040fe2900010101080a58bc2bb0ffbba0dd78',
  fin: '8bb8e92f02d5c88a30208b6a80140040fe2800000101080affbba14158bc2bb0',
  reset: '0009e12f00000000b0a175fc50140000a9f30000',
} as const

function parse(bytes: Buffer, into: Segment = new Segment()): Segment {
  expect(parseSegment(bytes, 0, bytes.length, into)).toBe(ParseResult.Ok)
  return into
}

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

/** A header of ours in a buffer of its own size, with its checksum field left at 0. */
function encode(seg: Segment): Buffer {
  const buffer = Buffer.alloc(60)
  return buffer.subarray(0, encodeHeader(seg, buffer, 0))
}

/** A bare header with the given data offset and flags, followed by `rest`. */
const header = (words: number, flags: number, rest: string = ''): Buffer =>
  fromHex(`0050 1f90 00000001 00000002 ${((words << 12) | flags).toString(16).padStart(4, '0')} 0400 0000 0000 ${rest}`)

describe('parseSegment', () => {
  it('reads every field of a SYN', () => {
    expect(parse(fromHex(LINUX.syn))).toMatchObject({
      srcPort: 0x8bb8,
      dstPort: 0xe92f,
      seq: toSeq(0x02d5c884),
      ack: 0,
      flags: Flag.SYN,
      wnd: 0xffd7,
      urgentPointer: 0,
      payloadStart: 40,
      payloadEnd: 40,
      mss: 65495,
      sackPermitted: true,
      hasTimestamps: true,
      tsVal: toSeq(0xffbba0dd),
      tsEcr: 0,
      wscale: 10,
      sackCount: 0,
      fastOpenCookie: null,
      checksumOffload: false,
    })
  })

  it('reads data, and where it lies', () => {
    const seg = parse(fromHex(LINUX.data))
    expect(seg).toMatchObject({ flags: Flag.PSH | Flag.ACK, wnd: 64, payloadStart: 32, payloadEnd: 37, mss: -1 })
    expect(seg.buffer.toString('latin1', seg.payloadStart, seg.payloadEnd)).toBe('hello')
    expect(seqPrint(seg.ack)).toBe(0x30208b69)
  })

  it('reads the urgent pointer', () => {
    expect(parse(fromHex(LINUX.urgent))).toMatchObject({ flags: Flag.PSH | Flag.ACK | Flag.URG, urgentPointer: 1 })
  })

  it('reads a segment in the middle of a buffer', () => {
    const bytes = Buffer.concat([Buffer.alloc(7, 0xff), fromHex(LINUX.data), Buffer.alloc(9, 0xff)])
    const seg = new Segment()
    expect(parseSegment(bytes, 7, 44, seg)).toBe(ParseResult.Ok)
    expect(seg).toMatchObject({ srcPort: 0x8bb8, payloadStart: 39, payloadEnd: 44, hasTimestamps: true })
  })

  it('[rfc9293#3.1 MUST-1] reads the window as unsigned', () => {
    const bytes = header(5, Flag.ACK)
    bytes.writeUInt16BE(0xffff, 14)
    expect(parse(bytes).wnd).toBe(65535)
    bytes.writeUInt16BE(0x8000, 14)
    expect(parse(bytes).wnd).toBe(32768)
  })

  it('[rfc9293#3.1 REC-1] keeps the largest window at the largest scale positive in 32 bits', () => {
    const bytes = header(6, Flag.SYN, '01 0303 ff')
    bytes.writeUInt16BE(0xffff, 14)
    const seg = parse(bytes)
    expect(seg.wscale).toBe(MAX_WINDOW_SHIFT)
    expect(seg.wnd << seg.wscale).toBe(65535 * 2 ** 14)
  })

  it('[rfc9768#3.1] reads nine flags, AE from the byte of the data offset, and no reserved bit', () => {
    expect(parse(header(5, 0x1ff)).flags).toBe(0x1ff)
    expect(parse(header(5, 0x100)).flags).toBe(Flag.AE)
    expect(parse(header(5, 0xe00)).flags).toBe(0)
  })

  it.each([
    ['ACK', Flag.ACK],
    ['SYN', Flag.SYN],
    ['FIN', Flag.FIN | Flag.ACK],
    ['RST', Flag.RST],
    ['no flag', 0],
  ])('[rfc9293#3.1 MUST-5] reads options in a segment with %s', (_, flags) => {
    const seg = parse(header(10, flags, '0204 05b4 0303 07 0402 080a 00000005 00000006 01'))
    expect(seg).toMatchObject({ flags, mss: 1460, wscale: 7, sackPermitted: true, tsVal: 5, tsEcr: 6 })
  })

  it('[rfc9293#3.1 MUST-6] takes a segment with an unknown option', () => {
    expect(parse(header(7, Flag.SYN, '4d04 beef 0204 05b4')).mss).toBe(1460)
  })

  it('[rfc9293#3.1 MUST-7] reports a bad option and knows the rest of the segment', () => {
    const seg = new Segment()
    for (const options of ['0800 0000', '0204 05b4 0801 0000', '0101 0108', '01 28 0000']) {
      const bytes = header(5 + fromHex(options).length / 4, Flag.ACK, `${options} 6869`)
      expect(parseSegment(bytes, 0, bytes.length, seg), options).toBe(ParseResult.BadOption)
      expect(seg).toMatchObject({ srcPort: 80, dstPort: 8080, flags: Flag.ACK, payloadEnd: bytes.length })
      expect(seg.payloadLength).toBe(2)
    }
  })

  it('clears what the segment before held', () => {
    const seg = parse(fromHex(LINUX.syn))
    parse(fromHex(LINUX.reset), seg)
    expect(seg).toMatchObject({ mss: -1, wscale: -1, sackPermitted: false, hasTimestamps: false, tsVal: 0 })
  })

  it('refuses what is shorter than a header', () => {
    const bytes = header(5, Flag.ACK)
    const results = [0, 1, 12, 13, 19].map((length) => parseSegment(bytes, 0, length, new Segment()))
    expect(results).toEqual(Array(5).fill(ParseResult.TooShort))
    expect(parseSegment(bytes, 0, 20, new Segment())).toBe(ParseResult.Ok)
    expect(parseSegment(bytes, 20, 0, new Segment())).toBe(ParseResult.TooShort)
  })

  it('refuses a data offset below 5 words or beyond the segment', () => {
    const results = Array.from({ length: 16 }, (_, words) => {
      const bytes = header(words, Flag.ACK, '01010101 01010101')
      return parseSegment(bytes, 0, bytes.length, new Segment())
    })
    const ok = [5, 6, 7]
    expect(results).toEqual(
      results.map((_, words) => (ok.includes(words) ? ParseResult.Ok : ParseResult.BadDataOffset)),
    )
  })
})

describe('encodeHeader', () => {
  it.each(Object.entries(LINUX))('writes the same bytes as Linux did: %s', (_, hex) => {
    const bytes = fromHex(hex)
    const seg = parse(bytes)
    const checksumZero = Buffer.from(bytes.subarray(0, seg.payloadStart))
    checksumZero.writeUInt16BE(0, 16)
    expect(encode(seg).toString('hex')).toBe(checksumZero.toString('hex'))
  })

  it('writes a bare header of 20 bytes', () => {
    const seg = new Segment()
    seg.srcPort = 0xfffe
    seg.dstPort = 1
    seg.seq = toSeq(0xfedcba98)
    seg.ack = toSeq(0x89abcdef)
    seg.flags = 0x1ff
    seg.wnd = 0xabcd
    seg.urgentPointer = 0x1234
    const bytes = encode(seg)
    expect(bytes.toString('hex')).toBe('fffe0001fedcba9889abcdef51ffabcd00001234')
    expect(bytes).toHaveLength(HEADER_LENGTH)
  })

  it('leaves the checksum field at 0, whatever the buffer held, and touches nothing beside the header', () => {
    const seg = Object.assign(new Segment(), { hasTimestamps: true, flags: Flag.ACK })
    const buffer = Buffer.alloc(60, 0xee)
    const length = encodeHeader(seg, buffer, 4)
    expect(length).toBe(32)
    expect(hasChecksum(buffer, 4)).toBe(false)
    expect(buffer.toString('hex', 0, 4)).toBe('eeeeeeee')
    expect(buffer.subarray(4 + length).every((byte) => byte === 0xee)).toBe(true)
  })

  it('reaches a header of 60 bytes and no more', () => {
    const seg = Object.assign(new Segment(), { hasTimestamps: true, sackCount: 4, flags: Flag.ACK })
    seg.sack.set([1, 2, 3, 4, 5, 6, 7, 8])
    const bytes = encode(seg)
    expect(bytes).toHaveLength(60)
    expect(bytes[12] >> 4).toBe(15)
    expect(parse(bytes).sackCount).toBe(3)
  })
})
