import { describe, expect, it } from 'vitest'
import {
  encodeOptions,
  OptionKind,
  optionsLength,
  parseOptions,
  Segment,
  seqPrint,
  toSeq,
  userTimeoutField,
  userTimeoutSeconds,
} from '../../../src/wire/index.ts'

function segment(fields: Partial<Segment>, sack: readonly number[] = []): Segment {
  const seg = Object.assign(new Segment(), fields)
  seg.sack.set(sack)
  seg.sackCount = sack.length / 2
  return seg
}

/** What is written, as hex, and a proof that nothing is written beside it. */
function encode(seg: Segment): string {
  const buffer = Buffer.alloc(60, 0xee)
  const length = encodeOptions(seg, buffer, 8)
  expect(length).toBe(optionsLength(seg))
  expect(buffer.subarray(0, 8).every((byte) => byte === 0xee)).toBe(true)
  expect(buffer.subarray(8 + length).every((byte) => byte === 0xee)).toBe(true)
  return buffer.toString('hex', 8, 8 + length)
}

/** The options read from hex, or null where a length is bad. */
function parse(hex: string): Segment | null {
  const seg = new Segment()
  const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
  return parseOptions(bytes, 0, bytes.length, seg) ? seg : null
}

const timestamps = { hasTimestamps: true, tsVal: toSeq(0x01020304), tsEcr: toSeq(0xa1b2c3d4) }
const TS = '080a01020304a1b2c3d4'

describe('writing options', () => {
  it('writes nothing where there are none', () => {
    expect(encode(segment({}))).toBe('')
  })

  it.each([
    ['timestamps', timestamps, `0101${TS}`],
    ['MSS', { mss: 1460 }, '020405b4'],
    ['an MSS as large as there is', { mss: 65535 }, '0204ffff'],
    ['window scale', { wscale: 10 }, '0103030a'],
    ['a scale of 0, which still offers scaling', { wscale: 0 }, '01030300'],
    ['SACK-permitted alone', { sackPermitted: true }, '01010402'],
    ['SACK-permitted in the place of the NOPs', { ...timestamps, sackPermitted: true }, `0402${TS}`],
    ['a user timeout', { userTimeout: 0x8005 }, '1c048005'],
    ['our offer of checksum offload', { checksumOffload: true }, 'fd045c1e'],
    ['a request for a cookie', { fastOpenCookie: Buffer.alloc(0) }, '22020101'],
    ['a cookie', { fastOpenCookie: Buffer.from('0011223344556677', 'hex') }, '220a00112233445566770101'],
    ['a cookie that needs no padding', { fastOpenCookie: Buffer.from('001122334455', 'hex') }, '2208001122334455'],
    [
      'an experimental cookie',
      { fastOpenCookie: Buffer.from('00112233', 'hex'), fastOpenExperimental: true },
      'fe08f98900112233',
    ],
    [
      'an experimental request for a cookie',
      { fastOpenCookie: Buffer.alloc(0), fastOpenExperimental: true },
      'fe04f989',
    ],
  ])('writes %s', (_, fields, hex) => {
    expect(encode(segment(fields))).toBe(hex)
  })

  it('lays out a SYN as Linux does', () => {
    const syn = segment({ ...timestamps, mss: 65495, sackPermitted: true, wscale: 10 })
    expect(encode(syn)).toBe(`0204ffd70402${TS}0103030a`)
  })

  it('lays out a SYN without timestamps as Linux does', () => {
    expect(encode(segment({ mss: 1460, sackPermitted: true, wscale: 7 }))).toBe('020405b40101040201030307')
  })

  it('[rfc2018#3] lays out SACK blocks behind two NOPs', () => {
    expect(encode(segment({}, [1, 2]))).toBe('0101050a0000000100000002')
    expect(encode(segment(timestamps, [1, 2, -2, -1]))).toBe(`0101${TS}010105120000000100000002fffffffeffffffff`)
  })

  it('[rfc2018#3] cuts SACK blocks to what fits: four, or three with timestamps', () => {
    const four = [1, 2, 3, 4, 5, 6, 7, 8]
    expect(optionsLength(segment({}, four))).toBe(36)
    expect(parse(encode(segment({}, four)))?.sackCount).toBe(4)
    expect(optionsLength(segment(timestamps, four))).toBe(40)
    expect(parse(encode(segment(timestamps, four)))?.sackCount).toBe(3)
    expect(parse(encode(segment({ ...timestamps, userTimeout: 1 }, four)))?.sackCount).toBe(2)
  })

  it('never writes more than 40 bytes: what finds no room gives way, our own offer first', () => {
    const full = { ...timestamps, mss: 1, sackPermitted: true, wscale: 1, userTimeout: 9, checksumOffload: true }
    const room = (cookie: number) => {
      const seg = segment({ ...full, fastOpenCookie: Buffer.alloc(cookie) }, [1, 2])
      const read = parse(encode(seg))
      return [
        optionsLength(seg),
        read?.fastOpenCookie?.length ?? null,
        read?.userTimeout,
        read?.checksumOffload,
        read?.sackCount,
      ]
    }
    expect(room(6)).toEqual([36, 6, 9, true, 0])
    expect(room(8)).toEqual([40, 8, 9, true, 0])
    expect(room(12)).toEqual([40, 12, 9, false, 0])
    expect(room(16)).toEqual([40, 16, -1, false, 0])
    expect(room(20)).toEqual([40, null, 9, true, 1])
  })

  it('[rfc9293#3.1 MUST-69] fills up with NOPs, never with what the buffer held before', () => {
    // Two bytes of padding behind a cookie of four, in a buffer of 0xee.
    expect(encode(segment({ fastOpenCookie: Buffer.from('aabbccdd', 'hex') }))).toBe('2206aabbccdd0101')
  })
})

describe('reading options', () => {
  it('[rfc9293#3.1 MUST-4] reads end-of-list, no-operation and MSS', () => {
    expect(parse('01 01 0204 05b4 01 00')?.mss).toBe(1460)
  })

  it('[rfc9293#3.7.1 MUST-14] reads the MSS that it writes', () => {
    expect(parse(encode(segment({ mss: 536 })))?.mss).toBe(536)
  })

  it('linux: takes an MSS of 0 for none', () => {
    expect(parse('0204 0000')?.mss).toBe(-1)
  })

  it('[rfc9293#3.1 MUST-69] looks at nothing behind end-of-list', () => {
    expect(parse('00 0204 05b4 0300')?.mss).toBe(-1)
    // Not even at lengths that would be bad.
    expect(parse('0204 05b4 00 02 00 ff')?.mss).toBe(1460)
  })

  it.each([0, 1, 2, 3])('[rfc9293#3.2 MUST-64] reads options that begin %i bytes off alignment', (shift) => {
    const seg = parse(`${'01'.repeat(shift)} ${TS} 0204 05b4 0303 07 0402 050a 00000001 00000002 1c04 001e`)
    expect(seg).toMatchObject({
      ...timestamps,
      mss: 1460,
      wscale: 7,
      sackPermitted: true,
      sackCount: 1,
      userTimeout: 30,
    })
    expect([...(seg?.sack.subarray(0, 2) ?? [])]).toEqual([1, 2])
  })

  it('[rfc9293#3.1 MUST-6] [rfc9293#3.1 MUST-68] steps over every option it does not know by its length', () => {
    const known: readonly number[] = Object.values(OptionKind)
    const tested: number[] = []
    for (let kind = 0; kind < 256; kind++) {
      if (known.includes(kind)) continue
      for (const length of [2, 3, 9, 36]) {
        const unknown = Buffer.alloc(length, 0x02)
        unknown[0] = kind
        unknown[1] = length
        expect(parse(`${unknown.toString('hex')} 0204 0539`), `kind ${kind}`).toMatchObject({ mss: 1337 })
      }
      tested.push(kind)
    }
    expect(tested).toHaveLength(256 - known.length)
  })

  it('steps over experiments that are not ours', () => {
    expect(parse('fd04 1234 fd06 5c1e 0000 fe06 1234 5678 fd02 fe03ff 0204 0539')).toMatchObject({
      mss: 1337,
      checksumOffload: false,
      fastOpenCookie: null,
    })
  })

  it.each([
    ['a length of 0', '0204 05b4 0800'],
    ['a length of 1', '0204 05b4 0801'],
    ['a length of 0 of an unknown option', '0204 05b4 6300'],
    ['a length beyond the header', '0204 05b4 080a 0000'],
    ['a length one beyond the header', '0204 05b4 0303'],
    ['a missing length', '0204 05b4 0101 01 08'],
  ])('[rfc9293#3.1 MUST-7] survives %s, and keeps what came before', (_, hex) => {
    const bytes = Buffer.from(hex.replaceAll(' ', ''), 'hex')
    const seg = new Segment()
    expect(parseOptions(bytes, 0, bytes.length, seg)).toBe(false)
    expect(seg).toMatchObject({ mss: 1460, hasTimestamps: false, wscale: -1 })
  })

  it.each([
    ['MSS', '0203 05', { mss: -1 }],
    ['a longer MSS', '0206 05b4 0000', { mss: -1 }],
    ['window scale', '0302', { wscale: -1 }],
    ['a longer window scale', '0304 0707', { wscale: -1 }],
    ['SACK-permitted', '0403 00', { sackPermitted: false }],
    ['timestamps', '0809 0000 0000 0000 00', { hasTimestamps: false }],
    ['SACK without blocks', '0502', { sackCount: 0 }],
    ['SACK with part of a block', '050e 0000 0001 0000 0002 0000 0003', { sackCount: 0 }],
    ['user timeout', '1c03 01', { userTimeout: -1 }],
    ['a cookie of 2 bytes', '2204 0001', { fastOpenCookie: null }],
    ['a cookie of 5 bytes', '2207 00010203 04', { fastOpenCookie: null }],
    ['a cookie of 18 bytes', `2214 ${'00'.repeat(18)}`, { fastOpenCookie: null }],
    ['an experimental cookie of 3 bytes', 'fe07 f989 000102', { fastOpenCookie: null }],
  ])('linux: passes over a known option of a wrong length: %s', (_, hex, absent) => {
    expect(parse(`${hex} fd04 5c1e`)).toMatchObject({ ...absent, checksumOffload: true })
  })

  it('[rfc7323#2.3] takes a shift above 14 for 14', () => {
    expect([13, 14, 15, 255].map((shift) => parse(`0303${shift.toString(16).padStart(2, '0')}`)?.wscale)).toEqual([
      13, 14, 14, 14,
    ])
  })

  it('[rfc7323#3] reads timestamps of all 32 bits, by the short way and the long', () => {
    for (const hex of ['0101080a ffffffff 80000000', '080a ffffffff 80000000 0101']) {
      const seg = parse(hex)
      expect(seg?.hasTimestamps).toBe(true)
      expect(seqPrint(seg?.tsVal ?? toSeq(0))).toBe(0xffffffff)
      expect(seqPrint(seg?.tsEcr ?? toSeq(0))).toBe(0x80000000)
    }
  })

  it('[rfc2018#3] reads as many blocks as a header can hold', () => {
    const seg = parse(`0522 ${[1, 2, 3, 4, 5, 6, 7, 8].map((edge) => edge.toString(16).padStart(8, '0')).join('')}`)
    expect(seg?.sackCount).toBe(4)
    expect([...(seg?.sack ?? [])]).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
  })

  it('[rfc7413#4.1.1] reads cookies, requests for one, and the experimental form of both', () => {
    const seen = ['2202', '2206 01020304', `2212 ${'ab'.repeat(16)}`, 'fe04 f989', 'fe08 f989 01020304'].map((hex) => {
      const seg = parse(hex)
      return [seg?.fastOpenCookie?.toString('hex'), seg?.fastOpenExperimental]
    })
    expect(seen).toEqual([
      ['', false],
      ['01020304', false],
      ['ab'.repeat(16), false],
      ['', true],
      ['01020304', true],
    ])
  })

  it('of two alike lets the later count', () => {
    expect(parse('0204 0001 0204 0002')?.mss).toBe(2)
    expect(parse('fe04 f989 2206 01020304')).toMatchObject({ fastOpenExperimental: false })
    // But not one that was passed over.
    expect(parse('050a 00000001 00000002 0502')).toMatchObject({ sackCount: 1 })
  })
})

describe('the user timeout field', () => {
  it('[rfc5482#3] counts seconds, or minutes where its top bit is set', () => {
    expect([0, 30, 0x7fff, 0x8001, 0xffff].map(userTimeoutSeconds)).toEqual([0, 30, 32767, 60, 1_966_020])
  })

  it('[rfc5482#3] is rounded up, so that a timeout is never shorter than what was asked for', () => {
    expect([0, 0.2, 30, 32767, 32768, 32820, 32821, 1e12].map(userTimeoutField)).toEqual([
      0,
      1,
      30,
      0x7fff,
      0x8000 | 547,
      0x8000 | 547,
      0x8000 | 548,
      0xffff,
    ])
  })
})
