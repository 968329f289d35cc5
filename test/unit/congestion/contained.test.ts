import { describe, expect, it } from 'vitest'
import {
  type CongestionController,
  ContainedController,
  type ControllerFault,
  createContainedControl,
  newRateSample,
  type RateSample,
  registerCongestionControl,
  UndoKind,
} from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

class Plain implements CongestionController {
  readonly name: string = 'plain'
  readonly ownsRecovery: boolean = false
  cwnd = 10 * MSS
  ssthresh = Number.POSITIVE_INFINITY
  pacingBps = 0
  acks = 0

  onAck(_sample: RateSample): void {
    this.acks++
    this.cwnd += 100
  }
}

function contain(make: () => CongestionController) {
  const faults: ControllerFault[] = []
  const cc = new ContainedController('mine', make, environment, (fault) => faults.push(fault))
  return { cc, faults }
}

const sample = (more: Partial<RateSample> = {}): RateSample => ({
  ...newRateSample(),
  acked: MSS,
  delivered: MSS,
  cwndLimited: true,
  mss: MSS,
  ...more,
})

describe('a contained controller', () => {
  it('is the controller, as long as that behaves', () => {
    const plain = new Plain()
    const { cc, faults } = contain(() => plain)
    cc.onAck(sample())
    expect([cc.name, cc.cwnd, cc.ownsRecovery, plain.acks]).toEqual(['mine', 10_100, false, 1])
    // What the sender writes reaches it.
    cc.cwnd = 5000
    cc.ssthresh = 5000
    cc.onAck(sample())
    expect([cc.cwnd, plain.cwnd, plain.ssthresh]).toEqual([5100, 5100, 5000])
    expect(cc.info()).toEqual({})
    cc.onSent(0, MSS, MSS)
    cc.onLost(sample())
    cc.onExitRecovery(0)
    cc.onTimeout(0, 0, false)
    cc.onUndo(UndoKind.Eifel)
    cc.onIdleRestart(0, 0)
    cc.onMss(MSS)
    expect([faults, cc.failed, cc.inner]).toEqual([[], false, plain])
  })

  it.each([
    ['cwnd', Number.NaN],
    ['cwnd', 0],
    ['cwnd', -1],
    ['cwnd', Number.POSITIVE_INFINITY],
    ['cwnd', '10000'],
    ['cwnd', undefined],
    ['ssthresh', Number.NaN],
    ['ssthresh', 0],
    ['ssthresh', null],
    ['pacingBps', Number.NaN],
    ['pacingBps', -5],
    ['pacingBps', '1'],
  ] as const)('is replaced by Reno when its %s is %s', (member, value) => {
    class Bad extends Plain {
      override onAck(): void {
        Object.assign(this, { [member]: value })
      }
    }
    const { cc, faults } = contain(() => new Bad())
    cc.onAck(sample())
    // Reno took the acknowledgement, in slow start.
    expect([cc.name, cc.cwnd, cc.ssthresh, cc.pacingBps]).toEqual(['reno', 11_000, Number.POSITIVE_INFINITY, 0])
    expect(faults).toEqual([{ controller: 'mine', call: 'onAck', problem: `${member} is ${value}`, error: undefined }])
    cc.onAck(sample())
    expect(cc.cwnd).toBe(12_000)
    expect([faults.length, cc.failed]).toEqual([1, true])
    expect(cc.info()).toEqual({ replaced: 'mine' })
  })

  const calls: Record<string, (cc: ContainedController) => void> = {
    onSent: (cc) => cc.onSent(0, MSS, MSS),
    onAck: (cc) => cc.onAck(sample()),
    onEnterRecovery: (cc) => cc.onEnterRecovery(sample()),
    onLost: (cc) => cc.onLost(sample()),
    onExitRecovery: (cc) => cc.onExitRecovery(0),
    onTimeout: (cc) => cc.onTimeout(0, 0, false),
    onUndo: (cc) => cc.onUndo(UndoKind.Eifel),
    onEcn: (cc) => cc.onEcn(0, MSS, sample()),
    onIdleRestart: (cc) => cc.onIdleRestart(0, 1),
    onMss: (cc) => cc.onMss(500),
    info: (cc) => void cc.info(),
  }

  it.each(Object.keys(calls))('is replaced when it throws in %s, and Reno gets the call', (call) => {
    const error = new Error('no')
    const bad = Object.assign(new Plain(), {
      [call]: () => {
        throw error
      },
    })
    const { cc, faults } = contain(() => bad)
    calls[call]!(cc)
    expect(faults).toEqual([{ controller: 'mine', call, problem: 'threw Error: no', error }])
    expect(cc.name).toBe('reno')
    if (call === 'onEnterRecovery') expect(cc.ssthresh).toBe(5 * MSS)
    if (call === 'onTimeout') expect([cc.ssthresh, cc.cwnd]).toEqual([5 * MSS, MSS])
    if (call === 'onEcn') expect(cc.ssthresh).toBe(8 * MSS)
    if (call === 'onMss') expect(cc.cwnd).toBe(10 * 500)
    calls[call]!(cc)
    expect(faults.length).toBe(1)
  })

  it('keeps the last window that was good, recovery and all', () => {
    class Late extends Plain {
      override readonly ownsRecovery = true
      override pacingBps = 1_000_000
      override onAck(): void {
        this.acks++
        this.cwnd = this.acks < 10 ? 40 * MSS : Number.NaN
      }
    }
    const { cc } = contain(() => new Late())
    expect([cc.ownsRecovery, cc.pacingBps]).toEqual([true, 1_000_000])
    for (let i = 0; i < 10; i++) cc.onAck(sample({ cwndLimited: false }))
    expect([cc.name, cc.cwnd, cc.ownsRecovery, cc.pacingBps]).toEqual(['reno', 40 * MSS, false, 0])
    cc.onEnterRecovery(sample())
    expect(cc.ssthresh).toBe(20 * MSS)
  })

  it.each([
    [
      'a factory that throws',
      () => {
        throw new TypeError('bad option')
      },
      'threw TypeError: bad option',
    ],
    ['a factory that makes nothing', () => null, 'threw TypeError: the factory made no controller'],
    ['a controller without onAck', () => ({ cwnd: 1 }), 'threw TypeError: the factory made no controller'],
    ['one that begins without a window', () => Object.assign(new Plain(), { cwnd: Number.NaN }), 'cwnd is NaN'],
    [
      'something thrown that cannot be shown',
      () => {
        throw Object.create(null)
      },
      'threw',
    ],
  ])('%s costs nobody a connection', (_what, make, problem) => {
    const { cc, faults } = contain(make as () => CongestionController)
    expect([cc.name, cc.cwnd]).toEqual(['reno', 10 * MSS])
    expect(faults).toMatchObject([{ controller: 'mine', call: 'create', problem }])
  })

  it('survives a controller that cannot be written to', () => {
    const { cc, faults } = contain(() => Object.freeze(new Plain()))
    cc.onAck(sample())
    expect([faults.length, cc.name, cc.cwnd]).toEqual([1, 'reno', 11 * MSS])
  })

  it('says where the controller stands, whatever that does', () => {
    const stands = (state: PropertyDescriptor): string =>
      contain(() => Object.defineProperty(new Plain(), 'state', state)).cc.state
    expect(stands({ value: 'thinking' })).toBe('thinking')
    expect(stands({ value: 5 })).toBe('')
    const throwing = {
      get: () => {
        throw new Error('no')
      },
    }
    expect(stands(throwing)).toBe('')
    const { cc, faults } = contain(() => Object.defineProperty(new Plain(), 'pacingBps', throwing))
    expect([cc.name, faults.length]).toEqual(['reno', 1])
  })

  it('[rfc3168#6.1.2] takes a mark for a loss where the controller does not know of marks', () => {
    class Lossy extends Plain {
      onEnterRecovery(): void {
        this.ssthresh = 3 * MSS
      }
    }
    const { cc } = contain(() => new Lossy())
    cc.onEcn(0, MSS, sample())
    expect(cc.ssthresh).toBe(3 * MSS)
  })

  it('carries a transfer to its end when the controller fails in the midst of it', () => {
    class Failing extends Plain {
      override onAck(): void {
        if (++this.acks === 500) throw new Error('enough')
        this.cwnd = 30 * MSS
      }
    }
    registerCongestionControl('failing', () => new Failing())
    const faults: ControllerFault[] = []
    const cc = createContainedControl('failing', environment, (fault) => faults.push(fault))
    const path = new PathModel(cc, { rateBps: 1_250_000, rttUs: 40_000, queueBytes: 50 * MSS, loss: 0.001 })
    path.run(10_000_000)
    expect(faults.length).toBe(1)
    expect(cc.name).toBe('reno')
    expect(path.run(30_000_000) / 1_250_000).toBeGreaterThan(0.7)
    registerCongestionControl('failing', () => new Plain())
  })
})
