import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import { accepted, ack, CLASSIC, data, established, Script, synReceived, synSent } from '../../support/script.ts'

// Opening: rfc9293#3.10.1, #3.10.7.2, #3.10.7.3, rfc6298#5.7, rfc7323#2 and #3, linux: tcp_rcv_synsent_state_process.

describe('active open', () => {
  it('[rfc9293#3.10.1] sends a SYN, acknowledges the SYN-ACK and is established', () => {
    const s = new Script().openActive().expectState(State.SYN_SENT)
    s.expectSent({ t: 0, flags: 'S', seq: 0, len: 0, ack: 0 })
    s.at(50).inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 })
    s.expectSent(ack(1, { t: 50, seq: 1 }))
      .expectState(State.ESTABLISHED)
      .expectEvents('connected')
      .expectQuiet()
    expect(s.mib).toMatchObject({ ActiveOpens: 1, CurrEstab: 1, AttemptFails: 0 })
  })

  it('offers what tcp_sack, tcp_timestamps and tcp_window_scaling say', () => {
    new Script().openActive().expectSent({
      mss: 1460,
      wscale: 7,
      sackPermitted: true,
      ts: [1000, 0],
      wnd: 65_535,
      checksumOffload: false,
      hasChecksum: true,
    })
    new Script({ sysctl: { tcp_sack: 0, tcp_timestamps: 0, tcp_window_scaling: 0 } })
      .openActive()
      .expectSent({ mss: 1460, wscale: -1, sackPermitted: false, ts: null })
  })

  it('[rfc7323#2.2] never scales the window of a SYN or SYN-ACK, and scales all others', () => {
    const s = synSent({ wscale: 7 })
    s.inject({ flags: 'S.', seq: 0, ack: 1, wnd: 1000, ...s.offers }).expectSent(ack(1, { wnd: 512 }))
    expect(s.c.info(s.nowUs)).toMatchObject({ snd_wnd: 1000, snd_wscale: 7, rcv_wscale: 7, rcv_wnd: 65_536 })
    s.inject({ wnd: 1000 })
    expect(s.c.info(s.nowUs).snd_wnd).toBe(128_000)
  })

  it('[rfc7323#2.2] uses no scaling, and [rfc2018#2] no SACK and [rfc7323#3.2] no timestamps, where the peer offered none', () => {
    const s = established()
    s.inject({ seq: 1001, len: 10 }).expectSent(ack(1, { sack: [], ts: null, wnd: 65_535 }))
    expect(s.c.info(s.nowUs)).toMatchObject({ snd_wscale: 0, rcv_wscale: 0, options: 0 })
  })

  it('[rfc9293#3.1 REC-1] reckons with windows of a gigabyte', () => {
    const s = established({ wscale: 14, sysctl: { tcp_init_cwnd: 100, tcp_wmem: [4096, 200_000, 200_000] } })
    s.inject({ wnd: 65_535 })
    expect(s.c.info(s.nowUs).snd_wnd).toBe(65_535 * 2 ** 14)
    s.write(100_000)
    expect(s.drain().length).toBe(100)
  })

  it('[rfc7323#2.3] takes a shift above 14 for 14', () => {
    const s = synSent()
    s.inject({ flags: 'S.', seq: 0, ack: 1, ...s.offers, wscale: 15 })
    expect(s.c.sender.sndWindShift).toBe(14)
  })

  it('[rfc6298#2] [rfc9293#3.8.3 MUST-22] repeats the SYN after 1, 2, 4 … s and gives up, [MUST-23] linux: after 127 s', () => {
    const s = synSent()
    for (const t of [1, 3, 7, 15, 31, 63]) s.expectAt(t * 1000, { flags: 'S', seq: 0, mss: 1460 })
    s.at(126_999).expectState(State.SYN_SENT)
    s.at(127_000).expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.ConnectTimedOut)
    expect(s.mib).toMatchObject({
      TCPSynRetrans: 6,
      RetransSegs: 6,
      TCPTimeouts: 6,
      AttemptFails: 1,
      TCPAbortOnTimeout: 1,
    })
  })

  it('tcp_syn_retries and tcp_syn_linear_timeouts set how often', () => {
    const s = synSent({ sysctl: { tcp_syn_retries: 2 } })
    s.expectAt(1000, { flags: 'S' }).expectAt(3000, { flags: 'S' }).at(7000).expectState(State.CLOSE)
    const linear = synSent({ sysctl: { tcp_syn_retries: 1, tcp_syn_linear_timeouts: 2 } })
    for (const t of [1000, 2000, 3000]) linear.expectAt(t, { flags: 'S' })
    linear.at(5000).expectState(State.CLOSE)
  })

  it('[rfc7323#3] a repeated SYN carries the time at which it is sent', () => {
    synSent().expectAt(1000, { flags: 'S', ts: [2000, 0] })
  })

  it.each([0, 2, -5])(
    '[rfc9293#3.10.7.3] an ACK of %d, which acknowledges nothing of ours, draws a RST with that number',
    (number) => {
      const s = synSent()
      s.inject({ flags: 'S.', seq: 0, ack: number }).expectSent({ flags: 'R', seq: number, len: 0 })
      s.inject({ flags: '.', seq: 0, ack: number }).expectSent({ flags: 'R', seq: number })
      s.inject({ flags: 'R.', seq: 0, ack: number }).expectSent().expectState(State.SYN_SENT)
      s.inject({ flags: 'S.', seq: 0, ack: 1 }).expectSent(ack(1)).expectState(State.ESTABLISHED)
    },
  )

  it('[rfc9293#3.10.7.3] a RST refuses if it acknowledges the SYN, and is nothing if it does not', () => {
    const s = synSent()
    s.inject({ flags: 'R', seq: 0 }).expectState(State.SYN_SENT).expectEvents()
    s.inject({ flags: 'R.', seq: 0, ack: 1 }).expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Refused)
    expect(s.mib.AttemptFails).toBe(1)
  })

  it('[rfc9293#3.10.7.3] what is neither SYN nor RST is dropped', () => {
    synSent().inject({ flags: '.', seq: 1, ack: 1, len: 10 }).expectSent().expectState(State.SYN_SENT).expectEvents()
  })

  it('[rfc7323#5.2] an echo that we never sent belongs to another incarnation', () => {
    const s = synSent({ timestamps: true })
    s.at(10)
      .inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000, ts: [5, 999] })
      .expectSent({ flags: 'R', seq: 1 })
    s.inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000, ts: [5, 1011] }).expectSent({ flags: 'R', seq: 1 })
    expect(s.mib.PAWSActive).toBe(2)
    s.inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000, ts: [5, 1000] })
      .expectSent(ack(1))
      .expectState(State.ESTABLISHED)
  })

  it('linux: data on the SYN-ACK is left to be sent again', () => {
    const s = synSent()
    s.inject({ flags: 'S.', seq: 0, ack: 1, len: 10, mss: 1000 }).expectSent(ack(1)).expectEvents('connected')
    s.inject({ flags: 'P.', seq: 1, len: 10 }).expectSent(ack(11))
    expect(s.readAll()).toBe(10)
  })

  it('what was written before goes with the last ACK of the handshake', () => {
    const s = synSent().write(1500)
    s.at(10).inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 })
    s.expectSent(data(1, 1001, { flags: '.', ack: 1 }), data(1001, 1501, { flags: 'P.', ack: 1 }))
  })

  it('an end before sends the FIN when there is a connection', () => {
    const s = synSent().write(100).end().expectSent().expectState(State.SYN_SENT)
    s.inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 })
    s.expectSent(data(1, 101, { flags: 'FP.' })).expectState(State.FIN_WAIT1)
    expect(s.mib.CurrEstab).toBe(0)
  })

  it('[rfc9293#3.10.4] [rfc9293#3.10.5] close and abort before end it without a word', () => {
    for (const s of [synSent().close(), synSent().abort()]) {
      s.expectSent().expectState(State.CLOSE).expectEvents('closed').expectQuiet()
      expect(s.c.closeReason).toBe(CloseReason.Aborted)
    }
  })

  it('the path has nobody at that port, or no way there', () => {
    expect(synSent().refuse().expectState(State.CLOSE).c.closeReason).toBe(CloseReason.Refused)
    const unreachable = synSent().do((c, now) => c.pathUnreachable(CloseReason.HostUnreachable, now))
    expect(unreachable.expectState(State.CLOSE).expectQuiet().c.closeReason).toBe(CloseReason.HostUnreachable)
    // rfc9293#3.9.2.2 MUST-56: a soft error later on.
    established()
      .do((c, now) => c.pathUnreachable(CloseReason.HostUnreachable, now))
      .expectState(State.ESTABLISHED)
      .expectQuiet()
  })

  it('[rfc5681#3.1] a SYN lost twice makes the initial window one segment, lost once it does not', () => {
    const open = (losses: number) => {
      const s = synSent()
      for (let i = 0; i < losses; i++) s.expectAt([1000, 3000][i], { flags: 'S' })
      s.inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 }).drain()
      return s.cwndSegs
    }
    expect([open(0), open(1), open(2)]).toEqual([10, 10, 1])
  })

  it('[rfc6298#5.7] the RTO is 3 s after a SYN sent twice, whose round trip nobody knows', () => {
    const s = synSent({ sysctl: CLASSIC })
    s.expectAt(1000, { flags: 'S' }).at(1100).inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 }).drain()
    s.restart().write(10).expectSent(data(1, 11)).expectAt(3000, data(1, 11))
  })

  it('[rfc7323#4.1] unless an echo tells which of them was answered', () => {
    const s = synSent({ timestamps: true, sysctl: CLASSIC })
    s.expectAt(1000, { flags: 'S' })
      .at(1100)
      .inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000, ts: [1, 2000] })
      .drain()
    s.restart().write(10).expectSent(data(1, 11)).expectAt(300, data(1, 11))
  })
})

describe('passive open', () => {
  it('[rfc9293#3.10.7.2] answers a SYN and is established by the ACK', () => {
    const s = new Script().openPassive().expectState(State.SYN_RECV)
    s.expectSent({ t: 0, flags: 'S.', seq: 0, ack: 1, mss: 1460, wnd: 65_535 })
    s.at(30).inject({ ack: 1 }).expectSent().expectState(State.ESTABLISHED).expectEvents('connected').expectQuiet()
    expect(s.mib).toMatchObject({ PassiveOpens: 1, ActiveOpens: 0, CurrEstab: 1 })
  })

  it('answers with the options that were asked for, and no others', () => {
    new Script({ mss: 1000 }).openPassive().expectSent({ wscale: -1, sackPermitted: false, ts: null })
    const all = new Script({ sack: true, timestamps: true, wscale: 3 }).openPassive({ ts: [77, 0] })
    all.expectSent({ wscale: 7, sackPermitted: true, ts: [1000, 77] })
    const none = new Script({
      sack: true,
      timestamps: true,
      wscale: 3,
      sysctl: { tcp_sack: 0, tcp_timestamps: 0, tcp_window_scaling: 0 },
    })
    none.openPassive().expectSent({ wscale: -1, sackPermitted: false, ts: null })
  })

  it('repeats the SYN-ACK after 1, 2, 4, 8 and 16 s and forgets it after 63 s', () => {
    const s = synReceived()
    for (const t of [1, 3, 7, 15, 31]) s.expectAt(t * 1000, { flags: 'S.', seq: 0, ack: 1 })
    s.at(62_999).expectState(State.SYN_RECV).at(63_000).expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.mib).toMatchObject({ AttemptFails: 1, TCPSynRetrans: 5, TCPAbortOnTimeout: 0 })
  })

  it('a SYN that comes again is answered again, twice a second at most', () => {
    const s = synReceived()
    s.at(100).inject({ flags: 'S', seq: 0, mss: 1000 }).expectSent({ flags: 'S.', seq: 0, ack: 1 })
    s.at(200).inject({ flags: 'S', seq: 0, mss: 1000 }).expectSent()
    expect(s.mib.TCPACKSkippedSynRecv).toBe(1)
    s.at(600).inject({ flags: 'S', seq: 0, mss: 1000 }).expectSent({ flags: 'S.', seq: 0, ack: 1 })
    s.inject({ ack: 1 }).expectState(State.ESTABLISHED).expectSent()
  })

  it.each([0, 2])(
    '[rfc9293#3.5.2] [rfc9293#3.10.7.4] an ACK of %d draws a RST with that number, and the connection stays half-open',
    (number) => {
      const s = synReceived().inject({ ack: number }).expectSent({ flags: 'R', seq: number })
      s.expectState(State.SYN_RECV).inject({ ack: 1 }).expectState(State.ESTABLISHED)
    },
  )

  it('[rfc9293#3.10.7.4] what lies outside the window is answered by an ACK', () => {
    const s = synReceived()
      .inject({ seq: 70_000, len: 10, ack: 1 })
      .expectSent(ack(1, { seq: 1 }))
      .expectState(State.SYN_RECV)
    s.after(600)
      .inject({ seq: -10, ack: 1 })
      .expectSent(ack(1, { seq: 1 }))
      .expectState(State.SYN_RECV)
  })

  it('[rfc9293#3.10.7.4] a RST ends it, if it is exact', () => {
    const s = synReceived()
      .inject({ flags: 'R', seq: 500 })
      .expectState(State.SYN_RECV)
      .expectSent(ack(1, { seq: 1 }))
    s.inject({ flags: 'R', seq: 1 }).expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.mib).toMatchObject({ AttemptFails: 1, EstabResets: 0 })
  })

  it('the completing ACK may bring data, a FIN, or both', () => {
    const s = synReceived().inject({ flags: 'P.', ack: 1, len: 100 }).expectSent(ack(101))
    s.expectEvents('connected', 'readable').expectState(State.ESTABLISHED)
    expect(s.readAll()).toBe(100)
    synReceived().inject({ flags: 'F.', ack: 1 }).expectSent(ack(2)).expectState(State.CLOSE_WAIT)
    const both = synReceived().inject({ flags: 'FP.', ack: 1, len: 5 }).expectSent(ack(7)).expectState(State.CLOSE_WAIT)
    both.expectEvents('connected', 'readable', 'finished')
  })

  it('[rfc9293#3.10.7.4] what comes without an ACK is dropped', () => {
    synReceived().inject({ flags: '', seq: 1, len: 10 }).expectSent().expectState(State.SYN_RECV)
  })

  it('[rfc7323#2.2] the window of the SYN is not scaled, that of the ACK is', () => {
    const s = synReceived({ wscale: 4, sndWnd: 5000 })
    expect(s.c.sender.sndWnd).toBe(5000)
    s.inject({ ack: 1, wnd: 500 })
    expect(s.c.info(s.nowUs).snd_wnd).toBe(8000)
  })

  it('data written before the ACK came leaves with it', () => {
    synReceived()
      .write(10)
      .expectSent()
      .inject({ ack: 1 })
      .expectSent(data(1, 11, { flags: 'P.' }))
  })

  it('an end before sends the FIN once established', () => {
    synReceived().end().expectSent().inject({ ack: 1 }).expectSent({ flags: 'F.', seq: 1 }).expectState(State.FIN_WAIT1)
  })

  it('[rfc6298#2.2] the round trip of the SYN-ACK is the first sample', () => {
    expect(accepted({ rtt: 70 }).c.info(0).rtt).toBe(70_000)
  })
})

describe('the user timeout', () => {
  it('linux: bounds the SYN too, once it has been sent again', () => {
    const s = new Script()
    s.c.userTimeoutMs = 5000
    s.openActive().expectSent({ flags: 'S' })
    s.expectAt(1000, { flags: 'S' }).expectAt(3000, { flags: 'S' }).at(5000).expectState(State.CLOSE)
    expect(s.c.closeReason).toBe(CloseReason.ConnectTimedOut)
    expect(s.mib).toMatchObject({ TCPAbortOnTimeout: 1 })
  })

  it('linux: however short', () => {
    const s = new Script()
    s.c.userTimeoutMs = 10
    s.openActive().expectSent({ flags: 'S' })
    s.expectAt(1000, { flags: 'S' }).at(1001).expectState(State.CLOSE)
  })
})
