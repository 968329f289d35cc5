import { describe, expect, it } from 'vitest'
import {
  Flag,
  type FormatOptions,
  formatBytes,
  formatFlags,
  formatSegment,
  Segment,
  toSeq,
} from '../../../src/wire/index.ts'

const fromHex = (hex: string): Buffer => Buffer.from(hex.replaceAll(' ', ''), 'hex')

function segment(fields: Partial<Segment>, payload: number = 0): Segment {
  return Object.assign(new Segment(), { srcPort: 36642, dstPort: 46200, payloadEnd: payload }, fields)
}

const local = { src: '127.0.0.1', dst: '127.0.0.1' }

describe('formatSegment', () => {
  it('prints a SYN as tcpdump does', () => {
    const syn = segment({
      seq: toSeq(2970041213),
      flags: Flag.SYN,
      wnd: 65495,
      mss: 65495,
      sackPermitted: true,
      hasTimestamps: true,
      tsVal: toSeq(1319723156),
      wscale: 10,
    })
    expect(formatSegment(syn, { time: '06:16:06.087947', ...local })).toBe(
      '06:16:06.087947 IP 127.0.0.1.36642 > 127.0.0.1.46200: Flags [S], seq 2970041213, win 65495, ' +
        'options [mss 65495,sackOK,TS val 1319723156 ecr 0,nop,wscale 10], length 0',
    )
  })

  it('prints data with its range, relative to where both sides began', () => {
    const data = segment(
      {
        seq: toSeq(2970041214),
        ack: toSeq(99),
        flags: Flag.PSH | Flag.ACK,
        wnd: 64,
        hasTimestamps: true,
        tsVal: toSeq(4_000_000_000),
        tsEcr: toSeq(7),
      },
      5000,
    )
    const base = { seqBase: toSeq(2970041213), ackBase: toSeq(98) }
    expect(formatSegment(data, { ...local, ...base })).toBe(
      'IP 127.0.0.1.36642 > 127.0.0.1.46200: Flags [P.], seq 1:5001, ack 1, win 64, ' +
        'options [nop,nop,TS val 4000000000 ecr 7], length 5000',
    )
    expect(formatSegment(data, local)).toContain('seq 2970041214:2970046214, ack 99,')
  })

  it('prints ranges that wrap', () => {
    const data = segment({ seq: toSeq(2 ** 32 - 10), flags: Flag.ACK, ack: toSeq(2) }, 30)
    expect(formatSegment(data)).toContain('seq 4294967286:20, ack 2,')
    expect(formatSegment(data, { seqBase: toSeq(2 ** 32 - 11), ackBase: toSeq(1) })).toContain('seq 1:31, ack 1,')
    expect(formatSegment(data, { seqBase: toSeq(2 ** 32 - 9) })).toContain('seq 4294967295:29,')
  })

  it('leaves seq out of a bare ACK, and puts it into FIN and RST', () => {
    const at = { seq: toSeq(5), ack: toSeq(6), wnd: 1 }
    const lines = [Flag.ACK, Flag.FIN | Flag.ACK, Flag.RST | Flag.ACK, Flag.RST].map((flags) =>
      formatSegment(segment({ ...at, flags })),
    )
    expect(lines).toEqual([
      '36642 > 46200: Flags [.], ack 6, win 1, length 0',
      '36642 > 46200: Flags [F.], seq 5, ack 6, win 1, length 0',
      '36642 > 46200: Flags [R.], seq 5, ack 6, win 1, length 0',
      '36642 > 46200: Flags [R], seq 5, win 1, length 0',
    ])
  })

  it('prints SYN-ACK and what has no ACK absolutely, as tcpdump does', () => {
    const base = { seqBase: toSeq(100), ackBase: toSeq(200) }
    const at = { seq: toSeq(101), ack: toSeq(201) }
    expect(formatSegment(segment({ ...at, flags: Flag.SYN | Flag.ACK }), base)).toContain('seq 101, ack 201,')
    expect(formatSegment(segment({ ...at, flags: Flag.RST }), base)).toContain('seq 101,')
    expect(formatSegment(segment({ ...at, flags: Flag.FIN | Flag.ACK }), base)).toContain('seq 1, ack 1,')
  })

  it('prints SACK blocks relative to what they acknowledge', () => {
    const seg = segment({ flags: Flag.ACK, ack: toSeq(1001), sackCount: 2 })
    seg.sack.set([2101, 3101, 4101, 5101])
    expect(formatSegment(seg, { ackBase: toSeq(1000) })).toContain(
      'ack 1, win 0, options [nop,nop,sack 2 {1101:2101}{3101:4101}], length 0',
    )
  })

  it('prints the urgent pointer with URG only', () => {
    expect(formatSegment(segment({ flags: Flag.URG | Flag.ACK, urgentPointer: 9 }))).toContain(
      'Flags [.U], ack 0, win 0, urg 9, length',
    )
    expect(formatSegment(segment({ flags: Flag.ACK, urgentPointer: 9 }))).not.toContain('urg')
  })

  it('prints the other options', () => {
    const options = (fields: Partial<Segment>) => /\[([^[]*)], length/.exec(formatSegment(segment(fields)))?.[1]
    expect(options({ fastOpenCookie: Buffer.alloc(0) })).toBe('tfo  cookiereq,nop,nop')
    expect(options({ fastOpenCookie: fromHex('0123456789ab') })).toBe('tfo  cookie 0123456789ab')
    expect(options({ fastOpenCookie: fromHex('01234567'), fastOpenExperimental: true })).toBe('exp-tfo cookie 01234567')
    expect(options({ userTimeout: 0x8002 })).toBe('uto 0x8002 120')
    expect(options({ checksumOffload: true })).toBe('unknown-253 0x5c1e')
  })

  it('says IP6 where an address is one of IPv6', () => {
    const v6: FormatOptions = { src: '::1', dst: 'fe80::1%lo' }
    expect(formatSegment(segment({ flags: Flag.ACK }), v6)).toMatch(/^IP6 ::1\.36642 > fe80::1%lo\.46200: Flags/)
  })

  it('puts up with anything in the fields', () => {
    const wild = segment({
      flags: -1,
      seq: toSeq(NaN),
      wnd: 1e9,
      mss: 1e9,
      wscale: 999,
      sackCount: 1e6,
      hasTimestamps: true,
      fastOpenCookie: Buffer.alloc(10_000),
      userTimeout: 1e12,
      payloadEnd: -5,
    })
    expect(formatSegment(wild)).toContain('Flags [FSRP.UEWe]')
    expect(formatSegment(segment({ sackCount: NaN, flags: NaN }))).toContain('Flags [none]')
  })
})

describe('formatFlags', () => {
  it("uses tcpdump's letters in tcpdump's order", () => {
    expect([0, 1, 2, 4, 8, 16, 32, 64, 128, 256].map(formatFlags)).toEqual([
      'none',
      'F',
      'S',
      'R',
      'P',
      '.',
      'U',
      'E',
      'W',
      'e',
    ])
    expect(formatFlags(Flag.SYN | Flag.ECE | Flag.CWR)).toBe('SEW')
    expect(formatFlags(Flag.SYN | Flag.ACK)).toBe('S.')
    expect(formatFlags(0x1ff)).toBe('FSRP.UEWe')
  })
})

describe('formatBytes', () => {
  const line = (hex: string, options?: FormatOptions) => {
    const bytes = fromHex(hex)
    return formatBytes(bytes, 0, bytes.length, options)
  }
  const header = (words: number) => `0050 1f90 00000001 00000002 ${words.toString(16)}010 0400 0000 0000`
  const options = (hex: string) => {
    const bytes = fromHex(hex)
    return line(header(5 + bytes.length / 4) + hex).replace('80 > 8080: Flags [.], ack 2, win 1024, options ', '')
  }

  it('prints what a kernel sent, options in their own order', () => {
    expect(line('8bb8e92f02d5c88530208b6980180040fe2d00000101080affbba0dd58bc2bb068656c6c6f', local)).toBe(
      'IP 127.0.0.1.35768 > 127.0.0.1.59695: Flags [P.], seq 47564933:47564938, ack 807439209, win 64, ' +
        'options [nop,nop,TS val 4290486493 ecr 1488726960], length 5',
    )
    expect(options('0303 07 01 0402 0101 0204 05b4')).toBe('[wscale 7,nop,sackOK,nop,nop,mss 1460], length 0')
  })

  it('prints options that it does not know', () => {
    expect(options('4d02 4d04 beef 0101')).toBe('[unknown-77,unknown-77 0xbeef,nop,nop], length 0')
    expect(options('1e04 beef 1d06 0102 0304 0101')).toBe('[mptcp 0xbeef,tcp-ao 0x01020304,nop,nop], length 0')
    expect(options('fe06 1234 5678 0101')).toBe('[exp-1234,nop,nop], length 0')
  })

  it('stops at end-of-list', () => {
    expect(options('0101 0002')).toBe('[nop,nop,eol], length 0')
  })

  it('names bad lengths', () => {
    expect(options('0204 05b4 0800 0000')).toBe('[mss 1460,[bad opt]], length 0')
    expect(options('0101 0108')).toBe('[nop,nop,nop,[bad opt]], length 0')
    expect(options('080b 0000 0000 0000')).toBe('[[bad opt]], length 0')
    expect(options('fe02 fe03 0001 0101')).toBe('[exp[len 2],exp[len 3],nop,nop,nop], length 0')
    expect(options('0206 0001 0002 0402')).toBe('[mss[len 6],sackOK], length 0')
    expect(options('0304 0000 0403 0008 0400 001c 0300 0101')).toBe(
      '[wscale[len 4],sackOK[len 3],TS[len 4],uto[len 3],nop,nop], length 0',
    )
    expect(options('0506 0000 0001 0101')).toBe('[sack invalid sack,nop,nop], length 0')
    expect(options('2205 0102 03 010101')).toBe('[tfo  (invalid),nop,nop,nop], length 0')
  })

  it('names headers that cannot be', () => {
    expect(line('', local)).toBe('IP 127.0.0.1 > 127.0.0.1: [|tcp]')
    expect(line('00501f90', { time: 'now' })).toBe('now [|tcp]')
    expect(line(header(4))).toBe('80 > 8080: tcp 4 [bad hdr length 16 - too short, < 20]')
    expect(line(`${header(7)} 00000000`)).toBe('80 > 8080: [bad hdr length 28 - too long, > 24]')
  })
})
