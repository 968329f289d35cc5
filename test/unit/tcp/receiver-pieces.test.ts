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
})
