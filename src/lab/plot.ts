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

export interface PlotOptions {
  title?: string
  width?: number
  height?: number
}

/**
 * A time-sequence graph: what the sender sent when (white; red with R where it was sent again, orange SYN and FIN, hollow where it was
 * lost), the acknowledgements (green) and the window's edge (yellow) that came back, and what they acknowledged beyond (purple, S).
 */
export function sequencePlot(data: SequenceData, options: PlotOptions = {}): Promise<string> {
  const { title = data.title } = options
  const again = data.segments.filter(({ kind }) => kind === 'again')
  return draw({
    ...frame(options, title, 'time, s', 'sequence offset, bytes'),
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
    scales: scales(
      [
        ['segments', 't'],
        ['acks', 't'],
      ],
      [
        ['segments', 'high'],
        ['acks', 'ack'],
      ],
      ['data', 'sent again', 'SYN, FIN', 'acknowledged', 'window', 'SACK'],
      [COLOURS.data, COLOURS.again, COLOURS.control, COLOURS.ack, COLOURS.window, COLOURS.sack],
    ),
    marks: [
      stairs('windows', 'edge', COLOURS.window),
      stairs('acks', 'ack', COLOURS.ack),
      bar('sacks', COLOURS.sack, 3),
      {
        type: 'rule',
        from: { data: 'segments' },
        clip: true,
        encode: {
          update: {
            x: { scale: 'x', field: 't' },
            y: { scale: 'y', field: 'low' },
            y2: { scale: 'y', field: 'high' },
            strokeWidth: { value: 2 },
            strokeCap: { value: 'square' },
            strokeOpacity: { signal: 'datum.lost ? 0.45 : 1' },
            stroke: {
              signal: `datum.kind === 'again' ? '${COLOURS.again}' : datum.kind === 'control' ? '${COLOURS.control}' : '${COLOURS.data}'`,
            },
          },
        },
      },
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

export interface CurvesOptions extends PlotOptions {
  /** Of the vertical axis. */
  unit: string
  /** Of the horizontal one. Default `time, s`. */
  across?: string
  /** The horizontal axis by powers of ten. */
  acrossLogarithmic?: boolean
  /** The vertical axis by powers of ten. */
  logarithmic?: boolean
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

export const LEGEND = {
  fill: 'colour',
  orient: 'bottom',
  direction: 'horizontal',
  symbolType: 'square',
  labelColor: COLOURS.text,
  labelLimit: 400,
  columns: 8,
} as const

function frame({ width = WIDTH, height = HEIGHT }: PlotOptions, title: string, across: string, up: string): Spec {
  return {
    $schema: 'https://vega.github.io/schema/vega/v6.json',
    width,
    height,
    padding: 12,
    background: COLOURS.background,
    title: { text: title, color: COLOURS.text, fontSize: 14 },
    axes: [
      { ...AXIS, orient: 'bottom', scale: 'x', title: across },
      { ...AXIS, orient: 'left', scale: 'y', title: up },
    ],
    legends: [{ ...LEGEND }],
  }
}

type Field = [source: string, field: string]

function scales(across: Field[], up: Field[], names: string[], colours: string[]): Spec['scales'] {
  const domain = (fields: Field[]) => ({ fields: fields.map(([data, field]) => ({ data, field })) })
  return [
    { name: 'x', type: 'linear', domain: domain(across), range: 'width', zero: false, nice: true },
    { name: 'y', type: 'linear', domain: domain(up), range: 'height', zero: true, nice: true },
    { name: 'colour', type: 'ordinal', domain: names, range: colours },
  ]
}

export type Mark = NonNullable<Spec['marks']>[number]

export function stairs(data: string, field: string, colour: string, isLine = false): Mark {
  return {
    type: 'line',
    from: { data },
    clip: true,
    encode: {
      update: {
        x: { scale: 'x', field: 't' },
        y: { scale: 'y', field },
        stroke: { value: colour },
        strokeWidth: { value: 1.4 },
        interpolate: { value: isLine ? 'linear' : 'step-after' },
      },
    },
  }
}

function bar(data: string, colour: string, width: number): Mark {
  return {
    type: 'rule',
    from: { data },
    clip: true,
    encode: {
      update: {
        x: { scale: 'x', field: 't' },
        y: { scale: 'y', field: 'low' },
        y2: { scale: 'y', field: 'high' },
        stroke: { value: colour },
        strokeWidth: { value: width },
      },
    },
  }
}

export function dots(data: string, colour: string, size: number): Mark {
  return {
    type: 'symbol',
    from: { data },
    clip: true,
    encode: {
      update: {
        x: { scale: 'x', field: 't' },
        y: { scale: 'y', field: 'value' },
        fill: { value: colour },
        size: { value: size },
      },
    },
  }
}

function letters(data: string, field: string, letter: string, colour: string, dy: number): Mark {
  return {
    type: 'text',
    from: { data },
    clip: true,
    encode: {
      update: {
        x: { scale: 'x', field: 't' },
        y: { scale: 'y', field },
        dy: { value: dy },
        text: { value: letter },
        fill: { value: colour },
        fontSize: { value: 10 },
        align: { value: 'center' },
        baseline: { value: 'middle' },
      },
    },
  }
}
