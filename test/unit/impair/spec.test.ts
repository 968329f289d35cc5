import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  formatPipelineSpec,
  IMPAIR_FIELDS,
  type ImpairFields,
  Impairment,
  type ImpairSpec,
  parsePipelineSpec,
} from '../../../src/impair/index.ts'

const outOf = (spec: ImpairSpec) => Impairment.parse(spec)?.rules[0].out

describe('values', () => {
  it.each([
    [0.05, 0.05],
    ['5%', 0.05],
    [' 5 % ', 0.05],
    ['0.05', 0.05],
    ['.5%', 0.005],
    ['100%', 1],
    [1, 1],
  ])('loss %s is a probability of %d', (loss, probability) => {
    expect(outOf({ loss })).toMatchObject({ loss: { model: { model: 'random', probability } } })
  })

  it.each([
    [100, 100_000],
    ['100ms', 100_000],
    ['100', 100_000],
    ['1.5s', 1_500_000],
    ['2 sec', 2_000_000],
    ['250us', 250],
    ['0.25', 250],
    ['1000ns', 1],
    ['1MS', 1000],
  ])('delay %s is %d µs', (delay, delayUs) => {
    expect(outOf({ delay })).toMatchObject({ delay: { delayUs, jitterUs: 0 } })
  })

  it.each([
    [8_000_000, 1_000_000],
    ['10mbit', 1_250_000],
    ['10Mbit/s', 1_250_000],
    ['500kbit', 62_500],
    ['1gbit', 125_000_000],
    ['8kibit', 1024],
    ['2mbps', 2_000_000],
    ['64000', 8000],
    ['64000bit', 8000],
    ['1000bps', 1000],
  ])('rate %s is %d bytes a second', (rate, rateBps) => {
    expect(outOf({ rate })).toMatchObject({ rate: { rateBps, queue: { packets: 1000, bytes: Infinity } } })
  })

  it.each([
    [50, 50, Infinity],
    ['50', 50, Infinity],
    ['64kb', Infinity, 65_536],
    ['50/64kb', 50, 65_536],
    [{ packets: 50 }, 50, Infinity],
    [{ bytes: 3000 }, Infinity, 3000],
    [{ packets: 50, bytes: '3kb' }, 50, 3072],
  ])('queue %j', (queue, packets, bytes) => {
    expect(outOf({ rate: 8000, queue })).toMatchObject({ rate: { rateBps: 1000, queue: { packets, bytes } } })
  })

  it.each<[NonNullable<ImpairFields['reorder']>, number, number]>([
    ['25%', 0.25, 0],
    [0.25, 0.25, 0],
    [{ probability: '25%' }, 0.25, 0],
    ['20% by 5ms', 0.2, 5000],
    ['20%by5ms', 0.2, 5000],
    [{ probability: 0.2, by: 5 }, 0.2, 5000],
  ])('reorder %j', (reorder, probability, byUs) => {
    expect(outOf({ delay: 1, reorder })).toMatchObject({ reorder: { probability, byUs } })
  })
})

describe('errors', () => {
  it.each<[unknown, string]>([
    [{ loss: 5 }, "Impairment 'loss' must be a probability from 0 to 1 or a percentage such as '5%'. Received 5"],
    [{ loss: -0.1 }, "Impairment 'loss' must be a probability from 0 to 1 or a percentage such as '5%'. Received -0.1"],
    [{ loss: Number.NaN }, 'Received NaN'],
    [{ loss: '1' }, "Received '1'"],
    [{ loss: '101%' }, "Received '101%'"],
    [{ loss: '-5%' }, "Received '-5%'"],
    [{ duplicate: 'often' }, "Impairment 'duplicate' must be a probability"],
    [{ delay: -1 }, "Impairment 'delay' must be a number of milliseconds or a time such as '100ms'"],
    [{ delay: '5 parsec' }, "Received '5 parsec'"],
    [{ delay: Infinity }, 'Received Infinity'],
    [{ jitter: '1e30s' }, "Impairment 'jitter' must be"],
    [{ rate: '10mbut' }, "Impairment 'rate' must be a number of bits a second or a rate such as '10mbit'"],
    [{ rate: 0.5 }, 'Received 0.5'],
    [{ rate: '1mbit', queue: 0 }, "Impairment 'queue' must be a whole number from 1 to 1000000000. Received 0"],
    [{ rate: '1mbit', queue: 'large' }, "Impairment 'queue' must be a number of packets, a size such as '64kb'"],
    [{ rate: '1mbit', queue: '' }, "Impairment 'queue' must be"],
    [
      { rate: '1mbit', queue: {} },
      "Impairment 'queue' must be a number of packets, a size such as '64kb', both as '100/64kb'",
    ],
    [{ queue: 100 }, "Impairment 'queue' must be given together with 'rate'"],
    [{ reorder: '25%' }, "Impairment 'reorder' must be given together with 'delay'"],
    [{ reorder: '25% by soon' }, "Impairment 'reorder by' must be a number of milliseconds"],
    [{ seed: 1.5 }, "Impairment 'seed' must be a whole number"],
    [{ seed: -1 }, "Impairment 'seed' must be a whole number"],
    [{ to: 'example' }, "Impairment 'to' must be an address, a network or 'localhost'"],
    [{ in: { loss: 7 } }, "Impairment 'in.loss' must be a probability"],
    [{ loss: 7, in: { delay: 1 } }, "Impairment 'loss' must be a probability"],
    [[{ loss: 0.1, seed: 1 }, { seed: 2 }], "Impairment 'seed' must be the same in all rules, 1 like the first"],
    ['loss', "Impairment 'impair' must be written as field=value, such as 'loss=5%'. Received 'loss'"],
    ['loss=5%,loss=6%', "Impairment 'loss' must be given only once. Received '6%'"],
    ['in.delay=x', "Impairment 'in.delay' must be a number of milliseconds"],
    ['loss=', "Impairment 'loss' must be a probability"],
  ])('%j is a wrong value', (spec, message) => {
    let error: unknown
    try {
      Impairment.parse(spec as ImpairSpec)
    } catch (thrown) {
      error = thrown
    }
    expect(error).toBeInstanceOf(RangeError)
    expect(error).toMatchObject({ code: 'ERR_INVALID_ARG_VALUE' })
    expect((error as Error).message).toContain(message)
  })

  it.each<[unknown, string]>([
    [5, "Impairment 'impair' must be an object, a list of objects or a text such as 'loss=5%,delay=100ms'. Received 5"],
    [[null], "Impairment 'impair' must be an object"],
    [{ loss: true }, "Impairment 'loss' must be a probability from 0 to 1"],
    [{ delay: [] }, 'Received an array'],
    [{ in: 0.5 }, "Impairment 'in' must be an object with 'loss', 'ecn', 'burst', 'duplicate'"],
    [{ to: 8080 }, "Impairment 'to' must be an address"],
    [{ reorder: {} }, "Impairment 'reorder.probability' must be a probability"],
    [{ rate: 1, queue: () => 1 }, 'Received a function'],
  ])('%j has a wrong type', (spec, message) => {
    expect(() => Impairment.parse(spec as ImpairSpec)).toThrow(TypeError)
    expect(() => Impairment.parse(spec as ImpairSpec)).toThrow(message)
    expect(() => Impairment.parse(spec as ImpairSpec)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARG_TYPE' }),
    )
  })

  it.each<[unknown, string]>([
    [{ los: 1 }, "Unknown impairment 'los'. Did you mean 'loss'?"],
    [{ Delay: 1 }, "Unknown impairment 'Delay'. Did you mean 'delay'?"],
    [{ out: { duplicates: 1 } }, "Unknown impairment 'out.duplicates'. Did you mean 'duplicate'?"],
    [{ reorder: { probability: 1, bye: 1 } }, "Unknown impairment 'reorder.bye'. Did you mean 'by'?"],
    [{ colour: 1 }, "Unknown impairment 'colour'. Known: 'loss', 'ecn', 'burst', 'duplicate'"],
    ['dely=5', "Unknown impairment 'dely'. Did you mean 'delay'?"],
    ['in.sed=5', "Unknown impairment 'in.sed'. Known: 'loss'"],
    ['__proto__=5', "Unknown impairment '__proto__'"],
  ])('%j is unknown', (spec, message) => {
    expect(() => Impairment.parse(spec as ImpairSpec)).toThrow(message)
  })
})

describe('directions and destinations', () => {
  it('holds for both directions unless one says otherwise', () => {
    const rule = Impairment.parse({ loss: 0.1, delay: 5, in: { loss: 0 }, out: { delay: 7, jitter: 1 } })?.rules[0]
    expect(rule?.in).toMatchObject({ delay: { delayUs: 5000, jitterUs: 0 } })
    expect(rule?.in?.loss).toBeUndefined()
    expect(rule?.out).toMatchObject({ loss: { model: { probability: 0.1 } }, delay: { delayUs: 7000, jitterUs: 1000 } })
  })

  it('leaves a direction alone that nothing happens in', () => {
    const rule = Impairment.parse({ loss: 0.1, in: { loss: 0 } })?.rules[0]
    expect(rule?.in).toBeNull()
    expect(rule?.out).not.toBeNull()
  })

  it('takes what one field needs from the other place', () => {
    expect(() => Impairment.parse({ reorder: '25%', in: { delay: 5 }, out: { delay: 6 } })).not.toThrow()
    expect(() => Impairment.parse({ reorder: '25%', in: { delay: 5 } })).toThrow("together with 'delay'")
    expect(Impairment.parse({ rate: 8000, queue: 5, in: { rate: 0 } })?.rules[0].in).toBeNull()
  })

  it.each([undefined, null, {}, [], '', ' ; ', { loss: 0 }, { seed: 5 }, 'loss=0%', { loss: undefined }, { delay: 0 }])(
    '%j is no impairment',
    (spec) => {
      expect(Impairment.parse(spec as ImpairSpec)).toBeNull()
    },
  )

  it('finds the first rule that fits', () => {
    const impairment = Impairment.parse('loss=1%,to=10.0.0.0/8;loss=0,to=10.0.0.0/8;delay=5,to=[::1]:80')
    expect(impairment?.find('10.1.2.3', 1)?.out).toMatchObject({ loss: { model: { probability: 0.01 } } })
    expect(impairment?.find('::1', 80)?.out).toMatchObject({ delay: { delayUs: 5000, jitterUs: 0 } })
    expect(impairment?.find('::1', 81)).toBeNull()
  })

  it('lets a rule that does nothing shield its destinations', () => {
    const impairment = Impairment.parse([{ to: 'localhost' }, { loss: 0.5 }])
    expect(impairment?.find('127.0.0.1', 5)?.out).toBeNull()
    expect(impairment?.find('10.0.0.1', 5)?.out).not.toBeNull()
  })

  it('reads the text form as it reads objects', () => {
    expect(Impairment.parse('loss=5%, delay=100ms,in.jitter=3,out.loss=0,seed=7,reorder=20% by 5ms')).toEqual(
      Impairment.parse({
        loss: '5%',
        delay: '100ms',
        in: { jitter: 3 },
        out: { loss: 0 },
        seed: 7,
        reorder: { probability: 0.2, by: 5 },
      }),
    )
    expect(Impairment.parse('loss=5%,seed=7')?.seed).toBe(7)
    expect(Impairment.parse('loss=5%')?.seed).toBeUndefined()
  })
})

const probability = fc.oneof(
  fc.double({ min: 0, max: 1, noNaN: true }),
  fc.integer({ min: 0, max: 100 }).map((n) => `${n}%`),
)
const time = fc.oneof(
  fc.double({ min: 0, max: 1e6, noNaN: true }),
  fc.tuple(fc.nat({ max: 1e6 }), fc.constantFrom('s', 'ms', 'us')).map(([n, unit]) => `${n}${unit}`),
)
const rate = fc.oneof(
  fc.constant(0),
  fc.integer({ min: 1, max: 1e12 }),
  fc.tuple(fc.integer({ min: 1, max: 10_000 }), fc.constantFrom('bit', 'kbit', 'mbit', 'kbps')).map((x) => x.join('')),
)
const queue = fc.record(
  { packets: fc.integer({ min: 1, max: 1e6 }), bytes: fc.integer({ min: 1, max: 1e9 }) },
  { requiredKeys: ['packets'] },
)
const direction = fc
  .record(
    {
      loss: probability,
      duplicate: probability,
      corrupt: probability,
      jitter: time,
      delay: time,
      rate,
      queue,
      reorder: fc.record({ probability, by: time }, { requiredKeys: ['probability'] }),
    },
    { requiredKeys: ['delay', 'rate'] },
  )
  .map((fields) => ({ ...fields }))

describe('properties', () => {
  it('reads back what it writes, as the same', () => {
    const rule = fc.record(
      {
        in: direction,
        out: direction,
        to: fc.constantFrom('10.0.0.0/8', '127.0.0.1:80', '[::1]:443', ':5432'),
        seed: fc.constant(2 ** 40),
      },
      { requiredKeys: [] },
    )
    const both = fc.tuple(direction, rule).map(([fields, rest]): ImpairFields => ({ ...fields, ...rest }))
    fc.assert(
      fc.property(fc.array(both, { minLength: 1, maxLength: 3 }), (rules) => {
        const impairment = Impairment.parse(rules)
        if (impairment === null) return
        expect(Impairment.parse(String(impairment))).toEqual(impairment)
      }),
    )
  })

  it('formats the spec of one direction as fields that give it', () => {
    fc.assert(
      fc.property(direction, (fields) => {
        const spec = parsePipelineSpec(fields)
        const pairs = formatPipelineSpec(spec).map((pair) => pair.split('='))
        expect(parsePipelineSpec(Object.fromEntries(pairs))).toEqual(spec)
      }),
    )
  })

  it('throws its own errors, or none, whatever the values are', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...IMPAIR_FIELDS), fc.anything()), (spec) => {
        try {
          Impairment.parse(spec as ImpairFields)
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^ERR_INVALID_ARG_(VALUE|TYPE)$/)
          expect((error as Error).message).toMatch(/^(Impairment|Unknown impairment) '/)
        }
      }),
    )
  })

  it('throws its own errors, or none, whatever the text is', () => {
    const pair = fc.tuple(
      fc.constantFrom('loss', 'delay', 'rate', 'queue', 'reorder', 'to', 'in.loss', 'x'),
      fc.string(),
    )
    const word = fc.oneof(
      fc.constantFrom(
        ...IMPAIR_FIELDS,
        'gemodel',
        'state',
        'gap',
        'by',
        'codel',
        'packets',
        'at',
        'every',
        'after',
        'for',
        'syn',
      ),
      fc.constantFrom('5%', '10ms', '1mbit', '0', '7', '64kb', '1-2', 'all', 'normal', '3g', '&', ',', ';'),
      fc.string(),
    )
    const text = fc.oneof(
      fc.string(),
      fc.array(word, { maxLength: 9 }).map((words) => words.join(' ')),
      fc.array(pair, { maxLength: 4 }).map((pairs) => pairs.map((parts) => parts.join('=')).join(',')),
    )
    fc.assert(
      fc.property(text, (spec) => {
        try {
          Impairment.parse(spec)
        } catch (error) {
          expect((error as { code?: string }).code).toMatch(/^ERR_INVALID_ARG_(VALUE|TYPE)$/)
        }
      }),
    )
  })
})
