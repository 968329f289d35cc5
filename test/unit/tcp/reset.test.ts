import { describe, expect, it } from 'vitest'
import { CloseReason, resetFor, State } from '../../../src/tcp/index.ts'
import { Flag, Segment, toSeq } from '../../../src/wire/index.ts'
import {
  ack,
  closeWait,
  closing,
  established,
  finWait1,
  finWait2,
  lastAck,
  type Script,
  synReceived,
  synSent,
  timeWait,
} from '../../support/script.ts'

// Resets sent and received: rfc9293#3.5.2, #3.5.3, #3.10.5, #3.10.7.

const synchronizedStates: [string, () => Script, number][] = [
  ['ESTABLISHED', established, 1],
  ['FIN_WAIT1', finWait1, 2],
  ['FIN_WAIT2', finWait2, 2],
  ['CLOSE_WAIT', closeWait, 1],
]

describe('ABORT', () => {
  it.each([...synchronizedStates, ['SYN_RECV', synReceived, 1] as (typeof synchronizedStates)[number]])(
    '[rfc9293#3.10.5] in %s sends a RST at SND.NXT and is closed',
    (_, make, seq) => {
      const s = make()
      const { rcvNxt, irs } = s.c.receiver
      s.abort().expectSent({ flags: 'R.', seq, ack: rcvNxt - irs, len: 0 })
      s.expectState(State.CLOSE).expectEvents('closed').expectQuiet()
      expect(s.c.closeReason).toBe(CloseReason.Aborted)
      expect(s.mib.OutRsts).toBe(1)
    },
  )

  it.each([
    ['SYN_SENT', synSent],
    ['CLOSING', closing],
    ['LAST_ACK', lastAck],
    ['TIME_WAIT', timeWait],
  ] as const)('[rfc9293#3.10.5] in %s deletes the connection and says nothing', (_, make) => {
    make().abort().expectSent().expectState(State.CLOSE).expectQuiet()
  })

  it('linux: says it all the same where data was still to be sent', () => {
    const s = closeWait({ sysctl: { tcp_init_cwnd: 1 } }).write(2000)
    s.drain()
    s.end().expectSent().expectState(State.LAST_ACK).abort().expectSent({ flags: 'R.', seq: 1001 }).expectQuiet()
  })

  it('drops what was queued, and what comes afterwards', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 1 } }).write(5000)
    s.drain()
    s.abort().expectSent({ flags: 'R.', seq: 1001 }).inject({ flags: 'P.', len: 10 }).expectSent().expectQuiet()
    expect(s.tryWrite(5)).toBe(0)
    expect(s.mib).toMatchObject({ EstabResets: 1, CurrEstab: 0 })
    s.abort().end().close().expectSent()
  })

  it('waits for a path that takes nothing', () => {
    const s = established()
    s.blocked = true
    s.abort().expectSent()
    expect(s.c.isDone).toBe(false)
    s.blocked = false
    s.pull().expectSent({ flags: 'R.', seq: 1 })
    expect(s.c.isDone).toBe(true)
  })
})

describe('a RST arrives', () => {
  it.each(synchronizedStates)('[rfc9293#3.10.7.4] in %s at RCV.NXT: the connection is reset', (_, make) => {
    const s = make().inject({ flags: 'R' }).expectSent().expectState(State.CLOSE).expectEvents('closed').expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Reset)
    expect(s.mib.OutRsts).toBe(0)
  })

  it.each([
    ['CLOSING', closing],
    ['LAST_ACK', lastAck],
  ] as const)('[rfc9293#3.10.7.4] in %s both had finished: it is closed', (_, make) => {
    const s = make().inject({ flags: 'R' }).expectSent().expectState(State.CLOSE).expectQuiet()
    expect(s.c.closeReason).toBe(CloseReason.Normal)
    expect(s.mib.EstabResets).toBe(0)
  })

  it.each(synchronizedStates)('[rfc9293#3.10.7.4] in %s outside the window: nothing', (_, make) => {
    const s = make()
    const { state } = s.c
    s.inject({ flags: 'R', seq: -1000 }).inject({ flags: 'R', seq: 70_000 }).inject({ flags: 'R.', seq: -1 })
    s.expectSent().expectState(state).expectEvents()
  })

  it('[rfc9293#3.5.3 SHLD-2] with data in it', () => {
    established().inject({ flags: 'R.', len: 20 }).expectSent().expectState(State.CLOSE)
  })

  it('[rfc9293#3.4 MUST-66] with a window of zero', () => {
    const s = established({ connection: { rcvbuf: 500 } })
      .inject({ flags: 'P.', len: 500 })
      .expectSent(ack(501, { wnd: 0 }))
    s.inject({ flags: 'R', seq: 501 }).expectState(State.CLOSE)
    expect(s.readAll()).toBe(500)
  })

  it('[rfc7323#3.2] without timestamps where all others have them', () => {
    established({ timestamps: true }).inject({ flags: 'R', ts: null }).expectState(State.CLOSE)
  })

  it('after unsent and unacknowledged data was queued', () => {
    const s = established({ sysctl: { tcp_init_cwnd: 2 } }).write(5000)
    s.drain()
    s.inject({ flags: 'R' }).expectState(State.CLOSE).expectQuiet()
    expect(s.mib).toMatchObject({ EstabResets: 1, CurrEstab: 0 })
  })
})

describe('resetFor', () => {
  const incoming = (flags: number, length = 0): Segment => {
    const seg = new Segment()
    seg.flags = flags
    seg.seq = toSeq(1000)
    seg.ack = toSeq(7777)
    seg.buffer = Buffer.alloc(length)
    seg.payloadEnd = length
    return seg
  }

  it('[rfc9293#3.10.7.1] takes its number from the ACK that it answers', () => {
    const out = new Segment()
    expect(resetFor(incoming(Flag.ACK, 10), out)).toBe(true)
    expect(out).toMatchObject({ flags: Flag.RST, seq: 7777 })
    expect(out.payloadLength).toBe(0)
  })

  it('[rfc9293#3.10.7.1] acknowledges all of a segment without ACK', () => {
    const out = new Segment()
    resetFor(incoming(Flag.SYN | Flag.FIN, 10), out)
    expect(out).toMatchObject({ flags: Flag.RST | Flag.ACK, seq: 0, ack: 1012 })
  })

  it('[rfc9293#3.10.7.1] never answers a RST', () => {
    expect(resetFor(incoming(Flag.RST), new Segment())).toBe(false)
    expect(resetFor(incoming(Flag.RST | Flag.ACK | Flag.SYN), new Segment())).toBe(false)
  })
})
