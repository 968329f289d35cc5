import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  type ControllerFactory,
  congestionControlDescription,
  congestionControlNames,
  createCongestionControl,
  registerCongestionControl,
} from '../../../src/congestion/index.ts'
import { PathModel } from '../../support/path-model.ts'
import { controllerCases } from './common.cases.ts'

const MSS = 1000
const SECOND = 1_000_000
const environment = { mss: MSS, now: 0, initialWindow: 10 * MSS, random: () => 0.5, options: {} }

const text = readFileSync(join(import.meta.dirname, '../../../docs/congestion-control.md'), 'utf8')
const [example = ''] = [...text.matchAll(/```js\n(import [\s\S]*?)```/g)].map(([, code]) => code as string)

// What the documented module registers; its import is handed in.
const registered = new Map<string, ControllerFactory>()
const body = example.replace(/^import .*\n/, '')
new Function('registerCongestionControl', body)(
  (name: string, factory: ControllerFactory, options: { description: string }) => {
    registered.set(name, factory)
    registerCongestionControl(name, factory, options)
  },
)

describe('the controller of docs/congestion-control.md', () => {
  it('is about sixty lines, and registers itself', () => {
    expect(example).toMatch(/^import \{ registerCongestionControl \} from 'sluice'\n/)
    expect(example.split('\n').length).toBeLessThanOrEqual(70)
    expect([...registered.keys()]).toEqual(['gentle'])
    expect(congestionControlNames()).toContain('gentle')
    expect(congestionControlDescription('gentle')).toBe('keeps 10 ms of queue')
  })

  it.each([10_000, 30_000])('fills a path and keeps %i µs of queue', (target) => {
    const cc = createCongestionControl('gentle', { ...environment, options: { target } })
    const path = new PathModel(cc, { rateBps: 1_250_000, rttUs: 40_000, queueBytes: 200_000 })
    path.run(20 * SECOND)
    expect(path.run(40 * SECOND) / 1_250_000).toBeGreaterThan(0.98)
    const delay = (path.meanQueued / 1_250_000) * SECOND
    expect(delay).toBeGreaterThan(0.7 * target)
    expect(delay).toBeLessThan(1.2 * target)
    expect(path.sampler.lost).toBe(0)
  })
})

controllerCases('gentle', (made) => createCongestionControl('gentle', made))

describe('docs/congestion-control.md', () => {
  it('lists every controller there is', () => {
    const listed = [...text.matchAll(/^\| `([a-z0-9]+)` \|/gm)].map(([, name]) => name)
    for (const name of congestionControlNames()) if (name !== 'gentle') expect(listed).toContain(name)
  })

  it('lists every member of a sample and every call of a controller', () => {
    const source = readFileSync(join(import.meta.dirname, '../../../src/congestion/controller.ts'), 'utf8')
    const members = (name: string): string[] => {
      const [, block = ''] = new RegExp(`export interface ${name} \\{\\n([\\s\\S]*?)\\n\\}`).exec(source) ?? []
      return [...block.matchAll(/^ {2}(?:readonly )?(\w+)\??[:(]/gm)].map(([, member]) => member as string)
    }
    expect(members('RateSample').length).toBeGreaterThan(20)
    for (const member of [...members('RateSample'), ...members('CongestionController')])
      expect(text, member).toMatch(new RegExp(`\`${member}\\b|${member} `))
  })
})
