import { describe, expect, it } from 'vitest'
import { Received, Receiver } from '../../../src/tcp/receiver.ts'
import { type Seq, seqAdd, seqDiff, toSeq } from '../../../src/wire/index.ts'

const IRS = toSeq(-100)

/** A receiver that has promised `window` bytes. */
function receiver(window = 10_000): Receiver {
  const made = new Receiver(2 * window)
  made.window.advertiseUnscaled(0 as Seq)
  made.start(IRS)
  return made
}

/** Bytes `from … to` of the stream. */
function give(r: Receiver, from: number, to: number, fin = false): Received {
  const buffer = Buffer.alloc(to - from + 10, 0xee)
  for (let i = from; i < to; i++) buffer[5 + i - from] = i & 0xff
  return r.receive(seqAdd(IRS, 1 + from), buffer, 5, 5 + to - from, fin)
}

function takeAll(r: Receiver): Buffer {
  const pieces: Buffer[] = []
  for (let piece = r.take(); piece !== null; piece = r.take()) pieces.push(piece)
  return Buffer.concat(pieces)
}

const stream = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => i & 0xff))
const at = (r: Receiver): number => seqDiff(r.rcvNxt, IRS) - 1

describe('Receiver', () => {
  it('takes what comes in order', () => {
    const r = receiver()
    expect(give(r, 0, 100)).toBe(Received.InOrder)
    expect(give(r, 100, 250)).toBe(Received.InOrder)
    expect(r).toMatchObject({ unread: 250, bytesReceived: 250, finished: false })
    expect(takeAll(r)).toEqual(stream(250))
    expect(r.unread).toBe(0)
    expect(r.taken).toBe(250)
  })

  it('puts in order what does not', () => {
    const r = receiver()
    expect(give(r, 300, 400)).toBe(Received.OutOfOrder)
    expect(give(r, 100, 200)).toBe(Received.OutOfOrder)
    expect(give(r, 150, 190)).toBe(Received.Duplicate)
    expect(give(r, 0, 150)).toBe(Received.FilledGap)
    expect([at(r), r.unread]).toEqual([200, 200])
    expect(give(r, 200, 350)).toBe(Received.FilledGap)
    expect(takeAll(r)).toEqual(stream(400))
    expect(r.reassembly.isEmpty).toBe(true)
  })

  it('cuts what overlaps with what was received', () => {
    const r = receiver()
    give(r, 0, 100)
    expect(give(r, 50, 150)).toBe(Received.InOrder)
    expect(give(r, 0, 150)).toBe(Received.Nothing)
    expect(takeAll(r)).toEqual(stream(150))
  })

  it('cuts what lies beyond the window', () => {
    const r = receiver(200)
    expect(give(r, 0, 500)).toBe(Received.InOrder)
    expect(at(r)).toBe(200)
    expect(give(r, 200, 300)).toBe(Received.Nothing)
    const ahead = receiver(200)
    expect(give(ahead, 150, 500)).toBe(Received.OutOfOrder)
    expect(ahead.reassembly.length).toBe(50)
  })

  it('reaches the FIN when all before it is there', () => {
    const r = receiver()
    give(r, 100, 200, true)
    expect(r.finished).toBe(false)
    expect(give(r, 0, 100)).toBe(Received.FilledGap)
    expect(r.finished).toBe(true)
    expect(at(r)).toBe(201)
    const bare = receiver()
    expect(give(bare, 0, 0, true)).toBe(Received.InOrder)
    expect([bare.finished, at(bare)]).toEqual([true, 1])
  })

  it('a FIN may come into a window of zero, but not behind one', () => {
    const r = receiver(100)
    give(r, 0, 100)
    expect(r.rcvWnd).toBe(0)
    give(r, 100, 100, true)
    expect(r.finished).toBe(true)
    expect(r.rcvWnd).toBe(0)
    const cut = receiver(100)
    give(cut, 0, 101, true)
    expect([cut.finished, at(cut)]).toEqual([false, 100])
  })

  it('linux: knows the segment size of the peer from what comes', () => {
    const r = receiver(60_000)
    expect(r.rcvMss).toBe(536)
    give(r, 0, 1460)
    expect(r.rcvMss).toBe(1460)
    give(r, 1460, 2460)
    expect(r.rcvMss).toBe(1460)
    // A smaller size counts when it has come twice.
    give(r, 2460, 3460)
    expect(r.rcvMss).toBe(1000)
    give(r, 3460, 3470)
    give(r, 3470, 3480)
    expect(r.rcvMss).toBe(1000)
  })

  it('does not keep a datagram alive for a few bytes of it', () => {
    const datagram = Buffer.alloc(60_000)
    const r = receiver()
    r.receive(seqAdd(IRS, 1), datagram, 100, 200, false)
    expect((r.take() as Buffer).buffer).not.toBe(datagram.buffer)
    r.receive(seqAdd(IRS, 201), datagram, 100, 200, false)
    r.receive(seqAdd(IRS, 101), datagram, 0, 100, false)
    expect((r.take() as Buffer).buffer).not.toBe(datagram.buffer)
  })

  it('throws away what nobody will read, and goes on acknowledging it', () => {
    const r = receiver()
    give(r, 0, 10)
    r.clear()
    r.discard = true
    expect(give(r, 10, 100)).toBe(Received.InOrder)
    expect(give(r, 200, 300)).toBe(Received.Dropped)
    expect([at(r), r.unread]).toEqual([100, 0])
    expect(r.take()).toBeNull()
  })
})
