import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, inject, vi } from 'vitest'
import type { Mib } from '../../src/stack/mib.ts'

// Runs before every file of tests: notes each set of counters that is made, and at the end what they counted. See counters-setup.ts.

const { made } = vi.hoisted(() => ({ made: [] as Mib[] }))

vi.mock('../../src/stack/mib.ts', async (importOriginal) => {
  const original = await importOriginal<typeof import('../../src/stack/mib.ts')>()
  class NotedMib extends original.Mib {
    constructor() {
      super()
      made.push(this)
    }
  }
  return { ...original, Mib: NotedMib }
})

afterAll(() => {
  const moved = new Set<string>()
  for (const mib of made.splice(0)) for (const [name, count] of Object.entries(mib)) if (count !== 0) moved.add(name)
  if (moved.size === 0) return
  const file = path.join(inject('movedCounters'), `${process.pid}-${Math.random().toString(36).slice(2)}`)
  writeFileSync(file, [...moved].join('\n'))
})
