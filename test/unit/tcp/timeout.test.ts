import { describe, expect, it } from 'vitest'
import { CloseReason, retriesTimeUs, State } from '../../../src/tcp/index.ts'
import { ack, CLASSIC, data, established, type ScriptOptions, segments } from '../../support/script.ts'

// The retransmission timer and its limits: rfc6298#5, rfc9293#3.8.3, linux: tcp_retransmit_timer, retransmits_timed_out.

const classic = (options: ScriptOptions = {}) => established({ ...options, sysctl: { ...CLASSIC, ...options.sysctl } })

describe('retransmission timer', () => {
  it('[rfc6298#5.1] starts with data, [rfc6298#5.2] stops when all is acknowledged', () => {
    const s = classic().expectQuiet().at(40).write(10).expectSent(data(1, 11))
    expect(s.deadline).toBe(340)
    s.at(90).write(0).inject({ ack: 11 }).expectQuiet()
  })

  it('[rfc6298#5.3] starts again when new data is acknowledged, and only then', () => {
    const s = classic().write(2000)
    s.drain()
    s.at(60).inject({ len: 5 }).expectSent(ack(6))
    expect(s.deadline).toBe(300)
    // A sample of 100 ms as before leaves the RTO at 300 ms.
    s.at(100).inject({ ack: 1001 })
    expect(s.deadline).toBe(400)
  })

  it('[rfc6298#5.4] sends the earliest segment only, [rfc6298#5.5] [rfc9293#3.8.2 MUST-19] and doubles, [rfc6298#5.6] and goes on', () => {
    const s = classic()
      .write(3000)
      .expectSent(...segments(3, 1))
    for (const t of [300, 900, 2100, 4500, 9300]) s.expectAt(t, data(1, 1001))
    expect(s.mib).toMatchObject({ TCPTimeouts: 5, RetransSegs: 5, TCPOrigDataSent: 3 })
    expect(s.c.info(s.nowUs)).toMatchObject({
      backoff: 5,
      retransmits: 5,
      rto: 9_600_000,
      total_retrans: 5,
      bytes_retrans: 5000,
    })
  })

  it('[rfc6298#2.5] up to tcp_rto_max_ms', () => {
    const s = classic({ sysctl: { tcp_rto_max_ms: 1000 } }).write(10)
    s.drain()
    for (const t of [300, 900, 1900, 2900, 3900]) s.expectAt(t, data(1, 11))
  })

  it('linux: tcp_rto_min_us is the least that the variance counts for', () => {
    classic({ rtt: 10, sysctl: { tcp_rto_min_us: 50_000 } })
      .write(10)
      .expectSent(data(1, 11))
      .expectAt(60, data(1, 11))
    classic({ rtt: 10 }).write(10).expectSent(data(1, 11)).expectAt(210, data(1, 11))
    classic({ rtt: 300 }).write(10).expectSent(data(1, 11)).expectAt(900, data(1, 11))
  })

  it('[rfc5681#3.1] leaves a window of one segment and half the flight as threshold, once for the same data', () => {
    const s = classic().write(10_000)
    s.drain()
    for (const t of [300, 900]) {
      s.expectAt(t, data(1, 1001))
      expect(s.c.info(s.nowUs)).toMatchObject({ snd_cwnd: 1, snd_ssthresh: 5, ca_state: 4, lost: 10, retrans: 1 })
    }
  })

  it('[rfc5681#3.1] [rfc9293#3.8.2 MUST-19] what follows is sent again in slow start', () => {
    const s = classic().write(10_000)
    s.drain()
    s.expectAt(300, data(1, 1001))
      .at(400)
      .inject({ ack: 1001 })
      .expectSent(...segments(2, 1001))
    s.at(500)
      .inject({ ack: 2001 })
      .expectSent(...segments(2, 3001))
      .inject({ ack: 3001 })
      .expectSent(...segments(2, 5001))
    // Above the threshold of 5: one more in a round trip.
    s.at(600)
      .inject({ ack: 5001 })
      .expectSent(...segments(3, 7001))
    expect(s.cwndSegs).toBe(5)
    s.at(700).inject({ ack: 10_001 }).expectSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ unacked: 0, lost: 0, retrans: 0 })
    expect(s.mib.TCPSlowStartRetrans).toBe(9)
  })

  it('what was only late is not sent again', () => {
    const s = classic().write(4000)
    s.drain()
    s.expectAt(300, data(1, 1001))
      .inject({ ack: 3001 })
      .expectSent(data(3001, 4001))
      .inject({ ack: 4001 })
      .expectQuiet()
  })

  it('[rfc6298#5] [rfc9293#3.8.1] the FIN and the data with it', () => {
    const s = classic().write(1000).expectSent(data(1, 1001)).end().expectSent({ flags: 'F.', seq: 1001, len: 0 })
    s.expectAt(300, data(1, 1001))
      .inject({ ack: 1001 })
      .expectSent({ flags: 'F.', seq: 1001 })
      .inject({ ack: 1002 })
      .expectQuiet()
  })

  it('linux: counts what it cut short, by the state in which it went off first', () => {
    const cut = (sack: boolean, acks: number) => {
      const s = classic({ sack }).write(10_000)
      s.drain()
      for (let i = 1; i <= acks; i++) s.inject({ ack: 1, sack: sack ? [[1001, 1001 + i * 1000]] : [] })
      s.drain()
      s.wait(1000).drain()
      s.wait(3000).drain()
      const { TCPRenoFailures, TCPSackFailures, TCPRenoRecoveryFail, TCPSackRecoveryFail, TCPLossFailures } = s.mib
      return [TCPRenoFailures, TCPSackFailures, TCPRenoRecoveryFail, TCPSackRecoveryFail, TCPLossFailures]
    }
    expect([cut(false, 0), cut(false, 2), cut(false, 3)]).toEqual([
      [0, 0, 0, 0, 0],
      [1, 0, 0, 0, 0],
      [0, 0, 1, 0, 0],
    ])
    expect([cut(true, 2), cut(true, 3)]).toEqual([
      [0, 1, 0, 0, 0],
      [0, 0, 0, 1, 0],
    ])
    const again = classic().write(10_000)
    again.drain()
    again.expectAt(300, data(1, 1001)).inject({ ack: 1001 }).drain()
    again.wait(5000).drain()
    expect(again.mib.TCPLossFailures).toBe(1)
  })

  it('a path that takes nothing delays the retransmission, not the count', () => {
    const s = classic({ sysctl: { tcp_retries2: 2 } }).write(10)
    s.drain()
    s.blocked = true
    s.at(350)
    s.blocked = false
    s.pull().expectSent(data(1, 11))
    s.blocked = true
    // The first that is 1.4 s after the first attempt, at 0.3 s, of those at 0.95 and 2.15 s.
    s.at(2149).expectState(State.ESTABLISHED).at(2150).expectState(State.CLOSE)
    const never = classic({ sysctl: { tcp_retries2: 2 } })
    never.blocked = true
    never.write(10).at(100_000).expectState(State.ESTABLISHED)
  })
})

describe('R2', () => {
  it('[rfc9293#3.8.3 SHLD-11] linux: tcp_retries2 is a time', () => {
    const seconds = [0, 1, 3, 8, 9, 10, 15].map((retries) => retriesTimeUs(retries, 120e6) / 1e6)
    expect(seconds).toEqual([0.2, 0.6, 3, 102.2, 204.6, 324.6, 924.6])
    expect(retriesTimeUs(5, 1e6) / 1e6).toBe(0.2 + 0.4 + 0.8 + 3)
  })

  it('[rfc9293#3.8.3 MUST-20] the first timeout 924.6 s after the first retransmission ends the connection', () => {
    const s = classic({ rtt: 1 }).write(10)
    s.drain()
    let t = 0
    for (let i = 0; i < 15; i++) {
      t += Math.min(201 * 2 ** i, 120_000)
      s.expectAt(t, data(1, 11))
    }
    s.at(925_622).expectState(State.ESTABLISHED)
    s.at(925_623).expectSent().expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
    expect(s.mib).toMatchObject({ TCPTimeouts: 15, TCPAbortOnTimeout: 1, EstabResets: 1, CurrEstab: 0 })
  })

  it('[rfc9293#3.8.3 MUST-21] is what one connection says, as TCP_USER_TIMEOUT', () => {
    const s = classic().do((c) => {
      c.userTimeoutMs = 1500
    })
    s.write(10).expectSent(data(1, 11))
    // From the first retransmission on.
    for (const t of [300, 900]) s.expectAt(t, data(1, 11))
    s.at(2099).expectState(State.ESTABLISHED).at(2100).expectSent().expectState(State.CLOSE)
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
  })

  it('tcp_retries2 says how long for all', () => {
    const s = classic({ sysctl: { tcp_retries2: 3 } }).write(10)
    s.drain()
    for (const t of [300, 900, 2100]) s.expectAt(t, data(1, 11))
    s.at(4500).expectState(State.CLOSE)
  })

  it('an acknowledgement of something new starts it anew', () => {
    const s = classic({ sysctl: { tcp_retries2: 3 } }).write(2000)
    s.drain()
    for (const t of [300, 900, 2100]) s.expectAt(t, data(1, 1001))
    s.at(2200).inject({ ack: 1001 }).expectSent(data(1001, 2001))
    // Karn: the RTO of 2.4 s stays until something is timed; the first retransmission of this data was at 2.2 s.
    s.expectAt(4600, data(1001, 2001)).at(9400).expectState(State.CLOSE)
  })

  it('linux: only timeouts count, not the time since a fast retransmission', () => {
    const s = classic({ rtt: 300, sysctl: { tcp_retries2: 1 } }).write(5000)
    s.drain()
    s.at(300)
    for (let i = 0; i < 3; i++) s.inject({ ack: 1 })
    s.expectSent(data(1, 1001)).expectAt(1200, data(1, 1001)).at(3000).expectState(State.CLOSE)
  })

  it('[rfc9293#3.8.6 SHLD-17] linux: a peer that took its window back but answers is waited for', () => {
    const s = classic({ sysctl: { tcp_retries2: 3 } }).write(3000)
    s.drain()
    s.inject({ wnd: 0 })
    let t = 0
    for (let i = 0; i < 20; i++) {
      t += Math.min(300 * 2 ** i, 120_000)
      s.expectAt(t, data(1, 1001)).after(10).inject({ wnd: 0 }).expectSent()
    }
    s.inject({ ack: 1001, wnd: 5000 }).expectSent(...segments(2, 1001))
  })

  it('[rfc9293#3.8.6 SHLD-17] one that does not answer either is given up', () => {
    const s = classic({ sysctl: { tcp_retries2: 3 } }).write(3000)
    s.drain()
    s.inject({ wnd: 0 })
    // Nothing heard for twice tcp_rto_max_ms.
    for (const t of [0.3, 0.9, 2.1, 4.5, 9.3, 18.9, 38.1, 76.5, 153.3]) s.expectAt(t * 1000, data(1, 1001))
    s.at(273_299).expectState(State.ESTABLISHED).at(273_300).expectState(State.CLOSE)
  })
})
