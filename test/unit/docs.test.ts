import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { experimentsPage, sysctlPage } from '../../scripts/docs.ts'
import { settingsInTests } from '../../scripts/sysctl-tests.ts'

/** Of pacing: their tests are on the way. */
const PENDING: readonly string[] = ['tcp_pacing', 'tcp_pacing_ss_ratio', 'tcp_pacing_ca_ratio']

const page = (name: string): string => readFileSync(path.join(import.meta.dirname, '../../docs', name), 'utf8')

describe('generated pages', () => {
  it('docs/sysctl.md is up to date (npm run docs)', () => {
    expect(page('sysctl.md')).toBe(sysctlPage())
  })

  it('docs/experiments.md is up to date (npm run docs)', () => {
    expect(page('experiments.md')).toBe(experimentsPage(page('experiments.md')))
  })

  it('every parameter is set by a test', () => {
    const missing = [...settingsInTests()].flatMap(([name, tests]) => (tests.length === 0 ? [name] : []))
    expect(missing.filter((name) => !PENDING.includes(name))).toEqual([])
  })
})
