import { readFileSync } from 'node:fs'
import { stripVTControlCharacters } from 'node:util'
import { describe, expect, it } from 'vitest'
import type { Measurement, Sample } from '../../../bench/measurements/index.ts'
import { PROFILE, RESULTS, resultsSection, withSection } from '../../../bench/report/docs.ts'
import { jsonText, type Report } from '../../../bench/report/json.ts'
import { barsOf, pictures } from '../../../bench/report/pictures.ts'
import { type Row, resultsOf, rowsOf, type Series, type Tried } from '../../../bench/report/results.ts'
import { tableText } from '../../../bench/report/table.ts'

const never = () => Promise.reject(new Error())

function measurement(name: string, figure: string, better: 'more' | 'less', unit = 'MB/s', at?: number): Measurement {
  const group = name.split(':')[0]
  const figures = [{ name: figure, title: `${name} ${figure}`, unit, better }]
  return { name, group, at, figures, settings: () => ({}), seconds: () => 1, serve: never, drive: never }
}

function tried(kind: string, setting: string, samples: (Sample | null)[], reason: string | null = null): Tried {
  return { variant: { kind, setting, options: {} }, reason, samples }
}

const cost = (...values: number[]): Sample[] => values.map((value) => ({ cost: value }))
const throughput = (...values: number[]): Sample[] => values.map((value) => ({ throughput: value }))

const SERIES: readonly Series[] = [
  {
    measurement: measurement('bulk:1', 'throughput', 'more'),
    tried: [
      tried('net', '', throughput(1000, 3000, 2000)),
      tried('sluice', '', [...throughput(2400), null, ...throughput(1800)]),
      tried('udx', '', throughput(100)),
      tried('utp', '', [], 'not installed'),
      tried('sluice', 'mtu 1500', throughput(1500)),
      tried('udx', 'mtu 1500', throughput(50)),
    ],
  },
  {
    measurement: measurement('ping', 'p50', 'less', 'µs'),
    tried: [tried('net', '', [{ p50: 20 }]), tried('sluice', '', [null])],
  },
  {
    measurement: measurement('crowd:10', 'cost', 'less', 's/GB', 10),
    tried: [tried('sluice', '', cost(1)), tried('net', '', cost(1))],
  },
  { measurement: measurement('crowd:10000', 'cost', 'less', 's/GB', 10_000), tried: [tried('sluice', '', cost(1.4))] },
]

const rows = rowsOf(resultsOf(SERIES))
const row = (title: string, setting = ''): Row =>
  rows.find(({ result, setting: its }) => result.title === title && its === setting) as Row

const REPORT: Report = {
  date: new Date(0),
  machine: {
    node: 'v20.0.0',
    system: 'Linux 6',
    arch: 'x64',
    cpus: 2,
    cpu: 'some',
    memoryGb: 8,
    busyBefore: 1.4,
    rmemMax: null,
  },
  options: { rounds: 3 },
  rows,
}

describe('what the bench reports', () => {
  it('is the median of the samples that succeeded, with their bounds', () => {
    expect(row('bulk:1 throughput').values.sluice).toMatchObject({ median: 2100, min: 1800, max: 2400 })
    expect(row('bulk:1 throughput').values.sluice.samples).toEqual([2400, null, 1800])
    expect(row('ping p50').values.sluice).toMatchObject({ median: null, min: null, max: null })
  })

  it('divides medians, and a setting by the defaults of those that do not have it', () => {
    expect(row('bulk:1 throughput').ratios).toEqual({ net: 1.05, udx: 21, utp: null })
    expect(row('bulk:1 throughput', 'mtu 1500').ratios).toEqual({ net: 0.75, udx: 30, utp: null })
    expect(row('ping p50').ratios).toEqual({ net: null })
  })

  it('says which targets are met: of more at least, of less at most, and that some cannot be told', () => {
    expect(row('bulk:1 throughput').verdict).toMatchObject({ text: '≥ 1 × net', met: true })
    expect(row('bulk:1 throughput', 'mtu 1500').verdict).toMatchObject({ text: '≥ 0.8 × net', met: false })
    expect(row('ping p50').verdict).toMatchObject({ text: '≤ 1.15 × net', met: null })
    expect(row('crowd:10000 cost').verdict).toMatchObject({ text: '≤ 1.5 × crowd:10', met: true })
    expect(row('crowd:10 cost').verdict).toBeNull()
  })

  it('is a table, with what failed and what was not asked', () => {
    const table = stripVTControlCharacters(tableText(rows))
    expect(table).toContain('bulk:1 throughput; mtu 1500')
    expect(table).toMatch(
      /bulk:1 throughput +│ 2,000 MB\/s │ 2,100 MB\/s │ +100 MB\/s │ +— │ +1.05 │ +21.00 │ +— │ more +│ ≥ 1 × net +│ yes/,
    )
    expect(table).toMatch(/ping p50 .* failed/)
    expect(table).toContain('utp-native, bulk:1: not installed')
  })

  it('is JSON, with every sample and every verdict', () => {
    const { date, machine, results, verdicts } = JSON.parse(jsonText(REPORT))
    expect(date).toBe('1970-01-01T00:00:00.000Z')
    expect(machine.cpus).toBe(2)
    expect(results[0].values[0].samples).toEqual([1000, 3000, 2000])
    expect(verdicts[0]).toMatchObject({ measurement: 'bulk:1', bound: 1, met: true })
  })

  it('is bars of how much better, whichever way a figure counts, with its target; what is on a curve is none', () => {
    expect(barsOf(rows).map(({ title, kind, value, target }) => [title, kind, value, target])).toEqual([
      ['bulk:1 throughput', 'net', 1.05, 1],
      ['bulk:1 throughput', 'udx', 21, null],
      ['bulk:1 throughput; mtu 1500', 'net', 0.75, 0.8],
      ['bulk:1 throughput; mtu 1500', 'udx', 30, null],
    ])
    const less = rowsOf(
      resultsOf([
        {
          measurement: measurement('ping', 'p50', 'less', 'µs'),
          tried: [tried('net', '', [{ p50: 20 }]), tried('sluice', '', [{ p50: 10 }])],
        },
      ]),
    )
    expect(barsOf(less)).toEqual([{ title: 'ping p50', kind: 'net', value: 2, target: 1 / 1.15 }])
  })

  it('is drawn: bars, and curves where there are two points', async () => {
    const drawn = await pictures(rows)
    expect(drawn.map(({ name }) => name)).toEqual(['performance-bars', 'performance-crowd'])
    expect(drawn[0].svg).toContain('over udx-native')
    expect(drawn[1].svg).toContain('busy connections')
    for (const { svg } of drawn) expect(svg).toMatch(/^<svg .*<\/svg>$/s)
  })
})

describe('the results in the documentation', () => {
  const { begin, end } = RESULTS

  it('stand between their marks, and nothing else is touched', () => {
    const page = `before\n\n${begin}\n\nold\n${end}\nafter\n`
    const once = withSection(page, RESULTS, 'new')
    expect(once).toBe(`before\n\n${begin}\n\nnew\n${end}\nafter\n`)
    expect(withSection(once, RESULTS, 'new')).toBe(once)
    expect(() => withSection('no place', RESULTS, 'new')).toThrow('no place for it')
  })

  it.each([RESULTS, PROFILE])('have a place in docs/performance.md: $begin', (marks) => {
    const page = readFileSync(new URL('../../../docs/performance.md', import.meta.url), 'utf8')
    expect(withSection(page, marks, 'new')).toContain(`${marks.begin}\n\nnew\n${marks.end}`)
  })

  it('say where they are from', () => {
    const section = resultsSection(REPORT, [{ name: 'performance-bars', title: 'bars', svg: '' }])
    expect(section).toContain(
      '1970-01-01: Node v20.0.0, Linux 6 x64, 2 × some, 8 GB, busy by itself before the run: 1 %; medians of 3 rounds.',
    )
    expect(section).toContain(
      '| bulk:1 throughput | 2,000 MB/s | 2,100 MB/s | 100 MB/s | — | 1.05 | 21.00 | — | ≥ 1 × net | yes |',
    )
    expect(section).toContain('- utp-native, bulk:1: not installed')
    expect(section).toContain('![bars](performance-bars.svg)')
  })
})
