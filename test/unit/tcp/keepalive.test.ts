import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import {
  ack,
  CLASSIC,
  closeWait,
  data,
  established,
  finWait2,
  type ScriptOptions,
  synSent,
} from '../../support/script.ts'

// Keepalive: rfc9293#3.8.4, linux: tcp_keepalive_timer, with tcp_keepalive_time, _intvl and _probes.

const probe = (seq = 0) => ({ flags: '.', seq, len: 0, ack: 1 })
const kept = (options: ScriptOptions = {}) => established(options).do((c, now) => c.setKeepalive(true, now))

describe('keepalive', () => {
  it('[rfc9293#3.8.4 MUST-25] is off unless asked for', () => {
    established().expectQuiet()
  })

  it('[rfc9293#3.8.4 MUST-28] [MAY-5] probes after two hours, [SHLD-12] with no data, and gives up after nine probes 75 s apart', () => {
    const s = kept()
    for (let i = 0; i < 9; i++) s.expectAt((7200 + 75 * i) * 1000, probe())
    s.expectAt((7200 + 75 * 9) * 1000, { flags: 'R.', seq: 1 })
      .expectState(State.CLOSE)
      .expectEvents('closed')
      .expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
    expect(s.mib).toMatchObject({ TCPKeepAlive: 9, TCPAbortOnTimeout: 1, OutRsts: 1 })
  })

  it('[rfc9293#3.8.4 MUST-29] an answer to any of them is enough', () => {
    const s = kept().expectAt(7200_000, probe()).expectAt(7275_000, probe()).after(1000).inject({})
    s.expectAt(7276_000 + 7200_000, probe())
  })

  it('[rfc9293#3.8.4 MUST-26] only after a whole interval in which nothing came', () => {
    const s = kept()
      .at(3000_000)
      .inject({ len: 10 })
      .expectSent(ack(11))
      .expectAt(10_200_000, { flags: '.', seq: 0, ack: 11 })
    s.inject({}).expectSent()
  })

  it('[rfc9293#3.8.4 MUST-26] not while data is outstanding or waits', () => {
    const s = kept({ sysctl: { ...CLASSIC, tcp_keepalive_time: 1, tcp_rto_max_ms: 1000 } })
      .write(10)
      .expectSent(data(1, 11))
    for (const t of [300, 900, 1900, 2900]) s.expectAt(t, data(1, 11))
    s.at(3000).inject({ ack: 11 }).expectAt(4000, probe(10))
    expect(s.mib.TCPKeepAlive).toBe(1)
  })

  it('[rfc9293#3.8.4 MUST-27] its times are settable, [MUST-24] for one connection', () => {
    const s = established({ sysctl: { tcp_keepalive_time: 50, tcp_keepalive_intvl: 5, tcp_keepalive_probes: 1 } })
    s.do((c, now) => c.setKeepalive(true, now))
      .expectAt(50_000, probe())
      .expectAt(55_000, { flags: 'R.' })
    const own = established().do((c, now) => c.setKeepalive(true, now, 10, 2, 2))
    own.expectAt(10_000, probe()).expectAt(12_000, probe()).expectAt(14_000, { flags: 'R.' }).expectState(State.CLOSE)
  })

  it('tcp_keepalive_time, tcp_keepalive_intvl and tcp_keepalive_probes hold for who says nothing else', () => {
    const s = kept({ sysctl: { tcp_keepalive_time: 20, tcp_keepalive_intvl: 3, tcp_keepalive_probes: 2 } })
    s.expectAt(20_000, probe()).expectAt(23_000, probe()).expectAt(26_000, { flags: 'R.' }).expectState(State.CLOSE)
  })

  it('[rfc9293#3.8.4 MUST-24] can be switched off again', () => {
    kept()
      .at(1000)
      .do((c, now) => c.setKeepalive(false, now))
      .expectQuiet()
  })

  it('asked for before there is a connection it begins with it', () => {
    const s = synSent().do((c, now) => c.setKeepalive(true, now))
    s.at(500).inject({ flags: 'S.', seq: 0, ack: 1 }).expectSent(ack(1)).expectAt(7200_500, probe())
  })

  it('goes on in every half-closed state', () => {
    for (const s of [closeWait(), finWait2()]) {
      s.do((c, now) => c.setKeepalive(true, now)).wait(7200_000)
      expect(s.t).toBe(7200_000)
      expect(s.drain()).toHaveLength(1)
    }
  })

  it('means nothing to a connection that is gone', () => {
    established()
      .inject({ flags: 'R' })
      .do((c, now) => c.setKeepalive(true, now))
      .expectQuiet()
  })

  it('[rfc9293#3.8.4] probes of the peer are answered, with a byte of garbage or without', () => {
    const s = established()
      .inject({ seq: 0 })
      .expectSent(ack(1))
      .after(1000)
      .inject({ seq: 0, len: 1 })
      .expectSent(ack(1))
    s.expectEvents().expectQuiet()
  })
})
