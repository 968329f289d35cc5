import { describe, expect, it } from 'vitest'
import {
  congestionControlDescription,
  congestionControlNames,
  createCongestionControl,
  hasCongestionControl,
  Reno,
  registerCongestionControl,
} from '../../../src/congestion/index.ts'
import { controllerCases } from './common.cases.ts'

for (const name of congestionControlNames())
  controllerCases(name, (environment) => createCongestionControl(name, environment), { constant: name === 'fixed' })

describe('the registry', () => {
  const environment = { mss: 1000, now: 0, initialWindow: 10_000, random: () => 0.5, options: {} }

  it('has Reno, with a line about it', () => {
    expect(congestionControlNames()).toContain('reno')
    expect(hasCongestionControl('reno')).toBe(true)
    expect(congestionControlDescription('reno')).toMatch(/RFC 5681/)
  })

  it('takes controllers of users, and the later of two by one name', () => {
    class Mine extends Reno {
      override readonly name = 'mine-1'
    }
    registerCongestionControl('mine-1', () => new Reno(environment), { description: 'first' })
    registerCongestionControl('mine-1', (made) => new Mine(made))
    expect(createCongestionControl('mine-1', environment)).toBeInstanceOf(Mine)
    expect(congestionControlNames().filter((name) => name === 'mine-1')).toEqual(['mine-1'])
    expect(congestionControlDescription('mine-1')).toBe('')
  })

  it('refuses names that a parameter cannot hold, and what makes no controller', () => {
    for (const name of ['', 'a b', 'a=b', 'ü'])
      expect(() => registerCongestionControl(name, () => new Reno(environment))).toThrow(TypeError)
    expect(() => registerCongestionControl('nothing', null as never)).toThrow(TypeError)
    expect(hasCongestionControl('nothing')).toBe(false)
    expect(() => createCongestionControl('nothing', environment)).toThrow(RangeError)
    expect(congestionControlDescription('nothing')).toBe('')
  })
})
