// What was measured, as a table and as JSON.

import os from 'node:os'
import Table from 'cli-table3'
import colors from 'picocolors'
import type { Figure, Measurement, Sample } from './measurements/index.ts'
import { median } from './stats.ts'
import type { Variant } from './transports/index.ts'

/** The samples of one measurement, one list for each variant, in the order of the variants; null where a sample failed. */
export interface Series {
  measurement: Measurement
  samples: (Sample | null)[][]
}

export interface Result {
  measurement: string
  figure: string
  title: string
  unit: string
  better: 'more' | 'less'
  /** By the variants' labels. Medians and bounds are null where no sample succeeded. */
  transports: Record<
    string,
    { samples: (number | null)[]; median: number | null; min: number | null; max: number | null }
  >
  /** Quotients of medians: `sluice / node:net`, … */
  ratios: Record<string, number | null>
}

export function results(series: readonly Series[], variants: readonly Variant[]): Result[] {
  return series.flatMap(({ measurement, samples }) =>
    measurement.figures.map((figure) => {
      const transports: Result['transports'] = {}
      variants.forEach(({ label }, index) => {
        const values = samples[index].map((sample) => sample?.[figure.name] ?? null)
        const good = values.filter((value) => value !== null)
        const some = good.length > 0
        transports[label] = {
          samples: values,
          median: some ? median(good) : null,
          min: some ? Math.min(...good) : null,
          max: some ? Math.max(...good) : null,
        }
      })
      return {
        measurement: measurement.name,
        figure: figure.name,
        title: figure.title,
        unit: figure.unit,
        better: figure.better,
        transports,
        ratios: ratios(transports, variants),
      }
    }),
  )
}

/** Each variant of sluice over each transport that is none. */
function ratios(transports: Result['transports'], variants: readonly Variant[]): Record<string, number | null> {
  const ours = variants.filter(({ kind }) => kind === 'sluice')
  const others = variants.filter(({ kind }) => kind !== 'sluice')
  return Object.fromEntries(
    ours.flatMap((our) =>
      others.map((other) => {
        const [a, b] = [transports[our.label].median, transports[other.label].median]
        return [`${our.label} / ${other.label}`, a === null || b === null || b <= 0 ? null : a / b]
      }),
    ),
  )
}

export function table(results: readonly Result[], variants: readonly Variant[]): string {
  const quotients = Object.keys(results[0]?.ratios ?? {})
  const table = new Table({
    head: ['median', 'better', ...variants.map(({ label }) => label), ...quotients],
    colAligns: ['left', 'left', ...variants.map(() => 'right' as const), ...quotients.map(() => 'right' as const)],
    style: { head: colors.isColorSupported ? ['bold'] : [], border: [], compact: true },
  })
  for (const { title, unit, better, transports, ratios } of results) {
    const cells = variants.map(({ label }) => valueText(transports[label].median, unit))
    table.push([title, better, ...cells, ...quotients.map((name) => ratioText(ratios[name], better))])
  }
  return table.toString()
}

function valueText(value: number | null, unit: string): string {
  if (value === null) return colors.red('failed')
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return `${value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })} ${unit}`
}

function ratioText(ratio: number | null, better: Figure['better']): string {
  if (ratio === null) return '—'
  const text = ratio.toFixed(2)
  const good = better === 'more' ? ratio >= 1 : ratio <= 1
  return good ? colors.green(text) : text
}

/** All there is to know, to be read by programs and compared from run to run. */
export function json(results: readonly Result[], options: Record<string, unknown>): string {
  const machine = {
    node: process.version,
    platform: `${process.platform} ${os.release()}`,
    arch: process.arch,
    cpus: os.cpus().length,
    cpu: os.cpus()[0]?.model,
    memory: os.totalmem(),
  }
  return `${JSON.stringify({ date: new Date().toISOString(), machine, options, results }, null, 2)}\n`
}
