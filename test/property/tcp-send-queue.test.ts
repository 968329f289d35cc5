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
    arbitrary: fc.record({ kind: fc.constant('copy' as const), share, count: fc.integer({ min: 1, max: 70_000 }) }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
)

describe('SendQueue', () => {
  it('gives back every byte at its position, until it is released', () => {
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
            case 'copy': {
              const from = base + Math.floor((end - base) * one.share)
              const count = Math.min(one.count, end - from)
              if (count === 0) break
              const target = Buffer.alloc(count + 2, 0xee)
              queue.copyTo(from, count, target, 1)
              expect(target.subarray(1, -1).equals(bytes(from, count))).toBe(true)
              expect([target[0], target[count + 1]]).toEqual([0xee, 0xee])
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
