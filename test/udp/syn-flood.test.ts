import { describe, expect, it } from 'vitest'
import { flood } from '../support/syn-flood.ts'

// `scripts/shows.ts syn-flood` does the same with 100,000.
const syns = 20_000

describe('a flood of SYNs', () => {
  it('without cookies: most who come meanwhile are not served within 3 s, and the counters say why', async () => {
    const { outcomes, counters } = await flood({ syns, tcp_syncookies: 0, clients: 20, patienceMs: 3000 })
    expect(outcomes.filter((options) => options !== null).length).toBeLessThan(10)
    expect(counters.ListenDrops).toBeGreaterThan(1000)
    expect(counters.ListenDrops).toBeGreaterThanOrEqual(counters.TCPReqQFullDrop)
    expect(counters.SyncookiesSent).toBe(0)
  })

  it('with cookies: everybody is served, with window scaling and SACK, and it costs neither memory nor answers', async () => {
    const { outcomes, grown, sent, received, counters } = await flood({
      syns,
      tcp_syncookies: 1,
      clients: 60,
      patienceMs: 10_000,
    })
    // Timestamps, SACK, window scaling.
    expect(outcomes).toEqual(Array(60).fill(7))
    expect(counters.SyncookiesSent).toBeGreaterThan(1000)
    expect(counters.SyncookiesRecv).toBeGreaterThan(0)
    expect(counters.SyncookiesFailed).toBe(0)
    expect(grown).toBeLessThan(5_000_000)
    expect(received).toBeLessThanOrEqual(sent * 1.2)
  })
})
