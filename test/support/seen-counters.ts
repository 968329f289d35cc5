import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { afterAll, afterEach } from 'vitest'
import { type CounterName, type Mib, mibObserver } from '../../src/stack/mib.ts'

// Before each file of tests: notes which counters its stacks move. `counters-teardown.ts` puts the notes of all files together.

export const NOTES = path.join(import.meta.dirname, '../../node_modules/.cache/sluice-counters')

const seen = new Set<string>()
let mibs: Mib[] = []
mibObserver.made = (mib) => mibs.push(mib)

function note(): void {
  for (const mib of mibs)
    for (const [name, value] of Object.entries(mib)) if (value !== 0) seen.add(name as CounterName)
}

afterEach(() => {
  note()
  // Those of a whole file live on, those of a test have done their duty: they must not be kept from being collected.
  mibs = []
})

afterAll(() => {
  note()
  if (seen.size === 0) return
  mkdirSync(NOTES, { recursive: true })
  writeFileSync(path.join(NOTES, `${process.pid}-${process.hrtime.bigint()}.json`), JSON.stringify([...seen]))
})
