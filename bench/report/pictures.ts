// Bars of how sluice stands beside the others, and curves of what a byte costs.

import type { Spec } from 'vega'
import { curvesPlot } from '../../src/lab/panels.ts'
import { AXIS, COLOURS, canvas, draw, SERIES } from '../../src/lab/plot.ts'
import type { Result, Row } from './results.ts'
import { labelOf, titleOf } from './texts.ts'

export interface Picture {
  /** Without extension. */
  name: string
  /** What it shows, in a line. */
  title: string
  svg: string
}

const LINE_PX = 34
/** Bars beyond these end there: the one-tenth of others would leave no room for what is near. */
const SPAN: [number, number] = [0.1, 10]

/** The pictures that the rows give: none for what was not measured. */
export async function pictures(rows: readonly Row[]): Promise<Picture[]> {
  const results = [...new Set(rows.map(({ result }) => result))]
  const found = await Promise.all([
    bars(rows),
    curves(results, 'crowd', 'cost', 'Processor time by the number of busy connections', 'busy connections'),
    curves(results, 'bdp', 'cost', 'Processor time by the bytes under way (sluice, impaired)', 'bytes under way'),
    curves(results, 'memory', 'serverRss', 'Memory by the number of idle connections, server', 'idle connections'),
  ])
  return found.filter((picture) => picture !== null)
}

export interface Bar {
  title: string
  kind: string
  /** How much better sluice is: more than 1 is better, whichever way the figure counts. */
  value: number
  /** The least that the target asks for, in the same way; null: none over this kind. */
  target: number | null
}

export function barsOf(rows: readonly Row[]): Bar[] {
  // What is on a curve is drawn there.
  const single = rows.filter(({ result }) => result.at === null)
  return single.flatMap((row) =>
    Object.entries(row.ratios).flatMap(([kind, ratio]) => {
      if (ratio === null || ratio <= 0) return []
      const target = row.verdict?.target
      const bound = target?.over && 'kind' in target.over && target.over.kind === kind ? target.bound : null
      const better = (value: number): number => (row.result.better === 'more' ? value : 1 / value)
      return [{ title: titleOf(row), kind, value: better(ratio), target: bound === null ? null : better(bound) }]
    }),
  )
}

async function bars(rows: readonly Row[]): Promise<Picture | null> {
  const all = barsOf(rows)
  if (all.length === 0) return null
  const kinds = [...new Set(all.map(({ kind }) => kind))]
  const titles = [...new Set(all.map(({ title }) => title))]
  const clamped = (value: number): number => Math.min(SPAN[1], Math.max(SPAN[0], value))
  const title = 'sluice beside the others: how many times better (1: the same)'
  const height = titles.length * LINE_PX
  const y = { signal: "scale('y', datum.title) + scale('within', datum.label)" }
  const spec: Spec = {
    ...canvas(title, height),
    data: [
      {
        name: 'bars',
        values: all.map(({ title, kind, value, target }) => ({
          title,
          label: labelOf(kind),
          value: clamped(value),
          text: `${value.toFixed(2)} ×`,
          target: target === null ? null : clamped(target),
        })),
      },
      { name: 'targets', source: 'bars', transform: [{ type: 'filter', expr: 'datum.target !== null' }] },
    ],
    scales: [
      { name: 'x', type: 'log', domain: SPAN, range: 'width' },
      { name: 'y', type: 'band', domain: titles, range: 'height', padding: 0.2 },
      { name: 'within', type: 'band', domain: kinds.map(labelOf), range: [0, { signal: "bandwidth('y')" }] },
      { name: 'colour', type: 'ordinal', domain: kinds.map((kind) => `over ${labelOf(kind)}`), range: [...SERIES] },
    ],
    axes: [
      { ...AXIS, orient: 'bottom', scale: 'x', tickCount: 4, format: '~g' },
      { ...AXIS, orient: 'left', scale: 'y', grid: false, labelLimit: 520 },
    ],
    marks: [
      {
        type: 'rect',
        from: { data: 'bars' },
        encode: {
          update: {
            x: { scale: 'x', value: 1 },
            x2: { scale: 'x', field: 'value' },
            y,
            height: { scale: 'within', band: 0.9 },
            fill: { signal: "scale('colour', 'over ' + datum.label)" },
            tooltip: { field: 'text' },
          },
        },
      },
      {
        type: 'text',
        from: { data: 'bars' },
        encode: {
          update: {
            x: { signal: "scale('x', max(datum.value, 1)) + 5" },
            y: { ...y, offset: { signal: "bandwidth('within') / 2" } },
            text: { field: 'text' },
            fill: { value: COLOURS.text },
            fontSize: { value: 9 },
            baseline: { value: 'middle' },
          },
        },
      },
      {
        type: 'rule',
        encode: {
          update: {
            x: { scale: 'x', value: 1 },
            y: { value: 0 },
            y2: { value: height },
            stroke: { value: COLOURS.text },
          },
        },
      },
      {
        type: 'rule',
        from: { data: 'targets' },
        encode: {
          update: {
            x: { scale: 'x', field: 'target' },
            y,
            y2: { ...y, offset: { signal: "bandwidth('within')" } },
            stroke: { value: COLOURS.again },
            strokeWidth: { value: 2 },
          },
        },
      },
    ],
  }
  return { name: 'performance-bars', title: `${title}; red: the target`, svg: await draw(spec) }
}

async function curves(
  results: readonly Result[],
  group: string,
  figure: string,
  title: string,
  across: string,
): Promise<Picture | null> {
  const points = results.filter((result) => result.group === group && result.name === figure && result.at !== null)
  if (points.length < 2) return null
  const kinds = [...new Set(points.flatMap(({ values }) => values.map(({ kind }) => kind)))]
  const all = kinds.map((kind) => ({
    name: labelOf(kind),
    shape: 'marked' as const,
    points: points.flatMap(({ at, values }) => {
      const median = values.find((value) => value.kind === kind && value.setting === '')?.median ?? null
      return median === null || median <= 0 ? [] : [[at as number, median] as const]
    }),
  }))
  const drawn = all.filter(({ points }) => points.length > 0)
  if (drawn.length === 0) return null
  const svg = await curvesPlot(drawn, { title, unit: points[0].unit, across, acrossLogarithmic: true })
  return { name: `performance-${group}`, title, svg }
}
