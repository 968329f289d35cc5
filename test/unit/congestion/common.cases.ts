import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CongestionController,
  type ControllerEnvironment,
  type ControllerFactory,
  newRateSample,
  UndoKind,
} from '../../../src/congestion/index.ts'

const MSS = 1000
const RTT_US = 50_000

/**
 * Drives a controller as a sender does, over a path that delivers what it is given after a round trip. It keeps the flight and the clock; where
 * the controller leaves recovery to the sender it brings the window down to `ssthresh` at the end of an episode.
 */
export class ControllerRig {
  readonly cc: CongestionController
  readonly sample = newRateSample()
  mss = MSS
  now = 1_000_000
  inRecovery = false
  #delivered = 0

  constructor(factory: ControllerFactory, environment: Partial<ControllerEnvironment> = {}) {
    this.cc = factory({
      mss: MSS,
      now: this.now,
      initialWindow: 10 * MSS,
      random: () => 0.5,
      options: {},
      srtt: RTT_US,
      minRtt: RTT_US,
      ...environment,
    })
  }

  /** A full window leaves and is acknowledged, two segments an ACK. */
  round(): void {
    const window = Math.max(this.mss, Math.floor(this.cc.cwnd / this.mss) * this.mss)
    for (let sent = 0; sent < window; sent += this.mss) this.cc.onSent?.(this.now, this.mss, sent + this.mss)
    this.now += RTT_US
    let roundStart = true
    for (let left = window; left > 0; ) {
      const acked = Math.min(2 * this.mss, left)
      left -= acked
      this.ack(acked, { before: left + acked, roundStart })
      roundStart = false
    }
  }

  /** An ACK of `acked` bytes, of which it is the first to tell. */
  ack(acked: number, { before = acked, roundStart = false, limited = true, rtt = RTT_US, lost = 0 } = {}): void {
    const { sample } = this
    const priorDelivered = Math.max(0, this.#delivered - before)
    this.#delivered += acked
    sample.now = this.now
    sample.acked = acked
    sample.delivered = acked
    sample.lost = lost
    sample.inFlightBefore = before
    sample.inFlight = Math.max(0, before - acked - lost)
    sample.rtt = rtt
    sample.minRtt = Math.min(sample.minRtt, rtt)
    sample.srtt = rtt
    sample.totalDelivered = this.#delivered
    sample.priorDelivered = priorDelivered
    sample.interval = rtt
    sample.rate = ((this.#delivered - priorDelivered) * 1e6) / rtt
    sample.appLimited = !limited
    sample.cwndLimited = limited
    sample.roundStart = roundStart
    sample.inRecovery = this.inRecovery
    sample.mss = this.mss
    sample.txInFlight = before
    this.cc.onAck(sample)
  }

  enterRecovery(): void {
    this.inRecovery = true
    this.sample.lost = this.mss
    this.sample.inFlight = this.cc.cwnd
    this.cc.onEnterRecovery?.(this.sample)
  }

  exitRecovery(): void {
    this.inRecovery = false
    const { cc } = this
    if (!cc.ownsRecovery && cc.ssthresh !== Number.POSITIVE_INFINITY) cc.cwnd = cc.ssthresh
    cc.onExitRecovery?.(this.now)
  }

  setMss(mss: number): void {
    this.mss = mss
    this.cc.onMss?.(mss)
  }

  expectSane(): void {
    const { cwnd, ssthresh, pacingBps } = this.cc
    expect(Number.isFinite(cwnd), `cwnd ${cwnd} is finite`).toBe(true)
    expect(cwnd, 'cwnd is a segment at least').toBeGreaterThanOrEqual(this.mss)
    // Nobody but itself asks a controller that owns its recovery.
    expect(ssthresh, 'ssthresh').toBeGreaterThanOrEqual(this.cc.ownsRecovery ? 1 : this.mss)
    expect(pacingBps, 'pacing rate').toBeGreaterThanOrEqual(0)
    expect(Number.isFinite(pacingBps), `pacing rate ${pacingBps} is finite`).toBe(true)
  }
}

export interface ControllerCaseOptions {
  /** Its window is set from outside: it neither grows nor falls. */
  constant?: boolean
}

/** What every congestion controller has to keep to, yours too. */
export function controllerCases(
  name: string,
  factory: ControllerFactory,
  { constant = false }: ControllerCaseOptions = {},
): void {
  const rig = (environment: Partial<ControllerEnvironment> = {}): ControllerRig =>
    new ControllerRig(factory, environment)
  const grown = (rounds = 6): ControllerRig => {
    const made = rig()
    for (let i = 0; i < rounds; i++) made.round()
    return made
  }

  const { ownsRecovery } = rig().cc

  describe(`${name}, as any controller`, () => {
    it('bears its name', () => {
      expect(rig().cc.name).toBe(name)
    })

    if (!constant) {
      it('begins with the initial window', () => {
        expect(rig().cc.cwnd).toBe(10 * MSS)
        expect(rig({ initialWindow: MSS }).cc.cwnd).toBe(MSS)
      })

      it('grows while the window is full and nothing is lost', () => {
        expect(grown(4).cc.cwnd).toBeGreaterThan(20 * MSS)
      })
    }

    it('never falls below a segment, whatever is lost', () => {
      const made = rig()
      for (let i = 0; i < 100; i++) {
        made.enterRecovery()
        made.cc.onLost?.(made.sample)
        made.expectSane()
        made.exitRecovery()
        made.expectSane()
        made.cc.onTimeout?.(made.now, made.cc.cwnd, i % 3 === 0)
        made.expectSane()
        made.now += RTT_US
      }
      // And it lives on.
      made.inRecovery = false
      for (let i = 0; i < 5; i++) made.round()
      made.expectSane()
    })

    it('reduces once an episode', () => {
      const made = grown()
      made.enterRecovery()
      const { ssthresh } = made.cc
      for (let i = 0; i < 10; i++) {
        made.cc.onLost?.(made.sample)
        made.ack(MSS, { before: 10 * MSS, lost: MSS })
      }
      expect(made.cc.ssthresh).toBe(ssthresh)
      made.exitRecovery()
      expect(made.cc.ssthresh).toBe(ssthresh)
      if (!ownsRecovery) expect(made.cc.cwnd).toBe(ssthresh)
    })

    it('[rfc5681#3.1] reduces once for the same data, however often the timer expires', () => {
      const made = grown()
      made.cc.onTimeout?.(made.now, made.cc.cwnd, false)
      const { ssthresh } = made.cc
      for (let i = 0; i < 5; i++) made.cc.onTimeout?.(made.now, MSS, true)
      expect(made.cc.ssthresh).toBe(ssthresh)
    })

    it('what the sender restores stays restored', () => {
      const made = grown()
      const { cwnd, ssthresh } = made.cc
      made.enterRecovery()
      if (!ownsRecovery) made.cc.cwnd = made.cc.ssthresh
      made.inRecovery = false
      if (!ownsRecovery) {
        made.cc.cwnd = cwnd
        made.cc.ssthresh = ssthresh
      }
      made.cc.onUndo?.(UndoKind.Eifel)
      expect(made.cc.cwnd).toBeGreaterThanOrEqual(cwnd)
      expect(made.cc.ssthresh).toBe(ssthresh)
      made.round()
      expect(made.cc.cwnd).toBeGreaterThanOrEqual(ownsRecovery ? MSS : cwnd)
    })

    it('[rfc5681#4.1] does not grow by being idle', () => {
      const made = grown()
      const { cwnd } = made.cc
      made.now += 60_000_000
      made.cc.onIdleRestart?.(made.now, 60_000_000)
      expect(made.cc.cwnd).toBeLessThanOrEqual(cwnd)
      made.expectSane()
    })

    // A model of the path is no window, and may rise to what it has measured.
    if (!ownsRecovery) {
      it('[rfc2861#3.2] does not grow while it is not used', () => {
        const made = grown()
        const { cwnd } = made.cc
        for (let i = 0; i < 200; i++) {
          made.now += RTT_US / 10
          made.ack(MSS, { before: 2 * MSS, limited: false, roundStart: i % 10 === 0 })
        }
        expect(made.cc.cwnd).toBeLessThanOrEqual(cwnd)
      })
    }

    it('keeps its window in segments when their size changes', () => {
      const made = grown()
      const segments = made.cc.cwnd / MSS
      made.setMss(500)
      made.expectSane()
      if (!constant && !ownsRecovery) expect(Math.abs(made.cc.cwnd / 500 - segments)).toBeLessThan(1)
      for (let i = 0; i < 3; i++) made.round()
      made.setMss(9000)
      made.expectSane()
      made.round()
      made.expectSane()
    })

    it('shows what it knows as plain values', () => {
      for (const value of Object.values(grown().cc.info?.() ?? {}))
        expect(['number', 'string', 'boolean']).toContain(typeof value)
    })

    it('stays sane under whatever happens', () => {
      const step = fc.oneof(
        fc.record({
          kind: fc.constant('ack' as const),
          segments: fc.integer({ min: 0, max: 60 }),
          rtt: fc.integer({ min: -1, max: 3_000_000 }),
          limited: fc.boolean(),
          lost: fc.integer({ min: 0, max: 9 }),
          roundStart: fc.boolean(),
        }),
        fc.record({ kind: fc.constantFrom('enter', 'lost', 'exit', 'timeout', 'again', 'undo', 'ecn', 'round') }),
        fc.record({ kind: fc.constant('wait' as const), us: fc.integer({ min: 1, max: 100_000_000 }) }),
        fc.record({ kind: fc.constant('mss' as const), mss: fc.integer({ min: 8, max: 65_483 }) }),
      )
      fc.assert(
        fc.property(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 100 }), (steps, initial) => {
          const made = rig({ initialWindow: initial * MSS })
          for (const one of steps) {
            apply(made, one)
            made.expectSane()
          }
        }),
        { numRuns: 150 },
      )
    })
  })
}

type Step =
  | { kind: 'ack'; segments: number; rtt: number; limited: boolean; lost: number; roundStart: boolean }
  | { kind: 'wait'; us: number }
  | { kind: 'mss'; mss: number }
  | { kind: string }

function apply(rig: ControllerRig, step: Step): void {
  const { cc } = rig
  if ('segments' in step) {
    const { segments, lost, limited, roundStart } = step
    const acked = segments * rig.mss
    rig.now += 100
    // A round trip takes a microsecond at least: there is no shorter one to be had.
    const rtt = step.rtt === 0 ? 1 : step.rtt
    rig.ack(acked, {
      before: acked + (lost + 1) * rig.mss,
      limited,
      lost: lost * rig.mss,
      roundStart,
      rtt: Math.abs(rtt),
    })
  } else if ('us' in step) {
    rig.now += step.us
    cc.onIdleRestart?.(rig.now, step.us)
  } else if ('mss' in step) rig.setMss(step.mss)
  else {
    switch (step.kind) {
      case 'enter':
        if (!rig.inRecovery) rig.enterRecovery()
        break
      case 'lost':
        cc.onLost?.(rig.sample)
        break
      case 'exit':
        if (rig.inRecovery) rig.exitRecovery()
        break
      case 'timeout':
        rig.inRecovery = false
        cc.onTimeout?.(rig.now, cc.cwnd, false)
        break
      case 'again':
        cc.onTimeout?.(rig.now, rig.mss, true)
        break
      case 'undo':
        cc.onUndo?.(UndoKind.DSack)
        break
      case 'ecn':
        cc.onEcn?.(rig.now, rig.mss, rig.sample)
        break
      default:
        if (cc.cwnd < 1e7) rig.round()
    }
  }
}
