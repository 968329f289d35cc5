import { describe, expect, it } from 'vitest'
import { newRateSample, Reno, Westwood } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000
const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

/** Acknowledges `bytes` every `every` µs until `until`. */
function deliver(cc: Westwood, from: number, until: number, every: number, bytes: number, rtt: number): void {
  const sample = { ...newRateSample(), mss: MSS, rtt, acked: bytes, delivered: bytes }
  for (let now = from + every; now <= until; now += every) {
    sample.now = now
    cc.onAck(sample)
  }
}

describe('Westwood', () => {
  it('learns the bandwidth of what is acknowledged, in spans of a round trip', () => {
    const cc = new Westwood(environment)
    deliver(cc, 0, 10 * SECOND, 10 * MS, 10 * MSS, 100 * MS)
    expect(Math.abs((cc.info().bw_est as number) / 1_000_000 - 1)).toBeLessThan(0.01)
  })

  it('filters twice: after a step the first stage goes an eighth of the way a span, the estimate follows it', () => {
    const cc = new Westwood(environment)
    deliver(cc, 0, 20 * SECOND, 10 * MS, 10 * MSS, 99 * MS)
    const steps: number[] = []
    for (let i = 0; i < 30; i++) {
      const from = 20 * SECOND + i * 100 * MS
      deliver(cc, from, from + 100 * MS, 10 * MS, 20 * MSS, 99 * MS)
      steps.push(cc.info().bw_est as number)
    }
    // 1 − (1 + n/8)·(7/8)ⁿ of the step after n spans.
    for (const n of [4, 8, 16, 24]) {
      const share = 1 - (1 + n / 8) * (7 / 8) ** n
      expect(Math.abs((steps[n]! - 1_000_000) / 1_000_000 - share)).toBeLessThan(0.05)
    }
  })

  it('spans 50 ms at least', () => {
    const cc = new Westwood(environment)
    // In bunches: 40 segments each 40 ms, on a path of 1 ms.
    deliver(cc, 0, 10 * SECOND, 40 * MS, 40 * MSS, MS)
    expect(Math.abs((cc.info().bw_est as number) / 1_000_000 - 1)).toBeLessThan(0.05)
  })

  it('falls to bandwidth times the smallest round trip, never above the window, never below two segments', () => {
    const cc = new Westwood({ ...environment, initialWindow: 200 * MSS })
    deliver(cc, 0, SECOND, 10 * MS, 10 * MSS, 50 * MS)
    deliver(cc, SECOND, 10 * SECOND, 10 * MS, 10 * MSS, 100 * MS)
    cc.onEnterRecovery(newRateSample())
    expect(Math.abs(cc.ssthresh / (50 * MSS) - 1)).toBeLessThan(0.01)
    const small = new Westwood({ ...environment, initialWindow: 20 * MSS })
    deliver(small, 0, 10 * SECOND, 10 * MS, 10 * MSS, 100 * MS)
    small.onEnterRecovery(newRateSample())
    expect(small.ssthresh).toBe(20 * MSS)
    const thin = new Westwood(environment)
    deliver(thin, 0, 10 * SECOND, 1000 * MS, 10, 100 * MS)
    thin.onEnterRecovery(newRateSample())
    expect(thin.ssthresh).toBe(2 * MSS)
  })

  it('halves as Reno does before it has measured anything', () => {
    const cc = new Westwood(environment)
    cc.onEnterRecovery(newRateSample())
    expect(cc.ssthresh).toBe(5 * MSS)
  })

  it('linux: measures again when the episode ends, and never goes above where it began', () => {
    const cc = new Westwood({ ...environment, initialWindow: 200 * MSS })
    deliver(cc, 0, 10 * SECOND, 10 * MS, 10 * MSS, 100 * MS)
    cc.onEnterRecovery(newRateSample())
    expect(Math.round(cc.ssthresh / MSS)).toBe(100)
    cc.cwnd = cc.ssthresh
    deliver(cc, 10 * SECOND, 20 * SECOND, 10 * MS, 15 * MSS, 100 * MS)
    cc.onExitRecovery(20 * SECOND)
    expect(Math.abs(cc.cwnd / (150 * MSS) - 1)).toBeLessThan(0.02)
    expect(cc.ssthresh).toBe(cc.cwnd)
    cc.onEnterRecovery(newRateSample())
    deliver(cc, 20 * SECOND, 40 * SECOND, 10 * MS, 90 * MSS, 100 * MS)
    const before = cc.cwnd
    cc.onExitRecovery(40 * SECOND)
    expect(cc.cwnd).toBe(before)
    // After a timeout slow start goes on.
    cc.onTimeout(41 * SECOND, 10 * MSS, false)
    cc.onExitRecovery(42 * SECOND)
    expect(cc.cwnd).toBe(MSS)
  })

  it('linux: after a timeout the next round trip is the smallest known', () => {
    const cc = new Westwood({ ...environment, initialWindow: 200 * MSS })
    deliver(cc, 0, SECOND, 10 * MS, 10 * MSS, 50 * MS)
    cc.onTimeout(SECOND, 10 * MSS, false)
    expect(cc.cwnd).toBe(MSS)
    deliver(cc, SECOND, 2 * SECOND, 10 * MS, 10 * MSS, 80 * MS)
    expect(cc.info().rtt_min).toBe(80 * MS)
  })

  it('keeps its window under 2 % of random loss, where Reno loses it', () => {
    const drive = (cc: Reno) => {
      const path = new PathModel(cc, { rateBps: 1_250_000, rttUs: 40 * MS, queueBytes: 100_000, loss: 0.02, seed: 3 })
      path.run(10 * SECOND)
      const thresholds: number[] = []
      let seen = path.episodes
      path.onAck = () => {
        if (path.episodes === seen || thresholds.length >= 12) return
        seen = path.episodes
        thresholds.push(Math.round(cc.ssthresh / MSS))
      }
      return { rate: path.run(40 * SECOND) / 1_250_000, thresholds }
    }
    const [westwood, reno] = [drive(new Westwood(environment)), drive(new Reno(environment))]
    expect(westwood.rate).toBeGreaterThan(1.2 * reno.rate)
    // In segments, one an episode; the path holds 50.
    expect({ westwood: westwood.thresholds, reno: reno.thresholds }).toMatchInlineSnapshot(`
      {
        "reno": [
          4,
          4,
          3,
          3,
          6,
          3,
          2,
          3,
          5,
          5,
          4,
          3,
        ],
        "westwood": [
          15,
          16,
          16,
          16,
          16,
          16,
          16,
          15,
          16,
          16,
          16,
          15,
        ],
      }
    `)
  })
})
