import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodeHeader,
  Flag,
  formatBytes,
  formatSegment,
  HEADER_LENGTH,
  OptionKind,
  optionsLength,
  ParseResult,
  parseSegment,
  Segment,
  type Seq,
  toSeq,
  verifyChecksum,
  writeChecksum,
} from '../../src/wire/index.ts'

const uint16 = fc.integer({ min: 0, max: 0xffff })
const seq: fc.Arbitrary<Seq> = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(toSeq)
const cookieLengths = [0, 4, 6, 8, 10, 12, 14, 16]

interface Options {
  mss: number
  wscale: number
  sackPermitted: boolean
  hasTimestamps: boolean
  tsVal: Seq
  tsEcr: Seq
  sack: Seq[]
  fastOpenCookie: Buffer | null
  fastOpenExperimental: boolean
  userTimeout: number
  checksumOffload: boolean
}

const absent = -1
const options: fc.Arbitrary<Options> = fc.record({
  mss: fc.oneof(fc.constant(absent), fc.integer({ min: 1, max: 0xffff })),
  wscale: fc.integer({ min: absent, max: 14 }),
  sackPermitted: fc.boolean(),
  hasTimestamps: fc.boolean(),
  tsVal: seq,
  tsEcr: seq,
  sack: fc.array(fc.tuple(seq, seq), { maxLength: 4 }).map((blocks) => blocks.flat()),
  fastOpenCookie: fc.option(
    fc
      .constantFrom(...cookieLengths)
      .chain((length) => fc.uint8Array({ minLength: length, maxLength: length }).map((bytes) => Buffer.from(bytes))),
  ),
  fastOpenExperimental: fc.boolean(),
  userTimeout: fc.oneof(fc.constant(absent), uint16),
  checksumOffload: fc.boolean(),
})

const header = fc.record({
  srcPort: uint16,
  dstPort: uint16,
  seq,
  ack: seq,
  flags: fc.integer({ min: 0, max: 0x1ff }),
  wnd: uint16,
  urgentPointer: uint16,
})

function makeSegment(fields: object, opts: Options): Segment {
  const { sack, ...rest } = opts
  const seg = Object.assign(new Segment(), fields, rest)
  seg.sack.set(sack)
  seg.sackCount = sack.length / 2
  return seg
}

/** What a peer is to see of `opts`: first come first served with 40 bytes, SACK blocks last. */
function whatFits(opts: Options): Options {
  const seen = { ...opts }
  let room = 40
  if (seen.mss !== absent) room -= 4
  if (seen.hasTimestamps) room -= 12
  else if (seen.sackPermitted) room -= 4
  if (seen.wscale !== absent) room -= 4
  if (seen.fastOpenCookie !== null) {
    const needed = 4 * Math.ceil((seen.fastOpenCookie.length + (seen.fastOpenExperimental ? 4 : 2)) / 4)
    if (needed <= room) room -= needed
    else seen.fastOpenCookie = null
  }
  if (seen.userTimeout !== absent) {
    if (room >= 4) room -= 4
    else seen.userTimeout = absent
  }
  if (seen.checksumOffload) {
    if (room >= 4) room -= 4
    else seen.checksumOffload = false
  }
  seen.sack = seen.sack.slice(0, 2 * Math.max(0, Math.floor((room - 4) / 8)))
  if (seen.fastOpenCookie === null) seen.fastOpenExperimental = false
  if (!seen.hasTimestamps) {
    seen.tsVal = toSeq(0)
    seen.tsEcr = toSeq(0)
  }
  return seen
}

function optionsOf(seg: Segment): Options {
  const { mss, wscale, sackPermitted, hasTimestamps, tsVal, tsEcr, fastOpenExperimental, userTimeout } = seg
  return {
    mss,
    wscale,
    sackPermitted,
    hasTimestamps,
    tsVal,
    tsEcr,
    sack: [...seg.sack.subarray(0, seg.sackCount * 2)].map(toSeq),
    fastOpenCookie: seg.fastOpenCookie === null ? null : Buffer.from(seg.fastOpenCookie),
    fastOpenExperimental,
    userTimeout,
    checksumOffload: seg.checksumOffload,
  }
}

/** All that parsing says, to be compared. Positions are counted from the segment's start. */
function everything(result: ParseResult, seg: Segment, start: number): unknown {
  if (result === ParseResult.TooShort || result === ParseResult.BadDataOffset) return { result }
  const { srcPort, dstPort, ack, flags, wnd, urgentPointer } = seg
  const payload = [seg.payloadStart - start, seg.payloadEnd - start]
  return { result, srcPort, dstPort, seq: seg.seq, ack, flags, wnd, urgentPointer, payload, ...optionsOf(seg) }
}

describe('a segment that is written and read', () => {
  it('is the same, with any combination of options, at any place of a buffer', () => {
    fc.assert(
      fc.property(header, options, fc.nat(9), fc.nat(50), (fields, opts, at, payload) => {
        const seg = makeSegment(fields, opts)
        const buffer = Buffer.alloc(at + 60 + payload + 9, 0xee)
        const headerLength = encodeHeader(seg, buffer, at)
        expect(headerLength).toBe(HEADER_LENGTH + optionsLength(seg))
        expect(headerLength % 4).toBe(0)
        expect(headerLength).toBeLessThanOrEqual(60)

        const into = new Segment()
        const end = at + headerLength + payload
        expect(parseSegment(buffer, at, end, into)).toBe(ParseResult.Ok)
        expect(into).toMatchObject(fields)
        expect(into.payloadStart).toBe(at + headerLength)
        expect(into.payloadEnd).toBe(end)
        expect(optionsOf(into)).toEqual(whatFits(opts))
        // Nothing is written beside the header.
        expect(buffer.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
        expect(buffer.subarray(at + headerLength).every((byte) => byte === 0xee)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })

  it('[rfc9293#3.1 MUST-68] [rfc9293#3.1 MUST-69] is filled by options to the last byte of its header', () => {
    fc.assert(
      fc.property(header, options, (fields, opts) => {
        const buffer = Buffer.alloc(60, 0xee)
        const end = encodeHeader(makeSegment(fields, opts), buffer, 0)
        let at = HEADER_LENGTH
        while (at < end) {
          expect(buffer[at]).not.toBe(OptionKind.Eol)
          at += buffer[at] === OptionKind.Nop ? 1 : buffer[at + 1]
        }
        expect(at).toBe(end)
      }),
    )
  })

  it('[rfc9293#3.2 MUST-64] is the same with its options in any order and padding', () => {
    const list = ['01', '4d03ff', '020405b4', '030307', '0402', '080a0000000500000006', '1c04001e']
    const between = fc.array(fc.constantFrom('01', '4d03ff'), { maxLength: 3 })
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6]), between, between, (order, first, last) => {
        let hex = [...first, ...order.map((i) => list[i]), ...last].join('')
        while (hex.length % 8 !== 0) hex += '01'
        fc.pre(hex.length <= 80)
        const bytes = Buffer.alloc(20 + hex.length / 2)
        bytes[12] = (bytes.length / 4) << 4
        bytes.write(hex, 20, 'hex')
        const seg = new Segment()
        expect(parseSegment(bytes, 0, bytes.length, seg)).toBe(ParseResult.Ok)
        expect(seg.mss).toBe(order.includes(2) ? 1460 : absent)
        expect(seg.wscale).toBe(order.includes(3) ? 7 : absent)
        expect(seg.sackPermitted).toBe(order.includes(4))
        expect([seg.hasTimestamps, seg.tsVal, seg.tsEcr]).toEqual(order.includes(5) ? [true, 5, 6] : [false, 0, 0])
        expect(seg.userTimeout).toBe(order.includes(6) ? 30 : absent)
      }),
    )
  })

  it('prints as what it is read as', () => {
    fc.assert(
      fc.property(header, options, seq, seq, fc.nat(20), (fields, opts, seqBase, ackBase, payload) => {
        const seg = makeSegment(fields, opts)
        const buffer = Buffer.alloc(60 + payload)
        const end = encodeHeader(seg, buffer, 0) + payload
        seg.payloadEnd = payload
        const base = { seqBase, ackBase }
        expect(formatBytes(buffer, 0, end, base)).toBe(formatSegment(seg, base))
      }),
    )
  })
})

describe('hostile bytes', () => {
  /** Bytes that a parser will go far into: a plausible offset, options made of known kinds and wild lengths. */
  const plausible = fc
    .tuple(
      fc.uint8Array({ minLength: 20, maxLength: 20 }),
      fc.integer({ min: 4, max: 15 }),
      fc.array(
        fc.tuple(
          fc.oneof(fc.constantFrom(...Object.values(OptionKind)), fc.nat(255)),
          fc.oneof(fc.constantFrom(0, 1, 2, 3, 4, 8, 10, 18, 26, 34), fc.nat(255)),
          fc.uint8Array({ maxLength: 12 }),
        ),
        { maxLength: 8 },
      ),
    )
    .map(([head, words, list]) => {
      head[12] = (words << 4) | (head[12] & 0x0f)
      return Buffer.concat([head, ...list.map(([kind, length, value]) => Buffer.from([kind, length, ...value]))])
    })

  /** A segment of ours in which some bytes are changed, and which may be cut. */
  const mutated = fc
    .tuple(
      header,
      options,
      fc.uint8Array({ maxLength: 40 }),
      fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 6 }),
      fc.option(fc.nat(99)),
    )
    .map(([fields, opts, payload, changes, cut]) => {
      const buffer = Buffer.alloc(60)
      const bytes = Buffer.concat([buffer.subarray(0, encodeHeader(makeSegment(fields, opts), buffer, 0)), payload])
      for (const [at, value] of changes) bytes[at % bytes.length] = value
      return bytes.subarray(0, cut === null ? bytes.length : cut % (bytes.length + 1))
    })

  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes)),
    plausible,
    mutated,
  )

  it('[rfc9293#3.1 MUST-7] never make parsing throw, nor take values that no option may have', () => {
    fc.assert(
      fc.property(hostile, (bytes) => {
        const seg = new Segment()
        const result = parseSegment(bytes, 0, bytes.length, seg)
        expect(Object.values(ParseResult)).toContain(result)
        if (result === ParseResult.TooShort) expect(bytes.length).toBeLessThan(20)
        if (result !== ParseResult.Ok && result !== ParseResult.BadOption) return
        expect(seg.payloadStart).toBeGreaterThanOrEqual(20)
        expect(seg.payloadStart).toBeLessThanOrEqual(60)
        expect(seg.payloadEnd).toBe(bytes.length)
        expect(seg.payloadLength).toBeGreaterThanOrEqual(0)
        expect(seg.mss).not.toBe(0)
        expect(seg.wscale).toBeLessThanOrEqual(14)
        expect(seg.sackCount).toBeLessThanOrEqual(4)
        if (seg.fastOpenCookie !== null) expect(cookieLengths).toContain(seg.fastOpenCookie.length)
      }),
      { numRuns: 5000 },
    )
  })

  it('are never read beyond their ends: what lies around makes no difference', () => {
    const around = fc.uint8Array({ minLength: 45, maxLength: 45 })
    fc.assert(
      fc.property(hostile, around, around, fc.nat(7), (bytes, before, after, shift) => {
        const alone = new Segment()
        const expected = everything(parseSegment(bytes, 0, bytes.length, alone), alone, 0)
        const start = 45 - shift
        const end = start + bytes.length
        const seg = new Segment()
        const wide = Buffer.concat([before.subarray(shift), bytes, after])
        expect(everything(parseSegment(wide, start, end, seg), seg, start)).toEqual(expected)
        expect(formatBytes(wide, start, end)).toBe(formatBytes(bytes, 0, bytes.length))
      }),
      { numRuns: 3000 },
    )
  })

  it('leave nothing of one segment in the next', () => {
    fc.assert(
      fc.property(hostile, hostile, (first, second) => {
        const [used, fresh] = [new Segment(), new Segment()]
        parseSegment(first, 0, first.length, used)
        const usedResult = parseSegment(second, 0, second.length, used)
        const freshResult = parseSegment(second, 0, second.length, fresh)
        expect(everything(usedResult, used, 0)).toEqual(everything(freshResult, fresh, 0))
      }),
      { numRuns: 1000 },
    )
  })

  it('never make printing throw, and print one line', () => {
    fc.assert(
      fc.property(hostile, (bytes) => {
        expect(formatBytes(bytes, 0, bytes.length)).not.toMatch(/[\r\n]|undefined|NaN/)
      }),
      { numRuns: 3000 },
    )
  })

  it('never make printing throw when they are in the fields of a segment', () => {
    const wild = fc.oneof(fc.double(), fc.integer(), fc.constantFrom(Infinity, -Infinity, NaN, 2 ** 53))
    const fields = ['srcPort', 'dstPort', 'seq', 'ack', 'flags', 'wnd', 'urgentPointer', 'payloadStart'] as const
    const optionFields = ['payloadEnd', 'mss', 'wscale', 'tsVal', 'tsEcr', 'sackCount', 'userTimeout'] as const
    const keys = [...fields, ...optionFields]
    fc.assert(
      fc.property(fc.tuple(...keys.map(() => wild)), fc.boolean(), fc.nat(70), (values, flag, cookie) => {
        const seg = new Segment()
        for (const [i, key] of keys.entries()) (seg as unknown as Record<string, number>)[key] = values[i]
        seg.hasTimestamps = flag
        seg.fastOpenCookie = Buffer.alloc(cookie)
        expect(formatSegment(seg)).toMatch(/Flags \[[FSRP.UEWenoe]+\].*, length /)
      }),
    )
  })

  it('[rfc9293#3.1 MUST-3] are found out by the checksum when one bit of a segment was flipped', () => {
    const payload = fc.uint8Array({ maxLength: 200 })
    fc.assert(
      fc.property(header, options, payload, fc.nat(5), fc.nat(), (fields, opts, data, at, flip) => {
        const buffer = Buffer.alloc(at + 60 + data.length)
        const dataAt = at + encodeHeader(makeSegment(fields, opts), buffer, at)
        buffer.set(data, dataAt)
        const end = dataAt + data.length
        writeChecksum(buffer, at, end)
        expect(verifyChecksum(buffer, at, end)).toBe(true)
        const bit = flip % ((end - at) * 8)
        buffer[at + (bit >> 3)] ^= 1 << (bit & 7)
        expect(verifyChecksum(buffer, at, end)).toBe(false)
      }),
      { numRuns: 1000 },
    )
  })

  it('may hold any flag with any option: nothing but lengths makes a segment bad', () => {
    fc.assert(
      fc.property(header, options, fc.constantFrom(0, Flag.SYN, Flag.RST, Flag.FIN, 0x1ff), (fields, opts, flags) => {
        const buffer = Buffer.alloc(60)
        const end = encodeHeader(makeSegment({ ...fields, flags }, opts), buffer, 0)
        expect(parseSegment(buffer, 0, end, new Segment())).toBe(ParseResult.Ok)
      }),
    )
  })
})
