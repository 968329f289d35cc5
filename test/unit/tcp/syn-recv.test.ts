import { describe, expect, it } from 'vitest'
import { fillSynAck, fillSynRecvAck, type SynRecord, SynVerdict, synRecvArrives } from '../../../src/tcp/syn-recv.ts'
import { Flag, Segment, seqAdd, toSeq } from '../../../src/wire/index.ts'

// A handshake that a listener keeps as a record: SYN-RECEIVED of rfc9293#3.10.7.4.

const record: SynRecord = {
  iss: toSeq(0x7fff_ffff),
  irs: toSeq(-1),
  wnd: 10_000,
  retries: 0,
  sentAt: 0,
  mss: 1000,
  wscale: 7,
  sackPermitted: true,
  hasTimestamps: true,
  tsVal: toSeq(500),
  checksumOffload: false,
  ecn: false,
}

/** `seq` and `ack` count from the SYNs: what completes the handshake is 1 and 1. */
function verdict(
  flags: number,
  { seq = 1, ack = 1, len = 0, ts = 501 }: { seq?: number; ack?: number; len?: number; ts?: number } = {},
) {
  const seg = new Segment()
  seg.flags = flags
  seg.seq = seqAdd(record.irs, seq)
  seg.ack = seqAdd(record.iss, ack)
  seg.buffer = Buffer.alloc(len)
  seg.payloadEnd = len
  seg.hasTimestamps = ts >= 0
  seg.tsVal = toSeq(ts)
  return synRecvArrives(record, seg)
}

const { ACK, FIN, RST, SYN } = Flag

describe('a half-open connection kept as a record', () => {
  it('[rfc9293#3.10.7.4] is completed by the ACK of its SYN-ACK, with data, a FIN, or neither', () => {
    for (const flags of [ACK, ACK | FIN])
      for (const len of [0, 100]) expect(verdict(flags, { len })).toBe(SynVerdict.Complete)
    expect(verdict(ACK, { seq: 5000, len: 100 })).toBe(SynVerdict.Complete)
  })

  it('answers the SYN once more', () => {
    expect(verdict(SYN, { seq: 0 })).toBe(SynVerdict.SynAck)
    expect(verdict(SYN, { seq: 0, ts: -1 })).toBe(SynVerdict.SynAck)
    expect(verdict(SYN, { seq: 0, ts: 499 })).not.toBe(SynVerdict.SynAck)
  })

  it('[rfc9293#3.10.7.4] an ACK of anything else draws a RST', () => {
    for (const ack of [0, 2, -100, 0x7fff_0000]) expect(verdict(ACK, { ack })).toBe(SynVerdict.Reset)
    expect(verdict(ACK | RST, { ack: 5 })).not.toBe(SynVerdict.Reset)
  })

  it('[rfc9293#3.10.7.4] what lies outside the window is told where things stand, unless it is a RST', () => {
    for (const seq of [-5, 10_002]) {
      expect(verdict(ACK, { seq })).toBe(SynVerdict.Ack)
      expect(verdict(RST, { seq })).toBe(SynVerdict.Ignore)
    }
    expect(verdict(ACK, { seq: 10_001 })).toBe(SynVerdict.Complete)
  })

  it('[rfc5961#3.2] [rfc5961#4.2] only an exact RST ends it; another in the window is challenged, and so is a SYN', () => {
    expect(verdict(RST)).toBe(SynVerdict.Refused)
    expect(verdict(RST, { seq: 2 })).toBe(SynVerdict.Challenge)
    expect(verdict(SYN, { seq: 9 })).toBe(SynVerdict.Challenge)
  })

  it('[rfc7323#5.3] what is older than the SYN is not believed, but for a RST', () => {
    expect(verdict(ACK, { ts: 499 })).toBe(SynVerdict.Old)
    expect(verdict(ACK, { ts: 500 })).toBe(SynVerdict.Complete)
    expect(verdict(RST, { ts: 1 })).toBe(SynVerdict.Refused)
  })

  it('[rfc9293#3.10.7.4] without ACK it is nothing', () => {
    expect(verdict(0, { len: 10 })).toBe(SynVerdict.Ignore)
    expect(verdict(FIN)).toBe(SynVerdict.Ignore)
  })

  it('answers with the numbers of the two SYNs', () => {
    const out = new Segment()
    fillSynAck(record, out, 1460, 5, toSeq(77))
    expect(out).toMatchObject({
      flags: SYN | ACK,
      seq: record.iss,
      ack: 0,
      wnd: 10_000,
      mss: 1460,
      wscale: 5,
      sackPermitted: true,
      tsVal: 77,
      tsEcr: 500,
    })
    fillSynRecvAck(record, out, 5, toSeq(78))
    expect(out).toMatchObject({ flags: ACK, seq: seqAdd(record.iss, 1), ack: 0, wnd: 10_000 >> 5, mss: -1, tsVal: 78 })
    fillSynAck({ ...record, wscale: -1, hasTimestamps: false, sackPermitted: false }, out, 1460, 5, toSeq(77))
    expect(out).toMatchObject({ wscale: -1, hasTimestamps: false, sackPermitted: false })
  })
})
