import { describe, expect, it } from 'vitest'
import { Bbr3, type CongestionController, newRateSample, Reno } from '../../../src/congestion/index.ts'
import { PathModel, type PathOptions } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000
/** 10 Mbit/s and 40 ms: the path holds 50 segments, and the one on the link. */
const RATE = 1_250_000
const RTT = 40 * MS
const BDP = 51 * MSS

const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

// biome-ignore lint/suspicious/noExplicitAny: what a controller shows has no type of its own.
const info = (cc: Bbr3): Record<string, any> => cc.info()

interface Change {
  at: number
  state: string
}

function onPath(options: Partial<PathOptions> = {}, more: Partial<typeof environment> = {}) {
  const cc = new Bbr3({ ...environment, ...more })
  const path = new PathModel(cc, { rateBps: RATE, rttUs: RTT, queueBytes: 500 * MSS, ...options })
  const changes: Change[] = []
  path.onAck = () => {
    const { state } = info(cc)
    if (state !== changes.at(-1)?.state) changes.push({ at: path.now, state })
  }
  return { cc, path, changes }
}

const until = (path: PathModel, cc: Bbr3, state: string, limit = 60 * SECOND): void => {
  path.run(path.now + limit, () => info(cc).state === state)
  expect(info(cc).state).toBe(state)
}

describe('BBR version 3 on a path of 10 Mbit/s and 40 ms', () => {
  it('walks through its states, and knows the path', () => {
    const { cc, path, changes } = onPath()
    path.run(4 * SECOND)
    expect(changes.map(({ state }) => state)).toEqual([
      'STARTUP',
      'DRAIN',
      'PROBE_CRUISE',
      'PROBE_REFILL',
      'PROBE_UP',
      'PROBE_DOWN',
      'PROBE_CRUISE',
    ])
    expect(cc.state).toBe('PROBE_CRUISE')
    expect(Math.abs(info(cc).bw / RATE - 1)).toBeLessThan(0.01)
    expect(info(cc)).toMatchObject({ bw_lo: -1, inflight_lo: -1, inflight_hi: -1, full_bw_reached: true })
    expect(path.sampler.lost).toBe(0)
  })

  it.each([
    ['STARTUP', 2.77, 2],
    ['DRAIN', 0.35, 2],
    ['PROBE_CRUISE', 1, 2],
    ['PROBE_REFILL', 1, 2],
    ['PROBE_UP', 1.25, 2.25],
    ['PROBE_DOWN', 0.9, 2],
    ['PROBE_RTT', 1, 0.5],
  ])('%s paces at %f and allows %f of what the path holds', (state, pacing, cwnd) => {
    const { cc, path } = onPath()
    if (state === 'PROBE_DOWN') until(path, cc, 'PROBE_UP')
    until(path, cc, state)
    expect([info(cc).pacing_gain, info(cc).cwnd_gain]).toEqual([pacing, cwnd])
    if (state !== 'STARTUP') expect(cc.pacingBps).toBeCloseTo(RATE * pacing * 0.99, 0)
  })

  it('probes two to three seconds after the last probe, for a round of refilling and no more than four upwards', () => {
    // Long enough to hold more than Reno would probe sooner for.
    const rttUs = 100 * MS
    for (const random of [0, 0.5, 0.999]) {
      const { path, changes } = onPath({ rttUs }, { random: () => random })
      path.run(40 * SECOND)
      let probes = 0
      for (let i = 1; i < changes.length; i++) {
        const [before, { state, at }] = [changes[i - 1]!, changes[i]!]
        const lasted = (at - before.at) / rttUs
        if (state === 'PROBE_UP') expect(lasted).toBeLessThan(1.2)
        if (state === 'PROBE_DOWN') {
          expect(lasted).toBeGreaterThan(2.5)
          expect(lasted).toBeLessThan(5)
          probes++
          const next = changes.slice(i).find((one) => one.state === 'PROBE_REFILL' || one.state === 'PROBE_RTT')
          if (next?.state !== 'PROBE_REFILL') continue
          expect(next.at - at).toBeGreaterThan((2 + random) * SECOND - MS)
          expect(next.at - at).toBeLessThan((2 + random) * SECOND + rttUs)
        }
      }
      expect(probes).toBeGreaterThan(3)
    }
  })

  it('probes sooner where Reno would have, on a path that holds little', () => {
    const { path, changes } = onPath({ rateBps: 100_000 })
    path.run(12 * SECOND)
    const probes = changes.filter(({ state }) => state === 'PROBE_REFILL')
    for (let i = 1; i < probes.length; i++) expect(probes[i]!.at - probes[i - 1]!.at).toBeLessThan(2 * SECOND)
    expect(probes.length).toBeGreaterThan(6)
  })

  it('probes the round trip every five seconds: half of what the path holds, for 200 ms', () => {
    const { cc, path, changes } = onPath()
    path.run(25 * SECOND)
    const entered = changes.filter(({ state }) => state === 'PROBE_RTT')
    expect(entered.length).toBe(4)
    for (let i = 1; i < entered.length; i++) {
      expect(entered[i]!.at - entered[i - 1]!.at).toBeGreaterThan(5 * SECOND)
      expect(entered[i]!.at - entered[i - 1]!.at).toBeLessThan(5.4 * SECOND)
    }
    until(path, cc, 'PROBE_RTT')
    const start = path.now
    path.run(path.now + 2 * SECOND, () => {
      if (info(cc).state !== 'PROBE_RTT') return true
      expect(cc.cwnd).toBeLessThanOrEqual(0.5 * BDP + 1)
      return false
    })
    expect(path.now - start).toBeGreaterThan(200 * MS)
    expect(path.now - start).toBeLessThan(200 * MS + 3 * RTT)
    // There is nothing to drain after it.
    expect(info(cc).state).toBe('PROBE_CRUISE')
    path.run(path.now + 5 * RTT)
    expect(info(cc).bw / RATE).toBeGreaterThan(0.98)
  })

  it('holds the rate with a queue of a few segments', () => {
    const { path } = onPath()
    path.run(3 * SECOND)
    expect(path.run(13 * SECOND) / RATE).toBeGreaterThan(0.96)
    expect(path.meanQueued).toBeLessThan(0.25 * BDP)
  })

  it('learns from a probe that loses how much is too much, and leaves room below that', () => {
    const { cc, path, changes } = onPath({ queueBytes: 20 * MSS })
    path.run(4.5 * SECOND)
    expect(info(cc).inflight_hi).toBeGreaterThan(0.7 * BDP)
    expect(info(cc).inflight_hi).toBeLessThan(BDP + 25 * MSS)
    until(path, cc, 'PROBE_UP')
    const { lost } = path.sampler
    until(path, cc, 'PROBE_DOWN')
    // A few per cent of a flight, not a flight.
    expect((path.sampler.lost - lost) / MSS).toBeLessThan(10)
    until(path, cc, 'PROBE_CRUISE')
    const { inflight_hi } = info(cc)
    path.run(path.now + 2 * RTT)
    if (info(cc).state === 'PROBE_CRUISE') expect(cc.cwnd).toBeLessThanOrEqual(0.85 * inflight_hi + MSS)
    expect(path.run(path.now + 20 * SECOND) / RATE).toBeGreaterThan(0.9)
    expect(changes.length).toBeGreaterThan(10)
  })

  it('loses less in a shallow queue than version 1 would', () => {
    const { path } = onPath({ queueBytes: 10 * MSS })
    path.run(3 * SECOND)
    const { lost } = path.sampler
    const rate = path.run(33 * SECOND) / RATE
    expect(rate).toBeGreaterThan(0.93)
    expect((path.sampler.lost - lost) / (30 * RATE * rate)).toBeLessThan(0.01)
  })

  it('bears a loss of 1 % better than Reno, and gives way where it is 5 %', () => {
    const share = (cc: CongestionController, loss: number): number => {
      const path = new PathModel(cc, { rateBps: RATE, rttUs: RTT, queueBytes: 500 * MSS, loss, seed: 11 })
      path.run(5 * SECOND)
      return path.run(35 * SECOND) / RATE
    }
    expect(share(new Bbr3(environment), 0.01)).toBeGreaterThan(0.65)
    expect(share(new Bbr3(environment), 0.01)).toBeGreaterThan(2 * share(new Reno(environment), 0.01))
    expect(share(new Bbr3(environment), 0.05)).toBeLessThan(0.5)
  })

  it('finds twice the rate within a probe or two of a step up, and forgets half of it two probes after a step down', () => {
    const up = onPath()
    up.path.run(8 * SECOND)
    up.path.options.rateBps = 2 * RATE
    up.path.run(14 * SECOND)
    expect(info(up.cc).bw / (2 * RATE)).toBeGreaterThan(0.9)
    const down = onPath({ rateBps: 2 * RATE })
    down.path.run(8 * SECOND)
    down.path.options.rateBps = RATE
    for (let probes = 0; probes < 2; probes++) {
      expect(info(down.cc).bw / RATE).toBeGreaterThan(1.9)
      until(down.path, down.cc, 'PROBE_UP')
      until(down.path, down.cc, 'PROBE_DOWN')
    }
    until(down.path, down.cc, 'PROBE_CRUISE')
    expect(info(down.cc).bw / RATE).toBeLessThan(1.02)
    expect(down.path.srtt / RTT).toBeLessThan(1.5)
  })

  it('ends STARTUP by loss where the queue is too shallow to show the rate', () => {
    const { cc, path } = onPath({ queueBytes: 3 * MSS })
    until(path, cc, 'DRAIN', 3 * SECOND)
    expect(info(cc).full_bw_reached).toBe(true)
    const deep = onPath()
    until(deep.path, deep.cc, 'DRAIN')
    expect(path.episodes).toBeGreaterThan(0)
    expect(deep.path.episodes).toBe(0)
  })

  it('answers marks where the round trip is short: the queue stays at the mark', () => {
    const queue = (markAboveBytes: number, options = {}): number => {
      const { path } = onPath(
        { rateBps: 12_500_000, rttUs: 2 * MS, markAboveBytes, queueBytes: 1000 * MSS },
        { options },
      )
      path.run(2 * SECOND)
      expect(path.run(8 * SECOND) / 12_500_000).toBeGreaterThan(0.9)
      return path.meanQueued / MSS
    }
    const [marked, unmarked] = [queue(5 * MSS), queue(Number.POSITIVE_INFINITY)]
    expect(marked).toBeLessThan(0.8 * unmarked)
    // A limit below the round trip of the path turns the answer off.
    expect(Math.abs(queue(5 * MSS, { ecnMaxRttUs: 1000 }) / unmarked - 1)).toBeLessThan(0.01)
  })
})

/** Single acknowledgements. */
class Acks {
  readonly cc: Bbr3
  readonly sample = { ...newRateSample(), mss: MSS, rtt: RTT, srtt: RTT, minRtt: RTT }

  constructor(options: Record<string, unknown> = {}) {
    this.cc = new Bbr3({ ...environment, options })
  }

  /** A round trip, acknowledged at once. */
  round(rate: number, more: Partial<typeof this.sample> = {}): void {
    const bytes = Math.round((rate * RTT) / 1e6)
    const { sample } = this
    sample.now += RTT
    sample.priorDelivered = sample.totalDelivered
    sample.totalDelivered += bytes
    const usual = { acked: bytes, delivered: bytes, interval: RTT, rate, lost: 0, lostSinceSent: 0, txInFlight: BDP }
    Object.assign(sample, usual, { ecnMarked: 0, inRecovery: false }, more)
    this.cc.onAck(sample)
  }

  rounds(n: number, rate: number, more: Partial<typeof this.sample> = {}): void {
    for (let i = 0; i < n; i++) this.round(rate, more)
  }

  settle(state = 'PROBE_CRUISE'): void {
    for (let rate = RATE / 8; rate < RATE; rate *= 2) this.round(rate, { inFlight: 2 * BDP })
    this.rounds(5, RATE, { inFlight: 2 * BDP })
    for (let i = 0; i < 200 && info(this.cc).state !== state; i++) this.round(RATE, { inFlight: 10 * MSS })
    expect(info(this.cc).state).toBe(state)
  }
}

describe('BBR version 3', () => {
  it('lowers rate and flight by loss outside of a probe, once a round, to what came through or 0.7', () => {
    const acks = new Acks()
    acks.settle()
    const { cwnd } = acks.cc
    acks.round(RATE * 0.9, { lost: 5 * MSS, inFlight: 40 * MSS })
    acks.round(RATE * 0.9, { inFlight: 40 * MSS })
    expect(info(acks.cc).bw_lo).toBeCloseTo(RATE, -1)
    expect(info(acks.cc).inflight_lo).toBeLessThanOrEqual(cwnd)
    // A round that delivers far less: no more than 0.3 off.
    acks.round(RATE / 10, { lost: 5 * MSS, inFlight: 40 * MSS })
    acks.round(RATE / 10, { inFlight: 40 * MSS })
    acks.round(RATE / 10, { lost: 5 * MSS, inFlight: 40 * MSS })
    acks.round(RATE / 10, { inFlight: 40 * MSS })
    const { bw_lo } = info(acks.cc)
    expect(bw_lo).toBeLessThan(RATE)
    expect(bw_lo / RATE).toBeGreaterThanOrEqual(0.7 * 0.7 - 0.01)
    expect(info(acks.cc).bw).toBe(bw_lo)
    // REFILL asks for all of it again.
    for (let i = 0; i < 100 && info(acks.cc).state !== 'PROBE_REFILL'; i++)
      acks.round(RATE / 10, { inFlight: 10 * MSS })
    expect([info(acks.cc).bw_lo, info(acks.cc).inflight_lo]).toEqual([-1, -1])
  })

  it('fixes the upper bound where the loss of a probe passed 2 %, and stops probing', () => {
    const acks = new Acks()
    acks.settle('PROBE_UP')
    // 60 segments were in flight, and 5 of the last are lost: 0.02·55/0.98 of them were still to be borne.
    acks.round(RATE, { inFlight: 60 * MSS, lost: 5 * MSS, lostSinceSent: 5 * MSS, txInFlight: 60 * MSS })
    expect(info(acks.cc).state).toBe('PROBE_DOWN')
    expect(info(acks.cc).inflight_hi / MSS).toBeCloseTo(55 + (0.02 * 55) / 0.98, 1)
    // Only once a probe: more of the same loss does not lower it again.
    acks.round(RATE, { inFlight: 40 * MSS, lost: 9 * MSS, lostSinceSent: 14 * MSS, txInFlight: 30 * MSS })
    expect(info(acks.cc).inflight_hi / MSS).toBeGreaterThan(55)
  })

  it('never fixes it below 0.7 of what the path is known to hold', () => {
    const acks = new Acks()
    acks.settle('PROBE_UP')
    acks.round(RATE, { inFlight: 5 * MSS, lost: 5 * MSS, lostSinceSent: 5 * MSS, txInFlight: 10 * MSS })
    expect(info(acks.cc).inflight_hi).toBe(Math.round(0.7 * ((RATE * RTT) / 1e6)))
  })

  it('raises it to whatever went through, and in a probe by ever larger steps', () => {
    const acks = new Acks()
    acks.settle('PROBE_UP')
    acks.round(RATE, { inFlight: 60 * MSS, lost: 5 * MSS, lostSinceSent: 5 * MSS, txInFlight: 60 * MSS })
    acks.rounds(3, RATE, { inFlight: 10 * MSS, txInFlight: 58 * MSS })
    expect(info(acks.cc).inflight_hi).toBe(58 * MSS)
    for (let i = 0; i < 100 && info(acks.cc).state !== 'PROBE_UP'; i++)
      acks.round(RATE, { inFlight: 40 * MSS, txInFlight: 40 * MSS })
    const bounds: number[] = []
    for (let i = 0; i < 4; i++) {
      acks.round(RATE, { inFlight: 58 * MSS, txInFlight: 40 * MSS, cwndLimited: true })
      bounds.push(info(acks.cc).inflight_hi)
    }
    const steps = bounds.slice(1).map((bound, i) => bound - bounds[i]!)
    expect(info(acks.cc).state).toBe('PROBE_UP')
    for (let i = 1; i < steps.length; i++) expect(steps[i]! / steps[i - 1]!).toBeGreaterThan(1.5)
  })

  it('saves the window over a timeout, and takes the bounds back when it was needless', () => {
    const acks = new Acks()
    acks.settle()
    const { cwnd } = acks.cc
    acks.cc.onTimeout(acks.sample.now, cwnd, false)
    expect(acks.cc.cwnd).toBe(MSS)
    acks.round(RATE / 10, { inFlight: MSS })
    acks.cc.onExitRecovery(acks.sample.now)
    expect(acks.cc.cwnd).toBe(cwnd)
    const other = new Acks()
    other.settle()
    const whole = other.cc.cwnd
    other.cc.onEnterRecovery(other.sample)
    for (let i = 0; i < 3; i++) {
      other.round(RATE / 10, { lost: 5 * MSS, inFlight: 40 * MSS, inRecovery: true })
      other.round(RATE / 10, { inFlight: 40 * MSS, inRecovery: true })
    }
    expect(other.cc.cwnd).toBeLessThan(whole)
    other.cc.onUndo()
    expect([info(other.cc).bw_lo, info(other.cc).inflight_lo, other.cc.cwnd]).toEqual([-1, -1, whole])
  })

  it('[rfc8257#3.3] smooths the share of marks as DCTCP does, and cuts by a third of it', () => {
    const acks = new Acks({ ecnMaxRttUs: 0 })
    acks.settle()
    expect(info(acks.cc).ecn_alpha).toBe(1)
    acks.round(RATE, { ecnMarked: 25 * MSS, inFlight: 40 * MSS })
    // Half of this round was marked: α = 1 − (1 − ½)/16.
    expect(info(acks.cc).ecn_alpha).toBeCloseTo(1 - 0.5 / 16, 6)
    acks.round(RATE, { inFlight: 40 * MSS })
    expect(info(acks.cc).inflight_lo).toBeGreaterThan(0)
    expect(info(acks.cc).bw_lo).toBe(-1)
  })

  it('ends STARTUP when more than half of two rounds is marked', () => {
    const acks = new Acks({ ecnMaxRttUs: 0 })
    acks.round(RATE / 8, { inFlight: 2 * BDP })
    acks.round(RATE / 4, { inFlight: 2 * BDP, ecnMarked: 10 * MSS })
    acks.round(RATE / 2, { inFlight: 2 * BDP, ecnMarked: 20 * MSS })
    acks.round(RATE, { inFlight: 2 * BDP, ecnMarked: 40 * MSS })
    expect(info(acks.cc).state).toBe('DRAIN')
  })

  it('believes a sample that the application limited only if it is better', () => {
    const acks = new Acks()
    acks.rounds(2, RATE / 4, { inFlight: BDP })
    acks.rounds(20, RATE / 8, { appLimited: true, inFlight: MSS })
    expect(info(acks.cc).max_bw).toBe(RATE / 4)
    expect(info(acks.cc).full_bw_reached).toBe(false)
  })

  it('refuses an option that it cannot obey', () => {
    expect(() => new Acks({ ecnMaxRttUs: -1 })).toThrow(TypeError)
  })
})
