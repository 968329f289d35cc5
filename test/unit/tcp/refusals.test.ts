import { describe, expect, it } from 'vitest'
import { CloseReason, State } from '../../../src/tcp/index.ts'
import {
  ack,
  closeWait,
  closing,
  data,
  established,
  finWait2,
  lastAck,
  synReceived,
  timeWait,
} from '../../support/script.ts'

// "Port unreachable" on an open connection is a soft error: anyone can forge it (rfc5927, rfc9293#3.9.2.2).

const probe = (seq = 0) => ({ flags: '.', seq, len: 0 })

describe('a path that refuses', () => {
  it('[rfc5927#5.2] is asked at once, and believed after three refusals over a second', () => {
    const s = established().refuse().expectSent(probe()).at(10).refuse().expectSent().expectAt(510, probe())
    s.at(520).refuse().expectSent().expectState(State.ESTABLISHED).expectAt(1020, probe())
    s.at(1030).refuse().expectSent().expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Reset)
  })

  it('[rfc9293#3.9.2.2 MUST-56] any number at once proves nothing', () => {
    const s = established()
    for (let i = 0; i < 50; i++) s.do((c, now) => c.pathRefused(now))
    s.expectSent(probe()).expectState(State.ESTABLISHED)
    s.at(400).inject({}).expectSent()
    // One probe more was planned; heard in between, none is needed.
    s.at(5000).expectState(State.ESTABLISHED).expectQuiet()
  })

  it('is forgiven when something is heard', () => {
    const s = established().refuse().expectSent(probe()).at(10).refuse().expectAt(510, probe()).at(600).inject({})
    s.at(1100).refuse().expectSent(probe()).at(1110).refuse().expectState(State.ESTABLISHED)
  })

  it('[rfc5961#3] is not forgiven for a segment that anybody could have sent', () => {
    const s = established().refuse().expectSent(probe()).at(10).refuse().expectAt(510, probe())
    s.at(520).inject({ seq: 1_000_000, len: 10 }).expectSent(ack(1)).refuse().expectAt(1020, probe())
    s.at(1030).refuse().expectState(State.CLOSE)
  })

  it('icmp_refused_limit sets how many', () => {
    const s = established({ sysctl: { icmp_refused_limit: 1 } })
      .refuse()
      .expectSent(probe())
      .expectState(State.ESTABLISHED)
    s.at(1000).refuse().expectState(State.CLOSE)
    const many = established({ sysctl: { icmp_refused_limit: 5 } })
      .refuse()
      .expectSent(probe())
      .at(10)
      .refuse()
    for (const t of [510, 1020]) many.expectAt(t, probe()).after(10).refuse().expectState(State.ESTABLISHED)
    many.expectAt(1530, probe()).after(10).refuse().expectState(State.CLOSE)
  })

  it('data under way is the question as well', () => {
    const s = established().write(10).expectSent(data(1, 11)).refuse()
    s.drain()
    s.at(20).inject({ ack: 11 }).at(4000).expectState(State.ESTABLISHED)
  })

  it('is the last ACK of a connection that has ended on both sides', () => {
    for (const s of [lastAck(), closing()]) {
      s.refuse().expectSent().expectState(State.CLOSE).expectQuiet()
      expect(s.c.closeReason).toBe(CloseReason.Normal)
    }
  })

  it('asks in all other states', () => {
    finWait2().refuse().expectSent(probe(1))
    closeWait().refuse().expectSent(probe())
    timeWait().refuse().expectSent().expectState(State.TIME_WAIT)
    established().abort().expectSent({ flags: 'R.' }).refuse().expectQuiet()
  })

  it('a handshake that it answered goes on until its time is over', () => {
    synReceived().refuse().expectSent().expectState(State.SYN_RECV).inject({ ack: 1 }).expectState(State.ESTABLISHED)
  })

  it('the answer of a peer that lives ends the matter', () => {
    const s = established().refuse().expectSent(probe()).at(30).inject({ len: 10 }).expectSent(ack(11))
    s.at(3000).refuse().expectSent({ flags: '.', seq: 0, ack: 11 })
  })
})
