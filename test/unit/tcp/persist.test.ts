import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { CLASSIC, data, established, type Script, type ScriptOptions, segments } from '../../support/script.ts'

// Windows closed or too small to use: rfc9293#3.8.6.1, #3.8.6.2.1, linux: tcp_probe_timer, tcp_send_probe0.

/** A bare segment just below SND.UNA, as linux probes. */
const probe = (seq = 0) => ({ flags: '.', seq, len: 0 })

const shut = (options: ScriptOptions = {}): Script => established({ sndWnd: 0, ...options })

describe('zero window', () => {
  it('[rfc9293#3.8.6.1 MUST-36] is probed, [SHLD-29] first after one RTO, [SHLD-30] then ever more seldom', () => {
    const s = shut().write(100).expectSent()
    for (const t of [300, 900, 2100, 4500]) s.expectAt(t, probe())
    expect(s.mib).toMatchObject({ TCPWinProbe: 4, TCPTimeouts: 0 })
    expect(s.c.info(s.nowUs)).toMatchObject({ probes: 4, backoff: 4 })
  })

  it('[rfc9293#3.8.6.1 MUST-37] for ever, while the peer answers', () => {
    const s = shut().write(100)
    let t = 0
    for (let i = 0; i < 60; i++) {
      t += Math.min(300 * 2 ** i, 120_000)
      s.expectAt(t, probe()).inject({}).expectSent()
    }
    expect(t).toBeGreaterThan(6000_000)
    s.inject({ wnd: 5000 }).expectSent(data(1, 101)).inject({ ack: 101 }).expectQuiet()
  })

  it('linux: and gives up after tcp_retries2 probes that nobody answered', () => {
    const s = shut({ sysctl: { tcp_retries2: 3 } }).write(100)
    for (const t of [300, 900, 2100]) s.expectAt(t, probe())
    s.at(4499).expectState(State.ESTABLISHED).at(4500).expectState(State.CLOSE).expectSent().expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
    expect(s.mib.TCPAbortOnTimeout).toBe(1)
  })

  it('linux: TCP_USER_TIMEOUT ends it though every probe is answered', () => {
    const s = shut().do((c) => {
      c.userTimeoutMs = 2000
    })
    s.write(100)
    for (const t of [300, 900, 2100]) s.expectAt(t, probe()).inject({}).expectSent()
    s.at(4499).expectState(State.ESTABLISHED).at(4500).expectState(State.CLOSE)
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
  })

  it('ends with the ACK that opens it', () => {
    const s = shut()
      .write(2500)
      .expectAt(300, probe())
      .at(310)
      .inject({ wnd: 2000 })
      .expectSent(...segments(2, 1))
    s.at(400).inject({ ack: 2001, wnd: 2000 }).expectSent(data(2001, 2501)).inject({ ack: 2501 }).expectQuiet()
  })

  it('begins anew with one RTO', () => {
    const s = shut()
      .write(1000)
      .expectAt(300, probe())
      .expectAt(900, probe())
      .inject({ wnd: 2000 })
      .expectSent(data(1, 1001))
    s.at(1000)
      .inject({ ack: 1001, wnd: 0 })
      .write(10)
      .expectSent()
      .expectAt(1300, probe(1000))
      .expectAt(1900, probe(1000))
  })

  it('nothing to send, nothing to probe', () => {
    shut().expectQuiet()
    established().inject({ wnd: 0 }).expectQuiet()
  })

  it('holds back the FIN too', () => {
    const s = shut().end().expectSent().expectState(State.FIN_WAIT1).expectAt(300, probe())
    s.inject({ wnd: 1 }).expectSent({ flags: 'F.', seq: 1 })
    const filled = established({ sndWnd: 500 }).write(500).expectSent(data(1, 501)).end().expectSent()
    filled.inject({ ack: 501 }).expectSent({ flags: 'F.', seq: 501 })
  })

  it('[rfc9293#3.8.6 MUST-35] [MAY-7] is probed by the oldest segment where the window shrank over what was sent', () => {
    const s = established({ sysctl: CLASSIC }).write(3000)
    s.drain()
    s.inject({ wnd: 0 }).expectAt(300, data(1, 1001)).expectAt(900, data(1, 1001))
    s.inject({ ack: 1, wnd: 3000 }).expectSent().expectAt(2100, data(1, 1001)).inject({ ack: 3001 }).expectQuiet()
  })

  it('linux: does not hold an orphan for ever, though the peer answers', () => {
    const s = shut({ rtt: 1 }).write(100).close()
    let t = 0
    for (let i = 0; i < 10; i++) {
      t += 201 * 2 ** i
      s.expectAt(t, probe()).inject({}).expectSent()
    }
    s.at(t + 120_000)
      .expectState(State.CLOSE)
      .expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
  })
})

describe('a window too small to be worth it', () => {
  it('[rfc9293#3.8.6.2.1 MUST-38] is not used: the sender waits for a segment or half the largest window', () => {
    const s = established({ sndWnd: 1500 }).write(5000)
    // Half of the largest window seen is the segment size here (linux: tcp_bound_to_half_wnd).
    s.expectSent(data(1, 751), data(751, 1501)).at(10).inject({ ack: 1501, wnd: 700 }).expectSent()
    s.inject({ wnd: 750 }).expectSent(data(1501, 2251))
  })

  it('[rfc9293#3.8.6.2.1] until the override timer, one RTO later, each time', () => {
    const s = established({ sysctl: CLASSIC }).inject({ wnd: 100 }).write(2000).expectSent().expectAt(300, data(1, 101))
    expect(s.c.info(s.nowUs).rto).toBe(300_000)
    s.at(400).inject({ ack: 101 }).expectSent().expectAt(700, data(101, 201))
    s.at(800).inject({ ack: 201 }).expectSent().expectAt(1100, data(201, 301))
    s.at(1200).inject({ ack: 301, wnd: 5000 }).expectSent(data(301, 1301), data(1301, 2001))
  })

  it('the segments of the peer do not put that off', () => {
    const s = established({ sysctl: CLASSIC, connection: { rcvbuf: 1_000_000 } })
      .inject({ wnd: 100 })
      .write(2000)
    for (const t of [100, 200, 290]) {
      s.at(t).inject({ len: 10 })
      s.drain()
    }
    s.expectAt(300, data(1, 101))
  })

  it('[rfc9293#3.8.6 MUST-34] a usable window below zero is none', () => {
    const s = established({ sysctl: CLASSIC }).write(5000)
    s.drain()
    s.write(5000)
    s.drain()
    s.at(100).inject({ ack: 1001, wnd: 2000 }).expectSent()
    expect(s.c.sender.next(Number.POSITIVE_INFINITY, 1000, true)).toBe(0)
    s.write(1000).expectSent()
    s.inject({ ack: 10_001, wnd: 2000 }).expectSent(data(10_001, 11_001))
  })

  it('[rfc9293#3.8.6 SHLD-15] nothing new is sent before the window lies beyond what was sent', () => {
    const s = established({ sysctl: { ...CLASSIC, tcp_init_cwnd: 3 } })
      .write(6000)
      .expectSent(...segments(3, 1))
    // Acknowledged in part, and the right edge taken back: from 65,535 to 2501, then to where it is of no more use.
    s.at(10).inject({ ack: 1001, wnd: 1500 }).expectSent()
    s.at(20).inject({ ack: 2001, wnd: 1000 }).expectSent()
    s.at(30)
      .inject({ ack: 3001, wnd: 5000 })
      .expectSent(...segments(3, 3001))
  })

  it('[rfc9293#3.8.6 SHLD-16] what lies inside the shrunken window is sent again, the rest waits', () => {
    const s = established({ sysctl: CLASSIC }).write(5000)
    s.drain()
    s.inject({ ack: 1, wnd: 2000 }).expectAt(300, data(1, 1001)).at(400).inject({ ack: 1001, wnd: 1000 })
    s.expectSent(data(1001, 2001))
      .at(500)
      .inject({ ack: 2001, wnd: 4000 })
      .expectSent(...segments(3, 2001))
  })
})
