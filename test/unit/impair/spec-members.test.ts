import { describe, expect, it } from 'vitest'
import {
  ImpairControl,
  Impairment,
  type ImpairReportEntry,
  type ImpairSpec,
  PROFILES,
} from '../../../src/impair/index.ts'

const FILES: Record<string, string> = {
  'exp.dist': '# a table\n-8192 0 0\n16384\n',
  'fates.txt': '0 0 1\n0 1 # two of five\n',
  'lte.up': '2\n5\n10\n',
  'bad.dist': '1 2 three',
}
const readFile = (path: string): string => {
  const text = FILES[path]
  if (text === undefined) throw new Error(`ENOENT: no such file or directory, open '${path}'`)
  return text
}
const parse = (spec: ImpairSpec) => Impairment.parse(spec, { readFile })
const outOf = (spec: ImpairSpec) => parse(spec)?.rules[0].out

describe('forms of one thing', () => {
  it.each<[string, ImpairSpec, ImpairSpec]>([
    ['loss', 'loss=5% 25%', { loss: { probability: '5%', correlation: 0.25 } }],
    ['loss random', 'loss random 5%', { loss: 0.05 }],
    ['gemodel', 'loss gemodel 1% 10% 70% 0.1%', { loss: { gemodel: { p: 0.01, r: 0.1, '1-h': 0.7, '1-k': 0.001 } } }],
    [
      'state',
      'loss=state 1% 20% 10% 50% 1%',
      { loss: { state: { p13: 0.01, p31: 0.2, p32: 0.1, p23: 0.5, p14: 0.01 } } },
    ],
    ['burst', 'burst=1% 10%', { burst: { p: '1%', r: '10%' } }],
    ['every', 'loss=every 10', { loss: { every: 10 } }],
    ['packets', 'loss=packets 1 5 7-9', { loss: { packets: [1, 5, '7-9'] } }],
    ['trace', 'loss=trace 00101', { loss: { trace: [0, 0, 1, false, true] } }],
    ['duplicate', 'duplicate 1% 30%', { duplicate: { probability: 0.01, correlation: '30%' } }],
    ['corrupt', 'corrupt=1%', { corrupt: 0.01 }],
    ['delay', 'delay 100ms 20ms 25%', { delay: { time: 100, jitter: '20ms', correlation: 0.25 } }],
    ['delay and jitter', 'delay=100ms,jitter=20ms', { delay: '100ms 20ms' }],
    [
      'distribution',
      'delay 100ms 20ms distribution normal',
      { delay: { time: 100, jitter: 20 }, distribution: 'normal' },
    ],
    [
      'reorder',
      'delay 10ms reorder 25% 50% gap 5',
      { delay: 10, reorder: { probability: 0.25, correlation: 0.5, gap: 5 } },
    ],
    ['rate', 'rate 1mbit 18 48 5', { rate: { rate: 1e6, packetoverhead: 18, cellsize: 48, celloverhead: 5 } }],
    [
      'queue',
      'rate=1mbit,queue=100/64kb codel',
      { rate: '1mbit', queue: { packets: 100, bytes: '64kb', codel: true } },
    ],
    [
      'codel',
      'rate 1mbit queue codel 10ms 200ms',
      { rate: 1e6, queue: { packets: 1000, codel: { target: 10, interval: 200 } } },
    ],
    ['limit', 'rate 1mbit limit 50', { rate: '1mbit', queue: 50 }],
    ['slot', 'slot 10ms 20ms packets 8 bytes 12kb', { slot: { min: 10, max: 20, packets: 8, bytes: 12_288 } }],
    [
      'slot by distribution',
      'slot distribution normal 10ms 2ms',
      { slot: { distribution: 'normal', delay: 10, jitter: 2 } },
    ],
    ['link', 'link=2 5 10', { link: [2, 5, 10] }],
    ['mtu', 'mtu 1400', { mtu: 1400 }],
    ['blackhole', 'in blackhole', { in: { blackhole: true } }],
    [
      'handshake',
      'handshake=syn 1 synack 1-2+5 ack all hold 500ms',
      { handshake: { syn: 1, synack: ['1-2', 5], ack: 'all', hold: 500 } },
    ],
    ['reset', 'out.reset=64kb', { out: { reset: 65_536 } }],
    ['reset as an event', 'after 64KB reset', { reset: 65_536 }],
    ['reader', 'reader=20kbps 8kb', { reader: { rate: 160_000, buffer: 8192 } }],
    ['ecn', 'loss 5% ecn', { loss: 0.05, ecn: true }],
    [
      'schedule',
      'loss=1%,at 2s blackhole 500ms,every 10s loss 30% for 1s',
      { loss: 0.01, schedule: ['at 2s blackhole for 500ms', 'every 10s loss 30% for 1s'] },
    ],
    ['directions', 'in loss 5% delay 10ms out loss 1%', { in: { loss: 0.05, delay: 10 }, out: { loss: 0.01 } }],
    [
      'words and pairs',
      'loss 5% delay 10ms,seed=7,to=10.0.0.0/8',
      { loss: 0.05, delay: 10, seed: 7, to: '10.0.0.0/8' },
    ],
    [
      'everything of netem',
      'limit 100 delay 10ms 1ms loss 1% duplicate 2% corrupt 1% reorder 5% seed 3',
      {
        limit: 100,
        delay: '10ms 1ms',
        loss: 0.01,
        duplicate: 0.02,
        corrupt: 0.01,
        reorder: 0.05,
        seed: 3,
      },
    ],
  ])('%s', (_, text, object) => {
    const [left, right] = [parse(text), parse(object)]
    expect(left).not.toBeNull()
    expect(String(left)).toBe(String(right))
    // What the texts of events say may be shortened.
    expect(JSON.stringify(left)).toBe(JSON.stringify(right))
    expect(String(parse(String(left)))).toBe(String(left))
  })

  it('files', () => {
    expect(outOf('delay=10ms 1ms distribution exp.dist')?.delay?.distribution).toEqual({
      source: 'exp.dist',
      table: [-8192, 0, 0, 16_384],
    })
    expect(outOf({ loss: { trace: 'fates.txt' } })?.loss?.model).toMatchObject({ fates: '00101', source: 'fates.txt' })
    expect(outOf('link=lte.up')?.link).toMatchObject({ opportunities: [2, 5, 10], source: 'lte.up' })
    expect(String(parse('link=lte.up'))).toBe('link=lte.up')
  })
})

describe('off', () => {
  it.each([
    'loss=0%',
    'loss=gemodel 0%',
    'loss=state 0%',
    'loss=every 0',
    'burst=0',
    'duplicate=0%',
    'corrupt=0',
    'delay=0,limit=5',
    'rate=0',
    'link=0',
    'slot=0',
    'mtu=0',
    'blackhole=false',
    'handshake=0',
    'reset=0',
    'reader=0',
    'schedule=0',
    'profile=perfect',
    'ecn=true',
  ])('%s is nothing', (spec) => {
    expect(parse(spec)).toBeNull()
  })
})

describe('errors', () => {
  it.each<[ImpairSpec, string]>([
    ['loss=gemodel', "Impairment 'loss' must be given with 'p'"],
    ['loss=gemodel 1% 200%', "Impairment 'loss r' must be a probability"],
    ['loss=gemodel 1% 2% 3% 4% 5%', "not '5%'. Received"],
    ['loss=states 1%', "or begin with 'gemodel', 'state', 'every', 'packets' or 'trace'. Received 'states 1%'"],
    ['loss=state 60% 0% 0% 0% 60%', 'such that p13 + p14 and p31 + p32 are not above 100%'],
    [{ loss: { gemodel: { p: 0.1, q: 1 } as never } }, "Unknown impairment 'loss.gemodel.q'"],
    [{ loss: { every: 2, probability: 0.5 } as never }, "'loss.every' must be given without 'probability'"],
    ['loss=packets 0', "Impairment 'loss' must be a list of packet numbers from 1"],
    ['loss=trace nowhere', 'the name of a file that can be read (ENOENT'],
    ['loss=5% 25% 1%', "not '1%'"],
    ['delay=10ms 1ms distribution gauss', "Impairment 'delay.distribution' must be 'uniform', 'normal', 'pareto'"],
    ['distribution=normal', "Impairment 'distribution' must be given together with a jitter"],
    ['delay=10ms 1ms distribution ./bad.dist', 'the name of a file that can be read'],
    ['delay=10ms 1ms sometimes', "not 'sometimes'"],
    ['rate=1mbit 5 6 7 8', "not '8'"],
    ['rate=1mbit,queue=codel 10ms 5ms', 'a target above 0 and an interval above that'],
    ['rate=1mbit,queue=red', "Impairment 'queue' must be a number of packets"],
    ['link=5 3', "Impairment 'link' must be a file of whole milliseconds in order"],
    ['link=5,rate=1mbit', "Impairment 'link' must be given without 'rate'"],
    ['slot=20ms 10ms', 'a least time and one that is not below it'],
    ['slot=10ms packet 5', "not 'packet'"],
    ['mtu=20', 'a number of bytes from 68 on'],
    ['handshake=sin 1', "Unknown impairment 'handshake sin'. Did you mean 'syn'?"],
    ['handshake=syn x', "Impairment 'handshake.syn' must be the number of an attempt from 1"],
    [{ drop: 5 as never }, "Impairment 'drop' must be a function of a segment"],
    ['drop=x', "Impairment 'drop' must be a function of a segment"],
    ['blackhole=maybe', "Impairment 'blackhole' must be true or false. Received 'maybe'"],
    ['reader=fast', "Impairment 'reader.rate' must be a number of bits a second"],
    ['at noon loss 5%', "Impairment 'schedule at' must be a number of milliseconds or a time such as '100ms'"],
    ['at 5s', "Impairment 'schedule' must be such as 'at 2s blackhole 500ms'"],
    ['at 5s lose 5%', "Unknown impairment 'lose'. Did you mean 'loss'?"],
    ['at 5s loss 500%', "Impairment 'schedule loss' must be a probability"],
    ['every 1s loss 5%', 'given a time that is shorter than the pause'],
    ['every 1s loss 5% for 2s', 'given a time that is shorter than the pause'],
    ['at 5s reset for 2s', "without 'for': a reset is over at once"],
    ['profile=3gg', "Received '3gg'. Did you mean '3g'?"],
    ['profile=mars', "Impairment 'profile' must be one of 'perfect', 'lan', 'wifi'"],
    ['losss 5%', "Unknown impairment 'losss'. Did you mean 'loss'?"],
    ['loss 5% dely 10ms', "Impairment 'loss' must be"],
    ['loss 5% loss 6%', "Impairment 'loss' must be given only once"],
  ])('%j', (spec, message) => {
    expect(() => parse(spec)).toThrow(message)
    expect(() => parse(spec)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^ERR_INVALID_ARG_/) }))
  })
})

describe('profiles', () => {
  it('are these', () => {
    expect(PROFILES.map(({ name }) => name).join(' ')).toBe(
      'perfect lan wifi bad-wifi dsl cable fiber 2g edge 3g 4g lte-train 5g satellite-geo starlink transatlantic transpacific ' +
        'lossy-1 lossy-5 lossy-10 lossy-20 flaky bufferbloat',
    )
  })

  it.each(PROFILES)('$name: $description', ({ name, description, source }) => {
    const impairment = parse({ profile: name })
    if (name === 'perfect') expect(impairment).toBeNull()
    else expect(String(parse(String(impairment)))).toBe(String(impairment))
    expect(description.length).toBeGreaterThan(20)
    expect(description).not.toContain('\n')
    expect(source.length).toBeGreaterThan(3)
  })

  it('give way to what else is said, in both directions or in one', () => {
    const spec = parse('profile=3g,loss=1%,in.rate=2mbit')?.rules[0]
    expect([spec?.in?.loss?.model, spec?.out?.loss?.model]).toEqual([
      { model: 'random', probability: 0.01, correlation: 0 },
      { model: 'random', probability: 0.01, correlation: 0 },
    ])
    expect([spec?.in?.rate?.rateBps, spec?.out?.rate?.rateBps]).toEqual([250_000, 62_500])
    expect(parse({ profile: '3g', rate: 0, delay: 0, loss: 0, queue: undefined })?.rules[0].in?.rate).toBeUndefined()
  })
})

describe('ImpairControl', () => {
  const makeControl = (spec?: ImpairSpec) => {
    const set: (string | null)[] = []
    const target = {
      seed: 99,
      set: (to: Impairment | null) => void set.push(to && String(to)),
      report: (): ImpairReportEntry[] => [],
    }
    return { control: new ImpairControl(target, spec), set }
  }

  it('reads and writes members', () => {
    const { control, set } = makeControl('loss=5%,in.delay=10')
    expect([control.loss, control.in, control.delay]).toEqual(['5%', { delay: '10' }, undefined])
    control.delay = '20ms'
    control.loss = undefined
    control.profile = 'lan'
    expect(control.spec).toEqual([{ in: { delay: '10' }, delay: '20ms', profile: 'lan' }])
    expect(set.slice(0, 2)).toEqual([
      'in.loss=5%,in.delay=10ms,out.loss=5%,out.delay=20ms',
      'in.delay=10ms,out.delay=20ms',
    ])
    expect(control.isOn).toBe(true)
  })

  it('writes into the rule that is for all, which there need not be', () => {
    const { control, set } = makeControl('loss=5%,to=10.0.0.0/8')
    expect(control.loss).toBeUndefined()
    control.loss = '1%'
    expect(set).toEqual(['loss=5%,to=10.0.0.0/8;loss=1%'])
  })

  it('has the seed that was given, or that of its stack', () => {
    const { control, set } = makeControl({ loss: 0.1 })
    expect(control.seed).toBe(99)
    control.seed = 7
    expect([control.seed, set]).toEqual([7, ['loss=10%,seed=7']])
    expect(() => (control.seed = -1)).toThrow("Impairment 'seed'")
    expect(control.seed).toBe(7)
  })

  it('changes nothing where something is wrong', () => {
    const { control, set } = makeControl({ loss: 0.1 })
    expect(() => (control.rate = '10mbut')).toThrow("Impairment 'rate'")
    expect(() => control.assign({ los: 1 } as never)).toThrow("Did you mean 'loss'?")
    expect([control.spec, set]).toEqual([[{ loss: 0.1 }], []])
  })

  it('gives its spec as text and as JSON, and takes it back', () => {
    const { control } = makeControl('loss 5% delay 10ms,seed=3')
    expect(String(control)).toBe('loss=5%,delay=10ms,seed=3')
    expect(JSON.stringify(control)).toBe('[{"loss":"5%","delay":"10ms","seed":"3"}]')
    const before = control.spec
    control.assign(null)
    expect([control.isOn, String(control)]).toEqual([false, ''])
    control.assign(before)
    expect(String(control)).toBe('loss=5%,delay=10ms,seed=3')
  })
})
