// As much statistics as tests of random processes need.

/** How many standard deviations a count lies from what `trials` of a probability give. */
export function deviations(hits: number, trials: number, probability: number): number {
  return (hits - trials * probability) / Math.sqrt(trials * probability * (1 - probability))
}

/**
 * The same where events come in bursts: how much batches of a thousand differ says how wide the deviation is. The sum of many
 * batches is normal whatever comes within them.
 */
export function deviationsInBatches(flags: readonly boolean[], probability: number): number {
  const batches: number[] = []
  for (let at = 0; at + 1000 <= flags.length; at += 1000) {
    batches.push(flags.slice(at, at + 1000).reduce((sum, flag) => sum + (flag ? 1 : 0), 0))
  }
  return ((mean(batches) - 1000 * probability) / standardDeviation(batches)) * Math.sqrt(batches.length)
}

/** A normal variable lies within this many standard deviations in 99 of 100 cases. */
export const Z99 = 2.576

/** Within the 99 % interval of a binomial count, or within 2 % of it. */
export function isAsAsked(hits: number, trials: number, probability: number): boolean {
  return Math.abs(deviations(hits, trials, probability)) <= Z99 || isWithin(hits, trials * probability, 0.02)
}

export const isWithin = (value: number, wanted: number, share: number): boolean =>
  Math.abs(value - wanted) <= share * Math.abs(wanted)

export const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length

export function standardDeviation(values: readonly number[]): number {
  const middle = mean(values)
  return Math.sqrt(mean(values.map((x) => (x - middle) ** 2)))
}

/** How much each value follows the one before it, −1 … 1. */
export function serialCorrelation(values: readonly number[]): number {
  const middle = mean(values)
  let [products, squares] = [0, 0]
  for (let i = 0; i < values.length; i++) {
    squares += (values[i] - middle) ** 2
    if (i > 0) products += (values[i] - middle) * (values[i - 1] - middle)
  }
  return products / squares
}

/** How probable a chi-square as large as this is where the counts are what was expected: a test at 1 % fails below 0.01. */
export function chiSquareP(counts: readonly number[], expected: readonly number[], fitted = 0): number {
  const statistic = counts.reduce((sum, count, i) => sum + (count - expected[i]) ** 2 / expected[i], 0)
  return 1 - gammaP((counts.length - 1 - fitted) / 2, statistic / 2)
}

/** Counts per cell, the last of them all that is beyond. */
export function tally(values: readonly number[], cells: number, cellOf: (value: number) => number): number[] {
  const counts = new Array<number>(cells).fill(0)
  for (const value of values) counts[Math.min(cells - 1, Math.max(0, cellOf(value)))]++
  return counts
}

/** What a geometric distribution gives for run lengths 1, 2, … and all beyond. */
export function geometric(total: number, stop: number, cells: number): number[] {
  return Array.from({ length: cells }, (_, i) => total * (1 - stop) ** i * (i < cells - 1 ? stop : 1))
}

/** Lengths of the runs of `true`. */
export function runs(flags: readonly boolean[]): number[] {
  const lengths: number[] = []
  let length = 0
  for (const flag of [...flags, false]) {
    if (flag) length++
    else if (length > 0) {
      lengths.push(length)
      length = 0
    }
  }
  return lengths
}

/** The regularised lower incomplete gamma function, by its series and its continued fraction. */
function gammaP(a: number, x: number): number {
  if (x <= 0) return 0
  const front = Math.exp(a * Math.log(x) - x - logGamma(a))
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a]
    for (let n = 1; n < 1000 && Math.abs(term) > 1e-15 * Math.abs(sum); n++) {
      term *= x / (a + n)
      sum += term
    }
    return sum * front
  }
  let b = x + 1 - a
  let c = 1e300
  let d = 1 / b
  let h = d
  for (let i = 1; i < 1000; i++) {
    const an = -i * (i - a)
    b += 2
    d = 1 / (an * d + b)
    c = b + an / c
    h *= d * c
    if (Math.abs(d * c - 1) < 1e-14) break
  }
  return 1 - front * h
}

/** Lanczos. */
function logGamma(x: number): number {
  const g = [
    76.180_091_729_471_46, -86.505_320_329_416_78, 24.014_098_240_830_91, -1.231_739_572_450_155,
    0.001_208_650_973_866_179, -5.395_239_384_953e-6,
  ]
  const t = x + 5.5
  const series = g.reduce((sum, c, i) => sum + c / (x + 1 + i), 1.000_000_000_190_015)
  return (x + 0.5) * Math.log(t) - t + Math.log((2.506_628_274_631_000_7 * series) / x)
}
