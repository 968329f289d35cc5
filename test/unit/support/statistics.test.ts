import { describe, expect, it } from 'vitest'
import {
  chiSquareP,
  deviations,
  deviationsInBatches,
  geometric,
  isAsAsked,
  runs,
  serialCorrelation,
  standardDeviation,
} from '../../support/statistics.ts'

describe('statistics', () => {
  it.each([
    // Critical values from tables: degrees of freedom, chi-square, probability of more.
    [1, 6.635, 0.01],
    [5, 11.07, 0.05],
    [10, 18.307, 0.05],
    [30, 50.892, 0.01],
    [100, 99.334, 0.5],
  ])('chi-square with %d degrees of freedom at %d is %d', (degrees, statistic, p) => {
    // One cell that is off by all of it.
    const expected = new Array<number>(degrees + 1).fill(1e6)
    const counts = [...expected]
    counts[0] += Math.sqrt(statistic * 1e6)
    expect(chiSquareP(counts, expected)).toBeCloseTo(p, 3)
  })

  it('counts deviations', () => {
    expect(deviations(60, 100, 0.5)).toBeCloseTo(2)
    expect(isAsAsked(5000, 100_000, 0.05)).toBe(true)
    expect(isAsAsked(5300, 100_000, 0.05)).toBe(false)
    expect(standardDeviation([1, 3])).toBe(1)
    // Batches of 400 and 600 by turns: a standard deviation of 100, a mean of 500.
    const flags = Array.from({ length: 100_000 }, (_, i) => i % 2000 < 400 || i % 2000 >= 1400)
    expect(deviationsInBatches(flags, 0.49)).toBeCloseTo(1)
  })

  it('finds runs and what follows what', () => {
    expect(runs([true, true, false, true, false, false, true])).toEqual([2, 1, 1])
    expect(geometric(100, 0.5, 3)).toEqual([50, 25, 25])
    expect(serialCorrelation([1, -1, 1, -1, 1, -1])).toBeLessThan(-0.8)
  })
})
