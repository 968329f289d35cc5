// What was measured: medians over the rounds, quotients of medians, and whether targets were met.

import type { Figure, Measurement, Sample } from '../measurements/index.ts'
import { median } from '../stats.ts'
import { type Target, targets } from '../targets.ts'
import type { Variant } from '../transports/index.ts'

/** What became of one variant in one measurement. */
export interface Tried {
  variant: Variant
  /** Why it was not asked; null: it was. */
  reason: string | null
  /** In the order of the rounds; null where a sample failed. */
  samples: (Sample | null)[]
}

export interface Series {
  measurement: Measurement
  tried: Tried[]
}

export interface Value {
  kind: string
  setting: string
  reason: string | null
  samples: (number | null)[]
  /** Null where no sample succeeded, or none has the figure. */
  median: number | null
  min: number | null
  max: number | null
}

/** One figure of one measurement. */
export interface Result extends Figure {
  measurement: string
  group: string
  at: number | null
  values: Value[]
}

/** A line of the table: a figure under one setting, with the defaults of those transports that do not have it. */
export interface Row {
  result: Result
  setting: string
  /** By kinds. */
  values: Record<string, Value>
  /** sluice's median over those of the others, by kinds. */
  ratios: Record<string, number | null>
  verdict: Verdict | null
}

export interface Verdict {
  target: Target
  text: string
  /** Null: it cannot be told. */
  met: boolean | null
}

export function resultsOf(series: readonly Series[]): Result[] {
  return series.flatMap(({ measurement: { name, group, at, figures }, tried }) =>
    figures.map((figure) => ({
      ...figure,
      measurement: name,
      group,
      at: at ?? null,
      values: tried.map((one) => valueIn(one, figure)),
    })),
  )
}

function valueIn({ variant: { kind, setting }, reason, samples }: Tried, figure: Figure): Value {
  const values = samples.map((sample) => sample?.[figure.name] ?? null)
  const good = values.filter((value) => value !== null)
  const some = good.length > 0
  return {
    kind,
    setting,
    reason,
    samples: values,
    median: some ? median(good) : null,
    min: some ? Math.min(...good) : null,
    max: some ? Math.max(...good) : null,
  }
}

export function rowsOf(results: readonly Result[]): Row[] {
  return results.flatMap((result) =>
    [...new Set(result.values.map(({ setting }) => setting))].map((setting) => rowOf(results, result, setting)),
  )
}

function rowOf(results: readonly Result[], result: Result, setting: string): Row {
  const values: Row['values'] = {}
  for (const value of result.values) {
    if (value.setting === setting || (value.setting === '' && values[value.kind] === undefined)) {
      values[value.kind] = value
    }
  }
  const ours = values.sluice?.median ?? null
  const ratios = Object.fromEntries(
    Object.values(values)
      .filter(({ kind }) => kind !== 'sluice')
      .map((value) => [value.kind, quotient(ours, value.median)]),
  )
  return { result, setting, values, ratios, verdict: verdictOf(results, result, setting, ours) }
}

function verdictOf(results: readonly Result[], result: Result, setting: string, ours: number | null): Verdict | null {
  const found = targets.find(
    (one) => one.measurement === result.measurement && one.figure === result.name && one.setting === setting,
  )
  if (found === undefined) return null
  const sign = result.better === 'more' ? '≥' : '≤'
  const { over, bound } = found
  const judged = (value: number | null): boolean | null =>
    value === null ? null : result.better === 'more' ? value >= bound : value <= bound
  if (over === null) return { target: found, text: `${sign} ${bound} ${result.unit}`, met: judged(ours) }
  // Targets over a transport are over its defaults: nobody would take less.
  const other =
    'kind' in over
      ? result.values.find(({ kind, setting }) => kind === over.kind && setting === '')
      : results
          .find(({ measurement, name }) => measurement === over.measurement && name === result.name)
          ?.values.find(({ kind, setting }) => kind === 'sluice' && setting === '')
  const name = 'kind' in over ? over.kind : over.measurement
  return { target: found, text: `${sign} ${bound} × ${name}`, met: judged(quotient(ours, other?.median ?? null)) }
}

function quotient(a: number | null, b: number | null): number | null {
  return a === null || b === null || b <= 0 ? null : a / b
}
