import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { SendQueue } from '../../src/tcp/send-queue.ts'

const byteAt = (position: number): number => (position * 7 + (position >> 8)) & 0xff

function bytes(position: number, length: number): Buffer {
  const buffer = Buffer.allocUnsafe(length)
  for (let i = 0; i < length; i++) buffer[i] = byteAt(position + i)
  return buffer
}

const size = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 3000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 150_000 }) },
)
const share = fc.double({ min: 0, max: 1, noNaN: true })

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), count: size, before: fc.nat(50), after: fc.nat(50) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('release' as const), share }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('place' as const),
      share,
      length: fc.integer({ min: 1, max: 70_000 }),
      count: fc.integer({ min: 1, max: 4 }),
      gap: fc.nat(60),
      lent: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
)

describe('SendQueue', () => {
  it('gives every byte at its position, copied or lent, until it is released', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const queue = new SendQueue()
        let [base, end] = [0, 0]
        for (const one of steps) {
          switch (one.kind) {
            case 'append': {
              const chunk = Buffer.concat([
                Buffer.alloc(one.before, 1),
                bytes(end, one.count),
                Buffer.alloc(one.after, 2),
              ])
              queue.append(chunk, one.before, one.before + one.count)
              end += one.count
              chunk.fill(0xee)
              break
            }
            case 'release':
              base += Math.floor((end - base) * one.share)
              queue.release(base)
              break
            case 'place': {
              const from = base + Math.floor((end - base) * one.share)
              const { count, gap, lent } = one
              const length = Math.min(one.length, Math.floor((end - from) / count))
              if (length === 0) break
              const expected = Buffer.alloc(gap + count * (length + gap), 0xee)
              for (let i = 0; i < count; i++) bytes(from + i * length, length).copy(expected, gap + i * (length + gap))
              const target = Buffer.alloc(expected.length, 0xee)
              const lend = (at: number, source: Buffer, start: number, size: number): void => {
                expect(lent).toBe(true)
                source.copy(target, at, start, start + size)
              }
              const sink = {
                buffer: target,
                offset: 0,
                batch: 1,
                reserve: () => true,
                commit() {},
                isWaiting: () => false,
              }
              queue.place(from, length, count, { ...sink, lend }, gap, length + gap, lent)
              expect(target.equals(expected)).toBe(true)
              break
            }
            default:
              queue.clear()
              base = end
          }
          expect([queue.base, queue.end, queue.length]).toEqual([base, end, end - base])
        }
      }),
      { numRuns: 300 },
    )
  })
})
