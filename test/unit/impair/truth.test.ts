import { beforeAll, describe, expect, it } from 'vitest'
import { type DirectionFields, distributionTable, Pipeline, parsePipelineSpec, Rng } from '../../../src/impair/index.ts'
import {
  chiSquareP,
  deviationsInBatches,
  geometric,
  isAsAsked,
  isWithin,
  mean,
  runs,
  serialCorrelation,
  standardDeviation,
  tally,
  Z99,
} from '../../support/statistics.ts'

// What was asked for is what happens: 200,000 packets each, with fixed seeds, so that it is so or not for ever.

const PACKETS = 200_000
const FRAME = Buffer.alloc(1)

interface Run {
  /** Of each packet: it was lost. */
  lost: boolean[]
  /** Of those that came, in the order of their sending: microseconds on the way. */
  delays: number[]
  counters: Pipeline['counters']
}

function run(fields: DirectionFields, intervalUs = 1000, seed = 11): Run {
  const pipeline = new Pipeline<number>(parsePipelineSpec(fields) ?? {}, new Rng(seed))
  const cameUs = new Float64Array(PACKETS).fill(-1)
  let nowUs = 0
  const emit = (_buffer: Buffer, _start: number, _end: number, index: number): void => {
    cameUs[index] = nowUs
  }
  for (let i = 0; i < PACKETS; i++) {
    const atUs = i * intervalUs
    while (pipeline.deadline <= atUs) {
      nowUs = pipeline.deadline
      pipeline.release(nowUs, emit)
    }
    nowUs = atUs
    pipeline.push(FRAME, 0, 1, atUs, emit, i)
  }
  while (pipeline.deadline !== Infinity) {
    nowUs = pipeline.deadline
    pipeline.release(nowUs, emit)
  }
  const delays: number[] = []
  const lost: boolean[] = []
  for (let i = 0; i < PACKETS; i++) {
    lost.push(cameUs[i] < 0)
    if (cameUs[i] >= 0) delays.push(cameUs[i] - i * intervalUs)
  }
  return { lost, delays, counters: pipeline.counters }
}

const count = (flags: readonly boolean[]): number => flags.reduce((sum, flag) => sum + (flag ? 1 : 0), 0)

describe('uniform loss', () => {
  it.each([0.001, 0.01, 0.05, 0.2, 0.5])('of %d', (loss) => {
    const { lost } = run({ loss })
    expect(isAsAsked(count(lost), PACKETS, loss)).toBe(true)
  })

  it('falls by itself: the lengths of runs are geometric', () => {
    const lengths = runs(run({ loss: 0.3 }).lost)
    const cells = 6
    expect(
      chiSquareP(
        tally(lengths, cells, (n) => n - 1),
        geometric(lengths.length, 0.7, cells),
      ),
    ).toBeGreaterThan(0.01)
  })

  it('spreads evenly over the run', () => {
    const { lost } = run({ loss: 0.05 })
    const parts = Array.from({ length: 20 }, (_, i) => count(lost.slice(i * 10_000, (i + 1) * 10_000)))
    expect(
      chiSquareP(
        parts,
        parts.map(() => mean(parts)),
      ),
    ).toBeGreaterThan(0.01)
  })
})

describe('correlated loss', () => {
  /** How probable a number below `p` is where numbers follow each other by `rho`: netem's generator, run to its stationary state. */
  function stationary(p: number, rho: number): number {
    const cells = 2000
    let density: Float64Array = new Float64Array(cells).fill(1 / cells)
    for (let round = 0; round < 60; round++) {
      const next = new Float64Array(cells + 1)
      for (let i = 0; i < cells; i++) {
        // From the middle of a cell to an interval of 1 − rho.
        const from = ((i + 0.5) / cells) * rho * cells
        const to = from + (1 - rho) * cells
        const share = density[i] / (to - from)
        next[Math.floor(from)] += share
        next[Math.min(cells, Math.floor(to))] -= share
      }
      let sum = 0
      density = density.map((_, i) => (sum += next[i]))
      const total = density.reduce((a, b) => a + b, 0)
      density = density.map((x) => x / total)
    }
    return density.slice(0, Math.round(p * cells)).reduce((a, b) => a + b, 0)
  }

  it.each([
    [0.3, 0.25],
    [0.2, 0.5],
    [0.5, 0.75],
  ])('of %d following by %d is what the generator of netem gives', (loss, correlation) => {
    const { lost } = run({ loss: { probability: loss, correlation } }, 1000, 21)
    expect(Math.abs(deviationsInBatches(lost, stationary(loss, correlation)))).toBeLessThan(Z99)
    expect(serialCorrelation(lost.map(Number))).toBeGreaterThan(0.3 * correlation)
  })
})

describe('Gilbert–Elliott', () => {
  it('with two parameters: losses in runs whose lengths are geometric', () => {
    const [p, r] = [0.02, 0.25]
    const { lost } = run({ loss: { gemodel: { p, r } } })
    expect(isWithin(count(lost), (PACKETS * p) / (p + r), 0.02)).toBe(true)
    const lengths = runs(lost)
    expect(isWithin(mean(lengths), 1 / r, 0.02)).toBe(true)
    expect(
      chiSquareP(
        tally(lengths, 12, (n) => n - 1),
        geometric(lengths.length, r, 12),
      ),
    ).toBeGreaterThan(0.01)
    // So are the pauses between.
    const gaps = runs(lost.map((flag) => !flag))
    expect(isWithin(mean(gaps), 1 / p, 0.03)).toBe(true)
    expect(
      chiSquareP(
        tally(gaps, 10, (n) => Math.floor((n - 1) / 20)),
        geometric(gaps.length, 1 - (1 - p) ** 20, 10),
      ),
    ).toBeGreaterThan(0.01)
  })

  it('with four parameters', () => {
    const [p, r, bad, good] = [0.01, 0.1, 0.7, 0.001]
    const { lost } = run({ loss: 'gemodel 1% 10% 70% 0.1%' })
    const inBad = p / (p + r)
    expect(Math.abs(deviationsInBatches(lost, inBad * bad + (1 - inBad) * good))).toBeLessThan(Z99)
    // Both of two neighbours lost: almost always in one bad period.
    const pairs = lost.map((flag, i) => flag && lost[i + 1] === true)
    expect(Math.abs(deviationsInBatches(pairs, inBad * (1 - r) * bad * bad))).toBeLessThan(Z99)
  })

  it('with p alone is Bernoulli', () => {
    expect(isAsAsked(count(run({ burst: { p: 0.1 } }).lost), PACKETS, 0.1)).toBe(true)
  })
})

describe('four states', () => {
  it('are each as long as their transitions say', () => {
    const [p13, p31, p32, p23, p14] = [0.05, 0.3, 0.1, 0.4, 0.01]
    const { lost } = run({ loss: { state: { p13, p31, p32, p23, p14 } } })
    // The stationary shares of the chain.
    let state = [1, 0, 0, 0]
    for (let i = 0; i < 5000; i++) {
      const [one, two, three, four] = state
      state = [
        one * (1 - p13 - p14) + three * p31 + four,
        two * (1 - p23) + three * p32,
        one * p13 + two * p23 + three * (1 - p31 - p32),
        one * p14,
      ]
    }
    expect(Math.abs(deviationsInBatches(lost, state[2] + state[3]))).toBeLessThan(Z99)
  })

  it('with p13 alone is Bernoulli', () => {
    const { lost } = run({ loss: 'state 10%' })
    expect(isAsAsked(count(lost), PACKETS, 0.1)).toBe(true)
  })
})

describe('what is counted is exact', () => {
  it('every tenth', () => {
    const { lost } = run({ loss: 'every 10' })
    expect(lost.every((flag, i) => flag === (i % 10 === 9))).toBe(true)
  })

  it('a list of numbers', () => {
    const { lost } = run({ loss: { packets: [1, '5-7', 200_000] } })
    expect(lost.flatMap((flag, i) => (flag ? [i + 1] : []))).toEqual([1, 5, 6, 7, 200_000])
  })

  it('a trace of fates, over again at its end', () => {
    const { lost } = run({ loss: { trace: [0, 0, 1, 0, 1] } })
    expect(lost.every((flag, i) => flag === (i % 5 === 2 || i % 5 === 4))).toBe(true)
  })
})

describe('jitter', () => {
  const DELAY = 100_000
  const JITTER = 10_000

  it('uniform', () => {
    const { delays } = run({ delay: 100, jitter: 10 })
    expect(isWithin(mean(delays), DELAY, 0.002)).toBe(true)
    expect(isWithin(standardDeviation(delays), JITTER / Math.sqrt(3), 0.01)).toBe(true)
    const cells = tally(delays, 20, (us) => Math.floor((us - DELAY + JITTER) / 1000))
    expect(
      chiSquareP(
        cells,
        cells.map(() => PACKETS / 20),
      ),
    ).toBeGreaterThan(0.01)
  })

  it('normal: as the normal distribution has it, cut off at four times the jitter', () => {
    const { delays } = run({ delay: '100ms 10ms distribution normal' })
    expect(isWithin(mean(delays), DELAY, 0.002)).toBe(true)
    expect(isWithin(standardDeviation(delays), JITTER, 0.02)).toBe(true)
    const shares = [0.001_35, 0.021_4, 0.135_905, 0.341_345, 0.341_345, 0.135_905, 0.021_4, 0.001_35]
    const cells = tally(delays, 8, (us) => Math.floor((us - DELAY) / JITTER) + 4)
    for (const [i, cell] of cells.entries())
      expect(isWithin(cell, shares[i] * PACKETS, i % 7 === 0 ? 0.25 : 0.02)).toBe(true)
    expect(Math.max(...delays.slice(0, 100_000))).toBeLessThanOrEqual(DELAY + 4 * JITTER)
  })

  it.each(['pareto', 'paretonormal'] as const)('%s: as the table of that name has it', (distribution) => {
    const { delays } = run({ delay: { time: 100, jitter: 10, distribution } })
    const sorted = [...distributionTable(distribution)].sort((a, b) => a - b)
    expect(isWithin(mean(delays), DELAY + (mean(sorted) * JITTER) / 8192, 0.005)).toBe(true)
    expect(isWithin(standardDeviation(delays), (standardDeviation(sorted) * JITTER) / 8192, 0.02)).toBe(true)
    // Sixteen cells of equal probability.
    const edges = Array.from({ length: 15 }, (_, i) => DELAY + (sorted[(i + 1) * 256] * JITTER) / 8192)
    const cells = tally(delays, 16, (us) => edges.filter((edge) => us >= Math.round(edge)).length)
    expect(
      chiSquareP(
        cells,
        cells.map(() => PACKETS / 16),
      ),
    ).toBeGreaterThan(0.01)
  })

  it('from a table of one’s own', () => {
    const { delays } = run({ delay: 100, jitter: 10, distribution: [-8192, 0, 0, 16_384] })
    const cells = [90_000, 100_000, 120_000].map((us) => delays.filter((delay) => delay === us).length)
    expect(chiSquareP(cells, [PACKETS / 4, PACKETS / 2, PACKETS / 4])).toBeGreaterThan(0.01)
  })

  it.each([0.25, 0.75])('follows the delay before it by %d', (correlation) => {
    const { delays } = run({ delay: { time: 100, jitter: 10, correlation } }, 200_000)
    expect(serialCorrelation(delays)).toBeGreaterThan(correlation - 0.01)
    expect(serialCorrelation(delays)).toBeLessThan(correlation + 0.01)
    expect(isWithin(mean(delays), DELAY, 0.002)).toBe(true)
  })
})

describe('the tables of netem', () => {
  it('are as iproute2 makes them', () => {
    const [normal, pareto, paretonormal] = (['normal', 'pareto', 'paretonormal'] as const).map(distributionTable)
    for (const table of [normal, pareto, paretonormal]) {
      expect(table.length).toBe(4096)
      expect(table.every((value) => Number.isInteger(value) && value >= -32_768 && value <= 32_767)).toBe(true)
    }
    expect(isWithin(standardDeviation(normal), 8192, 0.01)).toBe(true)
    expect([pareto[0], pareto.at(-1)]).toEqual([-5461, 32_767])
    expect(Math.abs(mean(pareto))).toBeLessThan(8192 * 0.06)
    // A quarter of the one and three of the other, entry by entry.
    for (const i of [0, 100, 2048, 4000]) expect(paretonormal[i]).toBe(Math.trunc((normal[i] + 3 * pareto[i]) / 4))
  })
})

describe('duplicate, reorder, corrupt', () => {
  it.each([0.01, 0.1, 0.5])('duplicate of %d', (duplicate) => {
    const { counters } = run({ duplicate })
    expect(isAsAsked(counters.duplicated, PACKETS, duplicate)).toBe(true)
  })

  it.each([0.01, 0.25, 0.5])('reorder of %d', (reorder) => {
    const { delays } = run({ delay: 10, reorder })
    expect(isAsAsked(delays.filter((us) => us === 0).length, PACKETS, reorder)).toBe(true)
  })

  it('reorder with a gap: the four after each one in order, then a throw for each', () => {
    const { delays } = run({ delay: 10, reorder: '50% gap 5' })
    const early = delays.map((us) => us === 0)
    const gaps = runs(early.map((flag) => !flag)).slice(0, -1)
    expect(Math.min(...gaps.slice(0, 1000))).toBe(4)
    expect(isWithin(count(early), PACKETS / (4 + 1 / 0.5), 0.02)).toBe(true)
    expect(
      chiSquareP(
        tally(gaps, 8, (n) => n - 4),
        geometric(gaps.length, 0.5, 8),
      ),
    ).toBeGreaterThan(0.01)
  })

  it('reorder with a gap and certainty: every fifth, to the packet', () => {
    const { delays } = run({ delay: 10, reorder: '100% gap 5' })
    expect(delays.every((us, i) => (us === 0) === (i % 5 === 4))).toBe(true)
  })

  it('corrupt', () => {
    expect(isAsAsked(run({ corrupt: 0.1 }).counters.corrupted, PACKETS, 0.1)).toBe(true)
  })

  it('correlation makes them come together', () => {
    const { delays } = run({ delay: 10, reorder: '30% 80%' })
    expect(serialCorrelation(delays.map((us) => (us === 0 ? 1 : 0)))).toBeGreaterThan(0.3)
  })
})

describe('rate', () => {
  let times: number[]
  beforeAll(() => {
    const pipeline = new Pipeline<number>(parsePipelineSpec({ rate: '10mbit', queue: PACKETS }) ?? {}, new Rng(1))
    times = []
    const frame = Buffer.alloc(1500)
    for (let i = 0; i < PACKETS; i++) pipeline.push(frame, 0, 700 + (i % 800), 0, () => {}, i)
    while (pipeline.deadline !== Infinity) {
      const atUs = pipeline.deadline
      pipeline.release(atUs, () => times.push(atUs))
    }
  })

  it('is what was asked for, over all and over every hundred packets', () => {
    let bytes = 0
    for (let i = 0; i < PACKETS; i++) bytes += 700 + (i % 800)
    expect(isWithin(times.at(-1) as number, (bytes * 8) / 10, 1e-6)).toBe(true)
    for (let i = 800; i < PACKETS; i += 800) {
      expect(isWithin(times[i - 1] - (i === 800 ? 0 : times[i - 801]), (800 * 1099.5 * 8) / 10, 0.001)).toBe(true)
    }
  })
})
