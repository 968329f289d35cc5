import { describe, expect, it } from 'vitest'
import { Pacer, paceQuantum, pacingRate } from '../../../src/congestion/index.ts'
import { Rng } from '../../../src/impair/index.ts'

const MS = 1000
const SECOND = 1_000_000
const MSS = 1448
const mbit = (n: number): number => (n * 1e6) / 8

interface Burst {
  at: number
  bytes: number
}

/** Sends all the pacer lets out, for `us`; `wake` says when a wake-up asked for comes. */
function drive(pacer: Pacer, rateBps: number, us: number, wake: (asked: number) => number, mss = MSS): Burst[] {
  const bursts: Burst[] = []
  for (let now = 0; now < us; ) {
    let bytes = 0
    while (pacer.canSend(now)) {
      pacer.onSent(now, mss, rateBps)
      bytes += mss
    }
    bursts.push({ at: now, bytes })
    const next = wake(pacer.nextSendAt)
    expect(next).toBeGreaterThan(now)
    now = next
  }
  return bursts
}

const total = (bursts: readonly Burst[]): number => bursts.reduce((sum, { bytes }) => sum + bytes, 0)
const grid = (asked: number): number => Math.ceil(asked / MS) * MS

describe('Pacer', () => {
  it.each([1, 3, 10, 50, 100, 300, 1000, 8000])(
    'holds %i Mbit/s to a hundredth, with a wake-up a millisecond',
    (rate) => {
      const bursts = drive(new Pacer(), mbit(rate), 20 * SECOND, grid)
      expect(total(bursts) / 20 / mbit(rate)).toBeGreaterThan(0.99)
      expect(total(bursts) / 20 / mbit(rate)).toBeLessThan(1.01)
      // Bursts of a millisecond’s worth, give or take a segment.
      for (const { bytes } of bursts.slice(1)) expect(bytes).toBeLessThanOrEqual(mbit(rate) / 1000 + MSS)
    },
  )

  it('asks for a wake-up about once a millisecond, not for each segment', () => {
    const bursts = drive(new Pacer(), mbit(1000), SECOND, (asked) => asked)
    expect(bursts.length).toBeLessThanOrEqual(1200)
    expect(bursts.length).toBeGreaterThanOrEqual(950)
  })

  it.each([1, 100, 1000])('holds %i Mbit/s within 3 hundredths when wake-ups are late by up to 3 ms', (rate) => {
    const rng = new Rng(7)
    const bursts = drive(new Pacer(), mbit(rate), 30 * SECOND, (asked) => grid(asked) + Math.floor(rng.next() * 4) * MS)
    const share = total(bursts) / 30 / mbit(rate)
    expect(share).toBeGreaterThan(0.97)
    expect(share).toBeLessThan(1.03)
    for (const { bytes } of bursts) expect(bytes).toBeLessThanOrEqual(4 * (mbit(rate) / 1000) + 2 * MSS)
  })

  it('does not make up for a loop that stood still, nor for silence', () => {
    const pacer = new Pacer()
    const before = drive(pacer, mbit(100), 100 * MS, grid)
    expect(total(before)).toBeLessThan((mbit(100) / 10) * 1.05)
    const now = 100 * MS + 500 * MS
    let bytes = 0
    while (pacer.canSend(now)) {
      pacer.onSent(now, MSS, mbit(100))
      bytes += MSS
    }
    expect(bytes).toBeLessThanOrEqual(paceQuantum(mbit(100), MSS) + MSS)
  })

  it('lets the initial window out at once, and paces from there on', () => {
    const pacer = new Pacer(10 * MSS)
    let segments = 0
    while (pacer.canSend(0)) {
      pacer.onSent(0, MSS, mbit(1))
      segments++
    }
    // And the first one that is paced.
    expect(segments).toBe(11)
    expect(pacer.nextSendAt).toBeGreaterThan(10 * MS)
  })

  it('holds nothing back without a rate', () => {
    const pacer = new Pacer()
    for (const rate of [Number.POSITIVE_INFINITY, 0]) {
      for (let i = 0; i < 1000; i++) {
        expect(pacer.canSend(5)).toBe(true)
        pacer.onSent(5, MSS, rate)
      }
    }
    pacer.onSent(5, MSS, mbit(1))
    expect(pacer.canSend(5)).toBe(false)
  })

  it('waits no longer than the new rate asks when it rises', () => {
    const pacer = new Pacer()
    pacer.onSent(0, MSS, mbit(0.1))
    expect(pacer.nextSendAt).toBeGreaterThan(100 * MS)
    pacer.onRate(10 * MS, mbit(10))
    expect(pacer.nextSendAt).toBeLessThan(12 * MS)
    expect(pacer.canSend(12 * MS)).toBe(true)
    // And longer when it falls.
    pacer.onSent(12 * MS, MSS, mbit(10))
    const soon = pacer.nextSendAt
    pacer.onSent(soon, MSS, mbit(1))
    expect(pacer.nextSendAt).toBeGreaterThan(soon + 10 * MS)
  })

  it('holds the mean of rates that take turns', () => {
    const pacer = new Pacer()
    let bytes = 0
    for (let now = 0; now < 10 * SECOND; now += MS) {
      const rate = mbit(Math.floor(now / (100 * MS)) % 2 === 0 ? 10 : 30)
      pacer.onRate(now, rate)
      for (; pacer.canSend(now); bytes += MSS) pacer.onSent(now, MSS, rate)
    }
    expect(bytes / 10 / mbit(20)).toBeGreaterThan(0.98)
    expect(bytes / 10 / mbit(20)).toBeLessThan(1.02)
  })
})

describe('paceQuantum', () => {
  it('is a millisecond’s worth, two segments at least, one below 1.2 Mbit/s', () => {
    expect(paceQuantum(mbit(1000), MSS)).toBe(125_000)
    expect(paceQuantum(mbit(2), MSS)).toBe(2 * MSS)
    expect(paceQuantum(mbit(1), MSS)).toBe(MSS)
  })
})

describe('pacingRate', () => {
  const cc = (cwnd: number, ssthresh: number, pacingBps = 0) => ({ cwnd, ssthresh, pacingBps })

  it('is twice the window over the round trip in slow start, 120 % after it', () => {
    expect(pacingRate(cc(100_000, Number.POSITIVE_INFINITY), 0, 100 * MS, 200, 120)).toBe(2_000_000)
    expect(pacingRate(cc(100_000, 150_000), 0, 100 * MS, 200, 120)).toBe(1_200_000)
    expect(pacingRate(cc(100_000, 50_000), 0, 100 * MS, 200, 120)).toBe(1_200_000)
    expect(pacingRate(cc(10_000, 10_000), 100_000, 100 * MS, 200, 120)).toBe(1_200_000)
  })

  it('is what the controller says, within the limit of the connection; without a round trip there is none', () => {
    expect(pacingRate(cc(1, 1, 777), 0, 100 * MS, 200, 120)).toBe(777)
    expect(pacingRate(cc(1, 1, 777), 0, 100 * MS, 200, 120, 500)).toBe(500)
    expect(pacingRate(cc(100_000, 50_000), 0, 100 * MS, 200, 120, 500)).toBe(500)
    expect(pacingRate(cc(100_000, 50_000), 0, 0, 200, 120)).toBe(Number.POSITIVE_INFINITY)
    expect(pacingRate(cc(100_000, 50_000), 0, 0, 200, 120, 500)).toBe(500)
  })
})
