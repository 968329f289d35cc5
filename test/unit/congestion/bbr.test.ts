import { describe, expect, it } from 'vitest'
import { Bbr, newRateSample } from '../../../src/congestion/index.ts'
import { PathModel, type PathOptions } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000
const SECOND = 1_000_000
/** 10 Mbit/s and 40 ms: the path holds 50 segments. */
const RATE = 1_250_000
const RTT = 40 * MS
const BDP = 50 * MSS

const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

interface Change {
  at: number
  state: string
  phase: number
}

/** A path and a BBR on it, and each change of state and phase as it came. */
function onPath(options: Partial<PathOptions> = {}, more: Partial<typeof environment> = {}) {
  const cc = new Bbr({ ...environment, ...more })
  const path = new PathModel(cc, { rateBps: RATE, rttUs: RTT, queueBytes: 500 * MSS, ...options })
  const changes: Change[] = []
  let last = ''
  path.onAck = () => {
    const { state, phase } = info(cc)
    if (`${state} ${phase}` === last) return
    last = `${state} ${phase}`
    changes.push({ at: path.now, state: state as string, phase: phase as number })
  }
  return { cc, path, changes }
}

// biome-ignore lint/suspicious/noExplicitAny: what a controller shows has no type of its own.
const info = (cc: Bbr): Record<string, any> => cc.info()

/** Runs until the state is reached. */
const until = (path: PathModel, cc: Bbr, state: string, limit = 60 * SECOND): void => {
  path.run(path.now + limit, () => info(cc).state === state)
  expect(info(cc).state).toBe(state)
}

describe('BBR on a path of 10 Mbit/s and 40 ms', () => {
  it('goes from STARTUP through DRAIN to PROBE_BW, and knows the path', () => {
    const { cc, path, changes } = onPath()
    path.run(2 * SECOND)
    expect([...new Set(changes.map(({ state }) => state))]).toEqual(['STARTUP', 'DRAIN', 'PROBE_BW'])
    expect(cc.state).toBe('PROBE_BW')
    expect(Math.abs(info(cc).bw / RATE - 1)).toBeLessThan(0.01)
    // A segment's own time on the link is part of the round trip.
    expect(info(cc).min_rtt).toBe(RTT + (MSS * 1e6) / RATE)
    expect(path.sampler.lost).toBe(0)
  })

  it('doubles its rate each round of STARTUP, and leaves after three rounds without a quarter more', () => {
    const { cc, path } = onPath()
    const byRound: number[] = []
    path.run(10 * SECOND, () => {
      byRound[info(cc).round] = info(cc).bw
      return info(cc).state !== 'STARTUP'
    })
    const rates = byRound.filter((rate) => rate !== undefined)
    for (let i = 2; rates[i]! < RATE * 0.9; i++) expect(rates[i]! / rates[i - 1]!).toBeGreaterThan(1.5)
    const full = rates.findIndex((rate) => rate > RATE * 0.99)
    // The round that finds it, and three more.
    expect(rates.length - 1 - full).toBeGreaterThanOrEqual(3)
    expect(rates.length - 1 - full).toBeLessThanOrEqual(4)
    expect(info(cc).full_bw_reached).toBe(true)
  })

  it('paces STARTUP at 2.89 of what it knows, DRAIN at the inverse, both with 1 % to spare', () => {
    const { cc, path } = onPath()
    until(path, cc, 'STARTUP')
    expect([info(cc).pacing_gain, info(cc).cwnd_gain]).toEqual([2.885, 2.885])
    until(path, cc, 'DRAIN')
    expect(info(cc).pacing_gain).toBeCloseTo(1 / 2.885, 12)
    expect(cc.pacingBps).toBeCloseTo((RATE / 2.885) * 0.99, 0)
    until(path, cc, 'PROBE_BW')
    expect(path.queued).toBeLessThan(0.3 * BDP)
    expect([info(cc).cwnd_gain, Math.round(cc.ssthresh / MSS)]).toEqual([2, 62])
  })

  it('cycles through eight phases of a round trip each: 5/4, 3/4, and six of 1', () => {
    const { cc, path, changes } = onPath()
    until(path, cc, 'PROBE_BW')
    path.run(path.now + SECOND)
    changes.length = 0
    const gains = new Map<number, number>()
    const { onAck } = path
    path.onAck = (one) => {
      onAck?.(one)
      gains.set(info(cc).phase, info(cc).pacing_gain)
    }
    path.run(path.now + 2 * SECOND)
    expect([...gains].sort(([a], [b]) => a - b)).toEqual([5 / 4, 3 / 4, 1, 1, 1, 1, 1, 1].map((gain, i) => [i, gain]))
    for (let i = 1; i < changes.length; i++) {
      const [before, { phase, at }] = [changes[i - 1]!, changes[i]!]
      expect(phase).toBe((before.phase + 1) % 8)
      const rounds = (at - before.at) / RTT
      // Probing lasts until a quarter more is in flight; draining ends when the queue is gone.
      expect(rounds).toBeGreaterThan(before.phase === 1 ? 0.5 : 1)
      expect(rounds).toBeLessThan(before.phase === 0 ? 1.6 : 1.1)
    }
  })

  it('begins the cycle at a phase drawn by lot, never with the drain', () => {
    const first = (random: number): number => {
      const { cc, path } = onPath({}, { random: () => random })
      until(path, cc, 'PROBE_BW')
      return info(cc).phase
    }
    expect([0, 0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 0.9999].map(first)).toEqual([0, 7, 6, 5, 4, 3, 2, 2])
  })

  it('holds the rate of the path with a queue of a few segments', () => {
    const { path } = onPath()
    path.run(3 * SECOND)
    expect(path.run(9 * SECOND) / RATE).toBeGreaterThan(0.99)
    expect(path.meanQueued).toBeLessThan(0.35 * BDP)
  })

  it('probes the round trip every ten seconds: four segments for 200 ms', () => {
    const { cc, path, changes } = onPath()
    path.run(45 * SECOND)
    const entered = changes.filter(({ state }) => state === 'PROBE_RTT')
    expect(entered.length).toBe(4)
    for (let i = 1; i < entered.length; i++) {
      expect(entered[i]!.at - entered[i - 1]!.at).toBeGreaterThan(10 * SECOND)
      expect(entered[i]!.at - entered[i - 1]!.at).toBeLessThan(10.6 * SECOND)
    }
    // The next one, looked at closely.
    until(path, cc, 'PROBE_RTT')
    const before = info(cc).prior_cwnd
    expect(before).toBeGreaterThan(2 * BDP)
    const start = path.now
    let small = -1
    path.run(path.now + 5 * SECOND, () => {
      if (info(cc).state !== 'PROBE_RTT') return true
      expect(cc.cwnd).toBe(4 * MSS)
      if (small < 0 && path.inFlight <= 4 * MSS) small = path.now
      return false
    })
    expect(small - start).toBeLessThan(3 * RTT)
    expect(path.now - small).toBeGreaterThan(200 * MS)
    expect(path.now - small).toBeLessThan(200 * MS + 2 * RTT)
    // But for the two segments that a probe upwards is allowed.
    expect(Math.abs(cc.cwnd - before)).toBeLessThanOrEqual(2 * MSS)
    expect(info(cc).state).toBe('PROBE_BW')
    // What was sent at four segments a round trip is not what the path can do.
    path.run(path.now + 12 * RTT)
    expect(info(cc).bw / RATE).toBeGreaterThan(0.98)
  })

  it('does not probe the round trip where the application leaves gaps, for these show it', () => {
    const { changes, path } = onPath({ appBps: 20_000 })
    path.run(60 * SECOND)
    expect(changes.map(({ state }) => state)).not.toContain('PROBE_RTT')
  })

  it('finds twice the rate within three seconds of a step up', () => {
    const { cc, path } = onPath()
    path.run(8 * SECOND)
    path.options.rateBps = 2 * RATE
    path.run(11 * SECOND)
    expect(info(cc).bw / (2 * RATE)).toBeGreaterThan(0.9)
    expect(path.run(14 * SECOND) / (2 * RATE)).toBeGreaterThan(0.9)
  })

  it('and drains the queue of a step down within five', () => {
    const { cc, path } = onPath({ rateBps: 2 * RATE })
    path.run(8 * SECOND)
    path.options.rateBps = RATE
    path.run(13 * SECOND)
    expect(info(cc).bw / RATE).toBeLessThan(1.02)
    expect(path.srtt / RTT).toBeLessThan(1.3)
  })

  it('leaves STARTUP by flights that a full send buffer limited, if something was lost and they held more than the path does', () => {
    const cc = new Bbr(environment)
    const sample = newRateSample()
    const round = (rate: number, txInFlight: number) => {
      sample.now += RTT
      Object.assign(sample, {
        acked: MSS,
        delivered: 50 * MSS,
        rtt: RTT,
        minRtt: RTT,
        srtt: RTT,
        mss: MSS,
        interval: RTT,
      })
      Object.assign(sample, { rate, txInFlight, appLimited: true, inFlight: txInFlight })
      sample.priorDelivered = sample.totalDelivered
      sample.totalDelivered += 50 * MSS
      cc.onAck(sample)
    }
    // As much as the path holds at this rate, and a tenth more: a quarter more could not have been seen.
    sample.totalLost = MSS
    for (let i = 0; i < 10; i++) round(RATE, 55 * MSS)
    expect(cc.state).toBe('STARTUP')
    // And before any loss it is the application that limits, however much is under way.
    sample.totalLost = 0
    for (let i = 0; i < 10; i++) round(RATE, 70 * MSS)
    expect(cc.state).toBe('STARTUP')
    sample.totalLost = MSS
    for (let i = 0; i < 2; i++) round(RATE, 70 * MSS)
    expect(cc.state).toBe('STARTUP')
    round(RATE, 70 * MSS)
    expect(cc.state).not.toBe('STARTUP')
  })

  it('drains what STARTUP has queued by taking the path for a tenth faster than it is, once that is forgotten', () => {
    const { cc, path, changes } = onPath({ rateBps: 1.1 * RATE })
    until(path, cc, 'DRAIN')
    path.options.rateBps = RATE
    path.run(path.now + 1.5 * SECOND)
    expect(info(cc).bw / RATE).toBeLessThan(1.01)
    const states = changes.map(({ state }) => state).filter((state, i, all) => state !== all[i - 1])
    expect(states).toEqual(['STARTUP', 'DRAIN', 'PROBE_BW', 'DRAIN', 'PROBE_BW'])
    expect(path.queued).toBeLessThan(0.3 * BDP)
  })

  it('takes no loss for congestion', () => {
    for (const [loss, least] of [
      [0.01, 0.97],
      [0.05, 0.93],
      [0.15, 0.6],
    ] as const) {
      const { path } = onPath({ loss, seed: 5 })
      path.run(2 * SECOND)
      expect(path.run(22 * SECOND) / (RATE * (1 - loss))).toBeGreaterThan(least)
    }
  })

  it('allows for acknowledgements that come in bunches', () => {
    const rate = (ackEveryUs: number): { share: number; extra: number } => {
      const { cc, path } = onPath({ ackEveryUs })
      path.run(2 * SECOND)
      return { share: path.run(9 * SECOND) / RATE, extra: info(cc).extra_acked / MSS }
    }
    const { share, extra } = rate(60 * MS)
    expect(share).toBeGreaterThan(0.95)
    // 75 segments come at once.
    expect(extra).toBeGreaterThan(40)
    expect(extra).toBeLessThan(110)
    expect(rate(0).extra).toBeLessThan(5)
  })

  it('finds out a policer, keeps to its rate, and looks again after 48 rounds', () => {
    const { cc, path } = onPath({ policer: { rateBps: 0.4 * RATE, burstBytes: 100 * MSS } })
    path.run(20 * SECOND, () => info(cc).lt_bw > 0)
    expect(Math.abs(info(cc).lt_bw / (0.4 * RATE) - 1)).toBeLessThan(0.1)
    expect(info(cc).bw).toBe(info(cc).lt_bw)
    const { lost } = path.sampler
    const [start, round] = [path.now, info(cc).round]
    path.run(path.now + 40 * SECOND, () => info(cc).lt_bw === 0)
    // PROBE_BW's gains are not in force meanwhile: a rate that is held, and next to no loss.
    expect(info(cc).round - round).toBeGreaterThanOrEqual(47)
    expect(info(cc).round - round).toBeLessThanOrEqual(60)
    expect((path.sampler.lost - lost) / (0.4 * RATE * ((path.now - start) / SECOND))).toBeLessThan(0.05)
  })

  it('is slower to fill the path where nothing polices it, and finds no policer there', () => {
    const { cc, path } = onPath({ loss: 0.02 })
    path.run(30 * SECOND, () => info(cc).lt_bw > 0)
    expect(info(cc).lt_bw).toBe(0)
  })
})

/** Single acknowledgements, as a test wants them. */
class Acks {
  readonly cc: Bbr
  readonly sample = { ...newRateSample(), mss: MSS, rtt: RTT, srtt: RTT, minRtt: RTT, cwndLimited: true }

  constructor(more: Partial<typeof environment> & { srtt?: number; minRtt?: number } = {}) {
    this.cc = new Bbr({ ...environment, ...more })
  }

  /** One round trip: `bytes` delivered at `rate`, in one acknowledgement. */
  round(rate: number, more: Partial<typeof this.sample> = {}): void {
    const bytes = Math.round((rate * RTT) / 1e6)
    const { sample } = this
    sample.now += RTT
    sample.priorDelivered = sample.totalDelivered
    sample.totalDelivered += bytes
    Object.assign(sample, { acked: bytes, delivered: bytes, interval: RTT, rate, lost: 0 }, more)
    this.cc.onAck(sample)
  }

  rounds(n: number, rate: number, more: Partial<typeof this.sample> = {}): void {
    for (let i = 0; i < n; i++) this.round(rate, more)
  }

  /** Into PROBE_BW at a rate. */
  settle(rate: number): void {
    for (let r = rate / 8; r < rate; r *= 2) this.round(r, { inFlight: 2 * BDP })
    this.rounds(5, rate, { inFlight: 2 * BDP })
    this.rounds(3, rate, { inFlight: 10 * MSS })
    expect(info(this.cc).state).toBe('PROBE_BW')
  }
}

describe('BBR', () => {
  it('paces the first window over a millisecond until it knows a round trip, then by that', () => {
    const acks = new Acks()
    expect(acks.cc.pacingBps).toBeCloseTo(10 * MSS * 1000 * 2.885 * 0.99, 3)
    acks.round(10)
    expect(acks.cc.pacingBps).toBeCloseTo(((acks.cc.cwnd * 1e6) / RTT) * 2.885 * 0.99 * (10 / (acks.cc.cwnd / MSS)), 0)
    const known = new Acks({ srtt: RTT, minRtt: RTT })
    expect(known.cc.pacingBps).toBeCloseTo(((10 * MSS * 1e6) / RTT) * 2.885 * 0.99, 3)
  })

  it('believes a sample that the application limited only if it is better', () => {
    const acks = new Acks()
    acks.rounds(2, RATE / 4)
    acks.rounds(30, RATE / 8, { appLimited: true })
    expect(info(acks.cc).bw).toBe(RATE / 4)
    // And takes it neither for a sign that the pipe is full.
    expect(info(acks.cc).full_bw_reached).toBe(false)
    acks.round(RATE, { appLimited: true })
    expect(info(acks.cc).bw).toBe(RATE)
  })

  it('remembers the best bandwidth for ten rounds', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(9, RATE / 2)
    expect(info(acks.cc).bw).toBe(RATE)
    acks.rounds(3, RATE / 2)
    expect(info(acks.cc).bw).toBe(RATE / 2)
  })

  it('holds twice what the path holds, and room for bursts at both ends', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(10, RATE)
    // Two bandwidth-delay products, what comes in one ACK, three bursts of two segments; two more while it probes.
    expect(info(acks.cc).extra_acked).toBe(BDP)
    expect([156, 158, 160]).toContain(acks.cc.cwnd / MSS)
  })

  it('sends what was delivered in the first round of a recovery, then as before, and restores the window after it', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(10, RATE)
    const { cwnd } = acks.cc
    acks.cc.onEnterRecovery(acks.sample)
    acks.round(RATE / 10, { lost: 10 * MSS, inFlight: 30 * MSS, inRecovery: true, priorDelivered: 0 })
    expect(info(acks.cc).packet_conservation).toBe(true)
    expect(acks.cc.cwnd).toBe(30 * MSS + acks.sample.delivered)
    // Within the round it neither grows nor falls below what is in flight.
    acks.round(RATE / 10, { inFlight: 32 * MSS, inRecovery: true, priorDelivered: 0 })
    expect(acks.cc.cwnd).toBe(32 * MSS + acks.sample.delivered)
    acks.round(RATE / 10, { inFlight: 35 * MSS, inRecovery: true })
    expect(info(acks.cc).packet_conservation).toBe(false)
    acks.cc.onExitRecovery(acks.sample.now)
    acks.round(RATE / 10, { inRecovery: false })
    expect(Math.abs(acks.cc.cwnd - cwnd)).toBeLessThanOrEqual(2 * MSS)
  })

  it('linux: an ACK that ends an episode and begins another goes on with the one', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(10, RATE)
    const { cwnd } = acks.cc
    acks.cc.onEnterRecovery(acks.sample)
    acks.round(RATE / 10, { lost: 10 * MSS, inFlight: 30 * MSS, inRecovery: true, priorDelivered: 0 })
    acks.round(RATE, { inFlight: 30 * MSS, inRecovery: true })
    acks.round(RATE, { inFlight: 30 * MSS, inRecovery: true })
    const before = acks.cc.cwnd
    acks.cc.onExitRecovery(acks.sample.now)
    acks.cc.onEnterRecovery(acks.sample)
    acks.round(RATE / 10, { inFlight: 20 * MSS, inRecovery: true })
    expect(info(acks.cc).packet_conservation).toBe(false)
    expect(acks.cc.cwnd).toBeGreaterThanOrEqual(before)
    // And comes back to the window from before both.
    acks.cc.onExitRecovery(acks.sample.now)
    acks.round(RATE / 10)
    expect(Math.abs(acks.cc.cwnd - cwnd)).toBeLessThanOrEqual(2 * MSS)
  })

  it('[rfc8985#7.4.1] and needs no end of an episode that a probe had repaired before it began', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(10, RATE)
    const { cwnd } = acks.cc
    acks.cc.onEnterRecovery(acks.sample)
    acks.round(RATE, { inFlight: 10 * MSS, inRecovery: false })
    expect(acks.cc.cwnd).toBeGreaterThanOrEqual(cwnd - 2 * MSS)
    expect(info(acks.cc).packet_conservation).toBe(false)
  })

  it('falls to a segment on a timeout, grows by what is delivered, and is back when it is over', () => {
    const acks = new Acks()
    acks.settle(RATE)
    acks.rounds(10, RATE)
    const { cwnd } = acks.cc
    acks.cc.onTimeout(acks.sample.now, cwnd, false)
    acks.cc.onTimeout(acks.sample.now, MSS, true)
    expect(acks.cc.cwnd).toBe(MSS)
    acks.round(25_000, { inFlight: 0 })
    expect(acks.cc.cwnd).toBe(4 * MSS)
    acks.round(100_000, { inFlight: 0 })
    expect(acks.cc.cwnd).toBe(8 * MSS)
    acks.cc.onExitRecovery(acks.sample.now)
    acks.round(100_000)
    expect(acks.cc.cwnd).toBeGreaterThanOrEqual(cwnd)
  })

  it('a reduction that was needless is over at once, and STARTUP looks anew for the end of growth', () => {
    const acks = new Acks()
    acks.rounds(2, RATE)
    acks.cc.onEnterRecovery(acks.sample)
    acks.round(RATE / 10, { lost: MSS, inFlight: MSS, inRecovery: true })
    acks.cc.onUndo()
    acks.round(RATE, { inRecovery: false, inFlight: BDP })
    expect(info(acks.cc).packet_conservation).toBe(false)
    expect(acks.cc.cwnd).toBeGreaterThanOrEqual(10 * MSS)
    acks.rounds(2, RATE, { inFlight: BDP })
    expect(info(acks.cc).state).toBe('STARTUP')
    acks.rounds(2, RATE, { inFlight: 5 * BDP })
    expect(info(acks.cc).state).toBe('DRAIN')
  })

  it('paces at its estimate, not above, when it comes back from silence', () => {
    const acks = new Acks()
    acks.settle(RATE)
    while (info(acks.cc).pacing_gain !== 1.25) acks.round(RATE, { inFlight: 40 * MSS, inFlightBefore: 40 * MSS })
    acks.cc.onSent(acks.sample.now, MSS, 20 * MSS, false)
    expect(acks.cc.pacingBps).toBeCloseTo(RATE * 1.25 * 0.99, 3)
    acks.cc.onSent(acks.sample.now + SECOND, MSS, MSS, true)
    expect(acks.cc.pacingBps).toBeCloseTo(RATE * 0.99, 3)
  })

  it('takes no round trip that a delayed ACK made longer for the path’s, when the old one is ten seconds old', () => {
    const acks = new Acks()
    acks.settle(RATE)
    const lone = { rtt: RTT + 200 * MS, delivered: 100, acked: 100 }
    acks.sample.now += 11 * SECOND
    acks.round(RATE, {
      ...lone,
      totalDelivered: acks.sample.totalDelivered + 100,
      priorDelivered: acks.sample.totalDelivered,
    })
    expect(info(acks.cc).min_rtt).toBe(RTT)
    acks.round(RATE, { rtt: RTT + 10 * MS })
    expect(info(acks.cc).min_rtt).toBe(RTT + 10 * MS)
  })

  it('counts what waits for the pacer as not yet there: DRAIN ends when it will be empty', () => {
    const drained = (waitUs: number): string => {
      const acks = new Acks()
      for (let r = RATE / 8; r < RATE; r *= 2) acks.round(r, { inFlight: 2 * BDP })
      acks.rounds(5, RATE, { inFlight: 2 * BDP })
      expect(info(acks.cc).state).toBe('DRAIN')
      acks.round(RATE, { inFlight: 62 * MSS, nextSendAt: acks.sample.now + RTT + waitUs })
      return info(acks.cc).state
    }
    expect(drained(0)).toBe('DRAIN')
    expect(drained(8 * MS)).toBe('PROBE_BW')
  })

  it('begins with what is known of the path when it takes over a connection that runs', () => {
    const acks = new Acks({ initialWindow: 100 * MSS, srtt: RTT, minRtt: RTT - MS })
    expect(acks.cc.cwnd).toBe(100 * MSS)
    expect(info(acks.cc).min_rtt).toBe(RTT - MS)
  })
})
