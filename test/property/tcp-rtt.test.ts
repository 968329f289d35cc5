import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { RttEstimator } from '../../src/tcp/rtt.ts'
import { seqAdd, toSeq } from '../../src/wire/index.ts'

const RTO_MAX = 120_000_000

const sample = fc.record({
  rtt: fc.oneof(fc.integer({ min: 0, max: 5_000_000 }), fc.double({ min: 0, max: 2 ** 32 * 1000, noNaN: true })),
  advance: fc.nat(100_000),
  flight: fc.nat(1_000_000),
  backoff: fc.nat(40),
})

describe('RttEstimator', () => {
  it('never loses its mind: every timeout lies between the floor and the limit', () => {
    fc.assert(
      fc.property(fc.array(sample, { maxLength: 200 }), fc.integer({ min: 1, max: 1_000_000 }), (samples, rtoMin) => {
        const estimator = new RttEstimator()
        let una = toSeq(-1000)
        let [least, most] = [Number.POSITIVE_INFINITY, 0]
        for (const { rtt, advance, flight, backoff } of samples) {
          una = seqAdd(una, advance)
          estimator.sample(rtt, una, seqAdd(una, flight), rtoMin)
          estimator.backoff = backoff
          least = Math.min(least, Math.max(1, Math.round(rtt)))
          most = Math.max(most, Math.max(1, Math.round(rtt)))
          const rto = estimator.rto(RTO_MAX)
          expect(Number.isFinite(rto)).toBe(true)
          expect(rto).toBeLessThanOrEqual(RTO_MAX)
          expect(rto).toBeGreaterThanOrEqual(Math.min(RTO_MAX, rtoMin))
          // The average of samples lies among them, but for rounding.
          expect(estimator.srtt).toBeGreaterThanOrEqual(Math.max(0.125, least - 1))
          expect(estimator.srtt).toBeLessThanOrEqual(most + 1)
          expect(estimator.rttvar).toBeGreaterThanOrEqual(0)
          expect(estimator.rtoBase(RTO_MAX)).toBeGreaterThanOrEqual(Math.min(RTO_MAX, Math.floor(estimator.srtt)))
        }
      }),
      { numRuns: 300 },
    )
  })
})
