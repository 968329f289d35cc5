import { describe, expect, it } from 'vitest'
import { Cubic, newRateSample } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000
const C = 0.4

/** A Cubic on a path whose round trip never changes, where windows are full and each segment has its ACK. */
class Rig {
  readonly cc: Cubic
  readonly rtt: number
  now = 5 * SECOND
  readonly sample = { ...newRateSample(), cwndLimited: true, mss: MSS }

  constructor(segments: number, rtt: number, options: Record<string, unknown> = { hystart: 'off' }) {
    this.cc = new Cubic({ mss: MSS, now: this.now, initialWindow: segments * MSS, random: () => 0.5, options })
    this.rtt = rtt
  }

  get segments(): number {
    return this.cc.cwnd / MSS
  }

  ack(bytes = MSS, more: Partial<typeof this.sample> = {}): void {
    Object.assign(this.sample, { now: this.now, acked: bytes, delivered: bytes, srtt: this.rtt, rtt: this.rtt }, more)
    this.sample.totalDelivered += bytes
    this.cc.onAck(this.sample)
  }

  /** A round trip: a window's worth of ACKs, evenly spread. */
  round(): void {
    const acks = Math.floor(this.segments)
    const start = this.now
    for (let i = 1; i <= acks; i++) {
      this.now = start + (i * this.rtt) / acks
      this.ack()
    }
  }

  rounds(n: number): void {
    for (let i = 0; i < n; i++) this.round()
  }

  /** An episode, and the reduction done. */
  lose(): void {
    this.cc.onEnterRecovery(this.sample)
    this.cc.cwnd = this.cc.ssthresh
  }

  info(): Record<string, number> {
    return this.cc.info() as Record<string, number>
  }
}

describe('Cubic', () => {
  it('[rfc9438#4.6] keeps 0.7 of the window on loss, two segments at least', () => {
    const rig = new Rig(1000, 100 * MS)
    rig.lose()
    expect(rig.segments).toBe(700)
    expect(rig.info().w_max).toBe(1000 * MSS)
    const small = new Rig(2, 100 * MS)
    small.lose()
    expect(small.segments).toBe(2)
  })

  it('[rfc9438#4.1.2] [rfc9438#4.2] follows W(t) = C·(t − K)³ + W_max within a hundredth', () => {
    const rig = new Rig(2000, 100 * MS)
    rig.lose()
    const start = rig.now
    const k = Math.cbrt((2000 * 0.3) / C)
    rig.round()
    expect(rig.info().k).toBeCloseTo(k, 6)
    expect(k).toBeCloseTo(11.447, 3)
    const curve: number[] = []
    while (rig.now < start + 20 * SECOND) {
      rig.round()
      const t = (rig.now - start) / SECOND
      const expected = C * (t - k) ** 3 + 2000
      expect(Math.abs(rig.segments / expected - 1)).toBeLessThan(0.01)
      if (curve.length < Math.floor(t)) curve.push(Math.round(rig.segments))
    }
    // Fast, flat around where it was lost, fast again.
    expect(curve).toMatchInlineSnapshot(`
      [
        1544,
        1663,
        1759,
        1835,
        1893,
        1935,
        1965,
        1984,
        1994,
        1999,
        2000,
        2000,
        2002,
        2007,
        2018,
        2038,
        2069,
        2113,
        2172,
        2250,
      ]
    `)
    expect(rig.cc.info().region).toBe('cubic')
  })

  it('[rfc9438#4.7] fast convergence: a flow that did not come back to where it was leaves room', () => {
    const rig = new Rig(1000, 100 * MS)
    rig.lose()
    rig.rounds(5)
    const cwnd = rig.segments
    expect(cwnd).toBeLessThan(1000)
    rig.lose()
    expect(rig.info().w_max / MSS).toBeCloseTo((cwnd * 1.7) / 2, 0)
    const without = new Rig(1000, 100 * MS, { hystart: 'off', fastConvergence: false })
    without.lose()
    without.rounds(5)
    const before = without.segments
    without.lose()
    expect(without.info().w_max / MSS).toBeCloseTo(before, 0)
  })

  it('[rfc9438#4.7] and none for a flow that got beyond', () => {
    const rig = new Rig(100, 100 * MS)
    rig.lose()
    rig.rounds(100)
    const cwnd = rig.segments
    expect(cwnd).toBeGreaterThan(100)
    rig.lose()
    expect(rig.info().w_max / MSS).toBeCloseTo(cwnd, 0)
  })

  it('[rfc9438#4.3] is no slower than Reno with the same average: 0.53 segments a round trip', () => {
    // Short and thin: the cubic would take seconds for a few segments.
    const rig = new Rig(40, 10 * MS)
    rig.lose()
    rig.round()
    const from = rig.segments
    rig.rounds(20)
    expect(rig.cc.info().region).toBe('reno')
    const alpha = (3 * (1 - 0.7)) / (1 + 0.7)
    expect((rig.segments - from) / 20).toBeGreaterThan(alpha * 0.9)
    expect((rig.segments - from) / 20).toBeLessThan(alpha * 1.1)
    // And one a round trip once it is where it was reduced.
    while (rig.segments < 41) rig.round()
    const there = rig.segments
    rig.rounds(10)
    expect(rig.segments - there).toBeGreaterThanOrEqual(9)
    expect(rig.segments - there).toBeLessThanOrEqual(11)
  })

  it('[rfc9438#4.3] and is slower where that is turned off', () => {
    const rig = new Rig(40, 10 * MS, { hystart: 'off', renoFriendly: false })
    rig.lose()
    rig.rounds(20)
    const friendly = new Rig(40, 10 * MS)
    friendly.lose()
    friendly.rounds(20)
    expect(rig.segments).toBeLessThan(friendly.segments)
  })

  it('[rfc9438#4.2] never aims at more than half above the window', () => {
    const rig = new Rig(10, 100 * MS)
    rig.lose()
    rig.round()
    // Far out on the cubic: the window has been held back for a minute, by nothing that counts as idle.
    rig.now += 60 * SECOND
    const before = rig.segments
    rig.ack()
    expect(rig.segments - before).toBeLessThanOrEqual(0.5)
    rig.ack(7 * MSS)
    expect(rig.segments / before).toBeLessThanOrEqual(1.6)
  })

  it('[rfc9438#4.8] after a timeout: one segment, slow start to the threshold, and outwards from there with K = 0', () => {
    const rig = new Rig(100, 100 * MS)
    rig.cc.onTimeout(rig.now, 100 * MSS, false)
    expect([rig.segments, rig.cc.ssthresh / MSS]).toEqual([1, 70])
    rig.cc.onTimeout(rig.now, MSS, true)
    expect(rig.cc.ssthresh / MSS).toBe(70)
    expect(rig.cc.state).toBe('slow start')
    while (rig.segments < 64) {
      const before = rig.segments
      rig.round()
      expect(rig.segments).toBe(before * 2)
    }
    rig.round()
    expect(rig.info().k).toBe(0)
    expect(rig.segments).toBeGreaterThanOrEqual(70)
    expect(rig.segments).toBeLessThan(75)
  })

  it('[rfc9438#4.4] is concave below W_max, [rfc9438#4.5] and convex above', () => {
    const rig = new Rig(1000, 100 * MS)
    rig.lose()
    rig.round()
    const gains: number[] = []
    // K is 9.1 s: the first 90 round trips lie below, the next 90 above.
    const { k } = rig.info()
    for (let i = 0; i < 180; i++) {
      const before = rig.segments
      rig.round()
      gains.push(rig.segments - before)
    }
    const by = (from: number): number => gains.slice(from, from + 15).reduce((sum, gain) => sum + gain, 0)
    expect(Math.round(k * 10)).toBe(91)
    const sums = [0, 15, 30, 45, 60, 75, 90, 105, 120, 135, 150, 165].map(by)
    for (let i = 1; i < 6; i++) expect(sums[i]).toBeLessThan(sums[i - 1])
    for (let i = 7; i < 12; i++) expect(sums[i]).toBeGreaterThan(sums[i - 1])
  })

  it('[rfc9438#4.10] where slow start ends without a loss, the curve begins at the window with K = 0', () => {
    const rig = new Rig(100, 100 * MS, { hystart: 'off', renoFriendly: false })
    rig.cc.ssthresh = 100 * MSS
    rig.round()
    const { k, w_max, epoch } = rig.info()
    expect([k, w_max]).toEqual([0, 0])
    const from = rig.segments
    rig.rounds(100)
    // Outwards from there: C·t³, unless a twentieth a round trip is more.
    const t = (rig.now - epoch) / SECOND
    expect(rig.segments).toBeGreaterThanOrEqual(Math.floor(C * t ** 3 + from) - 1)
    expect(rig.info().k).toBe(0)
  })

  it('linux: grows by a twentieth a round trip at least while nothing is known', () => {
    const rig = new Rig(400, 10 * MS, { hystart: 'off', renoFriendly: false })
    rig.cc.ssthresh = 400 * MSS
    const before = rig.segments
    rig.round()
    expect(rig.segments / before).toBeGreaterThan(1.045)
    expect(rig.segments / before).toBeLessThan(1.055)
  })

  it('[rfc9438#4.9.2] a reduction that was needless is taken back, epoch and all', () => {
    const rig = new Rig(1000, 100 * MS)
    rig.lose()
    rig.rounds(30)
    const [before, { cwnd, ssthresh }] = [rig.info(), rig.cc]
    rig.cc.onEnterRecovery(rig.sample)
    rig.cc.cwnd = rig.cc.ssthresh
    expect(rig.info().w_max).not.toBe(before.w_max)
    rig.cc.cwnd = cwnd
    rig.cc.ssthresh = ssthresh
    rig.cc.onUndo()
    expect(rig.info()).toEqual(before)
    // And it goes on along the old curve.
    const start = before.epoch as number
    rig.rounds(30)
    const t = (rig.now - start) / SECOND
    expect(Math.abs(rig.segments / (C * (t - (before.k as number)) ** 3 + 1000) - 1)).toBeLessThan(0.01)
  })

  describe('time in which the window could not grow does not count', () => {
    const withPause = (idle: (rig: Rig) => void): number => {
      const rig = new Rig(1000, 100 * MS)
      rig.lose()
      rig.rounds(20)
      idle(rig)
      rig.rounds(20)
      return rig.segments
    }
    const straight = withPause(() => {})

    it('[rfc9438#5.8] silence', () => {
      const idle = withPause((rig) => {
        rig.now += 30 * SECOND
        rig.cc.onSent(rig.now, MSS, MSS)
      })
      expect(Math.abs(idle / straight - 1)).toBeLessThan(0.01)
    })

    it('[rfc9438#5.8] an application that sends little', () => {
      const little = withPause((rig) => {
        for (let i = 0; i < 300; i++) {
          rig.now += 100 * MS
          rig.cc.onSent(rig.now - 100 * MS, MSS, MSS)
          rig.ack(MSS, { cwndLimited: false })
        }
        rig.sample.cwndLimited = true
      })
      expect(Math.abs(little / straight - 1)).toBeLessThan(0.01)
    })

    it('not so what merely waits for its ACK', () => {
      const slow = withPause((rig) => {
        rig.now += 3 * SECOND
      })
      expect(slow / straight).toBeGreaterThan(1.01)
    })
  })

  it('does not grow in recovery, nor by what was acknowledged selectively before', () => {
    const rig = new Rig(100, 100 * MS)
    rig.cc.onEnterRecovery(rig.sample)
    const { cwnd } = rig.cc
    rig.ack(50 * MSS, { inRecovery: true })
    expect(rig.cc.cwnd).toBe(cwnd)
    rig.cc.onTimeout(rig.now, 0, false)
    rig.ack(50 * MSS, { inRecovery: false, delivered: MSS })
    expect(rig.segments).toBe(2)
  })

  it('[rfc8511#3.1] a mark costs 0.15, unless abe is off', () => {
    const rig = new Rig(100, 100 * MS)
    rig.cc.onEcn(rig.now, MSS)
    expect(rig.cc.ssthresh).toBe(85 * MSS)
    const plain = new Rig(100, 100 * MS, { hystart: 'off', abe: false })
    plain.cc.onEcn(plain.now, MSS)
    expect(plain.cc.ssthresh).toBe(70 * MSS)
  })

  it('keeps its curve in segments when their size changes', () => {
    const [rig, same] = [new Rig(1000, 100 * MS), new Rig(1000, 100 * MS)]
    for (const one of [rig, same]) {
      one.lose()
      one.rounds(10)
    }
    rig.cc.onMss(500)
    rig.sample.mss = 500
    for (let i = 0; i < 20; i++) {
      const acks = Math.floor(rig.cc.cwnd / 500)
      const start = rig.now
      for (let n = 1; n <= acks; n++) {
        rig.now = start + (n * rig.rtt) / acks
        rig.ack(500)
      }
    }
    same.rounds(20)
    expect(Math.abs(rig.cc.cwnd / 500 / same.segments - 1)).toBeLessThan(0.01)
  })

  it('linux: keeps the bytes where a probe has found that the path takes more, and goes on from there by the new size', () => {
    const rig = new Rig(1000, 100 * MS)
    rig.lose()
    rig.rounds(10)
    const { cwnd, ssthresh } = rig.cc
    rig.cc.onMss(2 * MSS, true)
    expect([rig.cc.cwnd, rig.cc.ssthresh]).toEqual([cwnd, ssthresh])
    rig.sample.mss = 2 * MSS
    rig.ack(2 * MSS)
    // Back to where it was lost: half as many segments away, each twice as large.
    const { w_max, k } = rig.cc.info()
    expect(w_max).toBe(1000 * MSS)
    expect(k).toBeCloseTo(Math.cbrt((1000 * MSS - cwnd) / (0.4 * 2 * MSS)), 6)
  })

  it('refuses options that it cannot obey', () => {
    for (const options of [{ hystart: 'on' }, { beta: 1.5 }, { c: '0.4' }, { fastConvergence: 'no' }])
      expect(() => new Rig(10, 100 * MS, options)).toThrow(TypeError)
  })

  it('fills a path with a queue of a round trip, and loses next to nothing', () => {
    const cc = new Cubic({ mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} })
    const path = new PathModel(cc, { rateBps: 12_500_000, rttUs: 40 * MS, queueBytes: 500_000 })
    path.run(5 * SECOND)
    const lost = path.sampler.lost
    expect(path.run(60 * SECOND) / 12_500_000).toBeGreaterThan(0.99)
    expect((path.sampler.lost - lost) / path.deliveredBytes).toBeLessThan(0.001)
  })
})
