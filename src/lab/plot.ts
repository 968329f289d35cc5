// Graphs as self-contained SVG. vega draws them; it is loaded when the first is wanted, for it takes its time.

import type { Spec } from 'vega'
import type { SequenceData } from './sequence.ts'

/** tcptrace's colours, which everybody knows from its time-sequence graphs. */
export const COLOURS = {
  background: '#101018',
  grid: '#2c2c3a',
  text: '#c8c8d4',
  data: '#ffffff',
  ack: '#2fd32f',
  window: '#e8d21d',
  again: '#ff4040',
  sack: '#c060ff',
  control: '#ff9a1f',
} as const

/** For curves that tcptrace has no colour for. */
export const SERIES = ['#4db8ff', '#ff9a1f', '#2fd32f', '#ff4040', '#c060ff', '#e8d21d', '#ff7ac8', '#9be3d0'] as const

export const WIDTH = 960
export const HEIGHT = 540

/**
 * A time-sequence graph: what the sender sent when (white; red with R where it was sent again, orange SYN and FIN, hollow where it was
 * lost), the acknowledgements (green) and the window's edge (yellow) that came back, and what they acknowledged beyond (purple, S).
 */
export function sequencePlot(data: SequenceData): Promise<string> {
  const again = data.segments.filter(({ kind }) => kind === 'again')
  return draw({
    ...canvas(data.title, HEIGHT),
    axes: [
      { ...AXIS, orient: 'bottom', scale: 'x', title: 'time, s' },
      { ...AXIS, orient: 'left', scale: 'y', title: 'sequence offset, bytes' },
    ],
    data: [
      { name: 'segments', values: data.segments.map((one) => ({ ...one })) },
      { name: 'again', values: again.map(({ t, high }) => ({ t, high })) },
      {
        name: 'lost',
        values: data.segments.filter(({ lost }) => lost).map(({ t, low, high }) => ({ t, middle: (low + high) / 2 })),
      },
      { name: 'acks', values: data.acks.map((one) => ({ ...one })) },
      { name: 'windows', values: data.windows.map((one) => ({ ...one })) },
      { name: 'sacks', values: data.sacks.map((one) => ({ ...one })) },
    ],
    scales: [
      {
        name: 'x',
        type: 'linear',
        domain: {
          fields: [
            { data: 'segments', field: 't' },
            { data: 'acks', field: 't' },
          ],
        },
        range: 'width',
        zero: false,
        nice: true,
      },
      {
        name: 'y',
        type: 'linear',
        domain: {
          fields: [
            { data: 'segments', field: 'high' },
            { data: 'acks', field: 'ack' },
          ],
        },
        range: 'height',
        zero: true,
        nice: true,
      },
      {
        name: 'colour',
        type: 'ordinal',
        domain: ['data', 'sent again', 'SYN, FIN', 'acknowledged', 'window', 'SACK'],
        range: [COLOURS.data, COLOURS.again, COLOURS.control, COLOURS.ack, COLOURS.window, COLOURS.sack],
      },
    ],
    marks: [
      stairs('windows', 'edge', COLOURS.window),
      stairs('acks', 'ack', COLOURS.ack),
      rule('sacks', { stroke: { value: COLOURS.sack }, strokeWidth: { value: 3 } }),
      rule('segments', {
        strokeWidth: { value: 2 },
        strokeCap: { value: 'square' },
        strokeOpacity: { signal: 'datum.lost ? 0.45 : 1' },
        stroke: {
          signal: `datum.kind === 'again' ? '${COLOURS.again}' : datum.kind === 'control' ? '${COLOURS.control}' : '${COLOURS.data}'`,
        },
      }),
      letters('again', 'high', 'R', COLOURS.again, -9),
      letters('lost', 'middle', '×', COLOURS.again, 0),
      letters('sacks', 'high', 'S', COLOURS.sack, -9),
    ],
  })
}

/** A curve: points in the order of their times. */
export interface Curve {
  readonly name: string
  readonly points: readonly (readonly [t: number, value: number])[]
  /** As it stands until the next point, or straight to it; `marked`: with the points on it. Default `steps`. */
  readonly shape?: 'steps' | 'line' | 'points' | 'marked'
}

/** The picture of a vega specification. */
export async function draw(spec: Spec): Promise<string> {
  const vega = await import('vega')
  // The names of clip paths go on counting from graph to graph otherwise. Missing in vega's types.
  ;(vega as unknown as { resetSVGDefIds(): void }).resetSVGDefIds()
  const view = new vega.View(vega.parse(spec), { renderer: 'none' })
  try {
    return await view.toSVG()
  } finally {
    view.finalize()
  }
}

/** What all axes have in common. */
export const AXIS = {
  domainColor: COLOURS.text,
  tickColor: COLOURS.text,
  labelColor: COLOURS.text,
  titleColor: COLOURS.text,
  grid: true,
  gridColor: COLOURS.grid,
  tickCount: 8,
} as const

const LEGEND = {
  fill: 'colour',
  orient: 'bottom',
  direction: 'horizontal',
  symbolType: 'square',
  labelColor: COLOURS.text,
  labelLimit: 400,
  columns: 8,
} as const

/** What all graphs have in common. */
export const canvas = (title: string, height: number): Spec => ({
  $schema: 'https://vega.github.io/schema/vega/v6.json',
  width: WIDTH,
  height,
  padding: 12,
  background: COLOURS.background,
  title: { text: title, color: COLOURS.text, fontSize: 14 },
  legends: [{ ...LEGEND }],
})

export type Mark = NonNullable<Spec['marks']>[number]

/** Something at the times and values of `data`, which has them as `t` and as `field`. */
function mark(type: Mark['type'], data: string, field: string, look: object): Mark {
  const place = { x: { scale: 'x', field: 't' }, y: { scale: 'y', field } }
  return { type, from: { data }, clip: true, encode: { update: { ...place, ...look } } } as Mark
}

export function stairs(data: string, field: string, colour: string, isLine = false): Mark {
  return mark('line', data, field, {
    stroke: { value: colour },
    strokeWidth: { value: 1.4 },
    interpolate: { value: isLine ? 'linear' : 'step-after' },
  })
}

/** Upright strokes, from `low` to `high`. */
function rule(data: string, look: object): Mark {
  return mark('rule', data, 'low', { y2: { scale: 'y', field: 'high' }, ...look })
}

export function dots(data: string, colour: string, size: number): Mark {
  return mark('symbol', data, 'value', { fill: { value: colour }, size: { value: size } })
}

function letters(data: string, field: string, letter: string, colour: string, dy: number): Mark {
  return mark('text', data, field, {
    dy: { value: dy },
    text: { value: letter },
    fill: { value: colour },
    fontSize: { value: 10 },
    align: { value: 'center' },
    baseline: { value: 'middle' },
  })
}
