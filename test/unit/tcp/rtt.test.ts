import { describe, expect, it } from 'vitest'
import { RttEstimator } from '../../../src/tcp/rtt.ts'
import { type Seq, toSeq } from '../../../src/wire/index.ts'

// The retransmission timeout: rfc6298#2, linux: tcp_rtt_estimator, __tcp_set_rto.

const RTO_MAX = 120_000_000
const MIN = 200_000

/** Samples of one flight each: every one ends a round trip. */
function fed(samples: readonly number[], rtoMin = MIN): RttEstimator {
  const rtt = new RttEstimator()
  samples.forEach((us, i) => {
    rtt.sample(us, toSeq(i * 1000), toSeq((i + 1) * 1000 - 1), rtoMin)
  })
  return rtt
}

describe('RTO', () => {
  it('[rfc6298#2.1] is a second before the first sample', () => {
    expect(new RttEstimator().rto(RTO_MAX)).toBe(1_000_000)
    expect(new RttEstimator().hasSample).toBe(false)
  })

  it('[rfc6298#2.2] is R + 4 · R/2 with the first, [rfc6298#2.4] linux: with a floor for the second term', () => {
    expect(fed([400_000]).rto(RTO_MAX)).toBe(1_200_000)
    const { srtt, rttvar } = fed([400_000])
    expect([srtt, rttvar]).toEqual([400_000, 200_000])
    expect(fed([40_000]).rto(RTO_MAX)).toBe(240_000)
    expect(fed([1]).rto(RTO_MAX)).toBe(200_001)
    expect(fed([40_000], 1000).rto(RTO_MAX)).toBe(120_000)
  })

  it('[rfc6298#2.3] [rfc9293#3.8.1 MUST-18] follows with an eighth and a quarter', () => {
    const rtt = fed([400_000, 480_000])
    // SRTT 7/8 · 400 + 480/8; RTTVAR 3/4 · 200 + 80/4.
    expect(rtt.srtt).toBe(410_000)
    expect(rtt.rttvar).toBe(170_000)
  })

  it('linux: the variance that counts rises at once, and falls by a quarter of the excess a round trip', () => {
    const steady = fed(new Array(100).fill(1_000_000))
    expect(steady.rto(RTO_MAX)).toBeGreaterThanOrEqual(1_200_000)
    expect(steady.rto(RTO_MAX)).toBeLessThan(1_210_000)
    const before = steady.rto(RTO_MAX)
    steady.sample(2_000_000, toSeq(100_000), toSeq(100_999), MIN)
    expect(steady.rto(RTO_MAX) - before).toBeGreaterThan(125_000)
  })

  it('linux: a sudden fall of the round trip does not raise it', () => {
    const rtt = fed(new Array(50).fill(1_000_000))
    const before = rtt.rto(RTO_MAX)
    rtt.sample(10_000, toSeq(50_000), toSeq(50_999), MIN)
    expect(rtt.rto(RTO_MAX)).toBeLessThanOrEqual(before)
  })

  it('settles on the round trip and the floor', () => {
    const rtt = fed(new Array(200).fill(50_000))
    expect(Math.round(rtt.srtt)).toBe(50_000)
    expect(rtt.rto(RTO_MAX)).toBe(250_000)
  })

  it('[rfc6298#5.5] doubles with each backoff, [rfc6298#2.5] up to the limit', () => {
    const rtt = fed([100_000])
    const backedOff = [0, 1, 2, 8, 9, 200].map((backoff) => {
      rtt.backoff = backoff
      return rtt.rto(RTO_MAX)
    })
    expect(backedOff).toEqual([300_000, 600_000, 1_200_000, 76_800_000, RTO_MAX, RTO_MAX])
    expect(rtt.rtoBase(RTO_MAX)).toBe(300_000)
    expect(rtt.rtoBase(100_000)).toBe(100_000)
  })

  it('[rfc6298#5.7] is three seconds after a SYN that nobody could time', () => {
    const rtt = new RttEstimator()
    rtt.useFallback()
    expect(rtt.rto(RTO_MAX)).toBe(3_000_000)
    rtt.sample(10_000, 0 as Seq, toSeq(1), MIN)
    expect(rtt.rto(RTO_MAX)).toBe(210_000)
    rtt.useFallback()
    expect(rtt.rto(RTO_MAX)).toBe(210_000)
  })

  it('no round trip is shorter than the clock can tell', () => {
    expect(fed([0]).srtt).toBe(1)
    expect(fed([0, 0, 0, 0]).srtt).toBeGreaterThan(0)
  })

  it('keeps the shortest of the newest', () => {
    const rtt = new RttEstimator()
    expect(rtt.minRtt).toBe(Number.POSITIVE_INFINITY)
    for (const us of [90, 70, 80]) rtt.onNewest(us)
    expect(rtt.minRtt).toBe(70)
  })

  it('[rfc793#3.7] rfc793: twice the smoothed round trip, whatever its variance', () => {
    const rtt = new RttEstimator('rfc793')
    rtt.sample(400_000, 0 as Seq, toSeq(1), MIN)
    expect(rtt.rto(RTO_MAX)).toBe(800_000)
    rtt.sample(1_200_000, toSeq(1), toSeq(2), MIN)
    expect(rtt.rto(RTO_MAX)).toBe(1_000_000)
  })
})
