import { describe, expect, it } from 'vitest'
import { Fixed } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000

const fixed = (options: Record<string, unknown> = {}): Fixed =>
  new Fixed({ mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options })

describe('Fixed', () => {
  it.each([
    [{}, 10 * MSS, 0],
    [{ cwnd: 12_345 }, 12_345, 0],
    [{ cwndSegs: 7 }, 7 * MSS, 0],
    [{ rate: 5000 }, 2 ** 30, 5000],
    [{ rate: 5000, cwndSegs: 3 }, 3 * MSS, 5000],
  ])('%o', (options, cwnd, rate) => {
    const cc = fixed(options)
    expect([cc.cwnd, cc.pacingBps]).toEqual([cwnd, rate])
    cc.onEnterRecovery()
    cc.onTimeout()
    cc.onEcn()
    expect([cc.cwnd, cc.pacingBps, cc.ssthresh]).toEqual([cwnd, rate, Number.POSITIVE_INFINITY])
  })

  it('follows the segment size where the window is given in segments', () => {
    const cc = fixed({ cwndSegs: 7 })
    cc.onMss(500)
    expect(cc.cwnd).toBe(3500)
    const bytes = fixed({ cwnd: 7000 })
    bytes.onMss(500)
    expect(bytes.cwnd).toBe(7000)
  })

  it('refuses what is no window and no rate', () => {
    for (const options of [{ cwnd: 0 }, { cwnd: Number.NaN }, { cwndSegs: -1 }, { rate: -1 }, { rate: 'fast' }])
      expect(() => fixed(options)).toThrow(TypeError)
  })

  it.each([0.25, 0.5, 1, 2])('a window of %f of what the path holds', (share) => {
    const path = new PathModel(fixed({ cwnd: share * 50 * MSS + MSS / 2 }), { rateBps: 1_250_000, rttUs: 40 * MS })
    path.run(5 * SECOND)
    const rate = path.run(15 * SECOND) / 1_250_000
    // Below, it is the window that delivers; above, the queue that grows.
    expect(rate).toBeGreaterThan(Math.min(1, share) - 0.03)
    expect(rate).toBeLessThan(Math.min(1, share) + 0.03)
    expect(path.srtt / (40 * MS)).toBeGreaterThan(Math.max(1, share) - 0.05)
    expect(path.srtt / (40 * MS)).toBeLessThan(Math.max(1, share) + 0.05)
  })

  it('a rate, whatever is lost', () => {
    const path = new PathModel(fixed({ rate: 1_000_000 }), { rateBps: 1_250_000, rttUs: 40 * MS, loss: 0.1 })
    path.run(SECOND)
    expect(path.run(21 * SECOND) / 1_000_000).toBeGreaterThan(0.88)
    expect(path.sent / 21 / MSS).toBeGreaterThan(0.99)
    expect(path.sent / 21 / MSS).toBeLessThan(1.01)
  })
})
