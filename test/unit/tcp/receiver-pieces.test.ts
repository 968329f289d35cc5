import { describe, expect, it } from 'vitest'
import { Receiver } from '../../../src/tcp/receiver.ts'
import { seqAdd, toSeq } from '../../../src/wire/index.ts'

function receiverOf(...sizes: number[]): Receiver {
  const receiver = new Receiver(1 << 20)
  receiver.window.advertiseUnscaled(toSeq(0))
  receiver.start(toSeq(99))
  receiver.window.shift = 7
  receiver.window.open(1 << 20, 0)
  receiver.window.advertise(receiver.rcvNxt, 0, 1000)
  for (const [i, size] of sizes.entries()) {
    receiver.receive(seqAdd(receiver.rcvNxt, 0), Buffer.alloc(size, i + 1), 0, size, false)
  }
  return receiver
}

function taken(receiver: Receiver): Buffer[] {
  const pieces: Buffer[] = []
  for (let piece = receiver.take(); piece !== null; piece = receiver.take()) pieces.push(piece)
  return pieces
}

describe('what the application takes', () => {
  it('gathers small pieces up to 64 KiB', () => {
    const receiver = receiverOf(...new Array<number>(70).fill(1000))
    const pieces = taken(receiver)
    expect(pieces.map((piece) => piece.length)).toEqual([65_000, 5000])
    expect([pieces[0][0], pieces[0][64_999], pieces[1][0]]).toEqual([1, 65, 66])
    expect(receiver.unread).toBe(0)
  })

  it('hands large pieces on uncopied', () => {
    const receiver = receiverOf()
    const datagram = Buffer.alloc(30_000, 7)
    receiver.receive(receiver.rcvNxt, datagram, 0, 30_000, false)
    receiver.receive(receiver.rcvNxt, Buffer.alloc(20_000, 8), 0, 20_000, false)
    const [first, second] = taken(receiver)
    expect(first.buffer).toBe(datagram.buffer)
    expect([first.length, second.length]).toEqual([30_000, 20_000])
  })

  it('moves the pieces of a read of many segments together within it', () => {
    const receiver = receiverOf()
    const read = Buffer.allocUnsafeSlow(10_360).fill(0)
    for (let at = 36; at < 10_360; at += 1036) {
      read.fill(at / 36, at, at + 1000)
      receiver.receive(receiver.rcvNxt, read, at, at + 1000, false)
    }
    const wanted = Buffer.alloc(10_000)
    for (let i = 0; i < 10; i++) wanted.fill((36 + i * 1036) / 36, i * 1000, (i + 1) * 1000)
    const [piece, ...others] = taken(receiver)
    expect(piece).toEqual(wanted)
    expect(piece.buffer).toBe(read.buffer)
    expect(others).toEqual([])
    expect(receiver.coalesced).toBe(9)
  })

  it('leaves alone what lies between two pieces of a read, for another connection may have kept it', () => {
    const receiver = receiverOf()
    const read = Buffer.allocUnsafeSlow(3000).fill(1).fill(2, 1000, 2000).fill(3, 2000)
    receiver.receive(receiver.rcvNxt, read, 0, 1000, false)
    receiver.receive(receiver.rcvNxt, read, 2000, 3000, false)
    expect(read[1000]).toBe(2)
    const pieces = taken(receiver)
    expect(pieces.map((piece) => [piece.length, piece[0], piece[1000]])).toEqual([[2000, 1, 3]])
    expect(read[1000]).toBe(2)
  })

  it('keeps what waits for a gap out of the way of what closes up', () => {
    const receiver = receiverOf()
    const read = Buffer.allocUnsafeSlow(3072).fill(1, 0, 1036).fill(3, 1036, 2072).fill(2, 2072)
    const { rcvNxt } = receiver
    receiver.receive(rcvNxt, read, 36, 1036, false)
    receiver.receive(seqAdd(rcvNxt, 2000), read, 1072, 2072, false)
    receiver.receive(seqAdd(rcvNxt, 1000), read, 2072, 3072, false)
    const all = Buffer.concat(taken(receiver))
    expect([all.length, all[0], all[1000], all[1999], all[2000], all[2999]]).toEqual([3000, 1, 2, 2, 3, 3])
  })

  it('lets go of a read of which little was kept, once the next begins', () => {
    const receiver = receiverOf()
    const reads = [Buffer.allocUnsafeSlow(64_000).fill(1), Buffer.allocUnsafeSlow(64_000).fill(2)]
    for (const read of reads) {
      receiver.receive(receiver.rcvNxt, read, 100, 200, false)
      receiver.receive(receiver.rcvNxt, read, 300, 20_300 * Number(read === reads[1]) || 400, false)
    }
    for (const read of reads) read.fill(9)
    // The first two, copied in time; of the second read enough was kept to leave it where it is.
    const pieces = taken(receiver)
    expect(pieces.map((piece) => [piece.length, piece[0]])).toEqual([
      [300, 1],
      [20_000, 9],
    ])
  })
})
