import { describe, expect, it } from 'vitest'
import {
  State,
  type TimeWaitRecord,
  timeWaitAck,
  timeWaitArrives,
  timeWaitRecord,
  TimeWaitVerdict as Verdict,
} from '../../../src/tcp/index.ts'
import { Flag, Segment, type Seq, seqAdd, toSeq } from '../../../src/wire/index.ts'
import { ack, finWait2, timeWait } from '../../support/script.ts'

// The last state: rfc9293#3.6.1, rfc6191, rfc1337, linux: tcp_timewait_state_process.

const record: TimeWaitRecord = {
  localPort: 1,
  remotePort: 2,
  sndNxt: toSeq(5000),
  rcvNxt: toSeq(0xffff_ff00),
  rcvWnd: 65_535,
  windowField: 512,
  timestamps: false,
  tsRecent: 0 as Seq,
  tsOffset: 0,
}
const withTimestamps: TimeWaitRecord = { ...record, timestamps: true, tsRecent: toSeq(1000) }

function verdict(
  { flags = Flag.ACK, seq = 0, len = 0, ts = -1 }: { flags?: number; seq?: number; len?: number; ts?: number },
  of: TimeWaitRecord = record,
  rfc1337 = false,
): Verdict {
  const seg = new Segment()
  seg.flags = flags
  seg.seq = seqAdd(of.rcvNxt, seq)
  seg.ack = of.sndNxt
  seg.buffer = Buffer.alloc(len)
  seg.payloadEnd = len
  if (ts >= 0) {
    seg.hasTimestamps = true
    seg.tsVal = toSeq(ts)
  }
  return timeWaitArrives(of, seg, rfc1337)
}

describe('TIME_WAIT', () => {
  it('keeps of a connection what answers for it', () => {
    const s = timeWait({ timestamps: true, wscale: 7 })
    const made = timeWaitRecord(s.c)
    expect(made).toMatchObject({ localPort: 5000, remotePort: 80, timestamps: true, windowField: 512, tsOffset: 0 })
    expect(made.sndNxt).toBe(s.c.sender.sndNxt)
    expect(made.rcvNxt).toBe(s.c.receiver.rcvNxt)
  })

  it('the connection itself does nothing more', () => {
    timeWait()
      .inject({ flags: 'F.', seq: 1 })
      .expectSent()
      .inject({ flags: 'R' })
      .expectState(State.TIME_WAIT)
      .expectQuiet()
    expect(timeWait().tryWrite(1)).toBe(0)
  })

  it('the last ACK waits for the path', () => {
    const s = finWait2()
    s.blocked = true
    s.inject({ flags: 'FP.', len: 10 }).expectSent().expectState(State.TIME_WAIT)
    s.blocked = false
    s.pull().expectSent(ack(12)).expectQuiet()
    expect(s.readAll()).toBe(10)
  })

  it('[rfc9293#3.10.7.4] acknowledges a FIN that comes again, and waits anew', () => {
    expect(verdict({ flags: Flag.ACK | Flag.FIN, seq: -1 })).toBe(Verdict.Restart)
    expect(verdict({ flags: Flag.ACK | Flag.FIN, seq: -11, len: 10 })).toBe(Verdict.Restart)
  })

  it('[rfc9293#3.10.7.4] acknowledges what is unacceptable', () => {
    expect(verdict({ seq: -100, len: 50 })).toBe(Verdict.Ack)
    expect(verdict({ seq: 100_000, len: 50 })).toBe(Verdict.Ack)
    expect(verdict({ seq: -100 })).toBe(Verdict.Ack)
    // Half a connection that never heard of it: our ACK draws its RST.
    expect(verdict({ flags: Flag.SYN, seq: -100 })).toBe(Verdict.Ack)
    expect(verdict({ flags: Flag.SYN | Flag.ACK, seq: 100 })).toBe(Verdict.Ack)
  })

  it('an ACK in its place needs no answer, or two of them would never stop', () => {
    expect(verdict({})).toBe(Verdict.Ignore)
  })

  it('[rfc1337#3] a RST ends it only if it is exact, and with tcp_rfc1337 not even then', () => {
    expect(verdict({ flags: Flag.RST })).toBe(Verdict.Kill)
    expect(verdict({ flags: Flag.RST }, record, true)).toBe(Verdict.Ignore)
    expect(verdict({ flags: Flag.RST, seq: 1 })).toBe(Verdict.Ignore)
    expect(verdict({ flags: Flag.RST | Flag.ACK, seq: -1 })).toBe(Verdict.Ignore)
  })

  it('[rfc9293#3.6.1 MAY-2] a SYN beyond what the old incarnation used begins a new one', () => {
    expect(verdict({ flags: Flag.SYN, seq: 1 })).toBe(Verdict.Reopen)
    expect(verdict({ flags: Flag.SYN, seq: 1_000_000 })).toBe(Verdict.Reopen)
    expect(verdict({ flags: Flag.SYN, seq: 0 })).not.toBe(Verdict.Reopen)
    expect(verdict({ flags: Flag.SYN | Flag.RST, seq: 1 })).toBe(Verdict.Ignore)
  })

  it('[rfc6191#2] [rfc9293#3.6.1 SHLD-4] or a SYN with a later timestamp, whatever its number', () => {
    expect(verdict({ flags: Flag.SYN, seq: -1000, ts: 1001 }, withTimestamps)).toBe(Verdict.Reopen)
    expect(verdict({ flags: Flag.SYN, seq: -1000, ts: 1000 }, withTimestamps)).toBe(Verdict.Ack)
    expect(verdict({ flags: Flag.SYN, seq: 1000, ts: 1000 }, withTimestamps)).toBe(Verdict.Reopen)
    expect(verdict({ flags: Flag.SYN, seq: 1000, ts: 999 }, withTimestamps)).toBe(Verdict.Ack)
  })

  it('[rfc7323#5.3] what is older than the connection is acknowledged and does nothing', () => {
    expect(verdict({ flags: Flag.ACK | Flag.FIN, seq: -1, ts: 999 }, withTimestamps)).toBe(Verdict.Ack)
    expect(verdict({ flags: Flag.RST, ts: 999 }, withTimestamps)).toBe(Verdict.Ignore)
  })

  it('answers with its last numbers', () => {
    const out = new Segment()
    timeWaitAck({ ...withTimestamps, tsOffset: 7 }, out, 123.9)
    expect(out).toMatchObject({
      seq: 5000,
      ack: record.rcvNxt,
      flags: Flag.ACK,
      wnd: 512,
      hasTimestamps: true,
      tsVal: 130,
      tsEcr: 1000,
    })
    timeWaitAck(record, out, 5)
    expect(out.hasTimestamps).toBe(false)
  })
})
