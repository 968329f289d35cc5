import { describe, expect, it } from 'vitest'
import { Flag, Segment, toSeq } from '../../../src/wire/index.ts'

describe('Segment', () => {
  it('[rfc9293#3.4] counts SYN and FIN in its length, and no other flag', () => {
    const seg = new Segment()
    seg.payloadStart = 30
    seg.payloadEnd = 130
    const lengths = [0, Flag.SYN, Flag.FIN, Flag.SYN | Flag.FIN, 0x1ff & ~(Flag.SYN | Flag.FIN), 0x1ff].map((flags) => {
      seg.flags = flags
      return seg.len
    })
    expect(lengths).toEqual([100, 101, 101, 102, 100, 102])
    expect(seg.payloadLength).toBe(100)
  })

  it('is as new after a reset, so that nothing of one segment shows in the next', () => {
    const seg = new Segment()
    seg.srcPort = 1
    seg.dstPort = 2
    seg.seq = toSeq(3)
    seg.ack = toSeq(4)
    seg.flags = 5
    seg.marked = true
    seg.wnd = 6
    seg.urgentPointer = 7
    seg.buffer = Buffer.alloc(9)
    seg.payloadStart = 8
    seg.payloadEnd = 9
    seg.count = 2
    seg.lastLength = 1
    seg.mss = 1460
    seg.wscale = 7
    seg.sackPermitted = true
    seg.hasTimestamps = true
    seg.tsVal = toSeq(1)
    seg.tsEcr = toSeq(2)
    seg.sackCount = 1
    seg.fastOpenCookie = Buffer.alloc(8)
    seg.fastOpenExperimental = true
    seg.userTimeout = 30
    seg.checksumOffload = true
    const fresh = new Segment()
    for (const key of Object.keys(fresh) as (keyof Segment)[]) {
      if (key !== 'sack') expect(seg[key], key).not.toEqual(fresh[key])
    }
    seg.reset()
    expect(seg).toEqual(fresh)
  })
})
