import { describe, expect, it } from 'vitest'
import { SequenceNumbers } from '../../../src/stack/isn.ts'
import { CryptoRandom, SeededRandom } from '../../../src/stack/random.ts'
import { Purpose, TupleHash } from '../../../src/stack/tuple-hash.ts'
import { type Seq, seqDiff } from '../../../src/wire/index.ts'

const tuple = ['10.0.0.1', 40_000, '10.0.0.2', 80] as const
type Tuple = readonly [string, number, string, number]

/** Everything that a change of must give an unrelated number. */
const others: Tuple[] = [
  ['10.0.0.2', 40_000, '10.0.0.2', 80],
  ['10.0.0.1', 40_001, '10.0.0.2', 80],
  ['10.0.0.1', 40_000, '10.0.0.3', 80],
  ['10.0.0.1', 40_000, '10.0.0.2', 81],
  ['10.0.0.2', 80, '10.0.0.1', 40_000],
  ['10.0.0.1', 80, '10.0.0.2', 40_000],
  ['10.0.0.11', 40_000, '0.0.0.2', 80],
  ['::1', 40_000, 'fe80::1%eth0', 80],
  ['::1', 40_000, 'fe80::1%eth1', 80],
]

describe('initial sequence numbers', () => {
  it('[rfc6528#3] [rfc9293#3.4.1 MUST-8] go up by one every 4 µs for the same connection', () => {
    const numbers = new SequenceNumbers(new SeededRandom(1))
    const first = numbers.isn(...tuple, 0)
    expect(seqDiff(numbers.isn(...tuple, 3), first)).toBe(0)
    expect(seqDiff(numbers.isn(...tuple, 4), first)).toBe(1)
    expect(seqDiff(numbers.isn(...tuple, 1_000_000), first)).toBe(250_000)
    // 4.55 h go once round the circle.
    expect(seqDiff(numbers.isn(...tuple, 4 * 2 ** 32), first)).toBe(0)
    expect(seqDiff(numbers.isn(...tuple, 4 * (2 ** 45 + 5)), first)).toBe(5)
  })

  it('[rfc6528#3] [rfc9293#3.4.1 SHLD-1] begin elsewhere for every other connection', () => {
    const numbers = new SequenceNumbers(new SeededRandom(1))
    const all = [tuple, ...others].map((one) => numbers.isn(...one, 0))
    expect(new Set(all).size).toBe(all.length)
    // Unrelated: no two within a window of each other.
    for (const [i, a] of all.entries()) {
      for (const b of all.slice(i + 1)) expect(Math.abs(seqDiff(a, b))).toBeGreaterThan(100_000)
    }
  })

  it('[rfc6528#3] [rfc9293#3.4.1 MUST-9] cannot be told without the secret', () => {
    const seen = new Set<Seq>()
    for (let i = 0; i < 50; i++) seen.add(new SequenceNumbers(new CryptoRandom()).isn(...tuple, 0))
    expect(seen.size).toBe(50)
    const again = () => new SequenceNumbers(new SeededRandom(5)).isn(...tuple, 0)
    expect(again()).toBe(again())
  })

  it('[rfc6528#3] tell nothing of each other when ports count up', () => {
    const numbers = new SequenceNumbers(new SeededRandom(2))
    const counts = new Array<number>(16).fill(0)
    let last = numbers.isn('10.0.0.1', 999, '10.0.0.2', 80, 0)
    for (let port = 1000; port < 9000; port++) {
      const next = numbers.isn('10.0.0.1', port, '10.0.0.2', 80, 0)
      counts[(seqDiff(next, last) >>> 28) & 15]++
      last = next
    }
    for (const count of counts) {
      expect(count).toBeGreaterThan(400)
      expect(count).toBeLessThan(600)
    }
  })
})

describe('timestamp offsets', () => {
  it('[rfc7323#5.4] are the same in every incarnation and differ between connections', () => {
    const numbers = new SequenceNumbers(new SeededRandom(1))
    const all = [tuple, ...others].map((one) => numbers.timestampOffset(...one))
    expect(numbers.timestampOffset(...tuple)).toBe(all[0])
    expect(new Set(all).size).toBe(all.length)
  })

  it('tell nothing of the sequence number', () => {
    const numbers = new SequenceNumbers(new SeededRandom(1))
    const differences = [tuple, ...others].map((one) =>
      seqDiff(numbers.isn(...one, 0), numbers.timestampOffset(...one)),
    )
    expect(new Set(differences).size).toBe(differences.length)
  })
})

describe('TupleHash', () => {
  it('takes texts apart where they meet', () => {
    const hash = new TupleHash(new SeededRandom(1).secret(16))
    const of = (local: string, remote: string) => {
      hash.hash(Purpose.InitialSequence, local, 1, remote, 2)
      return `${hash.hi} ${hash.lo}`
    }
    const pairs: [string, string][] = [
      ['abcd', 'efgh'],
      ['abcde', 'fgh'],
      ['abc', 'defgh'],
      ['abcdefgh', ''],
      ['', 'abcdefgh'],
      ['abcd', 'efgh\0'],
      ['abcd', ''],
      ['abcd\0', ''],
    ]
    expect(new Set(pairs.map(([local, remote]) => of(local, remote))).size).toBe(pairs.length)
    expect(of('x'.repeat(500), 'y'.repeat(500))).toBe(of('x'.repeat(500), 'y'.repeat(500)))
    expect(of('abcd', 'efgh')).toBe(of('abcd', 'efgh'))
  })
})
