import { describe, expect, it } from 'vitest'
import { SendQueue } from '../../../src/tcp/send-queue.ts'

function bytes(from: number, count: number): Buffer {
  const buffer = Buffer.alloc(count)
  for (let i = 0; i < count; i++) buffer[i] = (from + i) % 251
  return buffer
}

/** What the queue holds there is `expected`, copied or lent, and it writes nothing beside. */
function expectAt(queue: SendQueue, position: number, expected: Buffer): void {
  const { length } = expected
  const target = Buffer.alloc(length + 4, 0xee)
  const lent: Buffer[] = []
  const sink = {
    reserve: () => true,
    buffer: target,
    offset: 2,
    commit() {},
    batch: 1,
    isWaiting: () => false,
    lend(at: number, source: Buffer, start: number, size: number) {
      expect(at).toBe(2 + Buffer.concat(lent).length)
      lent.push(source.subarray(start, start + size))
    },
  }
  queue.place(position, length, 1, sink, 2, 0, true)
  expect(target.every((byte) => byte === 0xee)).toBe(true)
  queue.place(position, length, 1, sink, 2, 0, false)
  expect(Buffer.concat(lent).equals(expected), `lent at ${position}`).toBe(true)
  expect(target.equals(Buffer.concat([Buffer.alloc(2, 0xee), expected, Buffer.alloc(2, 0xee)])), `at ${position}`).toBe(
    true,
  )
}

describe('SendQueue', () => {
  it('keeps a copy of what is appended', () => {
    const queue = new SendQueue()
    const chunk = bytes(0, 100)
    queue.append(chunk, 10, 60)
    chunk.fill(0)
    expect(queue).toMatchObject({ base: 0, end: 50, length: 50 })
    expectAt(queue, 0, bytes(10, 50))
    expectAt(queue, 7, bytes(17, 3))
  })

  it('goes over the borders of its blocks', () => {
    const queue = new SendQueue()
    for (let at = 0; at < 300_000; at += 777) queue.append(bytes(at, 777), 0, 777)
    for (const [position, length] of [
      [0, 2000],
      [1000, 100],
      [60_000, 10_000],
      [131_000, 70_000],
      [1, 250_000],
    ] as const) {
      expectAt(queue, position, bytes(position, length))
    }
  })

  it('forgets what is released, and counts on', () => {
    const queue = new SendQueue()
    queue.append(bytes(0, 5000), 0, 5000)
    queue.release(1234)
    expect(queue).toMatchObject({ base: 1234, end: 5000, length: 3766 })
    expectAt(queue, 1234, bytes(1234, 3766))
    queue.release(5000)
    expect(queue.length).toBe(0)
    queue.append(bytes(5000, 10), 0, 10)
    expectAt(queue, 5000, bytes(5000, 10))
  })

  it('is a window over a stream without end', () => {
    const queue = new SendQueue()
    let released = 0
    for (let at = 0; at < 3_000_000; at += 10_000) {
      queue.append(bytes(at, 10_000), 0, 10_000)
      if (at > 100_000) {
        released += 10_000
        queue.release(released)
      }
      expectAt(queue, released, bytes(released, 100))
      expectAt(queue, at + 9000, bytes(at + 9000, 1000))
    }
  })

  it('goes back as well as forward, for retransmissions', () => {
    const queue = new SendQueue()
    queue.append(bytes(0, 200_000), 0, 200_000)
    for (const position of [150_000, 10, 199_000, 70_000, 69_999, 0]) expectAt(queue, position, bytes(position, 1000))
  })

  it('clear lets go of everything', () => {
    const queue = new SendQueue()
    queue.append(bytes(0, 100_000), 0, 100_000)
    queue.clear()
    expect(queue).toMatchObject({ base: 100_000, end: 100_000, length: 0 })
  })
})
