import { describe, expect, it } from 'vitest'
import { Rng } from '../../../src/impair/rng.ts'

const draws = (rng: Rng, count: number): number[] => Array.from({ length: count }, () => rng.next())

describe('Rng', () => {
  it.each([
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7],
    [0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0],
  ])('gives the known answers of Threefry-2x32-20 (key %i %i)', (k0, k1, c0, c1, a, b) => {
    expect(new Rng(k0, k1).block(c0, c1)).toEqual([a, b])
  })

  it('repeats itself from the same seed and not from another', () => {
    expect(draws(new Rng(7), 50)).toEqual(draws(new Rng(7), 50))
    expect(draws(new Rng(7), 50)).not.toEqual(draws(new Rng(8), 50))
    expect(draws(new Rng(7), 50)).not.toEqual(draws(new Rng(7 + 2 ** 32), 50))
  })

  it('can be read at any position, in any order', () => {
    const rng = new Rng(3)
    const forward = [0, 1, 2, 3, 2 ** 32, 2 ** 32 + 1].map((i) => rng.at(i))
    const backward = [2 ** 32 + 1, 2 ** 32, 3, 2, 1, 0].map((i) => rng.at(i)).reverse()
    expect(backward).toEqual(forward)
    expect(new Set(forward).size).toBe(6)
    expect(rng.at(1, 1)).not.toBe(rng.at(1, 0))
  })

  it('forks into streams that differ by name, number and order', () => {
    const rng = new Rng(1)
    const forks = [
      rng,
      rng.fork('a'),
      rng.fork('b'),
      rng.fork(''),
      rng.fork('ab'),
      rng.fork('a').fork('b'),
      rng.fork('b').fork('a'),
      rng.fork(0),
      rng.fork(1),
      rng.fork(2 ** 32 + 1),
      rng.fork('1'),
      rng.fork(97),
    ]
    expect(new Set(forks.map((fork) => fork.at(0))).size).toBe(forks.length)
  })

  it('forks the same whatever was drawn before', () => {
    const used = new Rng(1)
    draws(used, 10)
    expect(draws(used.fork('loss'), 5)).toEqual(draws(new Rng(1).fork('loss'), 5))
  })

  it('is uniform over sixteen cells, drawn in turn and read by position', () => {
    const trials = 160_000
    const rng = new Rng(11)
    for (const draw of [() => rng.next(), (i: number) => rng.at(i), (i: number) => rng.fork(i % 400).at(i)]) {
      const cells = new Array<number>(16).fill(0)
      for (let i = 0; i < trials; i++) cells[Math.floor(draw(i) * 16)]++
      const chiSquare = cells.reduce((sum, n) => sum + (n - trials / 16) ** 2 / (trials / 16), 0)
      // 15 degrees of freedom: 37.7 is passed once in a thousand.
      expect(chiSquare).toBeLessThan(37.7)
    }
  })

  it('shows no correlation between neighbours', () => {
    const rng = new Rng(5)
    const n = 100_000
    let sum = 0
    for (let i = 0; i < n; i++) sum += (rng.at(i) - 0.5) * (rng.at(i + 1) - 0.5)
    // The product's standard deviation is 1/12.
    expect(Math.abs(sum / n)).toBeLessThan((4 / 12) * Math.sqrt(1 / n))
  })

  it('draws whole numbers below a bound', () => {
    const rng = new Rng(2)
    const seen = new Set(Array.from({ length: 1000 }, () => rng.nextInt(6)))
    expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5])
  })
})
