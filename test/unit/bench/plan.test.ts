import { describe, expect, it } from 'vitest'
import { type Measurement, measurements } from '../../../bench/measurements/index.ts'
import { type PlanOptions, planOf, planSeconds, samplesOf } from '../../../bench/plan.ts'
import { durationText } from '../../../bench/progress.ts'
import { targets } from '../../../bench/targets.ts'

const ALL: PlanOptions = { quick: false, only: null, transports: ['net', 'sluice', 'udx'], settings: [] }
const names = (options: Partial<PlanOptions>): string[] =>
  planOf(measurements, { ...ALL, ...options }).map(({ measurement }) => measurement.name)

function measurement(more: Partial<Measurement> = {}): Measurement {
  return {
    name: 'a:1',
    group: 'a',
    figures: [],
    settings: (quick) => ({ duration: quick ? 100 : 2000 }),
    seconds: ({ duration }) => duration / 1000,
    serve: () => Promise.reject(new Error()),
    drive: () => Promise.reject(new Error()),
    ...more,
  }
}

describe('what is measured', () => {
  it('is everything, once', () => {
    expect(names({})).toEqual(measurements.map(({ name }) => name))
    expect(new Set(names({})).size).toBe(measurements.length)
  })

  it('is what a group or a name stands for', () => {
    expect(names({ only: ['bulk'] })).toEqual(['bulk:1', 'bulk:16', 'bulk:256'])
    expect(names({ only: ['ping', 'bulk:16'] })).toEqual(['bulk:16', 'ping'])
  })

  it('is not the largest in a quick run, unless it is named', () => {
    expect(names({ quick: true })).not.toContain('memory:100000')
    expect(names({ quick: true, only: ['memory'] })).toEqual(['memory:1000', 'memory:10000'])
    expect(names({ quick: true, only: ['memory:100000'] })).toEqual(['memory:100000'])
  })

  it('has the defaults of every transport, then the settings of those that have them', () => {
    const settings = [{ label: 'small', options: { mtu: 1500 }, kinds: ['sluice'] }]
    const one = measurement({
      options: { offload: 'off' },
      settingsBeside: [{ label: 'buffer', options: { recvBufferSize: 1000 }, kinds: ['sluice', 'udx'] }],
    })
    const [{ variants }] = planOf([one], { ...ALL, settings })
    expect(variants.map(({ variant }) => [variant.kind, variant.setting, variant.options])).toEqual([
      ['net', '', { offload: 'off' }],
      ['sluice', '', { offload: 'off' }],
      ['udx', '', { offload: 'off' }],
      ['sluice', 'buffer', { offload: 'off', recvBufferSize: 1000 }],
      ['udx', 'buffer', { offload: 'off', recvBufferSize: 1000 }],
      ['sluice', 'small', { offload: 'off', mtu: 1500 }],
    ])
  })

  it('leaves out whom it cannot be asked of, and says why where the machine is the reason', () => {
    const one = measurement({ kinds: ['sluice', 'net'], whyNot: (kind) => (kind === 'net' ? 'too few' : null) })
    const [planned] = planOf([one], ALL)
    expect(planned.variants.map(({ variant, reason }) => [variant.kind, reason])).toEqual([
      ['net', 'too few'],
      ['sluice', null],
    ])
    expect(samplesOf(planned)).toBe(1)
  })

  it('takes the time of its samples and of their processes', () => {
    const plan = planOf([measurement(), measurement({ seconds: () => 9 })], ALL)
    expect(planSeconds(plan, 5)).toBe(5 * 3 * (2 + 1) + 5 * 3 * (9 + 1))
    expect([0.2, 89, 90, 3600].map(durationText)).toEqual(['1 s', '89 s', '2 min', '60 min'])
  })
})

describe('targets', () => {
  it.each(targets.map((target) => [`${target.measurement}, ${target.figure}, ${target.setting}`, target] as const))(
    'are of something that is measured: %s',
    (_, { measurement, figure, setting, over }) => {
      const found = measurements.find(({ name }) => name === measurement)
      expect(found?.figures.map(({ name }) => name)).toContain(figure)
      expect(['', ...(found?.settingsBeside ?? []).map(({ label }) => label)]).toContain(setting)
      if (over !== null && 'measurement' in over) {
        const other = measurements.find(({ name }) => name === over.measurement)
        expect(other?.figures.map(({ name }) => name)).toContain(figure)
      }
    },
  )
})
