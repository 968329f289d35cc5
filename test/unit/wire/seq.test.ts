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
} from '../../../src/wire/index.ts'

const TOP = 2 ** 32 - 1

describe('sequence numbers', () => {
  it('print as the unsigned number that the packet holds', () => {
    expect(seqPrint(toSeq(TOP))).toBe(TOP)
    expect(seqPrint(toSeq(2 ** 31))).toBe(2 ** 31)
    expect(seqPrint(toSeq(0))).toBe(0)
  })

  it('are the same however often the circle was gone round', () => {
    expect(toSeq(5 + 2 ** 32)).toBe(toSeq(5))
    expect(toSeq(-1)).toBe(toSeq(TOP))
    expect(toSeq(3 * 2 ** 32 + 7)).toBe(toSeq(7))
  })

  it('[rfc9293#3.4] add modulo 2^32', () => {
    expect(seqPrint(seqAdd(toSeq(TOP), 1))).toBe(0)
    expect(seqPrint(seqAdd(toSeq(TOP - 3), 10))).toBe(6)
    expect(seqPrint(seqAdd(toSeq(2), -5))).toBe(TOP - 2)
    expect(seqPrint(seqAdd(toSeq(2 ** 31 - 1), 1))).toBe(2 ** 31)
  })

  it('[rfc9293#3.4] compare across the wrap', () => {
    const before = toSeq(TOP - 9)
    const after = toSeq(10)
    expect(seqDiff(after, before)).toBe(20)
    expect(seqDiff(before, after)).toBe(-20)
    expect(seqLt(before, after)).toBe(true)
    expect(seqLt(after, before)).toBe(false)
    expect(seqGt(after, before)).toBe(true)
    expect(seqGt(before, after)).toBe(false)
    expect(seqMax(before, after)).toBe(after)
    expect(seqMin(before, after)).toBe(before)
  })

  it('compare across the change of sign in the middle of the circle', () => {
    const below = toSeq(2 ** 31 - 1)
    const above = toSeq(2 ** 31)
    expect(seqLt(below, above)).toBe(true)
    expect(seqGeq(above, below)).toBe(true)
    expect(seqDiff(above, below)).toBe(1)
  })

  it('are neither before nor after themselves', () => {
    const a = toSeq(123)
    expect([seqLt(a, a), seqGt(a, a), seqLeq(a, a), seqGeq(a, a)]).toEqual([false, false, true, true])
  })

  it('lie in half-open ranges, also in one that wraps', () => {
    const low = toSeq(TOP - 1)
    const high = toSeq(2)
    expect(seqIn(low, toSeq(TOP - 1), high)).toBe(true)
    expect(seqIn(low, toSeq(0), high)).toBe(true)
    expect(seqIn(low, toSeq(1), high)).toBe(true)
    expect(seqIn(low, toSeq(2), high)).toBe(false)
    expect(seqIn(low, toSeq(TOP - 2), high)).toBe(false)
    expect(seqIn(low, low, low)).toBe(false)
  })
})
