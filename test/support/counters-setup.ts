import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestProject } from 'vitest/node'
import { Mib } from '../../src/stack/mib.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Where the workers of this run write what counters their tests have moved. */
    movedCounters: string
  }
}

/**
 * Fails a run of all tests after which there is a counter that none of them has moved: what nobody has seen counting need not be right. A run of
 * some of them says nothing, nor does one in which a test failed. Each run has a folder of its own.
 */
export default function setup(project: TestProject): () => Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-counters-'))
  project.provide('movedCounters', folder)
  return async () => {
    const moved = new Set(
      readdirSync(folder).flatMap((file) => readFileSync(path.join(folder, file), 'utf8').split('\n')),
    )
    rmSync(folder, { recursive: true })
    if (!(await ranAll(project))) return
    const still = Object.keys(new Mib()).filter((name) => !moved.has(name))
    if (still.length > 0) throw new Error(`no test moves ${still.join(', ')} (src/stack/mib.ts)`)
  }
}

/** Every test of every file was run, and passed. */
async function ranAll({ vitest }: TestProject): Promise<boolean> {
  const { testNamePattern, shard } = vitest.config
  if (testNamePattern !== undefined || shard !== undefined) return false
  const passed = new Set(
    vitest.state
      .getTestModules()
      .filter((module) => module.state() === 'passed')
      .map(({ moduleId }) => moduleId),
  )
  const all = await vitest.globTestSpecifications()
  return all.every(({ moduleId }) => passed.has(moduleId))
}
