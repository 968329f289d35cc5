import { describe, expect, it } from 'vitest'
import type { Loans } from '../../../src/tunnel/loans.ts'
import { FakeNetwork } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

// Payload that stays where it is until the system takes it: what leaves must be the same as if it had been copied.

const HERE = '10.0.0.1'
const THERE = '10.0.9.9'
const HEADER = 32

/** A host whose system takes what it is given, from wherever that is, or says a code. */
function lendingHost() {
  const net = new FakeNetwork(HERE)
  const sent: Buffer[] = []
  const codes: string[] = []
  const io = {
    gathers: true,
    remoteAddress: THERE,
    remotePort: 80,
    send: (_fd: number, buffer: Buffer, start: number, end: number, _to: Buffer | null, loans: Loans) => {
      const code = codes.shift()
      if (code !== undefined) return code
      const bytes = Buffer.from(buffer)
      for (; loans.first < loans.count && loans.at[loans.first] < end; loans.first++) {
        const [source, from] = [loans.sources[loans.first], loans.starts[loans.first]]
        source.copy(bytes, loans.at[loans.first], from, from + loans.sizes[loans.first])
      }
      sent.push(bytes.subarray(start, end))
      return null
    },
    receive: () => 'EAGAIN',
  }
  const { module: dgram, interfaces } = net
  const own = new TestHost({ dgram, interfaces, native: { ...net.native, io }, offload: 'auto' })
  own.virtualUs = 0
  return { net, own, sent, codes, path: own.open(THERE, 80) }
}

const payload = (size: number, seed: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, i) => (i * seed) & 255))

/** Writes a segment whose payload is lent in two pieces; returns what is to leave. */
function lend(path: ReturnType<typeof lendingHost>['path'], bytes: Buffer): Buffer {
  const source = Buffer.concat([Buffer.alloc(7), bytes])
  expect(path.reserve(HEADER + bytes.length)).toBe(true)
  expect(path.lends).toBe(true)
  const { buffer, offset } = path
  buffer.fill(0xaa, offset, offset + HEADER)
  buffer.fill(0xee, offset + HEADER, offset + HEADER + bytes.length)
  const cut = bytes.length >> 2
  path.lend(offset + HEADER, source, 7, cut)
  path.lend(offset + HEADER + cut, source, 7 + cut, bytes.length - cut)
  path.commit(HEADER + bytes.length)
  return Buffer.concat([Buffer.alloc(HEADER, 0xaa), bytes])
}

/** The segments in datagrams that were sent. */
const segments = (datagrams: readonly Buffer[]): Buffer[] => {
  const all = Buffer.concat([...datagrams])
  const found: Buffer[] = []
  for (let at = 0; at < all.length; ) {
    const size = all.readUInt16BE(at + 2)
    found.push(all.subarray(at + 4, at + 4 + size))
    at += 4 + size
  }
  return found
}

describe('loans', () => {
  it('leave from where they are, in their order, among what was copied', () => {
    const { own, sent, path } = lendingHost()
    const first = lend(path, payload(1400, 3))
    const copied = Buffer.alloc(1432, 0x11)
    expect(path.reserve(copied.length)).toBe(true)
    copied.copy(path.buffer, path.offset)
    path.commit(copied.length)
    const last = lend(path, payload(900, 5))
    own.tunnel.flush(0)
    expect(segments(sent)).toEqual([first, copied, last])
  })

  it('move along when their batch outgrows its buffer', () => {
    const { own, sent, path } = lendingHost()
    const all = Array.from({ length: 30 }, (_, i) => lend(path, payload(1400, i + 1)))
    own.tunnel.flush(0)
    expect(segments(sent)).toEqual(all)
  })

  it('are copied when the system takes no more, for dgram to send', async () => {
    const { net, own, sent, codes, path } = lendingHost()
    // Of 60 segments the first 44 go in one call.
    const all = Array.from({ length: 60 }, (_, i) => lend(path, payload(1400, i + 1)))
    codes.push('EAGAIN')
    own.tunnel.flush(0)
    await turns(2)
    const left = segments(net.sent.map(({ bytes }) => bytes))
    expect([...segments(sent), ...left].length).toBe(60)
    expect(new Set([...segments(sent), ...left].map((bytes) => bytes.toString('hex')))).toEqual(
      new Set(all.map((bytes) => bytes.toString('hex'))),
    )
    expect(left.length).toBeGreaterThan(0)
    expect(path.lends).toBe(true)
  })

  it('are none where dgram has something to send first', () => {
    const { own, codes, path } = lendingHost()
    lend(path, payload(1400, 1))
    codes.push('EAGAIN')
    own.tunnel.flush(0)
    expect(path.reserve(100)).toBe(true)
    expect(path.lends).toBe(false)
  })

  it('are none where somebody looks at what is sent, and are copied when somebody begins to', () => {
    const { own, sent, path } = lendingHost()
    const seen: Buffer[] = []
    const expected = lend(path, payload(1400, 9))
    Object.assign(own, {
      tracer: {
        frameSent: (_now: number, _path: unknown, buffer: Buffer, start: number, end: number) =>
          seen.push(Buffer.from(buffer.subarray(start, end))),
      },
    })
    expect(path.lends).toBe(false)
    own.tunnel.flush(0)
    expect(seen).toEqual([expected])
    expect(segments(sent)).toEqual([expected])
  })
})

describe('a run of segments', () => {
  const SIZE = HEADER + 1400

  /** Writes `count` segments into room for as many, and returns what is to leave. */
  function writeRun(path: ReturnType<typeof lendingHost>['path'], count: number, wanted = count): Buffer[] {
    const room = path.reserveRun(SIZE, wanted)
    const { buffer, offset, stride } = path
    const written = Array.from({ length: Math.min(room, count) }, (_, i) => {
      const segment = payload(SIZE, i + 1)
      segment.copy(buffer, offset + i * stride)
      return segment
    })
    path.commitRun(SIZE, written.length, false)
    return written
  }

  it('has room for as many as a batch takes', () => {
    const { path } = lendingHost()
    expect(path.reserveRun(SIZE, 7)).toBe(7)
    // Of 1,436 bytes with the shim, 45 go into 64 KiB.
    expect(path.reserveRun(SIZE, 100)).toBe(45)
  })

  it('leaves as segments written one by one do, behind what was there, as many as were written', () => {
    const { own, sent, path } = lendingHost()
    const first = lend(path, payload(1400, 77))
    const runs = [writeRun(path, 3, 20), writeRun(path, 40, 100), writeRun(path, 40), writeRun(path, 40)]
    own.tunnel.flush(0)
    // The third finds what the first batch has left.
    expect(runs.map((run) => run.length)).toEqual([3, 40, 1, 40])
    expect(segments(sent)).toEqual([first, ...runs.flat()])
  })

  it('has no room where a segment has none', () => {
    const { path } = lendingHost()
    path.crowded = true
    expect(path.reserveRun(SIZE, 5)).toBe(0)
  })
})
