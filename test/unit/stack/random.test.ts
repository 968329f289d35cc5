import { describe, expect, it } from 'vitest'
import { CryptoRandom, type Random, SeededRandom } from '../../../src/stack/random.ts'

/** χ² of 16 bins: beyond 80 by chance once in ten thousand million runs. */
function chiSquare(counts: number[]): number {
  const expected = counts.reduce((a, b) => a + b) / counts.length
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0)
}

const kinds: [string, () => Random][] = [
  ['CryptoRandom', () => new CryptoRandom()],
  ['SeededRandom', () => new SeededRandom(1)],
]

describe.each(kinds)('%s', (_name, make) => {
  it('spreads its numbers evenly over [0, 1)', () => {
    const random = make()
    const bins = new Array<number>(16).fill(0)
    const low = new Array<number>(16).fill(0)
    for (let i = 0; i < 40_000; i++) {
      const n = random.public()
      if (!(n >= 0 && n < 1)) expect.unreachable(String(n))
      bins[Math.floor(n * 16)]++
      low[Math.floor(n * 2 ** 40) % 16]++
    }
    expect(chiSquare(bins)).toBeLessThan(80)
    expect(chiSquare(low)).toBeLessThan(80)
  })

  it('gives secrets of any size, none twice', () => {
    const random = make()
    const seen = new Set<string>()
    const bits = new Array<number>(16).fill(0)
    for (let i = 0; i < 2000; i++) {
      const secret = random.secret(16)
      seen.add(secret.toString('hex'))
      for (const byte of secret) bits[byte >> 4]++
    }
    expect(seen.size).toBe(2000)
    expect(chiSquare(bits)).toBeLessThan(80)
    for (const size of [0, 1, 1000, 1025, 5000]) expect(random.secret(size)).toHaveLength(size)
    expect(random.secret(5000).subarray(4000)).not.toEqual(Buffer.alloc(1000))
  })

  it('lets go of the secrets that it hands out', () => {
    const random = make()
    const first = random.secret(8)
    const copy = Buffer.from(first)
    for (let i = 0; i < 3000; i++) random.secret(8)
    expect(first).toEqual(copy)
    first.fill(0)
    expect(random.secret(8)).not.toEqual(Buffer.alloc(8))
  })
})

describe('CryptoRandom', () => {
  it('is never the same twice', () => {
    expect(new CryptoRandom().secret(16)).not.toEqual(new CryptoRandom().secret(16))
    expect(new CryptoRandom().public()).not.toBe(new CryptoRandom().public())
  })
})

describe('SeededRandom', () => {
  const draw = (seed: number) => {
    const random = new SeededRandom(seed)
    return [random.public(), random.public(), random.secret(6).toString('hex'), random.public()]
  }

  it('repeats itself from its seed, and only then', () => {
    expect(draw(42)).toEqual(draw(42))
    const seeds = [0, 1, 2, 42, -1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]
    expect(new Set(seeds.map((seed) => JSON.stringify(draw(seed)))).size).toBe(seeds.length)
  })

  it('keeps its two streams apart', () => {
    const a = new SeededRandom(7)
    const b = new SeededRandom(7)
    for (let i = 0; i < 100; i++) b.secret(3)
    expect([a.public(), a.public()]).toEqual([b.public(), b.public()])
  })

  it('stays as it is, so that seeds of old failures replay', () => {
    expect(draw(42)).toMatchInlineSnapshot(`
      [
        0.6415361014538159,
        0.8618302149533767,
        "658665a74bb0",
        0.6200132149502494,
      ]
    `)
  })
})
