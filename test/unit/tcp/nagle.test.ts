import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { CLASSIC, data, established } from '../../support/script.ts'

// When small segments wait, and where PSH is set: rfc9293#3.7.4, #3.9.1.2, linux: tcp_nagle_check (Minshall), TCP_CORK.

describe('Nagle', () => {
  it('[rfc9293#3.7.4 SHLD-7] a small segment waits while a small one is unacknowledged', () => {
    const s = established()
      .write(10)
      .expectSent(data(1, 11, { flags: 'P.' }))
      .write(10)
      .write(20)
      .expectSent()
    s.inject({ ack: 11 })
      .expectSent(data(11, 41, { flags: 'P.' }))
      .inject({ ack: 41 })
      .expectQuiet()
  })

  it('linux: but not for full ones (Minshall)', () => {
    const s = established().write(3000)
    s.drain()
    s.write(10).expectSent(data(3001, 3011)).write(10).expectSent()
    s.inject({ ack: 3001 }).expectSent().inject({ ack: 3011 }).expectSent(data(3011, 3021))
  })

  it('[rfc9293#3.7.4] a full segment does not wait', () => {
    const s = established()
      .write(10)
      .expectSent(data(1, 11))
      .write(999)
      .expectSent()
      .write(501)
      .expectSent(data(11, 1011))
    s.inject({ ack: 1011 }).expectSent(data(1011, 1511))
  })

  it('[rfc9293#3.7.4] nor does what the FIN ends', () => {
    established()
      .write(10)
      .expectSent(data(1, 11))
      .write(10)
      .expectSent()
      .end()
      .expectSent(data(11, 21, { flags: 'FP.' }))
  })

  it('[rfc9293#3.7.4 MUST-17] is off with TCP_NODELAY, from now on as well', () => {
    established({ connection: { noDelay: true } })
      .write(10)
      .expectSent(data(1, 11))
      .write(10)
      .expectSent(data(11, 21))
    const s = established().write(10).expectSent(data(1, 11)).write(10).expectSent()
    s.do((c) => {
      c.sender.noDelay = true
    }).expectSent(data(11, 21))
  })

  it('[rfc9293#3.9.1.2 MUST-60] nothing is held back for ever', () => {
    const s = established({ sysctl: CLASSIC }).write(10).expectSent(data(1, 11)).write(10).expectSent()
    s.expectAt(300, data(1, 11)).inject({ ack: 11 }).expectSent(data(11, 21))
  })

  it('[rfc9293#3.9.1.2 MUST-61] the last segment of what is queued carries PSH, alone', () => {
    established()
      .write(3500)
      .expectSent(
        data(1, 1001, { flags: '.' }),
        data(1001, 2001, { flags: '.' }),
        data(2001, 3001, { flags: '.' }),
        data(3001, 3501, { flags: 'P.' }),
      )
    established()
      .write(1000)
      .expectSent(data(1, 1001, { flags: 'P.' }))
  })

  it('linux: so does the last of several that the window lets out together, but not one that leaves alone', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 3 } }).write(10_000)
    s.expectSent(data(1, 1001, { flags: '.' }), data(1001, 2001, { flags: '.' }), data(2001, 3001, { flags: 'P.' }))
    s.at(100)
      .inject({ ack: 1001 })
      .expectSent(data(3001, 4001, { flags: '.' }), data(4001, 5001, { flags: 'P.' }))
    established({ sysctl: { tcp_init_cwnd: 1 } })
      .write(10_000)
      .expectSent(data(1, 1001, { flags: '.' }))
    established({ sndWnd: 2500 })
      .write(10_000)
      .expectSent(data(1, 1001, { flags: '.' }), data(1001, 2001, { flags: 'P.' }))
  })

  it('[rfc9293#3.9.1.2 SHLD-27] so that several writes make one push, where they leave in one segment', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 } })
      .write(1000)
      .expectSent(data(1, 1001, { flags: 'P.' }))
    for (let i = 0; i < 5; i++) s.write(300)
    s.expectSent().inject({ ack: 1001 })
    s.expectSent(data(1001, 2001, { flags: '.' }), data(2001, 2501, { flags: 'P.' }))
  })

  it('[rfc9293#3.9.1.2 SHLD-28] what was written in pieces leaves in full segments', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 } })
      .write(700)
      .expectSent(data(1, 701))
    for (let i = 0; i < 10; i++) s.write(333)
    s.expectSent().inject({ ack: 701 }).expectSent(data(701, 1701))
  })
})

describe('TCP_CORK', () => {
  const corked = () =>
    established({ connection: { noDelay: true } }).do((c) => {
      c.sender.cork = true
    })

  it('[rfc9293#3.9.1.2 MAY-16] gathers what is written, and sends full segments only', () => {
    const s = corked()
      .write(300)
      .write(300)
      .expectSent()
      .write(500)
      .expectSent(data(1, 1001, { flags: '.' }))
    s.do((c) => {
      c.sender.cork = false
    }).expectSent(data(1001, 1101, { flags: 'P.' }))
  })

  it('linux: for 200 ms at most', () => {
    corked()
      .write(300)
      .expectSent()
      .expectAt(200, data(1, 301, { flags: 'P.' }))
  })
})

describe('writing', () => {
  it('takes what fits, and tells when there is room again', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 }, connection: { sndbuf: 3000 } })
    expect(s.tryWrite(5000)).toBe(3000)
    expect(s.tryWrite(10)).toBe(0)
    s.expectEvents().expectSent(data(1, 1001)).inject({ ack: 1001 }).expectEvents('writable')
    s.drain()
    expect(s.tryWrite(5000)).toBe(1000)
    s.drain()
    s.inject({ ack: 1501 }).expectEvents()
  })

  it('linux: the buffer follows twice the window', () => {
    const s = established({ sysctl: { tcp_wmem: [4096, 5000, 30_000] } })
    expect(s.tryWrite(50_000)).toBe(20_000)
    s.drain()
    s.inject({ ack: 10_001 })
    s.drain()
    expect(s.tryWrite(50_000)).toBe(20_000)
    s.drain()
    const locked = established({ connection: { sndbuf: 5000 } })
    expect(locked.tryWrite(50_000)).toBe(5000)
  })

  it('who waits for room hears only of the end when it comes', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 }, connection: { sndbuf: 3000 } })
    expect(s.tryWrite(5000)).toBe(3000)
    s.drain()
    s.inject({ flags: 'R' }).expectEvents('closed')
  })

  it('takes nothing after the end, or where nothing may be sent', () => {
    for (const state of [State.FIN_WAIT1, State.CLOSE] as const) {
      const s = state === State.CLOSE ? established().abort() : established().end()
      s.drain()
      expect(s.expectState(state).tryWrite(10)).toBe(0)
    }
  })
})
