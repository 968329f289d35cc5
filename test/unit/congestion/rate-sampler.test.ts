import { describe, expect, it } from 'vitest'
import { Fixed, newRateSample, RateSampler, type SendStamp } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000

interface Sent extends SendStamp {
  sentTs: number
}

/** A sender that keeps what the sampler does not: the flight and the times. */
class Flight {
  readonly sampler = new RateSampler()
  readonly sample = newRateSample()
  minRtt = 0
  outstanding = 0

  send(now: number): Sent {
    const stamp = blank(now)
    this.sampler.onSent(stamp, now, this.outstanding, this.outstanding + MSS)
    this.outstanding += MSS
    return stamp
  }

  ack(now: number, segments: readonly Sent[], lost = 0) {
    for (const segment of segments) this.sampler.onDelivered(segment, segment.sentTs)
    this.outstanding -= segments.length * MSS
    this.sampler.generate(this.sample, now, segments.length * MSS, lost, this.minRtt)
    return this.sample
  }
}

const blank = (sentTs: number): Sent => ({
  sentTs,
  delivered: -1,
  deliveredTs: -1,
  firstSentTs: -1,
  appLimited: false,
  txInFlight: -1,
  lost: -1,
})

describe('RateSampler', () => {
  it('measures what is delivered in a round trip, over that round trip', () => {
    const flight = new Flight()
    const sent = Array.from({ length: 100 }, (_, i) => flight.send(i * MS))
    // One a millisecond comes back after 100 ms.
    const rates = sent.map((segment, i) => flight.ack((100 + i) * MS, [segment]).rate)
    // The first tells of one segment in 100 ms; the flight grows into the measure.
    expect(rates[0]).toBe(MSS / 0.1)
    const next = Array.from({ length: 50 }, (_, i) => flight.send((200 + i) * MS))
    expect(next[0]?.delivered).toBe(100 * MSS)
    const { rate, interval, priorDelivered, totalDelivered } = flight.ack(300 * MS, next.slice(0, 50))
    expect([priorDelivered, totalDelivered, interval]).toEqual([100 * MSS, 150 * MSS, 100 * MS])
    expect(rate).toBe((50 * MSS) / 0.1)
  })

  it('takes the longer of sending and acknowledging: a burst that was sent at once says nothing', () => {
    const flight = new Flight()
    const burst = Array.from({ length: 10 }, () => flight.send(0))
    // The bottleneck spreads it: 10 ms apart.
    burst.forEach((segment, i) => void flight.ack((50 + 10 * i) * MS, [segment]))
    expect(flight.sample.interval).toBe(140 * MS)
    expect(flight.sample.rate).toBeCloseTo((10 * MSS) / 0.14, 6)
  })

  it('takes the longer of the two: acknowledgements that come in a bunch say nothing either', () => {
    const flight = new Flight()
    const first = flight.send(0)
    flight.ack(50 * MS, [first])
    const sent = Array.from({ length: 11 }, (_, i) => flight.send((50 + 10 * i) * MS))
    flight.ack(151 * MS, [sent[0]!])
    // All the rest at one instant: sent over 100 ms, acknowledged over the same.
    const { rate } = flight.ack(152 * MS, sent.slice(1))
    expect(rate).toBeLessThanOrEqual((11 * MSS) / 0.1)
  })

  it('lets the time of silence count for nothing', () => {
    const flight = new Flight()
    flight.ack(50 * MS, [flight.send(0)])
    const later = flight.send(10_000 * MS)
    expect([later.firstSentTs, later.deliveredTs]).toEqual([10_000 * MS, 10_000 * MS])
    expect(flight.ack(10_050 * MS, [later]).interval).toBe(50 * MS)
  })

  it('goes by the segment sent last, of one burst by the last of it', () => {
    const flight = new Flight()
    const [a, b] = [flight.send(0), flight.send(0)]
    const c = flight.send(10 * MS)
    flight.ack(60 * MS, [c, a])
    expect(flight.sample.txInFlight).toBe(3 * MSS)
    flight.ack(61 * MS, [b])
    expect(flight.sample.txInFlight).toBe(2 * MSS)
    const [d, e] = [flight.send(70 * MS), flight.send(70 * MS)]
    flight.ack(120 * MS, [e, d])
    expect(flight.sample.txInFlight).toBe(2 * MSS)
  })

  it('throws away what took less than the smallest round trip: an ACK of the original after a retransmission', () => {
    const flight = new Flight()
    flight.minRtt = 50 * MS
    const [original, other] = [flight.send(0), flight.send(0)]
    flight.ack(60 * MS, [other])
    flight.ack(120 * MS, [flight.send(110 * MS)])
    // Sent again, and the ACK of the first copy comes a millisecond later.
    flight.sampler.onSent(original, 120 * MS, MSS, MSS)
    original.sentTs = 120 * MS
    const { rate, interval, roundStart } = flight.ack(121 * MS, [original])
    expect([rate, interval, roundStart]).toEqual([-1, 0, true])
  })

  it('has no rate for an ACK that delivers nothing known, and says how much was delivered all the same', () => {
    const flight = new Flight()
    flight.send(0)
    const sample = flight.ack(50 * MS, [])
    expect([sample.rate, sample.interval, sample.roundStart]).toEqual([-1, 0, false])
    flight.sampler.generate(sample, 51 * MS, 3 * MSS, 0, 0)
    expect([sample.totalDelivered, sample.delivered, sample.rate]).toEqual([3 * MSS, 3 * MSS, -1])
  })

  it('is told what is worthless: after reneging nothing is measured', () => {
    const flight = new Flight()
    const segment = flight.send(0)
    flight.sampler.onDelivered(segment, 0)
    flight.sampler.discard()
    flight.sampler.generate(flight.sample, 50 * MS, MSS, 0, 0)
    expect(flight.sample.rate).toBe(-1)
  })

  it('begins a round when something is acknowledged that was sent after the last began', () => {
    const flight = new Flight()
    const first = [flight.send(0), flight.send(0), flight.send(0)]
    expect(flight.ack(50 * MS, [first[0]!]).roundStart).toBe(true)
    const second = [flight.send(50 * MS)]
    expect(flight.ack(51 * MS, [first[1]!]).roundStart).toBe(false)
    second.push(flight.send(51 * MS))
    expect(flight.ack(52 * MS, [first[2]!]).roundStart).toBe(false)
    expect(flight.ack(100 * MS, [second[0]!]).roundStart).toBe(true)
    expect(flight.ack(101 * MS, [second[1]!]).roundStart).toBe(false)
  })

  it('counts what was lost since a segment was sent', () => {
    const flight = new Flight()
    const [, b, c] = [flight.send(0), flight.send(0), flight.send(0)]
    expect(flight.ack(50 * MS, [b!], MSS).lostSinceSent).toBe(MSS)
    const d = flight.send(50 * MS)
    flight.sampler.onLost(2 * MSS)
    expect(flight.ack(51 * MS, [c!]).lostSinceSent).toBe(3 * MSS)
    const { lostSinceSent, totalLost } = flight.ack(101 * MS, [d])
    expect([lostSinceSent, totalLost]).toEqual([2 * MSS, 3 * MSS])
  })

  describe('when the application is the limit', () => {
    it('marks what is sent until what was in flight is delivered', () => {
      const flight = new Flight()
      const before = flight.send(0)
      flight.sampler.markAppLimited(flight.outstanding)
      const after = flight.send(1 * MS)
      expect(flight.sampler.isAppLimited).toBe(true)
      expect(flight.ack(50 * MS, [before]).appLimited).toBe(false)
      // Just as much as was in flight is not yet more.
      expect(flight.sampler.isAppLimited).toBe(true)
      expect(flight.ack(51 * MS, [after]).appLimited).toBe(true)
      expect(flight.sampler.isAppLimited).toBe(false)
      expect(flight.ack(101 * MS, [flight.send(51 * MS)]).appLimited).toBe(false)
    })

    it('keeps the last rate that was the path’s, or a higher one', () => {
      const flight = new Flight()
      const burst = Array.from({ length: 10 }, () => flight.send(0))
      flight.ack(50 * MS, burst)
      expect([flight.sampler.deliveryRate, flight.sampler.deliveryRateAppLimited]).toEqual([200_000, false])
      flight.sampler.markAppLimited(0)
      flight.ack(110 * MS, [flight.send(60 * MS)])
      expect(flight.sampler.deliveryRate).toBe(200_000)
      flight.sampler.markAppLimited(0)
      flight.ack(
        170 * MS,
        Array.from({ length: 20 }, () => flight.send(120 * MS)),
      )
      expect([flight.sampler.deliveryRate, flight.sampler.deliveryRateAppLimited]).toEqual([400_000, true])
    })

    it.each([
      ['nothing to send, room in the window', [0, MSS, 2000, 10_000, 0, 0], true],
      ['less than a segment to send', [999, MSS, 2000, 10_000, 0, 0], true],
      ['a segment waits', [MSS, MSS, 2000, 10_000, 0, 0], false],
      ['the window is full', [0, MSS, 10_000, 10_000, 0, 0], false],
      ['something lost waits', [0, MSS, 2000, 10_000, 2000, 1000], false],
      ['what was lost is sent again', [0, MSS, 2000, 10_000, 2000, 2000], true],
    ] as const)('%s', (_what, [notSent, mss, inFlight, cwnd, lostOut, retransOut], limited) => {
      const sampler = new RateSampler()
      sampler.checkAppLimited(notSent, mss, inFlight, cwnd, lostOut, retransOut)
      expect(sampler.isAppLimited).toBe(limited)
    })
  })

  it.each([
    ['a plain path', {}],
    ['random loss', { loss: 0.05 }],
    ['a shallow queue', { queueBytes: 5000 }],
    ['acknowledgements that are held', { ackEveryUs: 10_000 }],
  ])('never measures more than the bottleneck has: %s', (_what, options) => {
    const rateBps = 1_250_000
    const cc = new Fixed({
      mss: MSS,
      now: 0,
      initialWindow: 10 * MSS,
      random: () => 0.5,
      options: { cwndSegs: 70 },
    })
    const path = new PathModel(cc, { rateBps, rttUs: 40 * MS, ...options })
    let best = 0
    path.onAck = ({ sample }) => {
      best = Math.max(best, sample.rate)
    }
    path.run(10_000 * MS)
    expect(best).toBeGreaterThan(0.95 * rateBps)
    expect(best).toBeLessThan(1.01 * rateBps)
  })
})
