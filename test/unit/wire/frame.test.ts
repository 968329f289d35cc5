import { describe, expect, it } from 'vitest'
import {
  FrameKind,
  FrameResult,
  FrameView,
  nextFrame,
  readProbeToken,
  SHIM_LENGTH,
  writeProbe,
  writeShim,
} from '../../../src/wire/index.ts'

function frame(kind: FrameKind, body: string | Buffer): Buffer {
  const bytes = Buffer.from(body)
  const shim = Buffer.alloc(SHIM_LENGTH)
  writeShim(shim, 0, kind, bytes.length)
  return Buffer.concat([shim, bytes])
}

/** All steps through a read: the body of each frame, or the number of what is wrong. */
function walk(read: Buffer, stride: number = 0, base: number = 0, end: number = read.length): (string | FrameResult)[] {
  const view = new FrameView()
  const seen: (string | FrameResult)[] = []
  let result: FrameResult
  for (let at = base; ; at = view.next) {
    result = nextFrame(read, at, end, view, base, stride)
    if (result === FrameResult.End) return seen
    seen.push(result === FrameResult.Frame ? read.toString('latin1', view.start, view.end) : result)
    expect(view.next).toBeGreaterThan(at)
  }
}

describe('the shim', () => {
  it('[rfc9443#3] is magic, version and kind, and the length of the body', () => {
    const buffer = Buffer.alloc(8, 0xee)
    writeShim(buffer, 2, FrameKind.ProbeReply, 0x0123)
    expect(buffer.toString('hex')).toBe('eeee0a120123eeee')
  })

  it('keeps out of the source ports that a bare segment may begin with: 2576 to 2591', () => {
    const first = Object.values(FrameKind).map((kind) => frame(kind, '').readUInt16BE(0))
    expect(first.every((port) => port >= 2576 && port <= 2591)).toBe(true)
  })

  it('holds a body of 65,535 bytes', () => {
    const read = frame(FrameKind.Segment, Buffer.alloc(0xffff, 'x'))
    expect(walk(read)).toEqual(['x'.repeat(0xffff)])
  })
})

describe('nextFrame', () => {
  it('walks through frames that share a datagram, empty ones and all kinds too', () => {
    const read = Buffer.concat([
      frame(FrameKind.Segment, 'one'),
      frame(FrameKind.Probe, ''),
      frame(FrameKind.ProbeReply, 'three'),
    ])
    expect(walk(read)).toEqual(['one', '', 'three'])
  })

  it('names the kind of each, and of segments what their ECN bits are', () => {
    const view = new FrameView()
    const kinds = Object.values(FrameKind).map((kind) => {
      nextFrame(frame(kind, 'body'), 0, 8, view)
      return [view.kind, view.ect, view.marked]
    })
    expect(kinds).toEqual([
      [FrameKind.Segment, false, false],
      [FrameKind.Probe, false, false],
      [FrameKind.ProbeReply, false, false],
      [FrameKind.Segment, true, false],
      [FrameKind.Segment, true, true],
    ])
  })

  it('finds nothing in an empty datagram', () => {
    expect(walk(Buffer.alloc(0))).toEqual([])
  })

  const good = frame(FrameKind.Segment, 'good')
  it.each([
    ['magic', '0b100004', FrameResult.BadMagic],
    ['version 0', '0a000004', FrameResult.BadVersion],
    ['version 2', '0a200004', FrameResult.BadVersion],
    ['kind 5', '0a150004', FrameResult.UnknownKind],
    ['kind 15', '0a1f0004', FrameResult.UnknownKind],
    ['length', '0a10ffff', FrameResult.Overrun],
  ])('drops what follows a bad %s in its datagram', (_, shim, result) => {
    const bad = Buffer.concat([Buffer.from(shim, 'hex'), Buffer.from('body')])
    expect(walk(Buffer.concat([good, bad, good]))).toEqual(['good', result])
    expect(walk(Buffer.concat([bad, good]))).toEqual([result])
  })

  it('drops a rest that is shorter than a shim', () => {
    expect([1, 2, 3].map((length) => walk(Buffer.concat([good, good.subarray(0, length)])))).toEqual(
      Array(3).fill(['good', FrameResult.Truncated]),
    )
  })

  it('takes a length that ends with the datagram, and not one byte more', () => {
    expect(walk(good)).toEqual(['good'])
    expect(walk(good.subarray(0, good.length - 1))).toEqual([FrameResult.Overrun])
  })

  it('sees nothing beyond the end it is given', () => {
    const read = Buffer.concat([good, good])
    expect(walk(read, 0, 0, good.length)).toEqual(['good'])
    expect(walk(read, 0, 0, good.length + 3)).toEqual(['good', FrameResult.Truncated])
    expect(walk(read, 0, 0, read.length - 1)).toEqual(['good', FrameResult.Overrun])
  })
})

describe('nextFrame in a coalesced read', () => {
  const bodies = ['aaaaaaaa', 'bbbbbbbb', 'cccccccc', 'dd']
  const frames = bodies.map((body) => frame(FrameKind.Segment, body))
  const stride = frames[0].length

  it.each([
    ['magic', (bytes: Buffer) => bytes.writeUInt8(0, 0), FrameResult.BadMagic],
    ['version', (bytes: Buffer) => bytes.writeUInt8(0xf0, 1), FrameResult.BadVersion],
    ['kind', (bytes: Buffer) => bytes.writeUInt8(0x1e, 1), FrameResult.UnknownKind],
    ['length', (bytes: Buffer) => bytes.writeUInt16BE(0x7fff, 2), FrameResult.Overrun],
  ])('lets a bad %s cost its own frame only', (_, spoil, result) => {
    for (let which = 0; which < 3; which++) {
      const copies = frames.map((bytes) => Buffer.from(bytes))
      spoil(copies[which])
      const expected: (string | FrameResult)[] = [...bodies]
      expected[which] = result
      expect(walk(Buffer.concat(copies), stride)).toEqual(expected)
      // Also where the read does not begin at the buffer's start.
      const shifted = Buffer.concat([Buffer.alloc(5), ...copies])
      expect(walk(shifted, stride, 5)).toEqual(expected)
    }
  })

  it('comes back into step after a length that is wrong and yet within the read', () => {
    const copies = frames.map((bytes) => Buffer.from(bytes))
    copies[1].writeUInt16BE(3, 2)
    expect(walk(Buffer.concat(copies), stride)).toEqual(['aaaaaaaa', 'bbb', FrameResult.BadMagic, 'cccccccc', 'dd'])
  })

  it('ends where the last frame is bad', () => {
    const copies = frames.map((bytes) => Buffer.from(bytes))
    copies[3][0] = 0
    expect(walk(Buffer.concat(copies), stride)).toEqual([...bodies.slice(0, 3), FrameResult.BadMagic])
  })
})

describe('probes', () => {
  it('carry their token and zeros', () => {
    const buffer = Buffer.alloc(24, 0xee)
    expect(writeProbe(buffer, 2, FrameKind.Probe, 0x0102030405060708n, 12)).toBe(16)
    expect(buffer.toString('hex')).toBe('eeee0a11000c010203040506070800000000eeeeeeeeeeee')
  })

  it('have no padding unless asked for', () => {
    const buffer = Buffer.alloc(14, 0xee)
    expect(writeProbe(buffer, 0, FrameKind.ProbeReply, 2n ** 64n - 1n)).toBe(12)
    expect(buffer.toString('hex')).toBe('0a120008ffffffffffffffffeeee')
  })

  it('give their token back, and to the reply by way of a buffer', () => {
    const probe = Buffer.alloc(100)
    writeProbe(probe, 0, FrameKind.Probe, 0xfedcba9876543210n, 96)
    const view = new FrameView()
    expect(nextFrame(probe, 0, 100, view)).toBe(FrameResult.Frame)
    expect(readProbeToken(probe, view.start, view.end)).toBe(0xfedcba9876543210n)
    const reply = Buffer.alloc(12)
    writeProbe(reply, 0, FrameKind.ProbeReply, probe.subarray(view.start, view.end))
    expect(readProbeToken(reply, 4, 12)).toBe(0xfedcba9876543210n)
  })

  it('take a token of any size for its low 64 bits', () => {
    const buffer = Buffer.alloc(12)
    writeProbe(buffer, 0, FrameKind.Probe, (7n << 64n) | 5n)
    expect(readProbeToken(buffer, 4, 12)).toBe(5n)
    writeProbe(buffer, 0, FrameKind.Probe, -1n)
    expect(readProbeToken(buffer, 4, 12)).toBe(2n ** 64n - 1n)
  })

  it('have none where the body is too short', () => {
    const buffer = Buffer.alloc(12, 1)
    expect([4, 11, 12].map((end) => readProbeToken(buffer, 4, end))).toEqual([null, null, 0x0101010101010101n])
  })
})
