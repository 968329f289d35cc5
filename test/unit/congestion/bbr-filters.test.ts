import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { HeldDown, RoundCounter, WindowedMax } from '../../../src/congestion/bbr/filters.ts'

describe('WindowedMax', () => {
  it('forgets the best when it is older than the window, for the best after it', () => {
    const filter = new WindowedMax(10)
    const values = [5, 9, 2, 2, 8, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]
    const seen = values.map((value, time) => {
      filter.update(value, time)
      return filter.value
    })
    // 9 at 1 holds until 11, 8 at 4 until 14.
    expect(seen).toEqual([5, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 8, 8, 8, 2])
  })

  it('takes what comes after a silence longer than the window', () => {
    const filter = new WindowedMax(10)
    filter.update(9, 0)
    filter.update(1, 11)
    expect(filter.value).toBe(1)
    filter.reset(4, 12)
    expect(filter.value).toBe(4)
  })

  it('always gives a value of the window, and none smaller than the newest', () => {
    const steps = fc.array(fc.record({ value: fc.integer({ min: 1, max: 50 }), after: fc.integer({ min: 0, max: 3 }) }))
    fc.assert(
      fc.property(steps, fc.integer({ min: 4, max: 20 }), (samples, window) => {
        const filter = new WindowedMax(window)
        const seen: { value: number; time: number }[] = []
        let time = 0
        for (const { value, after } of samples) {
          time += after
          filter.update(value, time)
          seen.push({ value, time })
          const inWindow = seen.filter((one) => time - one.time <= window).map((one) => one.value)
          expect(inWindow).toContain(filter.value)
          expect(filter.value).toBeGreaterThanOrEqual(value)
          expect(filter.value).toBeLessThanOrEqual(Math.max(...inWindow))
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('RoundCounter', () => {
  it('counts a round when something is delivered that was sent after the last began', () => {
    const round = new RoundCounter()
    const starts = [
      [0, 10],
      [0, 20],
      [9, 30],
      [10, 40],
      [39, 50],
      [40, 60],
    ].map(([prior, total]) => {
      round.update(prior!, total!)
      return round.started
    })
    expect(starts).toEqual([true, false, false, true, false, true])
    expect(round.count).toBe(3)
    round.restart(100)
    round.update(99, 110)
    expect(round.started).toBe(false)
    round.update(100, 120)
    expect(round.started).toBe(true)
  })
})

describe('HeldDown', () => {
  it('covers what was sent from its start until what was then in flight is delivered', () => {
    const held = new HeldDown()
    expect(held.covers(0)).toBe(false)
    held.start(100)
    held.extend(110, 40)
    expect([99, 100, 130, 150, 151].map((prior) => held.covers(prior))).toEqual([false, true, true, true, false])
  })
})
