// Graphs of curves, in one field or several over the same axis.

import type { Scale, Spec } from 'vega'
import { AXIS, COLOURS, type Curve, canvas, dots, draw, HEIGHT, type Mark, SERIES, stairs, WIDTH } from './plot.ts'

/** A stretch of the horizontal axis that has a name: a state, a phase. */
export interface Band {
  readonly from: number
  readonly to: number
  readonly name: string
}

/** One field of a graph. */
export interface Panel {
  readonly curves: readonly Curve[]
  /** Of the vertical axis. */
  readonly unit: string
  /** The vertical axis by powers of ten. */
  readonly logarithmic?: boolean
  /** Drawn behind the curves, with their names on top. */
  readonly bands?: readonly Band[]
}

export interface PanelsOptions {
  readonly title?: string
  readonly height?: number
  /** Of the horizontal axis. Default `time, s`. */
  across?: string
  /** The horizontal axis by powers of ten. */
  acrossLogarithmic?: boolean
}

/** Of a graph with one field. */
export interface CurvesOptions extends PanelsOptions, Pick<Panel, 'unit' | 'logarithmic'> {}

const GAP = 28
/** Narrower bands have no room for a name. */
const BAND_WITH_NAME_PX = 42

/** Curves over time, or over something else: windows, round-trip times, rates. A name has the same colour in every field. */
export function panelsPlot(panels: readonly Panel[], options: PanelsOptions = {}): Promise<string> {
  const { title = '', across = 'time, s', acrossLogarithmic = false } = options
  const { height = panels.length === 1 ? HEIGHT : 240 * panels.length } = options
  const names = [...new Set(panels.flatMap(({ curves }) => curves.map(({ name }) => name)))]
  const bands = [...new Set(panels.flatMap((panel) => (panel.bands ?? []).map(({ name }) => name)))]
  const each = Math.floor((height - GAP * (panels.length - 1)) / panels.length)
  const colourOf = (name: string): string => SERIES[names.indexOf(name) % SERIES.length]
  const all = panels.flatMap(({ curves }) => curves.flatMap(({ points }) => points.map(([x]) => x)))
  const span = extremes(all)
  const spec: Spec = {
    ...canvas(title, height),
    scales: [
      acrossLogarithmic
        ? { name: 'x', type: 'log', domain: span, range: 'width' }
        : { name: 'x', type: 'linear', domain: span, range: 'width', zero: false, nice: true },
      { name: 'colour', type: 'ordinal', domain: names, range: names.map(colourOf) },
    ],
    marks: panels.map((panel, i) => ({
      type: 'group',
      encode: {
        enter: { y: { value: i * (each + GAP) }, width: { value: WIDTH }, height: { value: each } },
      },
      // Grid lines are as long as this.
      signals: [{ name: 'height', update: String(each) }],
      data: panel.curves.map(({ points }, at) => ({
        name: `curve${i}x${at}`,
        values: points.map(([t, value]) => ({ t, value })),
      })),
      scales: [
        upScale(
          panel,
          `y${i}`,
          each,
          panel.curves.map((_, at) => `curve${i}x${at}`),
        ),
      ],
      axes: [
        {
          ...AXIS,
          orient: 'bottom',
          scale: 'x',
          // A power of ten each; vega's own ticks between them have labels that collide.
          ...(acrossLogarithmic ? { tickCount: 6, format: '~g' } : {}),
          ...(i === panels.length - 1 ? { title: across } : { labels: false, ticks: false }),
        },
        { ...AXIS, orient: 'left', scale: `y${i}`, title: panel.unit, tickCount: panels.length > 1 ? 5 : 8 },
      ],
      marks: [
        ...(panel.bands ?? []).flatMap((band) =>
          bandMarks(
            band,
            BANDS[bands.indexOf(band.name) % BANDS.length],
            each,
            (WIDTH * (band.to - band.from)) / (span[1] - span[0]),
          ),
        ),
        ...panel.curves.flatMap(({ name, shape = 'steps' }, at) => {
          const [source, colour] = [`curve${i}x${at}`, colourOf(name)]
          const marks: Mark[] = []
          if (shape !== 'points') marks.push(stairs(source, 'value', colour, shape !== 'steps'))
          if (shape === 'points' || shape === 'marked') marks.push(dots(source, colour, shape === 'marked' ? 36 : 9))
          return marks.map((mark) => onScale(mark, `y${i}`))
        }),
      ],
    })),
  }
  return draw(spec)
}

/** Curves in one field. */
export function curvesPlot(curves: readonly Curve[], options: CurvesOptions): Promise<string> {
  const { unit, logarithmic, ...rest } = options
  return panelsPlot([{ curves, unit, logarithmic }], rest)
}

function upScale({ logarithmic }: Panel, name: string, height: number, sources: string[]): Scale {
  const domain = { fields: sources.map((data) => ({ data, field: 'value' })) }
  const common = { name, domain, range: [height, 0], nice: true }
  return logarithmic === true ? { ...common, type: 'log' } : { ...common, type: 'linear', zero: true }
}

/** The least and the greatest, without a call of as many arguments. */
function extremes(numbers: readonly number[]): [number, number] {
  let [least, greatest] = [Infinity, -Infinity]
  for (const number of numbers) {
    if (number < least) least = number
    if (number > greatest) greatest = number
  }
  return least <= greatest ? [least, greatest] : [0, 1]
}

function onScale(mark: Mark, scale: string): Mark {
  const { update } = mark.encode as { update: Record<string, { scale?: string }> }
  return { ...mark, encode: { update: { ...update, y: { ...update.y, scale } } } } as Mark
}

/** One for each name. */
const BANDS = ['#1d2a44', '#3a2a1c', '#1c3326', '#38203f', '#402020', '#3a381a'] as const

function bandMarks({ from, to, name }: Band, colour: string, height: number, px: number): Mark[] {
  const x = { scale: 'x', value: from }
  const marks: Mark[] = [
    {
      type: 'rect',
      clip: true,
      encode: {
        update: { x, x2: { scale: 'x', value: to }, y: { value: 0 }, y2: { value: height }, fill: { value: colour } },
      },
    },
  ]
  if (px >= BAND_WITH_NAME_PX) {
    marks.push({
      type: 'text',
      clip: true,
      encode: {
        update: {
          x: { ...x, offset: 4 },
          y: { value: 11 },
          text: { value: name },
          fill: { value: COLOURS.text },
          fontSize: { value: 10 },
        },
      },
    })
  }
  return marks
}
