import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { ack, data, established } from '../../support/script.ts'

// What is done to a segment that arrives: rfc9293#3.10.7.4, linux: tcp_validate_incoming, tcp_ack.

describe('acceptability', () => {
  it('[rfc9293#3.10.7.4] what lies before the window is acknowledged again and dropped', () => {
    const s = established().inject({ flags: 'P.', len: 100 }).expectSent(ack(101)).expectEvents('readable')
    s.inject({ flags: 'P.', seq: 1, len: 100 }).expectSent(ack(101)).expectEvents()
    expect(s.readAll()).toBe(100)
  })

  it('[rfc9293#3.10.7.4] what lies behind it too', () => {
    const s = established().inject({ flags: 'P.', seq: 65_537, len: 100 }).expectSent(ack(1)).expectEvents()
    expect(s.c.receiver.reassembly.isEmpty).toBe(true)
  })

  it('[rfc9293#3.10.7.4] a segment that begins before the window and ends in it is cut', () => {
    const s = established().inject({ len: 100 }).expectSent(ack(101))
    s.inject({ seq: 51, len: 100 }).expectSent(ack(151))
    expect(s.readAll()).toBe(150)
  })

  it('[rfc9293#3.10.7.4] a segment that ends behind the window is cut, its FIN with it', () => {
    const s = established({ connection: { rcvbuf: 2000 } })
      .inject({ flags: 'FP.', len: 2500 })
      .expectSent(ack(2001, { wnd: 0 }))
    s.expectState(State.ESTABLISHED).expectEvents('readable')
    expect(s.readAll()).toBe(2000)
    s.expectSent(ack(2001, { wnd: 2000 }))
      .inject({ flags: 'FP.', seq: 2001, len: 500 })
      .expectSent(ack(2502))
    s.expectState(State.CLOSE_WAIT)
  })

  it('[rfc9293#3.10.7.4] with a window of zero only what has no data is acceptable, and ACKs and windows of the rest count', () => {
    const s = established({ connection: { rcvbuf: 1000 } })
      .write(10)
      .expectSent(data(1, 11))
    s.inject({ len: 1000 }).expectSent(ack(1001, { wnd: 0 }))
    s.inject({ seq: 1001, len: 1, ack: 11, wnd: 5000 }).expectSent(ack(1001, { wnd: 0 }))
    expect(s.c.sender.board.isEmpty).toBe(true)
    expect(s.c.sender.sndWnd).toBe(5000)
    expect(s.mib.TCPZeroWindowDrop).toBe(1)
    expect(s.readAll()).toBe(1000)
  })

  it('[rfc9293#3.10.7.4] a segment without ACK is dropped', () => {
    const s = established()
      .inject({ flags: 'P', len: 10 })
      .inject({ flags: 'F' })
      .inject({ flags: '' })
      .expectSent()
      .expectEvents()
    s.expectState(State.ESTABLISHED)
  })

  it('[rfc9293#3.8.5] urgent data is delivered in line', () => {
    const s = established().inject({ flags: 'UP.', len: 10 }).expectSent(ack(11)).expectEvents('readable')
    expect(s.readAll()).toBe(10)
  })

  it('[rfc9293#3.10.7.4] a bare ACK before the window is answered, for it may be a probe, twice a second at most', () => {
    const s = established()
      .inject({ seq: 0 })
      .expectSent(ack(1, { seq: 1 }))
      .inject({ seq: 0 })
      .expectSent()
    expect(s.mib.TCPACKSkippedSeq).toBe(1)
    s.at(500).inject({ seq: 0 }).expectSent(ack(1))
  })

  it('linux: but data is always answered, for it cannot be part of an ACK loop', () => {
    const s = established().inject({ seq: 0, len: 1 }).expectSent(ack(1)).inject({ seq: 0, len: 1 }).expectSent(ack(1))
    s.inject({ seq: -9, len: 5 }).expectSent(ack(1)).inject({ seq: -9, len: 5 }).expectSent(ack(1))
  })

  it('[rfc9293#3.10.7.4 MUST-59] all that comes together is taken in before one ACK answers', () => {
    const s = established()
    s.burst({ seq: 1, len: 1000 }, { seq: 1001, len: 1000 }, { seq: 2001, len: 1000 }, { seq: 3001, len: 1000 })
    s.expectSent(ack(4001))
  })

  it('[rfc9293#3.10.7.4 MUST-58] an ACK rides on data where there is some', () => {
    const s = established().inject({ len: 1000 }).expectSent(ack(1001))
    s.do((c, now) => {
      s.c.write(Buffer.from([0, 31, 62]))
      c.read(now)
    })
    s.expectSent(data(1, 4, { ack: 1001 }))
  })

  it('a segment for a connection that is gone is nothing', () => {
    const s = established().inject({ flags: 'R' }).expectState(State.CLOSE)
    s.inject({ flags: 'P.', len: 5 }).inject({ flags: 'S' }).inject({ ack: 1 }).expectSent().expectQuiet()
  })
})

describe('acknowledgements', () => {
  it('[rfc9293#3.10.7.4] of what was sent take it off', () => {
    const s = established().write(3000)
    s.drain()
    s.at(10).inject({ ack: 1001 }).expectSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ unacked: 2, bytes_acked: 1000 })
    s.inject({ ack: 3001 }).expectQuiet()
    expect(s.c.info(s.nowUs)).toMatchObject({ unacked: 0, bytes_acked: 3000, notsent_bytes: 0 })
  })

  it('of part of a segment leave the rest', () => {
    const s = established().write(1000)
    s.drain()
    s.inject({ ack: 401 }).expectSent()
    expect(s.c.info(s.nowUs)).toMatchObject({ unacked: 1, bytes_acked: 400 })
    s.expectAt(300, data(401, 1001))
  })

  it('[rfc9293#3.10.7.4] that are old are ignored, and their data is taken', () => {
    const s = established().write(2000)
    s.drain()
    s.inject({ ack: 2001 }).inject({ ack: 1001, wnd: 5, len: 100 }).expectSent(ack(101))
    expect(s.c.sender.sndWnd).toBe(65_535)
    expect(s.readAll()).toBe(100)
  })

  it('[rfc9293#3.10.7.4] of what was never sent draw an ACK, and their segment is dropped', () => {
    const s = established()
      .inject({ ack: 2, len: 10 })
      .expectSent(ack(1, { seq: 1 }))
      .expectEvents()
    expect(s.readAll()).toBe(0)
  })

  it('[rfc9293#3.10.7.4] change the window unless they are older than what last changed it', () => {
    const s = established().inject({ seq: 1, ack: 1, wnd: 3000 })
    s.burst({ seq: 1001, len: 1000, wnd: 9000 }, { seq: 1, len: 1000, wnd: 4000 }).expectSent(ack(2001))
    expect(s.c.sender.sndWnd).toBe(9000)
    s.inject({ seq: 2001, wnd: 2000 })
    expect(s.c.sender.sndWnd).toBe(2000)
  })
})
