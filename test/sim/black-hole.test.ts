import { describe, expect, it } from 'vitest'
import { type EndPlan, runTransfer, type TransferPlan } from '../support/transfer.ts'

// A path that swallows datagrams above a size without a word: rfc4821#7.6, rfc8899#4.4.

const idle: EndPlan = { size: 0, chunk: 1, endsLast: true, readEveryUs: 0 }

function through(size: number, plan: Partial<TransferPlan> = {}): ReturnType<typeof runTransfer> {
  return runTransfer({
    seed: 1,
    link: { delay: 20 },
    weather: { there: { holes: [{ from: 0, to: 1e9, size }] } },
    client: { ...idle, size: 200_000, chunk: 10_000, endsLast: false },
    server: idle,
    clientStack: {},
    serverStack: {},
    ...plan,
  })
}

describe('a black hole', () => {
  it('[rfc4821#7.6] segments fall to tcp_base_mss after tcp_retries1 timeouts, and get through', () => {
    const { client, durationUs } = through(1200)
    expect(client.mib.TCPTimeouts).toBe(3)
    expect(durationUs).toBeLessThan(10_000_000)
  })

  it('found by chance: small segments are not packed into datagrams that are too large again', () => {
    // Two of them fill a datagram of 1472 bytes.
    const sysctl = { tcp_base_mss: 600 }
    const { client, durationUs } = through(667, { clientStack: { sysctl } })
    expect(client.mib.TCPTimeouts).toBe(3)
    expect(durationUs).toBeLessThan(10_000_000)
  })

  it('found by chance: nor are they where the peer announced small ones, which fit from the beginning', () => {
    const { client, durationUs } = through(909, { serverStack: { mtu: 860 } })
    expect(client.mib).toMatchObject({ TCPTimeouts: 0, RetransSegs: 0 })
    expect(durationUs).toBeLessThan(10_000_000)
  })

  it('[rfc4821#7.2] with tcp_mtu_probing 2 nothing is lost in it but what finds out how large it is', () => {
    const sysctl = { tcp_base_mss: 600, tcp_mtu_probing: 2 }
    const { client } = through(667, { clientStack: { sysctl } })
    expect(client.mib.TCPTimeouts).toBe(0)
    expect(client.mib.TCPMTUPFail).toBeGreaterThan(0)
    // Each is sent again in two pieces, or three.
    expect(client.mib.RetransSegs).toBeLessThanOrEqual(3 * client.mib.TCPMTUPFail)
  })

  it('[rfc4821#7.3] and then segments grow again to what gets through', () => {
    const { client } = through(1200, { client: { ...idle, size: 1_000_000, chunk: 10_000, endsLast: false } })
    expect(client.mib.TCPMTUPSuccess).toBeGreaterThan(0)
    expect(client.mib.TCPTimeouts).toBe(3)
  })

  it('tcp_mtu_probing 0: a hole is waited out', () => {
    const { client } = through(1200, {
      clientStack: { sysctl: { tcp_mtu_probing: 0 } },
      weather: { there: { holes: [{ from: 0, to: 10_000, size: 1200 }] } },
    })
    expect(client.mib.TCPTimeouts).toBeGreaterThan(3)
  })
})
