import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Insert, Reassembly } from '../../src/tcp/reassembly.ts'
import { seqAdd, seqDiff, toSeq } from '../../src/wire/index.ts'

const SPACE = 400

/** A map of bytes: what came first at each position. */
class Model {
  readonly bytes: (number | undefined)[] = new Array(SPACE).fill(undefined)
  next = 0

  insert(from: number, to: number, value: number): number {
    let added = 0
    for (let i = from; i < to; i++) {
      if (this.bytes[i] !== undefined) continue
      this.bytes[i] = value
      added++
    }
    return added
  }

  /** The contiguous range that holds `position`. */
  rangeAt(position: number): [number, number] {
    let [start, end] = [position, position + 1]
    while (start > this.next && this.bytes[start - 1] !== undefined) start--
    while (end < SPACE && this.bytes[end] !== undefined) end++
    return [start, end]
  }

  get held(): number {
    return this.bytes.slice(this.next).filter((byte) => byte !== undefined).length
  }
}

const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('insert' as const),
      at: fc.nat(SPACE - 2),
      length: fc.integer({ min: 1, max: 40 }),
    }),
  },
  // The next byte in sequence comes, and the gap may close behind it.
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('fill' as const), length: fc.integer({ min: 1, max: 60 }) }) },
)

describe('Reassembly', () => {
  it('keeps each byte as it came first, and tells of ranges as rfc2018#4 wants', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), fc.integer(), (steps, start) => {
        const queue = new Reassembly()
        const model = new Model()
        const seq = (position: number) => seqAdd(toSeq(start), position)
        let value = 0
        for (const one of steps) {
          value = (value + 1) & 0xff
          if (one.kind === 'insert') {
            const from = Math.max(one.at, model.next + 1)
            const to = Math.min(from + one.length, SPACE)
            if (from >= to) continue
            const added = model.insert(from, to, value)
            const result = queue.insert(seq(from), seq(to), Buffer.alloc(to - from, value))
            expect(result).toBe(added > 0 ? Insert.Queued : Insert.Duplicate)
            const [first] = queue.blocks
            expect([seqDiff(first.start, toSeq(start)), seqDiff(first.end, toSeq(start))]).toEqual(model.rangeAt(from))
          } else {
            const to = Math.min(model.next + one.length, SPACE)
            model.insert(model.next, to, value)
            model.next = to
            for (let piece = queue.take(seq(model.next)); piece !== null; piece = queue.take(seq(model.next))) {
              expect([...piece]).toEqual(model.bytes.slice(model.next, model.next + piece.length))
              model.next += piece.length
            }
            queue.advance(seq(model.next))
            expect(model.bytes[model.next]).toBeUndefined()
          }
          check(queue, model, start)
        }
      }),
      { numRuns: 500 },
    )
  })
})

function check(queue: Reassembly, model: Model, start: number): void {
  expect(queue.length).toBe(model.held)
  expect(queue.isEmpty).toBe(model.held === 0)
  expect(queue.count).toBeLessThanOrEqual(queue.length)
  expect(queue.blocks.length).toBeLessThanOrEqual(4)
  expect(queue.blocks.length === 0).toBe(queue.isEmpty)
  const seen = new Set<number>()
  for (const block of queue.blocks) {
    const [from, to] = [seqDiff(block.start, toSeq(start)), seqDiff(block.end, toSeq(start))]
    expect(from).toBeGreaterThan(model.next)
    // Isolated: what lies just below and above has not been received.
    expect(model.rangeAt(from)).toEqual([from, to])
    expect(seen.has(from)).toBe(false)
    seen.add(from)
  }
}
