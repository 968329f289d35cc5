import { describe, expect, it } from 'vitest'
import { Pipeline, parsePipelineSpec, Rng } from '../../../src/impair/index.ts'
import { Flag, HEADER_LENGTH, hasChecksum, verifyChecksum, writeChecksum } from '../../../src/wire/index.ts'
import { isLikely, PipelineRig, runPipeline } from '../../support/pipeline-rig.ts'

const TRIALS = 50_000
const MANY = { size: 1, intervalUs: 1 }

describe('loss', () => {
  it.each([0.001, 0.05, 0.3, 0.99])('loses a share of %d', (loss) => {
    const { counters } = runPipeline({ loss }, TRIALS, MANY).pipeline
    expect(isLikely(counters.dropped, TRIALS, loss)).toBe(true)
    expect(counters.out).toBe(TRIALS - counters.dropped)
  })

  it('loses each by its own throw: runs of losses are geometric', () => {
    const came = new Set(runPipeline({ loss: 0.3 }, TRIALS, MANY).order)
    let pairs = 0
    for (let i = 0; i + 1 < TRIALS; i++) if (!came.has(i) && !came.has(i + 1)) pairs++
    expect(isLikely(pairs, TRIALS, 0.09)).toBe(true)
  })

  it('is off at 0 and loses all at 1', () => {
    expect(runPipeline({ loss: 0 }, 1000).order.length).toBe(1000)
    expect(runPipeline({ loss: 1 }, 1000).order.length).toBe(0)
  })
})

describe('duplicate', () => {
  it.each([0.05, 0.5])('sends a share of %d twice', (duplicate) => {
    const rig = runPipeline({ duplicate }, TRIALS, MANY)
    expect(isLikely(rig.pipeline.counters.duplicated, TRIALS, duplicate)).toBe(true)
    expect(rig.order.length).toBe(TRIALS + rig.pipeline.counters.duplicated)
  })

  it('sends the second right behind the first', () => {
    expect(runPipeline({ duplicate: 1 }, 3).order).toEqual([0, 0, 1, 1, 2, 2])
  })

  it('gives the two their own fates', () => {
    const rig = runPipeline({ duplicate: 1, corrupt: 0.5, delay: 50, jitter: 30 }, 2000, { intervalUs: 200_000 })
    const { arrivals } = rig
    const damaged = arrivals.map(({ index, body }) => !body.equals(Buffer.alloc(100, index & 0xff)))
    let together = 0
    let apart = 0
    for (let i = 0; i < arrivals.length; i += 2) {
      if (arrivals[i].us === arrivals[i + 1].us) together++
      if (damaged[i] !== damaged[i + 1]) apart++
    }
    expect(together).toBeLessThan(10)
    expect(isLikely(apart, 2000, 0.5)).toBe(true)
  })
})

describe('delay', () => {
  it('keeps every frame that long', () => {
    const rig = runPipeline({ delay: '100ms' }, 100)
    expect(new Set(rig.delays)).toEqual(new Set([100_000]))
    expect(rig.pipeline.counters.delayed).toBe(100)
  })

  it('spreads evenly over the jitter, and reorders', () => {
    const rig = runPipeline({ delay: 50, jitter: 30 }, TRIALS)
    const cells = new Array<number>(6).fill(0)
    const { delays, order } = rig
    for (const us of delays) cells[Math.min(5, Math.floor((us - 20_000) / 10_000))]++
    for (const cell of cells) expect(isLikely(cell, TRIALS, 1 / 6)).toBe(true)
    expect(delays.every((us) => us >= 20_000 && us <= 80_000)).toBe(true)
    const overtaken = order.filter((index, at) => at > 0 && index < order[at - 1]).length
    expect(overtaken).toBeGreaterThan(TRIALS / 10)
    expect(rig.pipeline.counters.reordered).toBe(0)
  })

  it('never waits less than nothing when the jitter is larger', () => {
    const { delays } = runPipeline({ delay: 10, jitter: 40 }, TRIALS)
    expect(Math.min(...delays.slice(0, 1000))).toBe(0)
    expect(isLikely(delays.filter((us) => us === 0).length, TRIALS, 30 / 80)).toBe(true)
  })

  it('keeps frames of the same time in their order', () => {
    const order = runPipeline({ delay: 5 }, 100, { intervalUs: 0 }).order
    expect(order).toEqual(Array.from({ length: 100 }, (_, i) => i))
  })
})

describe('reorder', () => {
  it('lets the chosen skip the delay, as netem', () => {
    const rig = runPipeline({ delay: 10, reorder: '25%' }, TRIALS)
    const early = rig.delays.filter((us) => us === 0).length
    expect(early).toBe(rig.pipeline.counters.reordered)
    expect(isLikely(early, TRIALS, 0.25)).toBe(true)
    expect(rig.delays.filter((us) => us === 10_000).length).toBe(TRIALS - early)
  })

  it('holds the chosen back by a time of its own', () => {
    const rig = runPipeline({ reorder: { probability: 0.2, by: '5ms' } }, TRIALS)
    const late = rig.delays.filter((us) => us === 5000).length
    expect(late).toBe(rig.pipeline.counters.reordered)
    expect(isLikely(late, TRIALS, 0.2)).toBe(true)
    expect(rig.delays.filter((us) => us === 0).length).toBe(TRIALS - late)
  })

  it('holds back on top of a delay', () => {
    const { delays } = runPipeline({ delay: 20, reorder: '50% by 5ms' }, 200)
    expect(new Set(delays)).toEqual(new Set([20_000, 25_000]))
  })
})

describe('rate', () => {
  it('sends frames one after the other, each for as long as it takes', () => {
    // 1250 bytes at 10 Mbit/s take a millisecond.
    const rig = runPipeline({ rate: '10mbit' }, 5, { size: 1250, intervalUs: 0 })
    expect(rig.times).toEqual([1000, 2000, 3000, 4000, 5000])
    expect(rig.order).toEqual([0, 1, 2, 3, 4])
  })

  it('is exact over many frames whose times are no whole microseconds', () => {
    const rig = runPipeline({ rate: '3mbit', queue: 10_000 }, 9000, { size: 100, intervalUs: 0 })
    expect(rig.times.at(-1)).toBe(2_400_000)
  })

  it('costs a frame nothing but its own time while the link is idle', () => {
    expect(new Set(runPipeline({ rate: '10mbit' }, 20, { size: 125, intervalUs: 5000 }).delays)).toEqual(new Set([100]))
  })

  it('drops at the tail of a full queue, the frame being sent counted', () => {
    const rig = runPipeline({ rate: '10mbit', queue: 3 }, 6, { size: 1250, intervalUs: 0 })
    expect(rig.order).toEqual([0, 1, 2])
    expect(rig.pipeline.counters).toMatchObject({ dropped: 3, overflowed: 3, out: 3 })
  })

  it('bounds the queue in bytes', () => {
    expect(runPipeline({ rate: '1mbit', queue: '1000b' }, 20, { size: 300, intervalUs: 0 }).order).toEqual([0, 1, 2])
    const both = { rate: '1mbit', queue: { packets: 2, bytes: '1000b' } }
    expect(runPipeline(both, 20, { size: 300, intervalUs: 0 }).order).toEqual([0, 1])
  })

  it('has room for 1000 packets unless told otherwise', () => {
    expect(runPipeline({ rate: '1gbit' }, 1200, { intervalUs: 0 }).order.length).toBe(1000)
  })

  it('has room again for each frame sent, with nobody there to release it', () => {
    const pipeline = new Pipeline(parsePipelineSpec({ rate: '10mbit', queue: 1 }) ?? {}, new Rng(1))
    let out = 0
    for (let i = 0; i < 10; i++) pipeline.push(Buffer.alloc(1250), 0, 1250, i * 1000, () => out++)
    expect(pipeline.counters).toMatchObject({ dropped: 0, held: 1 })
    expect(out).toBe(9)
  })

  it('sends what waits at the new rate once it changes, and at once when the limit is lifted', () => {
    const slow = new PipelineRig({ rate: '1mbit' }, { size: 1250, intervalUs: 0 }).push(3)
    slow.setFields({ rate: '10mbit' }).drain()
    expect(slow.times).toEqual([10_000, 11_000, 12_000])
    const lifted = new PipelineRig({ rate: '1mbit' }, { size: 1250, intervalUs: 0 }).push(3)
    lifted.setFields({ rate: 0 }).push(1).drain().push(1)
    expect(lifted.times).toEqual([10_000, 10_000, 10_000, 10_000, 10_000])
    expect(lifted.order).toEqual([0, 1, 2, 3, 4])
  })

  it('stands before the delay: the bottleneck does not wait for the long haul', () => {
    const rig = runPipeline({ rate: '10mbit', delay: 30 }, 3, { size: 1250, intervalUs: 0 })
    expect(rig.times).toEqual([31_000, 32_000, 33_000])
  })
})

describe('corrupt', () => {
  function segment(checksummed: boolean, payload = 80): Buffer {
    const bytes = Buffer.alloc(HEADER_LENGTH + payload, 0x5a)
    bytes[12] = 0x50
    bytes[13] = Flag.ACK
    bytes.writeUInt16BE(0, 16)
    if (checksummed) writeChecksum(bytes, 0, bytes.length)
    return bytes
  }

  function damage(make: () => Buffer, count: number): Buffer[] {
    const pipeline = new Pipeline(parsePipelineSpec({ corrupt: 1 }) ?? {}, new Rng(3))
    const out: Buffer[] = []
    for (let i = 0; i < count; i++) {
      const frame = make()
      pipeline.push(frame, 0, frame.length, i, (buffer, start, end) => out.push(buffer.subarray(start, end)))
    }
    return out
  }

  const distance = (a: Buffer, b: Buffer): number => {
    let bits = 0
    for (let i = 0; i < a.length; i++) for (let x = a[i] ^ b[i]; x !== 0; x &= x - 1) bits++
    return bits
  }

  it('damages its share and leaves the rest alone', () => {
    const rig = runPipeline({ corrupt: 0.1 }, TRIALS, { size: 10, intervalUs: 1 })
    const damaged = rig.arrivals.filter(({ index, body }) => !body.equals(Buffer.alloc(10, index & 0xff))).length
    expect(damaged).toBe(rig.pipeline.counters.corrupted)
    expect(isLikely(damaged, TRIALS, 0.1)).toBe(true)
  })

  it('flips one bit, anywhere', () => {
    const whole = segment(true)
    const flipped = damage(() => segment(true), 4000)
    expect(flipped.every((bytes) => distance(bytes, whole) === 1)).toBe(true)
    const touched = new Set(flipped.map((bytes) => bytes.findIndex((byte, i) => byte !== whole[i])))
    expect(touched.size).toBe(whole.length)
  })

  it('leaves the bytes of the sender alone, and those of a duplicate', () => {
    const frame = segment(true)
    const before = Buffer.from(frame)
    const pipeline = new Pipeline(parsePipelineSpec({ duplicate: 1, corrupt: 0.5 }) ?? {}, new Rng(3))
    const whole: boolean[] = []
    for (let i = 0; i < 100; i++) {
      pipeline.push(frame, 0, frame.length, i, (buffer, start, end) => {
        whole.push(buffer.subarray(start, end).equals(before))
      })
    }
    expect(frame.equals(before)).toBe(true)
    expect(isLikely(whole.filter(Boolean).length, 200, 0.5)).toBe(true)
  })

  it('is caught by the checksum of every segment that has one', () => {
    const out = damage(() => segment(true), 4000)
    expect(out.every((bytes) => hasChecksum(bytes, 0) && !verifyChecksum(bytes, 0, bytes.length))).toBe(true)
  })

  it('shows in a segment whose checksum was left to UDP', () => {
    const out = damage(() => segment(false), 4000)
    expect(out.every((bytes) => hasChecksum(bytes, 0) && !verifyChecksum(bytes, 0, bytes.length))).toBe(true)
  })

  it('shows where the flip turns the checksum itself into "not computed"', () => {
    // The only bit set in the checksum field: flipped, it would say that there is none.
    const make = (): Buffer => {
      const bytes = segment(false, 0)
      bytes.writeUInt16BE(1, 16)
      return bytes
    }
    const cleared = damage(make, 4000).filter((bytes) => distance(bytes, make()) > 1)
    expect(cleared.length).toBeGreaterThan(0)
    for (const bytes of cleared) expect(verifyChecksum(bytes, 0, bytes.length)).toBe(false)
    expect(damage(make, 4000).every((bytes) => hasChecksum(bytes, 0))).toBe(true)
  })

  it('loses whole datagrams, as the UDP checksum would have', () => {
    const rig = runPipeline({ corrupt: 0.25 }, TRIALS, { ...MANY, unit: 'datagram' })
    const { corrupted, dropped } = rig.pipeline.counters
    expect(corrupted).toBe(dropped)
    expect(isLikely(dropped, TRIALS, 0.25)).toBe(true)
  })
})
