import { describe, expect, it } from 'vitest'
import { Rng } from '../../src/impair/index.ts'
import { CaState } from '../../src/tcp/index.ts'
import { Recorder } from '../support/recorder.ts'
import { type EndPlan, runTransfer, type TransferHooks, type TransferPlan } from '../support/transfer.ts'

// How fast whole connections recover, in round trips: rfc8985 (RACK-TLP), rfc9937 (PRR), rfc5682 (F-RTO), rfc4015 (Eifel response).

const MSS = 1436
const idle: EndPlan = { size: 0, chunk: 1, endsLast: true, readEveryUs: 0 }
const TICK_US = 1000

interface Shown {
  client: Recorder
  mib: Record<string, number>
  overflowed: number
}

/**
 * From the client to the server. Of the full segments that it sends from the `first` on, counted from 0, those at `lost` do not arrive the first
 * time. Where it sends its window at once, `first` is moved to the beginning of the next.
 */
function show(
  plan: Partial<TransferPlan> & { size: number },
  lost: Iterable<number> = [],
  first = 0,
  begin: TransferHooks['begin'] = () => {},
): Shown {
  const { size, ...rest } = plan
  const client = new Recorder()
  const toLose = new Set(lost)
  const result = runTransfer(
    {
      seed: 1,
      link: { delay: 10 },
      client: { size, chunk: 65_536, endsLast: false, readEveryUs: 0 },
      server: idle,
      clientStack: {},
      serverStack: {},
      ...rest,
    },
    {
      clientTracer: client,
      begin: (scene) => {
        const [from, to] = scene.hosts
        let next = 0
        let lastUs = 0
        let from0 = first === 0 ? 0 : Infinity
        if (toLose.size > 0) {
          scene.net.link(from, to).tap = (datagram) => {
            // One full segment fills a datagram. Its sequence number lies behind shim and ports.
            const [connection] = scene.connections()
            const position = (datagram.readInt32BE(8) - (connection?.sender.iss ?? 0) - 1) / MSS
            if (datagram.length < MSS || position < next) return true
            const { nowUs } = scene.world
            const spread = rest.link?.rate !== undefined
            if (position >= first && from0 === Infinity && (spread || nowUs - lastUs > 10_000)) from0 = position
            next = position + 1
            lastUs = nowUs
            return !toLose.delete(position - from0)
          }
        }
        begin(scene)
      },
    },
  )
  expect(toLose.size).toBe(0)
  return { client, mib: result.client.counters(), overflowed: result.overflowed }
}

const RTT_US = 20_000

describe('the tail of a flight of ten segments is lost, at 20 ms', () => {
  const size = 10 * MSS

  it('[rfc8985#7.3] the last two: complete within five round trips, by one probe and no timeout', () => {
    const { client, mib } = show({ size }, [8, 9])
    const began = client.sent[0].us
    // The last segment goes again as the probe; its SACK tells of the one before it.
    expect(client.again.map(({ from }) => from / MSS)).toEqual([9, 8])
    const delivered = (client.again.at(-1)?.us ?? Infinity) + RTT_US / 2
    expect((delivered - began) / RTT_US).toBeLessThanOrEqual(5)
    expect(mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 0, RetransSegs: 2, TCPSackRecovery: 1 })
  })

  it('[rfc8985#7.2] the last one: no later than the probe timeout, and by a probe', () => {
    const { client, mib } = show({ size }, [9])
    const acked = client.ackedAt(9 * MSS)
    const [probe] = client.again
    // PTO = 2 SRTT and the longest delayed ACK, for one segment is out; but never later than the retransmission timer.
    expect(probe.us - acked).toBeLessThanOrEqual(2 * RTT_US + 200_000 + TICK_US)
    expect(probe.us - acked).toBeGreaterThanOrEqual(2 * RTT_US)
    expect(mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 0, RetransSegs: 1 })
  })

  it('without the probe it takes a timeout', () => {
    const { mib } = show({ size, clientStack: { sysctl: { tcp_early_retrans: 0 } } }, [8, 9])
    expect(mib).toMatchObject({ TCPLossProbes: 0, TCPTimeouts: 1 })
  })
})

describe.each([1, 2, 3, 4, 5, 6])('[rfc9937#6] ten of a window of 200 segments are lost by chance: seed %i', (seed) => {
  describe.each(['prr', 'rate_halving', 'rfc6675', 'rfc5681'])('with cwnd_reduction %s', (cwnd_reduction) => {
    it.each([
      ['sent at once', {}],
      // 200 segments in a round trip of 100 ms.
      ['spread over the round trip', { rate: 200 * 10 * (MSS + 32) * 8, queue: 1000 }],
    ])('%s: recovered within three round trips', (_, bottleneck) => {
      const rng = new Rng(seed)
      const lost = new Set<number>()
      while (lost.size < 10) lost.add(rng.nextInt(200))
      const buffers = [4096, 2 ** 22, 2 ** 22]
      const sysctl = { tcp_rmem: buffers, tcp_wmem: buffers, cwnd_reduction }
      const stack = { sysctl, mtu: 1500 }
      const plan = {
        size: 4000 * MSS,
        link: { delay: 50, ...bottleneck },
        back: { delay: 50 },
        hosts: { rmemMax: 2 ** 22 },
        clientStack: stack,
        serverStack: stack,
      }
      const { client, mib, overflowed } = show(plan, lost, 2000, ({ world, connections }) => {
        world.at(500_000, () => {
          const [connection] = connections()
          if (connection === null) return
          // Congestion avoidance begins with a window of 195, which is full: some 200 when the first is lost.
          connection.cc.cwnd = 195 * MSS
          connection.cc.ssthresh = 195 * MSS
          // Or whoever watches the window takes it for one that grew too fast.
          connection.initialWindow = 195 * MSS
        })
      })
      expect(overflowed).toBe(0)
      const began = client.caStates.find(({ to }) => to === CaState.Recovery)?.us ?? Infinity
      const ended = client.caStates.find(({ from }) => from === CaState.Recovery)?.us ?? Infinity
      expect((ended - began) / 100_000).toBeLessThanOrEqual(3)
      expect(mib).toMatchObject({ RetransSegs: 10, TCPTimeouts: 0, TCPSackRecovery: 1 })
    })
  })
})

describe('[rfc8985#6.2] a tenth of the segments comes late, by up to a quarter of the round trip', () => {
  it.each([2, 4, 7, 10])('by %i ms of 40: fewer than one in a thousand is sent again', (by) => {
    const { mib } = show({
      size: 20 * 2 ** 20,
      link: { delay: 20, reorder: { probability: 0.1, by } },
      back: { delay: 20 },
    })
    expect(mib.TCPSACKReorder).toBeGreaterThan(0)
    expect(mib.RetransSegs / mib.TCPOrigDataSent).toBeLessThan(0.001)
  })
})

describe('everything is held up for 1.5 seconds', () => {
  const FROM_US = 1_000_000
  const TO_US = 2_500_000

  describe.each([
    ['timestamps: Eifel', {}],
    ['no timestamps: F-RTO', { tcp_timestamps: 0 }],
    ['neither timestamps nor F-RTO: D-SACK', { tcp_timestamps: 0, tcp_frto: 0 }],
  ])('%s', (_, sysctl) => {
    it.each(['data', 'acknowledgements'])('%s: the window is back within a round trip', (held) => {
      const { client, mib, overflowed } = show(
        {
          size: 12 * 2 ** 20,
          link: { delay: 50 },
          clientStack: { sysctl },
          // A window of 209 segments: it is full all the time.
          serverStack: { sysctl: { tcp_rmem: [4096, 600_000, 600_000] } },
          hosts: { rmemMax: 2 ** 22 },
        },
        [],
        0,
        ({ world, net, hosts: [a, b] }) => {
          const link = held === 'data' ? net.link(a, b) : net.link(b, a)
          link.tap = (datagram, flow) => {
            if (world.nowUs < FROM_US || world.nowUs >= TO_US) return true
            const copy = Buffer.from(datagram)
            world.at(TO_US, () => link.transmit(copy, 0, copy.length, flow))
            return false
          }
        },
      )
      expect(overflowed).toBe(0)
      expect(mib.TCPTimeouts).toBeGreaterThan(0)
      const before = client.cwnds.filter(({ us }) => us < FROM_US).at(-1)
      const after = client.cwnds.filter(({ us }) => us <= TO_US + 2 * 100_000).at(-1)
      expect(before?.cwnd).toBeGreaterThan(100 * MSS)
      expect(after?.cwnd).toBeGreaterThanOrEqual(before?.cwnd ?? Infinity)
      expect(after?.ssthresh).toBe(before?.ssthresh)
      expect(mib.TCPLossUndo + mib.TCPDSACKUndo).toBeGreaterThan(0)
    })
  })
})
