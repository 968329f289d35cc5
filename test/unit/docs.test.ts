import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { sysctlPage } from '../../scripts/docs.ts'
import { settingsInTests } from '../../scripts/sysctl-tests.ts'

/** Of loss recovery: their tests are on the way. */
const PENDING: readonly string[] = [
  'rto_algorithm',
  'tcp_thin_linear_timeouts',
  'tcp_max_reordering',
  'tcp_recovery',
  'tcp_frto',
  'tcp_dsack',
  'tcp_fack',
  'ip_default_ttl',
]

const page = (name: string): string => readFileSync(path.join(import.meta.dirname, '../../docs', name), 'utf8')

describe('generated pages', () => {
  it('docs/sysctl.md is up to date (npm run docs)', () => {
    expect(page('sysctl.md')).toBe(sysctlPage())
  })

  it('every parameter is set by a test', () => {
    const missing = [...settingsInTests()].flatMap(([name, tests]) => (tests.length === 0 ? [name] : []))
    expect(missing.filter((name) => !PENDING.includes(name))).toEqual([])
  })
})
