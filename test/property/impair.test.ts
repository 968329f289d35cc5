import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Impairment, Pipeline, Rng } from '../../src/impair/index.ts'

const share = fc.constantFrom('0%', '1%', '50%', '100%', '0.3')
const time = fc.constantFrom('0', '3us', '1ms', '20ms', '1s')
const number = fc.constantFrom('1', '2', '7')
const words = (...parts: fc.Arbitrary<string>[]): fc.Arbitrary<string> => fc.tuple(...parts).map((all) => all.join(' '))
const member = (name: string, value: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  value.map((text) => `${name}=${text}`)

const form = fc.oneof(
  member('loss', fc.oneof(words(share, share), words(fc.constant('gemodel'), share, share, share, share))),
  member('loss', fc.oneof(words(fc.constant('every'), number), fc.constantFrom('packets 2 9-12', 'trace 0101'))),
  member('burst', words(share, share)),
  member('duplicate', words(share, share)),
  member('corrupt', share),
  member(
    'delay',
    words(
      time,
      fc.constantFrom('1ms', '30ms'),
      share,
      fc.constantFrom('', 'distribution normal', 'distribution pareto'),
    ),
  ),
  member(
    'reorder',
    fc.tuple(share, number).map(([p, gap]) => `${p} gap ${gap} by 3ms`),
  ),
  fc.constantFrom(
    'rate=1mbit',
    'rate=64kbit 10 48 5',
    'link=1 4 9',
    'rate=0',
    'queue=5',
    'queue=1kb',
    'queue=codel 1ms 9ms',
  ),
  fc.constantFrom(
    'slot=2ms',
    'mtu=70',
    'blackhole=true',
    'handshake=syn 1',
    'reset=100',
    'reader=8kbit',
    'ecn=true',
    'limit=5',
  ),
  member(
    'schedule',
    words(
      fc.constantFrom('at 3ms', 'every 9ms', 'after 200b'),
      fc.constantFrom('loss 50%', 'delay 5ms', 'rate 9kbit', 'blackhole', 'slot 2ms', 'queue 3', 'rebind'),
      fc.constantFrom('', 'for 4ms'),
    ),
  ),
)
const spec = fc
  .array(fc.tuple(fc.constantFrom('', '', 'in.', 'out.'), form), { maxLength: 6 })
  .map((members) => members.map(([direction, text]) => direction + text.trim()).join(','))

/** Null where the members do not go together, which the parser says in its own way. */
function parsed(text: string): Impairment | null {
  try {
    return Impairment.parse(text)
  } catch (error) {
    expect((error as { code?: string }).code).toMatch(/^ERR_INVALID_ARG_/)
    return null
  }
}

describe('any impairment that can be said', () => {
  it('is read back from its text as it was', () => {
    fc.assert(
      fc.property(spec, (text) => {
        const impairment = parsed(text)
        if (impairment !== null) expect(String(Impairment.parse(String(impairment)))).toBe(String(impairment))
      }),
      { numRuns: 500 },
    )
  })

  it('gives account of every frame, and lets go of all that it holds', () => {
    fc.assert(
      fc.property(spec, fc.nat(), (text, seed) => {
        for (const direction of parsed(text)?.rules.flatMap((rule) => [rule.in, rule.out]) ?? []) {
          const pipeline = new Pipeline(direction ?? {}, new Rng(seed))
          let left = 0
          const emit = (): void => void left++
          for (let i = 0; i < 40; i++) pipeline.push(Buffer.alloc(50, i), 0, 50, i * 700, emit)
          for (let steps = 0; pipeline.counters.held > 0 && steps < 5000; steps++)
            pipeline.release(pipeline.deadline, emit)
          const { in: came, out, held, dropped, duplicated, injected } = pipeline.counters
          expect(held).toBe(0)
          expect(came + duplicated + injected).toBe(out + dropped)
          expect(out).toBe(left)
        }
      }),
      { numRuns: 500 },
    )
  })
})
