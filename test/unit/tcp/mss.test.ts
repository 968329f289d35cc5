import { describe, expect, it } from 'vitest'
import { CLASSIC, data, established, Script, segments, synSent } from '../../support/script.ts'

// The size of segments: rfc9293#3.7.1, rfc6691, linux: tcp_sync_mss.

describe('segment size', () => {
  it('[rfc9293#3.7.1 MUST-16] is the smaller of what the peer and the path take', () => {
    established({ mss: 800 })
      .write(1600)
      .expectSent(...segments(2, 1, 800))
    established({ mss: 9000 })
      .write(2920)
      .expectSent(...segments(2, 1, 1460))
    established({ mss: 9000, connection: { maxSegment: 520 } })
      .write(1000)
      .expectSent(...segments(2, 1, 500))
  })

  it('[rfc9293#3.7.1 MUST-15] is 536 where the peer names none, 1220 over IPv6', () => {
    const open = (family: 'IPv4' | 'IPv6') => {
      const s = synSent({ connection: { family } })
      s.inject({ flags: 'S.', seq: 0, ack: 1 }).drain()
      return s.c.info(s.nowUs).snd_mss
    }
    expect([open('IPv4'), open('IPv6')]).toEqual([536, 1220])
  })

  it('linux: is never below 48 less options, whatever the peer asks for', () => {
    established({ mss: 1 })
      .write(96)
      .expectSent(...segments(2, 1, 48))
    established({ mss: 0, timestamps: true })
      .write(72)
      .expectSent(...segments(2, 1, 36))
  })

  it('[rfc9293#3.7.1 MUST-14] [MUST-67] [rfc6691#2] what is announced is the path less the bare headers', () => {
    new Script({ connection: { maxSegment: 1456 } }).openActive().expectSent({ flags: 'S', mss: 1436 })
    new Script({ timestamps: true }).openPassive().expectSent({ flags: 'S.', mss: 1460 })
    new Script({ connection: { maxSegment: 70_000 } }).openActive().expectSent({ mss: 65_535 })
  })

  it('[rfc9293#3.7.1 MAY-3] and always announced, though it be what the peer would assume', () => {
    new Script({ connection: { maxSegment: 556 } }).openActive().expectSent({ flags: 'S', mss: 536 })
    new Script({ connection: { maxSegment: 556 } }).openPassive({ mss: -1 }).expectSent({ flags: 'S.', mss: 536 })
  })

  it('TCP_MAXSEG is announced and obeyed', () => {
    const s = new Script({ connection: { mss: 600 } }).openActive().expectSent({ mss: 600 })
    s.inject({ flags: 'S.', seq: 0, ack: 1, mss: 1000 }).drain()
    s.write(1200).expectSent(...segments(2, 1, 600))
  })

  it('[rfc9293#3.2 MUST-65] no other segment names it', () => {
    established().inject({ len: 10 }).expectSent({ flags: '.', mss: -1 })
    established()
      .write(1500)
      .expectSent(data(1, 1001, { mss: -1 }), data(1001, 1501, { mss: -1 }))
    established().end().expectSent({ flags: 'F.', mss: -1 })
  })

  it('[rfc2018#3] leaves room for SACK blocks', () => {
    const s = established({ sack: true }).inject({ seq: 1001, len: 10 })
    s.drain()
    s.write(2000).expectSent(data(1, 989), data(989, 1977), data(1977, 2001))
    s.inject({ seq: 3001, len: 10 })
    s.drain()
    s.inject({ ack: 2001 }).write(1960).expectSent(data(2001, 2981), data(2981, 3961))
  })

  it('linux: is half the largest window at most, so that there are always two', () => {
    established({ sndWnd: 1200 })
      .write(5000)
      .expectSent(...segments(2, 1, 600))
    established({ sndWnd: 500 }).write(5000).expectSent(data(1, 501))
  })

  it('follows the path, and the window with it', () => {
    const s = established({ sysctl: CLASSIC })
      .write(2000)
      .expectSent(...segments(2, 1))
    s.do((c, now) => c.setMaxSegment(520, now))
    expect(s.c.info(s.nowUs)).toMatchObject({ snd_mss: 500, snd_cwnd: 10, unacked: 2 })
    // What is sent again is cut to the new size.
    s.expectAt(300, data(1, 501))
      .inject({ ack: 501 })
      .expectSent(...segments(2, 501, 500))
    s.do((c, now) => c.setMaxSegment(1480, now)).expectSent(data(1501, 2001))
    expect(s.c.info(s.nowUs).snd_mss).toBe(1000)
  })
})
