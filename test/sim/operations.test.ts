import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { COUNTER_FLAGS, operationsOf } from '../support/operation-counter.ts'

// Holds what is done per unit of work to what it was, by a tenth: not a matter of time, so no machine is too slow or too busy for it.
// After a change that is worth it, or that does less: UPDATE_OPERATIONS=1 npx vitest run test/sim/operations.test.ts

type Counts = Record<string, number>

const FILE = join(import.meta.dirname, 'operations.json')
const PROGRAM = join(import.meta.dirname, '../support/programs/operations.ts')
const MAY_GROW = 1.1
/** Per unit: less than this is chance. */
const LEAST = 0.05

describe('operations', () => {
  const known = (): Record<string, Counts> => JSON.parse(readFileSync(FILE, 'utf8'))
  let now: Record<string, Counts>

  beforeAll(() => {
    const flags = [...COUNTER_FLAGS, '--import', 'tsx', PROGRAM]
    now = JSON.parse(execFileSync(process.execPath, flags, { encoding: 'utf8', maxBuffer: 1 << 24 }))
    if (process.env.UPDATE_OPERATIONS === '1') writeFileSync(FILE, `${JSON.stringify(now, null, 2)}\n`)
  }, 120_000)

  it.each(Object.keys(known()))('%s: no more than they were, by a tenth', (name) => {
    const counts = now[name]
    // They are counted at all.
    expect(counts['operations of tunnel']).toBeGreaterThan(0.5)
    const more = Object.entries(counts).filter(([what, count]) => {
      return count > Math.max(LEAST, (known()[name][what] ?? 0) * MAY_GROW)
    })
    expect(more.map(([what, count]) => `${what}: ${known()[name][what]} -> ${count}`)).toEqual([])
  })

  it('are known of every workload, and of nothing else', () => {
    expect(Object.keys(known())).toEqual(Object.keys(now))
  })

  it('are calls, and turns of loops beyond the first', () => {
    const call = { startOffset: 0, endOffset: 100, count: 3 }
    const loop = { startOffset: 10, endOffset: 90, count: 30 }
    const branch = { startOffset: 20, endOffset: 30, count: 12 }
    const inner = { startOffset: 40, endOffset: 80, count: 60 }
    const rare = { startOffset: 92, endOffset: 95, count: 1 }
    expect(operationsOf([call])).toBe(3)
    expect(operationsOf([call, rare])).toBe(3)
    expect(operationsOf([call, loop, branch, inner, rare])).toBe(3 + 27 + 30)
  })
})
