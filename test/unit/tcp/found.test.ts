import { describe, expect, it } from 'vitest'
import { CaState } from '../../../src/tcp/index.ts'
import { ack, data, established, segments } from '../../support/script.ts'

// What simulated transfers over random networks have found (test/sim/random.test.ts, `npm run soak`), each as short as it can be told.

const roomy = { connection: { sndbuf: 1_000_000 } }
const sacking = { sack: true, ...roomy }

describe('windows', () => {
  it('[rfc9293#3.10.7.4] a retransmission of the peer brings a newer window with its newer ACK, though its sequence number is older', () => {
    const s = established({ sndWnd: 20_000 }).write(8000)
    s.expectSent(...segments(8, 1))
    // New data with a large window, then what was lost before it, sent again later: it acknowledges more, and the window has shrunk as much.
    s.inject({ seq: 1001, len: 1000, ack: 1, wnd: 20_000 }).drain()
    s.inject({ seq: 1, len: 1000, ack: 8001, wnd: 12_000 })
    expect(s.c.sender).toMatchObject({ sndWnd: 12_000 })
  })

  it.each([
    ['[rfc5681#2] stays as it is in duplicate ACKs, which else would be none, where there is no SACK', false, 1],
    ['opens on data out of order where SACK tells of loss', true, 4],
  ])('%s', (_, sack, count) => {
    const s = established({ sack, wscale: 7, sysctl: { tcp_rmem: [4096, 1_000_000, 4_000_000] } })
    const windows = [3, 4, 5, 6].map((segment) => {
      s.inject({ seq: 1 + 1000 * segment, len: 1000, ack: 1 }).drain()
      return s.c.receiver.rcvWnd
    })
    expect(new Set(windows).size).toBe(count)
  })

  it('ours: bytes in a queue are whole, whatever fraction a controller has', () => {
    const s = established()
    s.do((c) => {
      c.cc.cwnd = 12_345.5
      c.growSendBuffer()
    })
    expect(s.c.sender.sndBuf).toBe(24_691)
    s.do((c) => {
      c.cc.cwnd = 98_765.25
      c.growSendBuffer()
    })
    expect(s.c.sender.sndBuf).toBe(197_530)
  })

  it('[rfc4821#7.2] with tcp_mtu_probing 2 segments are small from the start', () => {
    const s = established({ sysctl: { tcp_mtu_probing: 2, tcp_base_mss: 512 }, ...roomy }).write(2000)
    s.expectSent(data(1, 513), data(513, 1025), data(1025, 1537), data(1537, 2001))
  })
})

describe('RACK', () => {
  it('[rfc8985#6.2] an ACK that delivers nothing does not put off the second look at what is late', () => {
    const s = established(sacking).write(10_000)
    s.expectSent(...segments(10, 1)).at(100)
    s.inject({ sack: [[1001, 2001]] }).expectSent()
    const due = s.deadline
    expect(due).toBeLessThan(200)
    // A duplicate, as the network makes them.
    s.at(110)
      .inject({ sack: [[1001, 2001]] })
      .expectSent()
    expect(s.deadline).toBe(due)
    s.expectAt(due, data(1, 1001))
  })

  it('[rfc4015#3.2] what was lost beyond the end of a recovery is recovered at once when that is undone', () => {
    const s = established({ ...sacking, sysctl: { tcp_init_cwnd: 20 } }).write(40_000)
    s.expectSent(...segments(20, 1)).at(100)
    // The first is only late. New data follows while it is recovered.
    s.inject({ sack: [[1001, 4001]] }).expectSent(data(1, 1001))
    s.at(105).inject({ sack: [[1001, 20_001]] })
    expect(s.drain().length).toBeGreaterThan(5)
    s.at(205).inject({
      ack: 20_001,
      sack: [
        [1, 1001],
        [21_001, 25_001],
      ],
    })
    expect(s.drain()).toContainEqual(expect.objectContaining(data(20_001, 21_001)))
    expect(s.mib).toMatchObject({ TCPFullUndo: 1, TCPSackRecovery: 2 })
    expect(s.c.recovery.caState).toBe(CaState.Recovery)
  })

  it('ours: without timestamps, after a needless timeout, what was delivered were the originals', () => {
    const s = established({ ...sacking, rtt: 100, sysctl: { tcp_early_retrans: 0 } }).write(10_000)
    s.expectSent(...segments(10, 1))
    s.expectAt(300, data(1, 1001)).at(700)
    // RACK must not take the first of them for the answer to the retransmission, 400 ms ago: all before that would be lost.
    s.inject({ ack: 5001 }).expectSent()
    expect(s.mib).toMatchObject({ TCPSpuriousRTOs: 1, TCPSackRecovery: 0 })
    expect(s.c.recovery.caState).toBe(CaState.Open)
    expect(s.cwndSegs).toBeGreaterThanOrEqual(10)
  })
})

describe('tail loss probes', () => {
  it('[rfc8985#7.2] where the timeout would come first, the probe takes its place, and the timeout begins again', () => {
    const s = established(sacking).write(1000).expectSent(data(1, 1001))
    // RTO 300 ms; PTO, with one segment out, 2 SRTT and 200 ms.
    s.expectAt(300, data(1, 1001)).expectAt(600, data(1, 1001))
    expect(s.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 1, RetransSegs: 2 })
  })

  it('[rfc8985#7.3] a last segment with the FIN goes again as it is', () => {
    const s = established(sacking)
    s.blocked = true
    s.write(3000).end().drain()
    s.blocked = false
    s.pull().expectSent(data(1, 1001), data(1001, 2001), data(2001, 3001, { flags: 'FP.' }))
    s.expectAt(202, data(2001, 3001, { flags: 'FP.' }))
  })
})

describe('what a receiver tells', () => {
  it('linux: a FIN that came out of order is part of the selective acknowledgement', () => {
    const s = established(sacking)
    s.inject({ seq: 1001, len: 1000, flags: 'F.' }).expectSent(ack(1, { sack: [[1001, 2002]] }))
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(2002, { sack: [] }))
    expect(s.readAll()).toBe(2000)
  })

  it('linux: and so is one that came alone', () => {
    const s = established(sacking)
    s.inject({ seq: 1001, flags: 'F.' }).expectSent(ack(1, { sack: [[1001, 1002]] }))
    s.inject({ seq: 1, len: 1000 }).expectSent(ack(1002))
  })

  it('[rfc2883#4.1] each copy of what was acknowledged already is reported, though they are read together', () => {
    const s = established(sacking).burst({ len: 1000 }, { len: 1000 })
    s.drain()
    s.burst({ seq: 1, len: 1000 }, { seq: 1, len: 1000 })
    s.expectSent(ack(2001, { sack: [[1, 1001]] }), ack(2001, { sack: [[1, 1001]] }))
    // What follows on the one before makes it longer.
    s.burst({ seq: 1, len: 1000 }, { seq: 1001, len: 1000 }).expectSent(ack(2001, { sack: [[1, 2001]] }))
    expect(s.mib).toMatchObject({ TCPDSACKOldSent: 3 })
  })

  it('[rfc2018#4] a read with more holes than an ACK has blocks is told of by several', () => {
    const s = established({ ...sacking, timestamps: true })
    s.burst(...[1, 3, 5, 7, 9, 11, 13].map((i) => ({ seq: i * 1000 + 1, len: 1000 })))
    const sent = s.drain()
    const told = sent.flatMap(({ sack }) => sack.map(([start]) => start))
    expect(new Set(told)).toEqual(new Set([1001, 3001, 5001, 7001, 9001, 11_001, 13_001]))
    expect(sent.length).toBeLessThanOrEqual(4)
    // The last begins with what came last.
    expect(sent.at(-1)?.sack).toContainEqual([13_001, 14_001])
    s.inject({ seq: 15_001, len: 1000 })
    expect(s.drain()).toMatchObject([{ sack: [[15_001, 16_001], {}, {}] }])
  })

  it.each([4, 5, 6, 7, 12])(
    'linux: tells them as they came, %i holes: or a sender takes it for reordering',
    (holes) => {
      const s = established({ ...sacking, timestamps: true })
      s.burst(...Array.from({ length: holes }, (_, i) => ({ seq: i * 2000 + 1001, len: 1000 })))
      let newest = 0
      const told = new Set<number>()
      for (const { sack } of s.drain()) {
        const fresh = sack.map(([start]) => start).filter((start) => !told.has(start))
        expect(Math.min(...fresh)).toBeGreaterThan(newest)
        // rfc2018#4: the first of each is the newest.
        expect(sack[0][0]).toBe(Math.max(...fresh))
        newest = Math.max(newest, ...fresh)
        for (const start of fresh) told.add(start)
      }
      expect(told.size).toBe(holes)
    },
  )
})

describe('[rfc5961#5] out of the window', () => {
  it('ours: data further off than any window draws an ACK twice a second', () => {
    const s = established(sacking).inject({ len: 1000 })
    s.drain()
    s.repeat(5, { seq: 10_000_000, len: 10 })
    expect(s.drain()).toMatchObject([ack(1001)])
    s.at(600).repeat(5, { seq: -10_000_000, len: 10 })
    expect(s.drain()).toMatchObject([ack(1001)])
  })
})
