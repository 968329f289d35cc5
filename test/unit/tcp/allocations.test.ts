import { describe, expect, it } from 'vitest'
import { TcpPair } from '../../support/tcp-pair.ts'

const BATCHES = 200
const SEGMENTS = 200
/** Until all is compiled. */
const WARM_UP = 60_000

/** What it was when last looked at. Node 20 makes a view of about 100 bytes for each part of a buffer that it copies, later ones do not. */
const KNOWN: Readonly<Record<string, number>> = { 20: 146, 22: 56, 24: 47, 26: 46 }
const LATEST = 26

/** Bytes that a segment leaves on the heap, of sender and receiver together: the median of many batches, for in a few of them garbage is collected. */
function bytesPerSegment(): number {
  const pair = new TcpPair()
  const chunk = Buffer.allocUnsafeSlow(262_144)
  pair.transfer(chunk, WARM_UP)
  const samples: number[] = []
  for (let i = 0; i < BATCHES; i++) {
    const { segments } = pair.sender
    const before = process.memoryUsage().heapUsed
    pair.transfer(chunk, SEGMENTS)
    samples.push((process.memoryUsage().heapUsed - before) / (pair.sender.segments - segments))
  }
  expect(pair.sender.c.sender.totalRetrans).toBe(0)
  return samples.sort((a, b) => a - b)[BATCHES / 2]
}

describe('what a segment costs', () => {
  it('is no more memory than it was, by a tenth', () => {
    const [major] = process.versions.node.split('.')
    const known = KNOWN[major] ?? KNOWN[LATEST]
    const bytes = bytesPerSegment()
    expect(bytes).toBeLessThan(known * 1.1)
    // It counts something.
    expect(bytes).toBeGreaterThan(0)
  })
})
