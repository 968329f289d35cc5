import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import {
  ack,
  CLASSIC,
  closeWait,
  closing,
  data,
  established,
  finWait1,
  finWait2,
  lastAck,
  timeWait,
} from '../../support/script.ts'

// The arcs of rfc9293#3.3.2, figure 5, that begin in a connection; those of LISTEN belong to the stack.

describe('the application ends first', () => {
  it('[rfc9293#3.3.2] [rfc9293#3.6 case 1] ESTABLISHED, FIN_WAIT1, FIN_WAIT2, TIME_WAIT', () => {
    const s = established().end().expectSent({ flags: 'F.', seq: 1, ack: 1, len: 0 }).expectState(State.FIN_WAIT1)
    s.at(50).inject({ ack: 2 }).expectSent().expectState(State.FIN_WAIT2)
    s.at(80)
      .inject({ flags: 'F.' })
      .expectSent(ack(2, { seq: 2 }))
      .expectState(State.TIME_WAIT)
    s.expectEvents('finished', 'closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Normal)
    expect(s.mib).toMatchObject({ CurrEstab: 0, EstabResets: 0, AttemptFails: 0 })
  })

  it('[rfc9293#3.10.7.4] FIN_WAIT1 to TIME_WAIT by one segment with ACK and FIN', () => {
    finWait1()
      .inject({ flags: 'F.', ack: 2 })
      .expectSent(ack(2, { seq: 2 }))
      .expectState(State.TIME_WAIT)
      .expectQuiet()
  })

  it('[rfc9293#3.6 case 3] both at once: FIN_WAIT1, CLOSING, TIME_WAIT', () => {
    const s = finWait1()
      .inject({ flags: 'F.' })
      .expectSent(ack(2, { seq: 2 }))
      .expectState(State.CLOSING)
    s.expectEvents('finished')
      .inject({ ack: 2 })
      .expectSent()
      .expectState(State.TIME_WAIT)
      .expectEvents('closed')
      .expectQuiet()
  })

  it('[rfc9293#3.10.4] the FIN rides on the last of the data', () => {
    const queued = established({ sysctl: { tcp_init_cwnd: 1 } })
      .write(1500)
      .expectSent(data(1, 1001))
      .end()
    queued.expectSent().expectState(State.FIN_WAIT1)
    queued.inject({ ack: 1001 }).expectSent(data(1001, 1501, { flags: 'FP.' }))
    queued.inject({ ack: 1502 }).expectState(State.FIN_WAIT2)
  })

  it('[rfc9293#3.6] goes on receiving after its end', () => {
    const s = finWait2().inject({ flags: 'P.', len: 100 }).expectSent(ack(101)).expectEvents('readable')
    s.inject({ len: 1000 }).expectSent(ack(1101))
    expect(s.readAll()).toBe(1100)
    s.inject({ flags: 'FP.', len: 10 }).expectSent(ack(1112)).expectState(State.TIME_WAIT)
    expect(s.readAll()).toBe(10)
  })

  it('[rfc9293#3.6] and the data that comes while its FIN is under way', () => {
    const s = finWait1()
      .inject({ flags: 'P.', len: 100 })
      .expectSent(ack(101, { seq: 2 }))
      .expectState(State.FIN_WAIT1)
    expect(s.readAll()).toBe(100)
  })

  it('[rfc9293#3.8.1] sends a lost FIN again', () => {
    const s = established({ sysctl: CLASSIC }).end().expectSent({ flags: 'F.', seq: 1 })
    s.expectAt(300, { flags: 'F.', seq: 1, len: 0 }).expectAt(900, { flags: 'F.', seq: 1 })
    s.inject({ ack: 2 }).expectState(State.FIN_WAIT2).expectQuiet()
  })

  it('ends only once', () => {
    finWait1().end().expectSent().expectState(State.FIN_WAIT1)
    const s = finWait2().end().expectSent().expectState(State.FIN_WAIT2)
    expect(s.tryWrite(10)).toBe(0)
  })
})

describe('the peer ends first', () => {
  it('[rfc9293#3.6 case 2] ESTABLISHED, CLOSE_WAIT, LAST_ACK, CLOSED', () => {
    const s = established()
      .inject({ flags: 'F.' })
      .expectSent(ack(2, { seq: 1 }))
      .expectState(State.CLOSE_WAIT)
    s.expectEvents('finished').expectQuiet()
    expect(s.mib.CurrEstab).toBe(1)
    s.end().expectSent({ flags: 'F.', seq: 1, ack: 2 }).expectState(State.LAST_ACK)
    s.inject({ ack: 2 }).expectSent().expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Normal)
    expect(s.mib).toMatchObject({ CurrEstab: 0, EstabResets: 0 })
  })

  it('[rfc9293#3.6] data is still sent to it', () => {
    const s = closeWait()
      .write(500)
      .expectSent(data(1, 501, { ack: 2 }))
      .inject({ ack: 501 })
      .expectSent()
    s.end().expectSent({ flags: 'F.', seq: 501 }).inject({ ack: 502 }).expectState(State.CLOSE)
  })

  it('data and FIN come in one segment', () => {
    const s = established().inject({ flags: 'FP.', len: 100 }).expectSent(ack(102)).expectState(State.CLOSE_WAIT)
    s.expectEvents('readable', 'finished')
    expect(s.readAll()).toBe(100)
  })

  it('[rfc9293#3.10.7.4] a FIN that comes before its data waits for it', () => {
    const s = established()
      .inject({ flags: 'F.', seq: 101 })
      .expectSent(ack(1))
      .expectState(State.ESTABLISHED)
      .expectEvents()
    s.inject({ flags: 'P.', seq: 1, len: 100 })
      .expectSent(ack(102))
      .expectState(State.CLOSE_WAIT)
      .expectEvents('readable', 'finished')
    const carried = established()
      .inject({ flags: 'F.', seq: 51, len: 50 })
      .expectSent(ack(1))
      .expectState(State.ESTABLISHED)
    carried.inject({ seq: 1, len: 50 }).expectSent(ack(102)).expectState(State.CLOSE_WAIT)
    expect(carried.readAll()).toBe(100)
  })

  it.each([
    ['CLOSE_WAIT', closeWait, 1],
    ['LAST_ACK', lastAck, 2],
    ['CLOSING', closing, 2],
  ] as const)(
    '[rfc9293#3.10.7.4] in %s a FIN that comes again is acknowledged again, and changes nothing',
    (_, make, seq) => {
      const s = make()
      const { state } = s.c
      s.inject({ flags: 'F.', seq: 1, ack: 1 }).expectSent(ack(2, { seq })).expectState(state).expectEvents()
    },
  )

  it('[rfc9293#3.10.7.4] what comes behind its FIN is ignored', () => {
    const s = closeWait().inject({ flags: 'P.', seq: 2, len: 100 })
    s.drain()
    expect(s.readAll()).toBe(0)
    s.expectState(State.CLOSE_WAIT).expectEvents()
  })

  it('[rfc9293#3.8.1] the last FIN is sent again too', () => {
    const s = lastAck({ sysctl: CLASSIC }).expectAt(300, { flags: 'F.', seq: 1, ack: 2 })
    s.inject({ ack: 2 }).expectState(State.CLOSE).expectQuiet()
  })
})

describe('the application lets go', () => {
  it('[rfc9293#3.6.1 SHLD-3] [rfc2525#2.17] unread data makes it a reset', () => {
    const s = established().inject({ flags: 'P.', len: 100 }).expectSent(ack(101)).close()
    s.expectSent({ flags: 'R.', seq: 1, ack: 101 }).expectState(State.CLOSE).expectQuiet()
    expect(s.mib).toMatchObject({ TCPAbortOnClose: 1, OutRsts: 1, EstabResets: 1 })
  })

  it('[rfc2525#2.17] even after its own FIN, but not when both have finished', () => {
    const late = established()
      .inject({ flags: 'FP.', len: 100 })
      .expectSent(ack(102))
      .end()
      .expectSent({ flags: 'F.', seq: 1 })
    late.expectState(State.LAST_ACK).close().expectSent({ flags: 'R.', seq: 2 }).expectState(State.CLOSE).expectQuiet()
    const over = finWait2().inject({ flags: 'FP.', len: 100 }).expectSent(ack(102)).expectState(State.TIME_WAIT)
    over.close().expectSent().expectState(State.TIME_WAIT)
    expect(over.mib.TCPAbortOnClose).toBe(0)
  })

  it('[rfc9293#3.6.1 MAY-1] and has nothing to read from then on, whatever comes', () => {
    const s = established().close().expectSent({ flags: 'F.', seq: 1 }).inject({ flags: 'P.', len: 100 })
    s.expectSent({ flags: 'R.', seq: 2 })
    expect(s.readAll()).toBe(0)
    // Half-closed it reads on.
    const half = finWait1().inject({ flags: 'P.', len: 100 }).expectSent(ack(101))
    expect(half.readAll()).toBe(100)
  })

  it('what was read is no reason for a reset', () => {
    const s = established().inject({ flags: 'P.', len: 100 }).expectSent(ack(101))
    s.readAll()
    s.close().expectSent({ flags: 'F.' }).expectState(State.FIN_WAIT1)
  })

  it('[rfc9293#3.6.1 SHLD-3] data that comes later draws a reset', () => {
    const s = established().close().expectSent({ flags: 'F.', seq: 1 })
    s.inject({ flags: 'P.', len: 10 }).expectSent({ flags: 'R.', seq: 2 }).expectState(State.CLOSE).expectQuiet()
    expect(s.mib.TCPAbortOnData).toBe(1)
    const later = finWait2().close().expectSent().inject({ flags: 'P.', len: 10 }).expectSent({ flags: 'R.', seq: 2 })
    later.expectState(State.CLOSE)
  })

  it('but not data that had been received before', () => {
    const s = established().inject({ flags: 'P.', len: 10 }).expectSent(ack(11))
    s.readAll()
    s.close()
      .expectSent({ flags: 'F.' })
      .inject({ flags: 'P.', seq: 1, len: 10 })
      .expectSent(ack(11))
      .expectState(State.FIN_WAIT1)
  })

  it('what it wrote still goes out', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 } })
      .write(1500)
      .expectSent(data(1, 1001))
      .close()
    s.inject({ ack: 1001 })
      .expectSent(data(1001, 1501, { flags: 'FP.' }))
      .inject({ ack: 1502 })
      .expectState(State.FIN_WAIT2)
  })

  it('its FIN_WAIT2 ends after tcp_fin_timeout, without a word', () => {
    const s = established({ sysctl: { tcp_fin_timeout: 7 } })
      .close()
      .expectSent({ flags: 'F.' })
    s.at(100).inject({ ack: 2 }).expectState(State.FIN_WAIT2).at(7099).expectState(State.FIN_WAIT2)
    s.at(7100).expectState(State.CLOSE).expectSent().expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Normal)
  })

  it('while one that is only half closed may stay for ever', () => {
    finWait2()
      .expectQuiet()
      .at(86_400_000)
      .inject({ flags: 'P.', len: 10 })
      .expectSent(ack(11))
      .expectState(State.FIN_WAIT2)
    finWait2({ sysctl: { tcp_fin_timeout: 5 } })
      .at(1000)
      .close()
      .at(6000)
      .expectState(State.CLOSE)
      .expectQuiet()
  })

  it('the peer ends in time', () => {
    const s = established().close().expectSent({ flags: 'F.' }).inject({ ack: 2 })
    s.at(1000).inject({ flags: 'F.' }).expectSent(ack(2)).expectState(State.TIME_WAIT).expectQuiet()
  })

  it('linux: retransmits eight times by the clock (tcp_orphan_retries), which is 102.2 s', () => {
    const s = established({ sysctl: CLASSIC, rtt: 1 }).close().expectSent({ flags: 'F.' })
    // RTO 201 ms, doubled each time; the first retransmission of all is at 0.201 s.
    let t = 0
    for (let i = 0; i < 8; i++) {
      t += 201 * 2 ** i
      s.expectAt(t, { flags: 'F.', seq: 1 })
    }
    // The first time that it goes off 102.2 s later or more.
    s.at(t + 201 * 2 ** 8 - 1)
      .expectState(State.FIN_WAIT1)
      .after(1)
      .expectState(State.CLOSE)
      .expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.TimedOut)
    const few = established({ sysctl: { ...CLASSIC, tcp_orphan_retries: 2 }, rtt: 1 })
      .close()
      .expectSent({ flags: 'F.' })
    for (const at of [201, 603, 1407]) few.expectAt(at, { flags: 'F.' })
    few.at(3015).expectState(State.CLOSE)
  })

  it('[rfc9293#3.10.4] in CLOSE_WAIT it sends its FIN, elsewhere it has', () => {
    closeWait().close().expectSent({ flags: 'F.', seq: 1, ack: 2 }).expectState(State.LAST_ACK)
    lastAck().close().expectSent().expectState(State.LAST_ACK)
    closing().close().expectSent().expectState(State.CLOSING)
    timeWait().close().expectSent().expectState(State.TIME_WAIT)
  })
})

describe('TCP_LINGER2', () => {
  it('is how long an orphan of its own waits for the FIN', () => {
    const s = finWait1()
    s.c.finTimeout = 7
    s.close().inject({ ack: 2 }).expectSent().expectState(State.FIN_WAIT2)
    s.at(6999).expectState(State.FIN_WAIT2).at(7000).expectState(State.CLOSE)
  })

  it('linux: below 0 it does not wait, and resets the connection', () => {
    const s = finWait1()
    s.c.finTimeout = -1
    s.close().inject({ ack: 2 }).expectSent({ flags: 'R.' }).expectState(State.CLOSE)
    expect(s.mib.TCPAbortOnLinger).toBe(1)
  })
})
