import { afterAll, describe, expect, it } from 'vitest'
import { registerCongestionControl } from '../../src/congestion/index.ts'
import { BaseTracer } from '../../src/observe/base-tracer.ts'
import { CaState } from '../../src/tcp/state.ts'
import { Flows } from '../../src/testing/sim/flows.ts'

// What the controllers do in whole connections over a simulated bottleneck: each by what was published of it. Rates are bits a second.

const MBIT = 1e6
/** What of a link's rate is payload: frames count, of 1468 bytes and 1436 in them. */
const PAYLOAD = 1436 / 1468

const bdp = (rate: number, rttMs: number): number => (rate / 8) * (rttMs / 1000)

class States extends BaseTracer {
  readonly changes: { ms: number; to: string }[] = []

  override ccStateChanged(_id: number, now: number, _from: string, to: string): void {
    this.changes.push({ ms: now / 1000, to })
  }
}

describe('pacing', () => {
  it.each([
    [1, 125_000, 5000],
    [1000, 125_000_000, 400],
  ])('holds %d Mbit/s to three hundredths', (mbit, maxPacingRate, ms) => {
    const run = new Flows({ rttMs: 4, flows: [{ congestionControl: 'cubic', maxPacingRate }] }).run(500)
    const [rate] = run.goodput(500 + ms)
    expect(rate / MBIT / mbit).toBeGreaterThan(0.97)
    expect(rate / MBIT / mbit).toBeLessThan(1.03)
    expect(run.flows[0].endpoint.info()).toMatchObject({ pacing_rate: maxPacingRate, max_pacing_rate: maxPacingRate })
  })

  it('sends no more at once than a few wake-ups bring, whatever the window', () => {
    const burst = (tcp_pacing: number): number => {
      const flow = { congestionControl: 'fixed', congestionOptions: { cwnd: 400_000 } }
      const run = new Flows({ rttMs: 40, flows: [{ ...flow, appBps: 20e6 }], sysctl: { tcp_pacing } }).run(1000)
      let [at, bytes, most] = [0, 0, 0]
      run.net.tap((datagram, { address }) => {
        if (address !== run.address) return true
        if (run.world.nowUs !== at) [at, bytes] = [run.world.nowUs, 0]
        bytes += datagram.length
        most = Math.max(most, bytes)
        return true
      })
      run.run(1500)
      return most
    }
    // Twice the window in a round trip, until the threshold is known: 20 kB a millisecond.
    expect(burst(1)).toBeLessThan(4 * 20_000)
    expect(burst(0)).toBeGreaterThan(90_000)
  })
})

describe('cubic', () => {
  it('[rfc9438#4.2] returns to where it was along the cubic, to a hundredth', () => {
    const run = new Flows({ rttMs: 100, flows: [{ congestionControl: 'cubic' }], sysctl: { tcp_cubic_hystart: 'off' } })
    run.run(560)
    const { connection } = run.flows[0]
    const before = connection.cc.cwnd / connection.sender.mss
    let lost = 0
    run.net.tap(() => lost++ > 0)
    run.run(700)
    run.net.tap(null)
    run.world.run(() => connection.recovery.caState === CaState.Recovery)
    const wMax = connection.recovery.undo.priorCwnd / connection.sender.mss
    expect(wMax).toBeGreaterThanOrEqual(before)
    run.world.run(() => connection.recovery.caState === CaState.Open)
    const epoch = run.world.nowUs
    expect(connection.cc.cwnd / connection.sender.mss / wMax).toBeCloseTo(0.7, 2)
    // rfc9438#4.2: K = cbrt(W_max (1 - β) / C)
    const k = Math.cbrt((wMax * 0.3) / 0.4)
    const off: number[] = []
    run.run(epoch / 1000 + (k + 2) * 1000, 500, () => {
      const t = (run.world.nowUs - epoch) / 1e6
      off.push(connection.cc.cwnd / connection.sender.mss / (0.4 * (t - k) ** 3 + wMax) - 1)
    })
    expect(Math.max(...off.map(Math.abs))).toBeLessThan(0.01)
  })
})

describe('cubic on a link with room for eight round trips', () => {
  it.each([
    ['hystart', 'TCPHystartTrainDetect', 'TCPHystartTrainCwnd'],
    ['hystart++', 'TCPHystartDelayDetect', 'TCPHystartDelayCwnd'],
  ] as const)('counts how %s ended slow start', (hystart, detect, cwnd) => {
    const rate = 20 * MBIT
    const flow = { congestionControl: 'cubic', congestionOptions: { hystart } }
    const { client, flows } = new Flows({ rate, rttMs: 40, queue: 8 * bdp(rate, 40), flows: [flow] }).run(3000)
    const { ssthresh } = flows[0].connection.cc
    expect(ssthresh).toBeLessThan(Infinity)
    expect([client.mib[detect], client.mib[cwnd]]).toEqual([1, Math.floor(ssthresh / flows[0].connection.sender.mss)])
    expect(client.mib.TCPSackRecovery).toBe(0)
  })
})

/** Compares the window with what was last told of it, whenever a segment leaves or comes. */
class Windows extends BaseTracer {
  told = 0
  untold = 0
  readonly reasons = new Set<string>()
  cwnd: () => number = () => this.told

  override cwndChanged(_id: number, _now: number, cwnd: number, _ssthresh: number, reason: string): void {
    this.told = cwnd
    this.reasons.add(reason)
  }

  override segmentReceived(): void {
    if (this.told > 0 && this.cwnd() !== this.told) this.untold++
  }

  override segmentSent(): void {
    this.segmentReceived()
  }
}

describe('a tracer', () => {
  it.each([
    ['reno', ['slow start', 'recovery, prr', 'congestion avoidance']],
    ['cubic', ['slow start', 'recovery, prr', 'congestion avoidance']],
    ['westwood', ['slow start', 'recovery, prr', 'congestion avoidance']],
    ['vegas', ['slow start', 'recovery, prr', 'congestion avoidance']],
    ['bbr', ['STARTUP', 'DRAIN', 'PROBE_BW', 'recovery']],
    ['bbr3', ['STARTUP', 'PROBE_UP', 'recovery']],
  ])('is told of each change of the window of %s, and why', (congestionControl, reasons) => {
    const rate = 3 * MBIT
    const tracer = new Windows()
    const run = new Flows({
      rate,
      rttMs: 40,
      queue: 2 * bdp(rate, 40),
      loss: 0.003,
      tracer,
      flows: [{ congestionControl }],
    })
    run.run(500)
    tracer.cwnd = () => run.flows[0].connection.cc.cwnd
    run.run(6000)
    expect(tracer.untold).toBe(0)
    expect([...tracer.reasons]).toEqual(expect.arrayContaining(reasons))
  })
})

it('tells of the states of a controller, as objects', () => {
  const rate = 3 * MBIT
  const run = new Flows({ rate, rttMs: 40, queue: 4 * bdp(rate, 40), flows: [{ congestionControl: 'bbr' }] })
  const states: string[] = []
  run.client.trace((event) => {
    if (event.type === 'cc-state') states.push(`${event.name}: ${event.from} > ${event.to}`)
  })
  run.run(2500)
  expect(states.slice(0, 3)).toEqual(['bbr:  > STARTUP', 'bbr: STARTUP > DRAIN', 'bbr: DRAIN > PROBE_BW'])
})

describe('bbr', () => {
  const rate = 10 * MBIT
  const states = new States()
  const run = new Flows({
    ...{ rate, rttMs: 40, queue: 4 * bdp(rate, 40), tracer: states },
    flows: [{ congestionControl: 'bbr' }],
  })
  const gains: number[] = []
  const rtts: number[] = []
  let least = Infinity
  run.run(26_000, 10, (ms) => {
    const info = run.flows[0].endpoint.info()
    if (info.cc.state === 'PROBE_RTT') least = Math.min(least, run.flows[0].connection.cc.cwnd)
    if (ms > 3000 && ms < 9000 && gains.at(-1) !== info.cc.pacing_gain) gains.push(info.cc.pacing_gain as number)
    if (ms > 3000) rtts.push(info.rtt / 1000)
  })

  it('finds the rate in STARTUP, empties the queue in DRAIN, then probes', () => {
    expect(states.changes.slice(0, 4).map(({ to }) => to)).toEqual(['STARTUP', 'DRAIN', 'PROBE_BW', 'PROBE_RTT'])
    expect(states.changes[2].ms).toBeLessThan(1500)
    expect((run.flows[0].endpoint.info().cc.bw as number) / (rate / 8) / PAYLOAD).toBeCloseTo(1, 1)
  })

  it('goes through its gains in order: a quarter more, a quarter less, as it is', () => {
    const first = gains.indexOf(1.25)
    expect(gains.slice(first, first + 9)).toEqual([1.25, 0.75, 1, 1.25, 0.75, 1, 1.25, 0.75, 1])
  })

  it('looks at the bare round trip every ten seconds, for 200 ms and a round trip, with four segments', () => {
    const at = states.changes.filter(({ to }) => to === 'PROBE_RTT').map(({ ms }) => ms)
    expect(at.length).toBe(2)
    expect(at[1] - at[0]).toBeGreaterThan(10_000)
    expect(at[1] - at[0]).toBeLessThan(10_600)
    for (const from of at) {
      const until = (states.changes.find(({ ms }) => ms > from) as { ms: number }).ms
      expect(until - from).toBeGreaterThanOrEqual(200)
      expect(until - from).toBeLessThan(350)
    }
    expect(least).toBe(4 * run.flows[0].connection.sender.mss)
  })

  it('keeps the queue short where it could be four round trips long', () => {
    rtts.sort((a, b) => a - b)
    expect(rtts[rtts.length >> 1]).toBeLessThan(1.3 * 40)
  })

  it('takes a step of the rate up within three seconds, and down within five', () => {
    const step = new Flows({ rate, rttMs: 40, queue: 500_000, flows: [{ congestionControl: 'bbr' }] }).run(8000)
    step.setRate(2 * rate)
    step.run(11_000)
    const [up] = step.goodput(12_000)
    expect(up / (2 * rate * PAYLOAD)).toBeGreaterThan(0.9)
    step.setRate(rate)
    step.run(17_000)
    expect(step.flows[0].endpoint.info().rtt / 1000).toBeLessThan(1.3 * 40)
  })

  it('loses no more to random loss than what is lost', () => {
    const goodput = (congestionControl: string, loss: number) => {
      const lossy = new Flows({ rate, rttMs: 50, queue: bdp(rate, 50), loss, flows: [{ congestionControl }] }).run(2000)
      return lossy.goodput(8000)[0] / (rate * PAYLOAD * (1 - loss))
    }
    expect(goodput('bbr', 0.05)).toBeGreaterThan(0.85)
    expect(goodput('cubic', 0.05)).toBeLessThan(0.2)
  })
})

describe('westwood', () => {
  it('falls to what the path was carrying, after a loss by chance, not to half', () => {
    const rate = 10 * MBIT
    const seen: { ssthresh: number; bdp: number }[] = []
    const tracer = new (class extends BaseTracer {
      override caStateChanged(_id: number, _now: number, from: number, to: number): void {
        if (from !== CaState.Recovery || to !== CaState.Open) return
        const { cc } = run.flows[0].connection
        const { bw_est, rtt_min } = run.flows[0].endpoint.info().cc
        seen.push({ ssthresh: cc.ssthresh, bdp: Math.max((Number(bw_est) * Number(rtt_min)) / 1e6, 2 * 1436) })
      }
    })()
    const run: Flows = new Flows({ rate, rttMs: 40, loss: 0.02, tracer, flows: [{ congestionControl: 'westwood' }] })
    run.run(10_000)
    expect(seen.length).toBeGreaterThan(5)
    for (const { ssthresh, bdp } of seen) expect(Math.abs(ssthresh - bdp)).toBeLessThan(2 * 1436)
  })
})

describe('two flows on one link', () => {
  it.each([
    ['cubic', 0.6],
    ['bbr', 0.65],
  ])('of %s share it', (congestionControl, most) => {
    const rate = 10 * MBIT
    const options = { rate, rttMs: 40, queue: 2 * bdp(rate, 40) }
    const run = new Flows({ ...options, flows: [{ congestionControl }, { congestionControl, startMs: 2000 }] })
    const [a, b] = run.run(30_000).goodput(45_000)
    expect(Math.max(a, b) / (a + b)).toBeLessThan(most)
    expect(a + b).toBeGreaterThan(0.85 * rate)
  })
})

describe('explicit congestion notification', () => {
  it.each(['cubic', 'reno', 'bbr3', 'westwood'])(
    '[rfc3168#6.1.2] marks, not losses, slow %s down',
    (congestionControl) => {
      const run = new Flows({
        ...{ rate: 20 * MBIT, rttMs: 20, flows: [{ congestionControl }], sysctl: { tcp_ecn: 1 } },
        impair: { out: { loss: 0.01, ecn: true } },
      }).run(4000)
      const info = run.flows[0].endpoint.info()
      expect(info.options & 8).toBe(8)
      expect(info.delivered_ce).toBeGreaterThan(10)
      expect(run.client.counters().TCPDeliveredCE).toBe(info.delivered_ce)
      // Only what is not ECN-capable can be lost, and no data is sent a second time.
      expect(info.total_retrans).toBe(0)
      if (congestionControl !== 'bbr3') expect(info.snd_ssthresh).toBeLessThan(2 ** 31 - 1)
    },
  )
})

describe('a controller', () => {
  it('is changed while the connection runs, and goes on with the window and the rate that it finds', () => {
    const rate = 20 * MBIT
    const run = new Flows({ rate, rttMs: 40, queue: bdp(rate, 40), flows: [{ congestionControl: 'cubic' }] }).run(3000)
    const [flow] = run.flows
    for (const name of ['bbr', 'reno', 'bbr3', 'vegas', 'cubic']) {
      const before = flow.connection.cc.cwnd
      flow.endpoint.setCongestionControl(name)
      expect(flow.endpoint.info().cc.name).toBe(name)
      expect(flow.connection.cc.cwnd).toBe(before)
      run.run(run.world.nowUs / 1000 + 300)
      const [after] = run.goodput(run.world.nowUs / 1000 + 1000)
      expect(after / (rate * PAYLOAD), name).toBeGreaterThan(0.7)
    }
  })

  it('that fails is replaced by reno, counted and said once; the transfer goes on', async () => {
    const warnings: Error[] = []
    const hear = (warning: Error) => warnings.push(warning)
    process.on('warning', hear)
    afterAll(() => void process.off('warning', hear))
    registerCongestionControl('goes-mad', ({ initialWindow }) => ({
      ...{ name: 'goes-mad', cwnd: initialWindow, ssthresh: Infinity, pacingBps: 0, ownsRecovery: false },
      onAck({ delivered }) {
        this.cwnd = this.cwnd > 100_000 ? Number.NaN : this.cwnd + delivered
      },
    }))
    const flows = [{ congestionControl: 'goes-mad' }, { congestionControl: 'goes-mad' }]
    const run = new Flows({ rate: 10 * MBIT, rttMs: 40, queue: 100_000, flows }).run(4000)
    expect(run.client.counters().CongestionControlFaults).toBe(2)
    expect(run.flows.map((flow) => flow.endpoint.info().cc)).toMatchObject([
      { name: 'reno', replaced: 'goes-mad' },
      { name: 'reno', replaced: 'goes-mad' },
    ])
    const [a, b] = run.goodput(6000)
    expect(a + b).toBeGreaterThan(0.8 * 10 * MBIT)
    await new Promise(setImmediate)
    expect(warnings.map(({ message }) => message)).toEqual([
      "Congestion control 'goes-mad' failed in onAck: cwnd is NaN. Its connections go on with reno.",
    ])
  })
})
