import { describe, expect, it } from 'vitest'
import { CaState } from '../../src/tcp/index.ts'
import { Recorder } from '../support/recorder.ts'
import { type EndPlan, runTransfer, type TransferResult } from '../support/transfer.ts'

// An event loop that is busy with something else for half a second every two seconds, and nothing lost on the way. Node fires the timers that
// have come due meanwhile before it reads what has come.

const STALLS = [2000, 4000, 6000].map((at) => ({ at, ms: 500 }))
const US = 1000

interface Shown {
  client: Recorder
  result: TransferResult
}

const LOOPBACKS = [
  { name: 'large segments', mtu: 16_384, rate: 80_000_000, bytes: 70_000_000 },
  { name: 'segments of 1500', mtu: 1500, rate: 20_000_000, bytes: 17_500_000 },
]

function show({ mtu, rate, bytes }: (typeof LOOPBACKS)[number], stalled: 'client' | 'server', sysctl = {}): Shown {
  const client = new Recorder()
  const end: EndPlan = { size: 0, chunk: 65_536, endsLast: true, readEveryUs: 0 }
  const stalls = (who: string): Partial<EndPlan> => (who === stalled ? { stalls: STALLS } : {})
  const result = runTransfer(
    {
      seed: 1,
      link: { delay: 0.02, rate, queue: 10_000 },
      back: { delay: 0.02 },
      client: { ...end, size: bytes, endsLast: false, ...stalls('client') },
      server: { ...end, ...stalls('server') },
      clientStack: { mtu, sysctl },
      serverStack: { mtu },
    },
    { clientTracer: client },
  )
  expect(result.durationUs).toBeGreaterThan(7_000_000)
  expect(result.overflowed).toBe(0)
  return { client, result }
}

describe.each(LOOPBACKS)('a clean transfer with $name', (loopback) => {
  it('the sender stalls: nothing is sent again', () => {
    const { mib } = show(loopback, 'client').result.client
    expect(mib).toMatchObject({ RetransSegs: 0, TCPTimeouts: 0, TCPLossProbes: 0 })
  })

  describe.each([
    ['timestamps', {}],
    ['no timestamps', { tcp_timestamps: 0 }],
  ])('the receiver stalls, with %s', (_, sysctl) => {
    const { client, result } = show(loopback, 'server', sysctl)
    const { mib } = result.client

    it('at most one probe and one timeout for each time, all of them undone', () => {
      for (const { at, ms } of STALLS) {
        // What was in the air when it began, and what it led to.
        const during = client.timers.filter(({ us }) => us >= at * US && us < (at + ms + 100) * US)
        expect(during.filter(({ timer }) => timer === 'probe').length).toBeLessThanOrEqual(1)
        expect(during.filter(({ timer }) => timer === 'retransmit').length).toBeLessThanOrEqual(1)
      }
      expect(client.caStates.some(({ to }) => to === CaState.Recovery)).toBe(false)
      expect(client.caStates.at(-1)?.to).toBe(CaState.Open)
      expect(mib.TCPTimeouts).toBeGreaterThan(0)
      expect(mib.TCPLossUndo).toBe(mib.TCPTimeouts)
      expect(mib.RetransSegs).toBeLessThanOrEqual(2 * STALLS.length)
    })

    it('the window is restored', () => {
      for (const { at, ms } of STALLS) {
        // The initial window may never have changed.
        const before = client.cwnds.filter(({ us }) => us < at * US).at(-1) ?? { cwnd: 1, ssthresh: Infinity }
        const after = client.cwnds.filter(({ us }) => us < (at + ms + 10) * US).at(-1)
        expect(after?.cwnd).toBeGreaterThanOrEqual(before.cwnd)
        // linux: tcp_undo_cwnd_reduction; of the two thresholds the higher one.
        expect(after?.ssthresh).toBeGreaterThanOrEqual(before.ssthresh)
      }
    })
  })
})
