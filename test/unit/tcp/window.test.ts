import { describe, expect, it } from 'vitest'
import { State } from '../../../src/tcp/index.ts'
import { ReceiveWindow, windowShift } from '../../../src/tcp/window.ts'
import { toSeq } from '../../../src/wire/index.ts'
import { ack, established } from '../../support/script.ts'

// The window that is offered: rfc9293#3.8.6, rfc7323#2, linux: __tcp_select_window, tcp_rcv_space_adjust.

describe('the window that is offered', () => {
  it('closes as data waits, and opens as it is read', () => {
    const s = established({ connection: { rcvbuf: 4000 } })
    s.inject({ len: 1000 })
      .expectSent(ack(1001, { wnd: 3000 }))
      .inject({ len: 1000 })
      .expectSent(ack(2001, { wnd: 2000 }))
    s.burst({ seq: 2001, len: 1000 }, { seq: 3001, len: 1000 }).expectSent(ack(4001, { wnd: 0 }))
    expect(s.mib.TCPToZeroWindowAdv).toBe(1)
    expect(s.readAll()).toBe(4000)
    s.expectSent(ack(4001, { wnd: 4000 }))
    expect(s.mib.TCPFromZeroWindowAdv).toBe(1)
  })

  it('[rfc9293#3.8.6.2.2 MUST-39] opens by a segment at least, or by half of it where that is less', () => {
    const offer = (capacity: number, unread: number, mss: number): number => {
      const window = new ReceiveWindow(2 * capacity)
      window.advertiseUnscaled(toSeq(0))
      // All of it was used.
      return window.advertise(toSeq(capacity), unread, mss)
    }
    expect([4000, 3001, 3000, 2000, 0].map((unread) => offer(4000, unread, 1000))).toEqual([0, 0, 1000, 2000, 4000])
    expect([1000, 501, 500].map((unread) => offer(1000, unread, 1460))).toEqual([0, 0, 500])
  })

  it('linux: tells of it without being asked only when it has doubled', () => {
    const s = established({ connection: { rcvbuf: 4000 } })
      .inject({ len: 1000 })
      .expectSent(ack(1001, { wnd: 3000 }))
    s.readAll()
    s.expectSent()
      .inject({ len: 1000 })
      .expectSent(ack(2001, { wnd: 3000 }))
  })

  it('[rfc9293#3.8.6 SHLD-14] never takes back what it promised, [rfc7323#2.4] nor what rounding to the scale would take', () => {
    const s = established({ wscale: 0, connection: { rcvbuf: 20_000 } })
    // Every departure's right edge is checked by the script.
    for (let i = 0; i < 40; i++) {
      s.inject({ len: 333 })
      s.drain()
      if (i % 7 === 0) s.readAll()
      s.drain()
    }
    expect(s.c.receiver.window.shift).toBe(7)
  })

  it('[rfc9293#3.8.6.1 MAY-8] may stay closed for ever: probes are answered, and nothing else happens', () => {
    const s = established({ connection: { rcvbuf: 1000 } })
      .inject({ len: 1000 })
      .expectSent(ack(1001, { wnd: 0 }))
    for (let hours = 1; hours <= 100; hours++) {
      // A byte of data as older systems probe, and a segment before the window as Linux does.
      s.at(hours * 3_600_000)
        .inject({ len: 1 })
        .expectSent(ack(1001, { wnd: 0 }))
      s.after(60_000)
        .inject({ seq: 1000 })
        .expectSent(ack(1001, { wnd: 0 }))
    }
    s.expectState(State.ESTABLISHED).expectQuiet()
    expect(s.readAll()).toBe(1000)
    s.expectSent(ack(1001, { wnd: 1000 }))
  })

  it('ours: one-byte segments cannot hold it open', () => {
    const s = established({ wscale: 0, connection: { rcvbuf: 2048 } })
    s.peer.mayRound = true
    let field = -1
    for (let i = 0; i < 10_000 && field !== 0; i++) {
      let [sent] = s.inject({ len: 1 }).drain()
      if (sent === undefined) [sent] = s.wait(s.t + 500).drain()
      field = sent?.wnd ?? -1
    }
    expect(field).toBe(0)
    expect(s.c.unread).toBeLessThanOrEqual(2048 * 1.25)
  })

  it('linux: opens by two segments for each that comes, from what a SYN can say, and tells of it at once', () => {
    const s = established({ wscale: 0, connection: { rcvbuf: 150_000 } }).repeat(28, { len: 1000 })
    const sent = s.drain()
    expect(sent.length, 'more than the quick ACKs of a beginning').toBe(28)
    expect(sent[15].wnd).toBe(Math.floor((65_535 + 16 * 2 * 1460) / 128))
    // It has opened as far as it goes: ACKs may wait.
    s.repeat(16, { len: 1000 }).drain()
    s.repeat(10, { len: 1000 })
    expect(s.drain().length).toBe(5)
  })

  it('linux: small segments do not open it', () => {
    const s = established({ wscale: 0, connection: { rcvbuf: 100_000 } })
    s.repeat(10, { len: 127 }).readAll()
    expect(s.drain().at(-1)?.wnd).toBe(512)
    s.inject({ len: 128 }).expectSent(ack(1399, { wnd: Math.floor((65_535 + 2 * 1460) / 128) }))
  })

  it('is never larger than the UDP socket under it can hold', () => {
    const s = established({ wscale: 7, connection: { receiveLimit: () => 10_000 } })
    expect(s.c.info(s.nowUs).rcv_wnd).toBeLessThanOrEqual(10_000 + 127)
    s.inject({ len: 1000 })
    expect(s.drain()[0].wnd * 128).toBeLessThanOrEqual(10_000 + 127)
  })
})

describe('a hole at the beginning', () => {
  /** Of fifty segments the first is missing; the window beyond it, bytes. */
  const behind = (tcp_moderate_rcvbuf: 0 | 1): number => {
    const s = established({ sack: true, wscale: 7, sysctl: { tcp_moderate_rcvbuf } })
    for (let i = 1; i <= 60; i++) s.inject({ seq: 1 + i * 1000, len: 1000 }).drain()
    return s.c.receiver.window.capacity
  }

  it('linux: does not keep the window from opening', () => {
    expect(behind(1)).toBeGreaterThan(61_000 + 14_000)
  })

  it('tcp_moderate_rcvbuf 0: does', () => {
    expect(behind(0)).toBe(65_536)
  })
})

describe('ReceiveWindow', () => {
  it('[rfc7323#2.3] shifts as far as the largest buffer needs', () => {
    expect([1, 65_535, 65_536, 131_070, 131_071, 6_291_456, 2 ** 30, 2 ** 40].map(windowShift)).toEqual([
      0, 0, 1, 1, 2, 7, 14, 14,
    ])
  })

  it('linux: measures the first round trip against what a first flight brings', () => {
    const window = new ReceiveWindow(131_072)
    window.shift = 7
    window.start(toSeq(1))
    window.measureAgainst(10_000, 0)
    window.onRtt(100_000)
    window.tune(100_000, 10_000, 1000, 6_291_456)
    expect(window.capacity).toBe(65_536)
    window.tune(200_000, 30_000, 1000, 6_291_456)
    // 2 · 20,000 + 16 · 1000, and twice as much again for having doubled.
    expect(window.capacity).toBe(3 * 56_000)
  })

  it('grows to twice what the application took in a round trip, up to the largest buffer', () => {
    const window = new ReceiveWindow(131_072)
    window.shift = 7
    window.start(toSeq(1))
    expect(window.capacity).toBe(65_536)
    window.onRtt(100_000)
    window.tune(0, 0, 1000, 6_291_456)
    window.tune(100_000, 60_000, 1000, 6_291_456)
    expect(window.capacity).toBe(65_536)
    window.tune(200_000, 60_000 + 65_537, 1000, 6_291_456)
    expect(window.capacity).toBeGreaterThanOrEqual(2 * 65_536)
    expect(window.capacity).toBeLessThan(3 * 65_536)
    for (let i = 3, taken = 125_537; i < 60; i++) {
      taken += window.capacity
      window.tune(i * 100_000, taken, 1000, 6_291_456)
    }
    expect(window.capacity).toBe(6_291_456 / 2)
  })

  it('linux: grows by what waits behind a hole, which the application cannot take', () => {
    const window = new ReceiveWindow(131_072)
    window.shift = 7
    window.start(toSeq(1))
    window.measureAgainst(10_000, 0)
    window.makeRoom(40_000, 6_291_456)
    expect(window.capacity).toBe(65_536)
    window.makeRoom(65_000, 6_291_456)
    expect(window.capacity).toBe(2 * 10_000 + 65_000)
    window.makeRoom(10_000_000, 6_291_456)
    expect(window.capacity).toBe(6_291_456 / 2)
    const locked = new ReceiveWindow(131_072)
    locked.locked = true
    locked.makeRoom(1_000_000, 6_291_456)
    expect(locked.rcvBuf).toBe(131_072)
  })

  it('does not grow within a round trip, nor without knowing one, nor when set by hand', () => {
    const window = new ReceiveWindow(131_072)
    window.shift = 7
    window.tune(1_000_000, 1_000_000, 1000, 6_291_456)
    window.onRtt(100_000)
    window.tune(1_050_000, 0, 1000, 6_291_456)
    window.tune(1_100_000, 1_000_000, 1000, 6_291_456)
    expect(window.capacity).toBe(65_536)
    const locked = new ReceiveWindow(131_072)
    locked.locked = true
    locked.shift = 7
    locked.onRtt(1000)
    locked.tune(1000, 0, 1000, 6_291_456)
    locked.tune(2000, 1_000_000, 1000, 6_291_456)
    expect(locked.capacity).toBe(65_536)
  })

  it('tcp_moderate_rcvbuf 0 leaves the buffer as it is', () => {
    const grown = [0, 1].map((on) => {
      const s = established({ timestamps: true, wscale: 7, sysctl: { tcp_moderate_rcvbuf: on as 0 | 1 } })
      for (let i = 1; i <= 5; i++) {
        s.at(i * 100).repeat(60, { len: 1000 })
        s.drain()
        s.readAll()
        s.drain()
        s.write(1)
        s.drain()
        s.inject({ ack: 1 + i })
        s.drain()
      }
      return s.c.receiver.window.rcvBuf
    })
    expect(grown[0]).toBe(131_072)
  })

  it('without scaling no window is larger than the field', () => {
    const window = new ReceiveWindow(1_000_000)
    expect(window.capacity).toBe(65_535)
    window.start(toSeq(1))
    expect(window.advertise(toSeq(1), 0, 1000)).toBe(65_535)
  })
})
