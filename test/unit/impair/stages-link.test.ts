import { describe, expect, it } from 'vitest'
import { Pipeline, parsePipelineSpec, Rng } from '../../../src/impair/index.ts'
import { PipelineRig, runPipeline } from '../../support/pipeline-rig.ts'

// Links and their queues: what a packet costs, who waits, who is thrown away.

describe('rate', () => {
  it('counts what each packet has around it', () => {
    // 1000 + 250 bytes at 10 Mbit/s take a millisecond.
    expect(runPipeline({ rate: '10mbit 250' }, 3, { size: 1000, intervalUs: 0 }).times).toEqual([1000, 2000, 3000])
    expect(runPipeline({ rate: { rate: '10mbit', packetoverhead: -100 } }, 1, { size: 225 }).times).toEqual([100])
  })

  it('fills whole cells, as ATM does', () => {
    // 100 bytes and 18 of AAL5 fill three cells of 48, each of 53 on the wire.
    const rig = runPipeline({ rate: '1272kbit 18 48 5' }, 2, { size: 100, intervalUs: 0 })
    expect(rig.times).toEqual([1000, 2000])
  })
})

describe('CoDel', () => {
  /** A second of overload: 2 ms a packet, one every millisecond, then what is left. */
  const overload = (queue: string, count = 3000) =>
    runPipeline({ rate: '4mbit', queue }, count, { size: 1000, intervalUs: 1000 })

  it('[rfc8289#5.6] lets a burst that drains within an interval pass unharmed', () => {
    const rig = runPipeline({ rate: '4mbit', queue: '1000 codel' }, 40, { size: 1000, intervalUs: 0 })
    expect(rig.pipeline.counters.dropped).toBe(0)
  })

  it('[rfc8289#5.5] drops when the delay has been above the target for an interval, then faster and faster', () => {
    const rig = overload('10000 codel')
    const { counters } = rig.pipeline
    expect(counters.overflowed).toBe(counters.dropped)
    expect(counters.droppedBy).toEqual({ queue: counters.dropped })
    expect(counters.dropped).toBeGreaterThan(20)
    const dropped = Array.from({ length: 3000 }, (_, i) => i).filter((i) => !rig.order.includes(i))
    // rfc8289#5.5: the n-th follows the one before it after interval / sqrt(n), in the time of the link.
    const gaps = dropped.slice(1).map((index, i) => index - dropped[i])
    const [early, late] = [gaps.slice(0, 5), gaps.slice(-5)].map((part) => part.reduce((a, b) => a + b) / 5)
    expect(early).toBeGreaterThan(2 * late)
    expect(dropped[0]).toBeGreaterThan(50)
  })

  it('[rfc8289#5.2] keeps still where the queue is below the target, or no more than a packet', () => {
    expect(
      runPipeline({ rate: '8mbit', queue: 'codel' }, 5000, { size: 1000, intervalUs: 1000 }).pipeline.counters.dropped,
    ).toBe(0)
  })

  it('[rfc8289#4.3] [rfc8289#4.4] keeps the delay of a flow that answers losses far below what drop-tail gives it', () => {
    // A window that grows by a packet for each that comes, and halves on loss: the least of controls.
    const settled = (queue: string): number => {
      const pipeline = new Pipeline<number>(parsePipelineSpec({ rate: '10mbit', queue }) ?? {}, new Rng(1))
      const frame = Buffer.alloc(1250)
      const sentUs: number[] = []
      const delays: number[] = []
      let [window, flying, nowUs, lost] = [10, 0, 0, 0]
      const emit = (_b: Buffer, _s: number, _e: number, index: number): void => {
        delays.push(nowUs - sentUs[index])
        flying--
        window += 1 / window
      }
      while (nowUs < 30_000_000) {
        while (flying < window) {
          sentUs.push(nowUs)
          flying++
          pipeline.push(frame, 0, 1250, nowUs, emit, sentUs.length - 1)
        }
        nowUs = pipeline.deadline
        pipeline.release(nowUs, emit)
        const { dropped } = pipeline.counters
        if (dropped > lost) {
          flying -= dropped - lost
          window = Math.max(2, window / 2)
          lost = dropped
        }
      }
      const late = delays.slice(delays.length >> 1).sort((a, b) => a - b)
      return late[late.length >> 1]
    }
    const [tail, codel] = [settled('400'), settled('400 codel')]
    expect(codel).toBeLessThan(60_000)
    expect(tail).toBeGreaterThan(200_000)
  })

  it('marks instead of dropping what is ECN-capable', () => {
    const pipeline = new Pipeline<number>(
      parsePipelineSpec({ rate: '4mbit', queue: 'codel', ecn: true }) ?? {},
      new Rng(1),
    )
    let marks = 0
    const emit = (_b: Buffer, _s: number, _e: number, _tag: number, marked: boolean): void => {
      if (marked) marks++
    }
    for (let i = 0; i < 900; i++) pipeline.push(Buffer.alloc(1000), 0, 1000, i * 1000, emit, i, true)
    pipeline.release(Infinity, emit)
    expect(pipeline.counters.dropped).toBe(0)
    expect(marks).toBeGreaterThan(3)
    expect(pipeline.counters.marked).toBe(marks)
  })
})

describe('ecn', () => {
  const lossy = (ect: boolean): Pipeline => {
    const pipeline = new Pipeline(parsePipelineSpec({ loss: 'every 2', ecn: true }) ?? {}, new Rng(1))
    for (let i = 0; i < 10; i++) pipeline.push(Buffer.alloc(10), 0, 10, i, () => {}, undefined, ect)
    return pipeline
  }

  it('marks what would be lost, where it can be marked', () => {
    expect(lossy(true).counters).toMatchObject({ marked: 5, dropped: 0, out: 10 })
    expect(lossy(false).counters).toMatchObject({ marked: 0, dropped: 5, out: 5 })
  })
})

describe('a recorded link', () => {
  it('lets 1500 bytes leave at each opportunity, over again after the last', () => {
    const rig = runPipeline({ link: [2, 5, 10] }, 5, { size: 1500, intervalUs: 0 })
    expect(rig.times).toEqual([2000, 5000, 10_000, 12_000, 15_000])
  })

  it('lets several small packets leave together, and a part of one', () => {
    expect(runPipeline({ link: [2, 5, 10] }, 4, { size: 700, intervalUs: 0 }).times).toEqual([2000, 2000, 5000, 5000])
    expect(runPipeline({ link: [1, 2] }, 2, { size: 2250, intervalUs: 0 }).times).toEqual([2000, 3000])
  })

  it('counts headers', () => {
    const rig = runPipeline({ link: '1 2 3' }, 2, { size: 740, intervalUs: 0, overhead: 32 })
    expect(rig.times).toEqual([1000, 2000])
  })

  it('wastes opportunities that nobody uses', () => {
    const rig = new PipelineRig({ link: [1, 2, 3, 4] }, { size: 1500, intervalUs: 0 }).push(1)
    rig.advance(1_000_500).push(2).drain()
    expect(rig.times).toEqual([1000, 1_001_000, 1_002_000])
  })

  it('takes several opportunities of one time', () => {
    expect(runPipeline({ link: [3, 3, 3, 9] }, 4, { size: 1500, intervalUs: 0 }).times).toEqual([
      3000, 3000, 3000, 9000,
    ])
  })

  it('has no limit, or that of a queue', () => {
    expect(runPipeline({ link: [1] }, 5000, { size: 1500, intervalUs: 0 }).order.length).toBe(5000)
    expect(runPipeline({ link: [1], queue: 3 }, 10, { size: 1500, intervalUs: 0 }).order).toEqual([0, 1, 2])
  })

  it('lets go of all that waits when it is turned off', () => {
    const rig = new PipelineRig({ link: [100], delay: 10 }, { size: 1500, intervalUs: 0 }).push(3).advance(50_000)
    rig.setFields({ delay: 10 }).drain()
    expect(rig.times).toEqual([60_000, 60_000, 60_000])
  })
})

describe('slots', () => {
  it('let what came meanwhile leave together', () => {
    const rig = runPipeline({ slot: '10ms' }, 25, { intervalUs: 1000 })
    expect(rig.order).toEqual(Array.from({ length: 25 }, (_, i) => i))
    expect([...new Set(rig.times)]).toEqual([10_000, 21_000, 32_000])
  })

  it('have room for so many packets or bytes', () => {
    expect(runPipeline({ slot: '10ms packets 4' }, 10, { intervalUs: 0 }).times).toEqual(
      [10, 10, 10, 10, 20, 20, 20, 20, 30, 30].map((ms) => ms * 1000),
    )
    expect(runPipeline({ slot: { min: 10, bytes: 250 } }, 6, { intervalUs: 0 }).times).toEqual(
      [10, 10, 10, 20, 20, 20].map((ms) => ms * 1000),
    )
  })

  it('are as far apart as was said', () => {
    const { times } = runPipeline({ slot: '10ms 20ms packets 1' }, 2000, { intervalUs: 0 })
    const pauses = times.slice(1).map((us, i) => us - times[i])
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(10_000)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(20_000)
    expect(pauses.reduce((a, b) => a + b) / pauses.length).toBeCloseTo(15_000, -3)
    const normal = runPipeline({ slot: 'distribution normal 10ms 1ms packets 1' }, 500, { intervalUs: 0 }).times
    expect((normal.at(-1) as number) / 500).toBeCloseTo(10_000, -3)
  })
})

describe('limit', () => {
  it('bounds what a delay holds, as netem’s does', () => {
    const rig = runPipeline({ delay: 10, limit: 3 }, 5, { intervalUs: 0 })
    expect(rig.order).toEqual([0, 1, 2])
    expect(rig.pipeline.counters).toMatchObject({ overflowed: 2, droppedBy: { limit: 2 } })
  })
})

describe('schedules', () => {
  it('turn a stage on and off by the clock of the first packet', () => {
    const rig = runPipeline({ schedule: 'at 10ms blackhole 5ms' }, 20)
    expect(rig.order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 18, 19])
  })

  it('come round', () => {
    const rig = runPipeline({ schedule: 'every 10ms loss 100% for 2ms' }, 40)
    const lost = Array.from({ length: 40 }, (_, i) => i).filter((i) => !rig.order.includes(i))
    expect(lost).toEqual([10, 11, 20, 21, 30, 31])
  })

  it('begin after so many bytes', () => {
    const rig = runPipeline({ schedule: 'after 500b blackhole for 3ms' }, 12)
    const lost = Array.from({ length: 12 }, (_, i) => i).filter((i) => !rig.order.includes(i))
    expect(lost).toEqual([4, 5, 6])
  })

  it('change what is, and give it back', () => {
    const rig = runPipeline({ delay: 1, schedule: ['at 3ms delay 5ms for 3ms', 'at 10ms delay 0'] }, 12)
    const delays = new Map(rig.arrivals.map(({ index }, i) => [index, rig.delays[i]]))
    expect(Array.from({ length: 12 }, (_, i) => delays.get(i))).toEqual([
      1000, 1000, 1000, 5000, 5000, 5000, 1000, 1000, 1000, 1000, 0, 0,
    ])
  })

  it('change the speed of a link under way', () => {
    const rig = runPipeline({ rate: '1mbit', schedule: 'at 15ms rate 10mbit' }, 4, { size: 1250, intervalUs: 0 })
    expect(rig.times).toEqual([10_000, 20_000, 21_000, 22_000])
  })

  it('leave the decisions of other stages as they are', () => {
    const lost = (schedule?: string): number[] => {
      const { order } = runPipeline({ loss: '20%', ...(schedule && { schedule }) }, 300)
      return Array.from({ length: 300 }, (_, i) => i).filter((i) => !order.includes(i))
    }
    const plain = lost()
    expect(lost('at 100ms delay 20ms for 50ms')).toEqual(plain)
    expect(lost('at 100ms loss 20% for 50ms')).toEqual(plain)
  })
})
