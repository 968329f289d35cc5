import { describe, expect, it } from 'vitest'
import { ack, CLASSIC, data, established, type Script, type ScriptOptions } from '../../support/script.ts'

// The window after a silence: rfc5681#4.1, rfc2861#3.1, linux: tcp_cwnd_restart.

/** A connection whose window has grown to forty segments, with everything acknowledged, 100 ms a round trip. */
function grown(options: ScriptOptions = {}): Script {
  const s = established({ ...options, connection: { sndbuf: 1_000_000 }, sysctl: { ...CLASSIC, ...options.sysctl } })
  for (let i = 0, end = 1; i < 2; i++) {
    const bytes = s.c.cc.cwnd
    end += bytes
    s.write(bytes).drain()
    s.after(100).inject({ ack: end }).expectSent()
  }
  expect(s.cwndSegs).toBe(40)
  return s.restart()
}

const windowAfter = (idle: number, options: ScriptOptions = {}): number => {
  const s = grown(options)
  s.at(idle).write(1).drain()
  return s.cwndSegs
}

describe('a connection that was idle', () => {
  it('[rfc5681#4.1] [rfc2861#3.1] linux: has half its window for each RTO, but never less than it began with', () => {
    // Data was sent last at −100 ms; the RTO is 300 ms.
    expect([199, 201, 500, 501, 801, 60_000].map((idle) => windowAfter(idle))).toEqual([40, 20, 20, 10, 10, 10])
  })

  it('[rfc5681#4.1] counts from what it sent, not from what it heard', () => {
    const s = grown()
    for (let t = 100; t < 5000; t += 100) {
      s.elapse(t).drain()
      s.inject({ len: 10 }).drain()
    }
    s.write(1).drain()
    expect(s.cwndSegs).toBe(10)
  })

  it('tcp_slow_start_after_idle 0 leaves the window as it is', () => {
    expect(windowAfter(60_000, { sysctl: { tcp_slow_start_after_idle: 0 } })).toBe(40)
  })

  it('never gains', () => {
    const s = established({ sysctl: { ...CLASSIC, tcp_init_cwnd: 10 } }).write(10_000)
    s.drain()
    s.expectAt(300, data(1, 1001)).inject({ ack: 10_001 })
    const before = s.c.cc.cwnd
    expect(before).toBeLessThan(10_000)
    s.at(100_000).write(1)
    expect(s.c.cc.cwnd).toBe(before)
  })

  it('linux: climbs back quickly to three quarters of what it had', () => {
    const s = grown()
    s.write(40_000).drain()
    s.at(100).repeat(3, { ack: 30_001 })
    s.drain()
    s.inject({ ack: 70_001 })
    s.write(1000).drain()
    s.inject({ ack: 71_001 })
    s.drain()
    const { cwnd, ssthresh } = s.c.cc
    expect([cwnd, ssthresh]).toEqual([20_000, 20_000])
    s.at(100_000).write(1).drain()
    expect(s.c.cc.cwnd).toBe(10_000)
    expect(s.c.cc.ssthresh).toBe(20_000)
  })

  it('is not idle while something is outstanding', () => {
    const s = grown({ sysctl: { tcp_rto_min_us: 2_000_000 } })
    s.write(1).drain()
    s.at(1500).write(2000).drain()
    expect(s.cwndSegs).toBe(40)
    s.inject({ len: 1 }).expectSent(ack(2))
  })
})
