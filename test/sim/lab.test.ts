import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { CHAPTERS, curvesPlot, experiments, panelsPlot, runExperiment, sequencePlot } from '../../src/lab/index.ts'
import { readCapture } from '../../src/observe/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-lab-'))
afterAll(() => rmSync(directory, { recursive: true }))

describe('the lab', () => {
  it.each(experiments.map((experiment) => [experiment.name, experiment] as const))(
    '%s shows what it claims',
    async (_, experiment) => {
      const { checks } = await runExperiment(experiment)
      expect(checks.length).toBeGreaterThan(0)
      expect(checks.filter(({ holds }) => !holds)).toEqual([])
    },
  )

  it('has experiments with names of their own, in the order of the chapters', () => {
    expect(new Set(experiments.map(({ name }) => name)).size).toBe(experiments.length)
    const order = experiments.map(({ chapter }) => CHAPTERS.indexOf(chapter))
    expect(order).toEqual(order.toSorted((a, b) => a - b))
  })

  it('writes a capture and graphs, the same each time', async () => {
    const experiment = experiments.find(({ name }) => name === 'sack-holes') as (typeof experiments)[number]
    const [one, two] = [join(directory, 'one'), join(directory, 'two')]
    const { files } = await runExperiment(experiment, { out: one })
    await runExperiment(experiment, { out: two })
    expect(readdirSync(one)).toEqual(
      expect.arrayContaining(['sack-holes-cwnd.svg', 'sack-holes.pcapng', 'sack-holes.svg']),
    )
    expect(files.length).toBe(readdirSync(one).length)
    for (const file of readdirSync(one)) {
      expect(readFileSync(join(two, file)).equals(readFileSync(join(one, file)))).toBe(true)
    }
    const packets = [...readCapture(readFileSync(join(one, 'sack-holes.pcapng')))]
    expect(packets.filter(({ comment }) => comment === 'dropped: drop, seed 1').length).toBe(23)
  })

  it('writes curves, their numbers and captures of bulk transfers', async () => {
    const experiment = experiments.find(({ name }) => name === 'lossy-bulk') as (typeof experiments)[number]
    const out = join(directory, 'bulk')
    const { files, segments, lasted } = await runExperiment(experiment, { out })
    expect(readdirSync(out)).toEqual([
      'lossy-bulk-bbr.pcapng',
      'lossy-bulk-cubic.pcapng',
      'lossy-bulk.csv',
      'lossy-bulk.svg',
    ])
    expect(files.length).toBe(4)
    expect(lasted).toBe(2000)
    expect(segments).toBeGreaterThan(1000)
    const [header, ...rows] = readFileSync(join(out, 'lossy-bulk.csv'), 'utf8').trimEnd().split('\n')
    expect(header).toBe('what,of,"time, s",value')
    expect(rows[0]).toMatch(/^"cwnd, segments",cubic,0\.02,\d+$/)
    const packets = [...readCapture(readFileSync(join(out, 'lossy-bulk-cubic.pcapng')))]
    expect(packets.length).toBeGreaterThan(1000)
  })

  it('refuses to show in real time what takes minutes', async () => {
    const experiment = experiments.find(({ virtualOnly }) => virtualOnly) as (typeof experiments)[number]
    await expect(runExperiment(experiment, { real: true })).rejects.toThrow('in virtual time only')
  })
})

describe('graphs', () => {
  it("draw a time-sequence graph in tcptrace's colours", async () => {
    const svg = await sequencePlot({
      title: 'a > b',
      segments: [
        { t: 0, low: 0, high: 1, kind: 'control', lost: false },
        { t: 1, low: 1, high: 1001, kind: 'data', lost: true },
        { t: 2, low: 1, high: 1001, kind: 'again', lost: false },
      ],
      acks: [
        { t: 0.5, ack: 1 },
        { t: 2.5, ack: 1001 },
      ],
      windows: [{ t: 0.5, edge: 5000 }],
      sacks: [{ t: 1.5, low: 2001, high: 3001 }],
    })
    expect(svg).toMatch(/^<svg /)
    for (const part of [
      '#ffffff',
      '#ff4040',
      '#ff9a1f',
      '#2fd32f',
      '#e8d21d',
      '#c060ff',
      '>R<',
      '>S<',
      '>×<',
      '>a &gt; b<',
    ]) {
      expect(svg).toContain(part)
    }
    // All of it is in the file.
    expect(svg).not.toMatch(/href=|url\(http/)
  })

  it('draw curves', async () => {
    const points = [
      [0, 1],
      [1, 100],
    ] as const
    const svg = await curvesPlot(
      [
        { name: 'cubic', points },
        { name: 'bbr', points, shape: 'line' },
        { name: 'samples', points, shape: 'points' },
      ],
      { unit: 'Mbit/s', title: 'throughput', logarithmic: true },
    )
    for (const part of ['cubic', 'bbr', 'samples', 'Mbit/s', 'throughput', 'time, s']) expect(svg).toContain(part)
  })

  it('draw several fields over one axis, with what was the case behind', async () => {
    const curves = [
      {
        name: 'bbr',
        points: [
          [0, 1],
          [2, 3],
        ] as const,
        shape: 'marked' as const,
      },
    ]
    const bands = [
      { from: 0, to: 1, name: 'STARTUP' },
      { from: 1, to: 2, name: 'DRAIN' },
    ]
    const panels = [
      { unit: 'RTT, ms', curves, bands },
      { unit: 'segments', curves },
    ]
    const svg = await panelsPlot(panels, { title: 'two fields', across: 'BDP' })
    for (const part of ['RTT, ms', 'segments', 'STARTUP', 'DRAIN', 'two fields', 'BDP']) expect(svg).toContain(part)
    // The legend and the horizontal axis are there once.
    for (const part of ['>bbr<', '>BDP<']) expect(svg.split(part).length).toBe(2)
    const empty = await panelsPlot([{ unit: 'ms', curves: [{ name: 'nothing', points: [] }] }])
    expect(empty).toContain('nothing')
  })
})
