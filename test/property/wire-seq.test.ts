import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  seqAdd,
  seqDiff,
  seqGeq,
  seqGt,
  seqIn,
  seqLeq,
  seqLt,
  seqMax,
  seqMin,
  seqPrint,
  toSeq,
} from '../../src/wire/index.ts'

// The model: whole numbers without bounds, brought onto the circle only to compare.

const CIRCLE = 2n ** 32n
const onCircle = (n: bigint): bigint => ((n % CIRCLE) + CIRCLE) % CIRCLE

const position = fc.integer({ min: 0, max: 2 ** 32 - 1 })
/** Distances for which before and after have a meaning. */
const near = fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 - 1 })

describe('sequence numbers against numbers without bounds', () => {
  it('go in and come out unchanged', () => {
    fc.assert(
      fc.property(position, (n) => {
        expect(seqPrint(toSeq(n))).toBe(n)
      }),
    )
  })

  it('are int32, whatever they are made from', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), near, (n, step) => {
        for (const seq of [toSeq(n), seqAdd(toSeq(n), step)]) expect(seq).toBe(seq | 0)
        expect(BigInt(seqPrint(toSeq(n)))).toBe(onCircle(BigInt(n)))
      }),
    )
  })

  it('add as the model does', () => {
    fc.assert(
      fc.property(position, fc.integer({ min: -(2 ** 32), max: 2 ** 32 }), (n, step) => {
        expect(BigInt(seqPrint(seqAdd(toSeq(n), step)))).toBe(onCircle(BigInt(n) + BigInt(step)))
      }),
    )
  })

  it('[rfc9293#3.4] are ordered as the unbounded numbers are, while less than half the circle apart', () => {
    fc.assert(
      fc.property(position, near, (n, distance) => {
        const a = toSeq(n)
        const b = toSeq(Number(onCircle(BigInt(n) + BigInt(distance))))
        expect(seqDiff(b, a)).toBe(distance)
        expect(seqDiff(a, b)).toBe(0 - distance)
        expect(seqLt(a, b)).toBe(distance > 0)
        expect(seqLeq(a, b)).toBe(distance >= 0)
        expect(seqGt(a, b)).toBe(distance < 0)
        expect(seqGeq(a, b)).toBe(distance <= 0)
        expect(seqMax(a, b)).toBe(distance > 0 ? b : a)
        expect(seqMin(a, b)).toBe(distance < 0 ? b : a)
        expect(seqAdd(a, seqDiff(b, a))).toBe(b)
      }),
    )
  })

  it('are ordered among three that lie within half the circle', () => {
    const step = fc.integer({ min: 0, max: 2 ** 30 })
    fc.assert(
      fc.property(position, step, step, (n, first, second) => {
        const [a, b, c] = [toSeq(n), seqAdd(toSeq(n), first), seqAdd(toSeq(n), first + second)]
        expect([seqLeq(a, b), seqLeq(b, c), seqLeq(a, c)]).toEqual([true, true, true])
        expect(seqDiff(c, a)).toBe(seqDiff(c, b) + seqDiff(b, a))
      }),
    )
  })

  it('lie in a range where the model says so, whatever the length of the range', () => {
    fc.assert(
      fc.property(position, position, position, (low, length, offset) => {
        const [start, end] = [toSeq(low), seqAdd(toSeq(low), length)]
        expect(seqIn(start, seqAdd(start, offset), end)).toBe(offset < length)
      }),
    )
  })
})
