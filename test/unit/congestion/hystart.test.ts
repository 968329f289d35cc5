import { describe, expect, it } from 'vitest'
import { Cubic, HyStart, HyStartPlusPlus, newRateSample, type SlowStartExit } from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'

const MSS = 1000
const MS = 1000

/** Feeds rounds of ACKs to a slow start exit; the window is what it lets grow. */
class Rounds {
  readonly sample = { ...newRateSample(), mss: MSS, acked: MSS, delivered: MSS, srtt: 100 * MS }
  cwnd = 10 * MSS
  left = false
  readonly #exit: SlowStartExit

  constructor(exit: SlowStartExit) {
    this.#exit = exit
    // What the last round of sending left in flight.
    this.sample.inFlight = this.cwnd
  }

  /** One round trip of so many ACKs of `rtt` each, `gap` apart. Returns by how much the window grew, as a factor. */
  round(rtt: number, acks = 10, gap = 100): number {
    const before = this.cwnd
    const { sample } = this
    const flight = acks * MSS
    for (let i = 1; i <= acks; i++) {
      sample.now += i === 1 ? rtt - (acks - 1) * gap : gap
      sample.totalDelivered += MSS
      sample.inFlight = flight - MSS
      sample.rtt = rtt
      if (this.#exit.onAck(sample, this.cwnd)) {
        this.left = true
        break
      }
      this.cwnd += this.#exit.growth(MSS)
    }
    return this.cwnd / before
  }
}

describe('HyStart++', () => {
  const begun = () => {
    const exit = new HyStartPlusPlus()
    const rounds = new Rounds(exit)
    rounds.round(100 * MS)
    return { exit, rounds }
  }

  it('[rfc9406#4.2] lets slow start be while the round trip stays', () => {
    const { exit, rounds } = begun()
    for (let i = 0; i < 20; i++) rounds.round((100 + (i % 3)) * MS)
    expect(rounds.left).toBe(false)
    expect(exit.phase).toBe('slow start')
  })

  it('[rfc9406#4.2] grows a quarter as fast when the round trip rises by an eighth', () => {
    const { exit, rounds } = begun()
    rounds.round(112 * MS)
    expect(exit.isConservative).toBe(false)
    // Against the round before, not the smallest ever.
    rounds.round(124 * MS)
    expect(exit.isConservative).toBe(false)
    rounds.round(139.5 * MS)
    expect(exit.isConservative).toBe(true)
    expect(exit.growth(1000)).toBe(250)
    expect(exit.phase).toBe('conservative slow start, round 1')
  })

  it.each([
    [20, 24, 23.9],
    [100, 112.5, 112.4],
    [200, 216, 215.9],
  ])('[rfc9406#4.3] from %i ms the threshold lies at %f ms: 4 ms at least, 16 ms at most', (base, above, below) => {
    for (const [rtt, expected] of [
      [above, true],
      [below, false],
    ] as const) {
      const exit = new HyStartPlusPlus()
      const rounds = new Rounds(exit)
      rounds.round(base * MS)
      rounds.round(rtt * MS)
      expect(exit.isConservative).toBe(expected)
    }
  })

  it('[rfc9406#4.2] wants eight samples of a round before it believes its smallest', () => {
    const { exit, rounds } = begun()
    rounds.round(150 * MS, 7)
    expect(exit.isConservative).toBe(false)
    const other = begun()
    other.rounds.round(150 * MS, 8)
    expect(other.exit.isConservative).toBe(true)
  })

  it('[rfc9406#4.2] leaves slow start after five rounds of that', () => {
    const { rounds } = begun()
    rounds.round(150 * MS)
    for (let i = 0; i < 4; i++) {
      rounds.round(150 * MS)
      expect(rounds.left).toBe(false)
    }
    rounds.round(150 * MS)
    expect(rounds.left).toBe(true)
  })

  it('[rfc9406#4.2] resumes slow start when the round trip falls below where it had begun to rise', () => {
    const { exit, rounds } = begun()
    rounds.round(150 * MS)
    rounds.round(150 * MS)
    expect(exit.isConservative).toBe(true)
    rounds.round(149 * MS)
    expect(exit.isConservative).toBe(false)
    expect(exit.growth(1000)).toBe(1000)
    // And counts anew when it rises again.
    rounds.round(180 * MS)
    expect(exit.phase).toBe('conservative slow start, round 1')
  })

  it('knows nothing after a reset', () => {
    const { exit, rounds } = begun()
    rounds.round(150 * MS)
    exit.reset()
    expect(exit.isConservative).toBe(false)
    rounds.round(300 * MS)
    expect(exit.isConservative).toBe(false)
  })
})

const counters = () => ({
  TCPHystartTrainDetect: 0,
  TCPHystartTrainCwnd: 0,
  TCPHystartDelayDetect: 0,
  TCPHystartDelayCwnd: 0,
})

describe('the counters of what ended slow start', () => {
  it('linux: take the rise of the round trip, and the window then, in segments', () => {
    const counts = counters()
    const rounds = new Rounds(new HyStart(counts))
    rounds.cwnd = 20 * MSS
    for (const rtt of [100, 112, 113]) rounds.round(rtt * MS, 20, 3000)
    expect(rounds.left).toBe(true)
    const segments = Math.floor(rounds.cwnd / MSS)
    expect(counts).toEqual({ ...counters(), TCPHystartDelayDetect: 1, TCPHystartDelayCwnd: segments })
  })

  it('linux: take the train of ACKs', () => {
    const counts = counters()
    const rounds = new Rounds(new HyStart(counts))
    rounds.cwnd = 20 * MSS
    rounds.round(10 * MS, 4, 1000)
    rounds.round(10 * MS, 13, 990)
    const segments = Math.floor(rounds.cwnd / MSS)
    expect(counts).toEqual({ ...counters(), TCPHystartTrainDetect: 1, TCPHystartTrainCwnd: segments })
  })

  it('take the end of conservative slow start for a rise of the round trip', () => {
    const counts = counters()
    const rounds = new Rounds(new HyStartPlusPlus(counts))
    rounds.round(100 * MS)
    for (let i = 0; i < 9 && !rounds.left; i++) rounds.round(120 * MS)
    expect(rounds.left).toBe(true)
    const segments = Math.floor(rounds.cwnd / MSS)
    expect(counts).toEqual({ ...counters(), TCPHystartDelayDetect: 1, TCPHystartDelayCwnd: segments })
  })
})

describe('the kernel’s HyStart', () => {
  it('linux: leaves on a rise of the smallest round trip by an eighth, after eight samples', () => {
    const exit = new HyStart()
    const rounds = new Rounds(exit)
    rounds.cwnd = 20 * MSS
    rounds.round(100 * MS, 20, 3000)
    // A train would leave as well; these are too far apart for one.
    rounds.round(112 * MS, 20, 3000)
    expect(rounds.left).toBe(false)
    rounds.round(113 * MS, 20, 3000)
    expect(rounds.left).toBe(true)
    expect(exit.phase).toBe('left by delay')
  })

  it('linux: leaves when a train of ACKs is as long as the smallest round trip', () => {
    const exit = new HyStart()
    const rounds = new Rounds(exit)
    rounds.cwnd = 20 * MSS
    rounds.round(10 * MS, 4, 1000)
    // 12 ACKs in 11 ms, each within 2 ms of the last; the path is 10 ms long, a millisecond is for the sender.
    rounds.round(10 * MS, 13, 990)
    expect(rounds.left).toBe(true)
    expect(exit.phase).toBe('left by ACK train')
    const apart = new HyStart()
    const slow = new Rounds(apart)
    slow.cwnd = 20 * MSS
    slow.round(10 * MS, 4, 2100)
    slow.round(10 * MS, 13, 2100)
    expect(slow.left).toBe(false)
  })

  it('linux: waits for a window of 16 segments', () => {
    const rounds = new Rounds(new HyStart())
    rounds.cwnd = 2 * MSS
    rounds.round(100 * MS, 10, 3000)
    rounds.cwnd = 2 * MSS
    rounds.round(200 * MS, 10, 3000)
    expect(rounds.left).toBe(false)
  })

  it('linux: begins anew with the next slow start', () => {
    const exit = new HyStart()
    const rounds = new Rounds(exit)
    rounds.cwnd = 20 * MSS
    rounds.round(100 * MS, 20, 3000)
    rounds.round(200 * MS, 20, 3000)
    expect(rounds.left).toBe(true)
    exit.reset()
    expect(exit.phase).toBe('slow start')
  })
})

describe('slow start on a path of 100 Mbit/s and 100 ms', () => {
  /** `queue`: in round trips. */
  const start = (hystart: string, queue: number) => {
    const cc = new Cubic({ mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: { hystart } })
    const path = new PathModel(cc, { rateBps: 12_500_000, rttUs: 100 * MS, queueBytes: queue * 1_250_000 })
    path.run(60_000 * MS, () => cc.ssthresh !== Number.POSITIVE_INFINITY)
    const windows = cc.cwnd / path.bdp
    path.run(path.now + 3000 * MS)
    const lost = path.sampler.lost / MSS
    return { windows, lost, rate: path.run(path.now + 10_000 * MS) / path.options.rateBps }
  }

  it('linux: the train of ACKs ends it before a queue of two round trips is full', () => {
    const { windows, lost, rate } = start('hystart', 2)
    expect(lost).toBe(0)
    expect(windows).toBeGreaterThan(0.8)
    expect(windows).toBeLessThan(3)
    expect(rate).toBeGreaterThan(0.95)
  })

  it('[rfc9406#4.2] the round trip ends it when the queue is seen to have grown, before a deep one is full', () => {
    const { windows, lost, rate } = start('hystart++', 12)
    expect(lost).toBe(0)
    expect(windows).toBeGreaterThan(1)
    expect(windows).toBeLessThan(12)
    expect(rate).toBeGreaterThan(0.99)
  })

  it('without either a window is lost, with HyStart++ a third of that', () => {
    const [off, on] = [start('off', 5), start('hystart++', 5)]
    expect(off.windows).toBeGreaterThan(5)
    expect(off.lost).toBeGreaterThan(4000)
    expect(on.lost).toBeLessThan(off.lost / 3)
  })
})
