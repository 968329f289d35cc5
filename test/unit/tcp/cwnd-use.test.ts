import { describe, expect, it } from 'vitest'
import { CLASSIC, data, established, type Script, segments } from '../../support/script.ts'

// What is in flight, and when a window counts as used: rfc5681#3.1, rfc2861#3, rfc6928#2, linux: tcp_cwnd_validate.

/** Ten segments of window, above the threshold: it grows by one in a round trip, if it is used. */
function avoiding(): Script {
  const s = established({ connection: { sndbuf: 1_000_000 }, sysctl: CLASSIC })
  s.c.cc.ssthresh = 5000
  return s
}

describe('the use of the congestion window', () => {
  it('[rfc5681#3.1] no more is in flight than it allows', () => {
    const s = avoiding()
      .write(50_000)
      .expectSent(...segments(10, 1))
    s.at(100)
      .inject({ ack: 2001 })
      .expectSent(...segments(2, 10_001))
      .inject({ ack: 3001 })
      .expectSent(data(12_001, 13_001))
  })

  it('[rfc2861#3] a window that is full grows', () => {
    const s = avoiding().write(50_000)
    s.drain()
    s.at(100).inject({ ack: 10_001 })
    expect(s.cwndSegs).toBe(11)
  })

  it('linux: so does one that is filled to the last segment, with nothing left to send', () => {
    const s = avoiding().write(10_000)
    s.drain()
    s.at(100).inject({ ack: 10_001 })
    expect(s.cwndSegs).toBe(11)
  })

  it('[rfc2861#3] one that is not does not', () => {
    const s = avoiding().write(6000)
    s.drain()
    s.at(100).inject({ ack: 6001 })
    expect(s.cwndSegs).toBe(10)
  })

  it('linux: in slow start half of it is enough', () => {
    const half = established({ sysctl: CLASSIC }).write(6000)
    half.drain()
    expect(half.inject({ ack: 6001 }).cwndSegs).toBe(16)
    const less = established({ sysctl: CLASSIC }).write(5000)
    less.drain()
    expect(less.inject({ ack: 5001 }).cwndSegs).toBe(10)
  })

  it('[rfc2861#3.2] linux: what the application leaves unused for a round trip and more is halved away', () => {
    const s = avoiding()
    s.c.cc.cwnd = 40_000
    s.write(40_000).drain()
    s.at(100).inject({ ack: 40_001 })
    const before = s.cwndSegs
    for (let i = 1; i <= 30; i++) {
      s.write(1000).drain()
      s.after(50).inject({ ack: 40_001 + i * 1000 })
      s.drain()
    }
    expect(s.cwndSegs).toBeLessThan(before / 2)
    expect(s.cwndSegs).toBeGreaterThanOrEqual(10)
  })

  it('linux: what it uses is seen when all that can has left, not at the first segment of many', () => {
    const s = avoiding().write(10_000)
    s.drain()
    s.at(100).inject({ ack: 10_001 })
    expect(s.cwndSegs).toBe(11)
    s.at(150).write(1000).expectSent(data(10_001, 11_001)).at(250).inject({ ack: 11_001 })
    s.at(320)
      .write(11_000)
      .expectSent(...segments(11, 11_001))
    expect(s.cwndSegs).toBe(11)
  })

  it('[rfc6928#2] tcp_init_cwnd is what it begins with, [rfc3390#1] or two to four segments', () => {
    const first = (tcp_init_cwnd: number | 'rfc3390', mss = 1000) =>
      established({ mss, sysctl: { tcp_init_cwnd } }).cwndSegs
    expect([first(1), first(10), first(30)]).toEqual([1, 10, 30])
    expect([first('rfc3390', 500), first('rfc3390', 1460), first('rfc3390', 2200)].map(Math.floor)).toEqual([4, 3, 3])
  })
})
