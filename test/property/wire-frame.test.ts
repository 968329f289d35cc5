import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  FrameKind,
  FrameResult,
  FrameView,
  nextFrame,
  readProbeToken,
  SHIM_LENGTH,
  segmentKind,
  writeProbe,
  writeShim,
} from '../../src/wire/index.ts'

interface Frame {
  kind: FrameKind
  body: Buffer
}

const body = (constraints: fc.IntArrayConstraints) => fc.uint8Array(constraints).map((bytes) => Buffer.from(bytes))
const kind = fc.constantFrom(...Object.values(FrameKind))
const frame: fc.Arbitrary<Frame> = fc.record({ kind, body: body({ maxLength: 60 }) })

function pack(frames: readonly Frame[]): Buffer {
  const parts = frames.map(({ kind, body }) => {
    const bytes = Buffer.alloc(SHIM_LENGTH + body.length)
    writeShim(bytes, 0, kind, body.length)
    body.copy(bytes, SHIM_LENGTH)
    return bytes
  })
  return Buffer.concat(parts)
}

/** Every step through a read, and a proof that each goes forward and stays inside. */
function walk(read: Buffer, start: number, end: number, stride: number): { frames: Frame[]; bad: number } {
  const view = new FrameView()
  const frames: Frame[] = []
  let bad = 0
  for (let at = start; ; at = view.next) {
    const result = nextFrame(read, at, end, view, start, stride)
    expect(Object.values(FrameResult)).toContain(result)
    if (result === FrameResult.End) return { frames, bad }
    expect(view.next).toBeGreaterThan(at)
    expect(view.next).toBeLessThanOrEqual(end)
    if (result !== FrameResult.Frame) {
      bad++
      continue
    }
    expect(view.start).toBe(at + SHIM_LENGTH)
    expect(view.end).toBe(view.next)
    expect(view.end).toBeGreaterThanOrEqual(view.start)
    const kind = view.kind === FrameKind.Segment ? segmentKind(view.ect, view.marked) : view.kind
    frames.push({ kind, body: Buffer.from(read.subarray(view.start, view.end)) })
  }
}

describe('frames', () => {
  it('packed into one datagram come out as they went in', () => {
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 12 }), fc.nat(9), fc.nat(9), (frames, before, behind) => {
        const read = Buffer.concat([Buffer.alloc(before, 0x0a), pack(frames), Buffer.alloc(behind, 0x0a)])
        expect(walk(read, before, read.length - behind, 0)).toEqual({ frames, bad: 0 })
      }),
    )
  })

  it('from a coalesced read come out but for the bad one', () => {
    const coalesced = fc.integer({ min: 0, max: 40 }).chain((size) =>
      fc.record({
        whole: fc.array(fc.record({ kind, body: body({ minLength: size, maxLength: size }) }), {
          minLength: 2,
          maxLength: 12,
        }),
        last: body({ maxLength: size }),
      }),
    )
    const spoilt = fc.constantFrom([0, 0x0b], [1, 0x20], [1, 0x15], [2, 0xff])
    fc.assert(
      fc.property(coalesced, fc.nat(), spoilt, ({ whole, last }, which, [at, value]) => {
        const frames = [...whole, { kind: FrameKind.Segment, body: last }]
        const read = pack(frames)
        const stride = SHIM_LENGTH + whole[0].body.length
        const index = which % frames.length
        read[index * stride + at] = value
        expect(walk(read, 0, read.length, stride)).toEqual({ frames: frames.filter((_, i) => i !== index), bad: 1 })
        // Without a stride what follows is lost, and only that.
        expect(walk(read, 0, read.length, 0)).toEqual({ frames: frames.slice(0, index), bad: 1 })
      }),
    )
  })

  it('are looked for in any bytes without an end or an error', () => {
    const start = fc.constantFrom([0x0a, 0x10], [0x0a, 0x11], [0x0a, 0x20], [0x0a, 0x13], [0x0a, 0x15], [0x00, 0x50])
    const piece = fc.tuple(start, fc.nat(20), fc.uint8Array({ maxLength: 20 }))
    const likely = fc
      .array(piece, { maxLength: 10 })
      .map((pieces) => Buffer.concat(pieces.map(([two, length, rest]) => Buffer.from([...two, 0, length, ...rest]))))
    const any = fc.oneof(body({ maxLength: 200 }), likely)
    fc.assert(
      fc.property(any, fc.nat(60), fc.nat(20), (read, stride, skip) => {
        const from = Math.min(skip, read.length)
        const { frames, bad } = walk(read, from, read.length, stride)
        expect(frames.length + bad).toBeLessThanOrEqual(read.length - from)
        if (stride === 0) expect(bad).toBeLessThanOrEqual(1)
      }),
      { numRuns: 3000 },
    )
  })

  it('are never read beyond the end: what lies behind makes no difference', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 4 }),
        fc.nat(),
        body({ minLength: 8, maxLength: 80 }),
        (frames, cut, behind) => {
          const packed = pack(frames)
          const end = cut % (packed.length + 1)
          const alone = Buffer.from(packed.subarray(0, end))
          expect(walk(Buffer.concat([alone, behind]), 0, end, 0)).toEqual(walk(alone, 0, end, 0))
        },
      ),
    )
  })

  it('of probes carry any token and length, and nothing of what the buffer held', () => {
    const token = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    fc.assert(
      fc.property(token, fc.integer({ min: 8, max: 1400 }), fc.nat(5), (value, length, at) => {
        const buffer = Buffer.alloc(at + SHIM_LENGTH + length + 5, 0xee)
        expect(writeProbe(buffer, at, FrameKind.Probe, value, length)).toBe(SHIM_LENGTH + length)
        const view = new FrameView()
        expect(nextFrame(buffer, at, at + SHIM_LENGTH + length, view)).toBe(FrameResult.Frame)
        expect(view.kind).toBe(FrameKind.Probe)
        expect(view.end - view.start).toBe(length)
        expect(readProbeToken(buffer, view.start, view.end)).toBe(value)
        expect(buffer.subarray(view.start + 8, view.end).every((byte) => byte === 0)).toBe(true)
        expect(buffer.subarray(view.end).every((byte) => byte === 0xee)).toBe(true)
        expect(buffer.subarray(0, at).every((byte) => byte === 0xee)).toBe(true)
      }),
    )
  })
})
