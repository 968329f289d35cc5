import { describe, expect, it } from 'vitest'
import { Fixed, Reno } from '../../../src/congestion/index.ts'
import { PathModel, type PathOptions } from '../../support/path-model.ts'

const MSS = 1000
const SECOND = 1_000_000
const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

const onPath = (cwndSegs: number, options: Partial<PathOptions> = {}): PathModel =>
  new PathModel(new Fixed({ ...environment, options: { cwndSegs } }), { rateBps: 1_000_000, rttUs: 50_000, ...options })

describe('the path model', () => {
  it('takes a round trip, and the time of a segment on the link, and what waits before it', () => {
    const path = onPath(20)
    path.run(10 * SECOND)
    expect(path.minRtt).toBe(51_000)
    // 20 segments of the 51 that the path would hold.
    expect(path.deliveredBytes / 10 / (20 * MSS * (SECOND / 51_000))).toBeCloseTo(1, 1)
    const full = onPath(100)
    full.run(10 * SECOND)
    expect(Math.round(full.queued / MSS)).toBe(50)
    expect(full.sample.rtt).toBeGreaterThan(98_000)
    expect(full.sample.rtt).toBeLessThan(102_000)
    expect(full.run(20 * SECOND)).toBeCloseTo(1_000_000, -4)
  })

  it('never has more in flight than the window, and loses nothing of sight', () => {
    const path = onPath(80, { loss: 0.03, queueBytes: 20 * MSS })
    path.onAck = () => {
      expect(path.inFlight).toBeGreaterThanOrEqual(0)
      expect(path.inFlight).toBeLessThanOrEqual(80 * MSS)
    }
    path.run(20 * SECOND)
    const { sent, dropped } = path
    // All that was sent is delivered, dropped or in flight.
    expect(Math.abs(sent - dropped - path.deliveredBytes / MSS)).toBeLessThanOrEqual(80)
    expect(Math.abs(path.sampler.lost / MSS - dropped)).toBeLessThanOrEqual(80)
    expect(dropped / sent).toBeGreaterThan(0.03)
    expect(path.episodes).toBeGreaterThan(10)
  })

  it('is the same each time, and another with another seed', () => {
    const run = (seed: number): number => {
      const path = onPath(30, { loss: 0.02, seed })
      path.run(5 * SECOND)
      return path.dropped
    }
    expect(run(1)).toBe(run(1))
    expect(run(1)).not.toBe(run(2))
  })

  it('drops what exceeds a token bucket, holds acknowledgements back, marks, and sends no more than there is', () => {
    const policed = onPath(40, { policer: { rateBps: 300_000, burstBytes: 20 * MSS } })
    policed.run(SECOND)
    expect(policed.run(11 * SECOND) / 300_000).toBeCloseTo(1, 1)
    const held = onPath(40, { ackEveryUs: 20_000 })
    const times = new Set<number>()
    held.onAck = () => times.add(held.now % 20_000)
    held.run(SECOND)
    expect([...times]).toEqual([0])
    const marked = onPath(80, { markAboveBytes: 10 * MSS })
    marked.run(2 * SECOND)
    expect(marked.sample.ecnMarked).toBe(MSS)
    const app = onPath(40, { appBps: 100_000 })
    expect(app.run(10 * SECOND) / 100_000).toBeCloseTo(1, 1)
    expect(app.sample.appLimited).toBe(true)
  })

  it('times out where nothing comes back, and goes on when something does', () => {
    const path = new PathModel(new Reno(environment), { rateBps: 1_000_000, rttUs: 50_000, queueBytes: 50 * MSS })
    path.run(5 * SECOND)
    path.options.loss = 1
    path.run(15 * SECOND)
    expect(path.timeouts).toBeGreaterThan(3)
    expect(path.controller.cwnd).toBe(MSS)
    path.options.loss = 0
    expect(path.run(40 * SECOND) / 1_000_000).toBeGreaterThan(0.4)
  })
})
