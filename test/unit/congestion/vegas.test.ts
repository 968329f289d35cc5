import { describe, expect, it } from 'vitest'
import { newRateSample, Vegas } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000

const vegas = (segments = 10, options: Record<string, unknown> = {}): Vegas =>
  new Vegas({ mss: MSS, now: 0, initialWindow: segments * MSS, random: () => 0.5, options })

/** Rounds of ACKs on a path whose round trip is given for each. */
function onPath(cc: Vegas): (rtts: readonly number[], acks?: number) => void {
  const sample = { ...newRateSample(), mss: MSS, acked: MSS, delivered: MSS, cwndLimited: true }
  return (rtts, acks = 10) => {
    sample.inFlight = (acks - 1) * MSS
    for (const rtt of rtts) {
      sample.rtt = rtt
      for (let i = 0; i < acks; i++) {
        sample.totalDelivered += MSS
        cc.onAck(sample)
      }
    }
  }
}

describe('Vegas', () => {
  it.each([
    [1, 21, 'fewer than two in the queue: one more'],
    [2, 20, 'two: no change'],
    [4, 20, 'four: no change'],
    [5, 19, 'more than four: one less'],
  ])('with %i segments in the queue a window of 20 becomes %i (%s)', (queued, expected) => {
    const cc = vegas(20)
    cc.ssthresh = 10 * MSS
    const rounds = onPath(cc)
    // One ACK to learn the empty path, a round to measure, the next one to act.
    rounds([100 * MS], 1)
    expect(cc.cwnd).toBe(20 * MSS)
    const rtt = 100 * MS * (1 + queued / 20)
    rounds([rtt, rtt])
    expect(cc.cwnd).toBe(expected * MSS)
  })

  it('leaves slow start when a segment stands in the queue, for what the path holds without', () => {
    const cc = vegas(20)
    const rounds = onPath(cc)
    rounds([100 * MS, 100 * MS])
    expect(cc.ssthresh).toBe(Number.POSITIVE_INFINITY)
    const { cwnd } = cc
    expect(cwnd).toBeGreaterThan(25 * MSS)
    rounds([125 * MS, 125 * MS])
    // 50 segments when the round was judged; the path holds 40 of them.
    expect(cc.cwnd).toBe(41 * MSS)
    expect(cc.ssthresh).toBe(40 * MSS)
  })

  it('judges no round of fewer than three samples', () => {
    const cc = vegas(20)
    cc.ssthresh = 10 * MSS
    const rounds = onPath(cc)
    rounds([100 * MS], 1)
    rounds([200 * MS, 200 * MS, 200 * MS], 2)
    expect(cc.cwnd).toBeGreaterThanOrEqual(20 * MSS)
  })

  it('linux: forgets the empty path over silence', () => {
    const cc = vegas(20)
    const rounds = onPath(cc)
    rounds([100 * MS])
    expect(cc.info().base_rtt).toBe(100 * MS)
    cc.onIdleRestart()
    rounds([150 * MS])
    expect(cc.info().base_rtt).toBe(150 * MS)
  })

  it('answers loss as Reno does', () => {
    const cc = vegas(20)
    cc.onEnterRecovery(newRateSample())
    expect(cc.ssthresh).toBe(10 * MSS)
    cc.onTimeout(0, 0, false)
    expect(cc.cwnd).toBe(MSS)
  })

  it.each([
    [{}, 2, 4],
    [{ alpha: 8, beta: 12 }, 8, 12],
  ])('holds its share of the queue on a path: %o', (options, least, most) => {
    const cc = vegas(10, options)
    const path = new PathModel(cc, { rateBps: 1_250_000, rttUs: 40 * MS, queueBytes: 200_000 })
    path.run(20 * SECOND)
    expect(path.run(30 * SECOND) / 1_250_000).toBeGreaterThan(0.99)
    expect(path.meanQueued / MSS).toBeGreaterThan(least - 1)
    expect(path.meanQueued / MSS).toBeLessThan(most + 1)
    expect(path.sampler.lost).toBe(0)
  })

  it('refuses a β below α', () => {
    expect(() => vegas(10, { alpha: 4, beta: 2 })).toThrow(TypeError)
  })
})
