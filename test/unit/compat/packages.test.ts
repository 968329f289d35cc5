import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { compatPage } from '../../../compat/packages/page.ts'
import { caseNames, type Result } from '../../../compat/packages/run.ts'

const ROOT = join(import.meta.dirname, '../../..')
const page = readFileSync(join(ROOT, 'docs/compat.md'), 'utf8')
const rows = page.split('\n').filter((line) => line.startsWith('| ['))

const result = (over: Partial<Result>): Result => ({
  ...{
    name: 'some',
    mode: 'inject',
    result: 'pass',
    packageName: 'some',
    version: '1.2.3',
    inject: '`a | b`',
    seconds: 1,
  },
  ...over,
})

describe('packages that ride on sluice', () => {
  it('are each a row of docs/compat.md, and each row is a case', () => {
    const cases = rows.map((row) => /cases\/([^)]+)\.js\)/.exec(row)?.[1])
    expect(cases).toEqual(caseNames())
    expect(cases.length).toBeGreaterThanOrEqual(22)
  })

  it('were all seen to work when the page was made, both ways', () => {
    for (const row of rows) {
      const [, , , inject, swap] = row.split(/(?<!\\)\|/)
      expect([inject?.trim()[0], swap?.trim()[0]], row).toEqual(['✓', '✓'])
    }
  })

  it('are installed from a lockfile that names no registry', () => {
    const text = readFileSync(join(ROOT, 'compat/packages/package-lock.json'), 'utf8')
    expect(text).not.toContain('"resolved"')
    const lock: { packages: Record<string, { dependencies?: object }> } = JSON.parse(text)
    const manifest = JSON.parse(readFileSync(join(ROOT, 'compat/packages/package.json'), 'utf8'))
    expect(lock.packages['']?.dependencies).toEqual(manifest.dependencies)
  })

  it('ask for no server and no package that the runner does not have', () => {
    const servers = readFileSync(join(ROOT, 'compat/packages/servers.ts'), 'utf8')
    const manifest = JSON.parse(readFileSync(join(ROOT, 'compat/packages/package.json'), 'utf8'))
    const folder = join(ROOT, 'compat/packages/cases')
    for (const file of readdirSync(folder)) {
      const text = readFileSync(join(folder, file), 'utf8')
      for (const [, name] of text.matchAll(/t\.server\('(\w+)'\)/g)) expect(servers, file).toContain(`\n  ${name}: {`)
      for (const [, name] of text.matchAll(/^import .* from '([^.'][^']*)'/gm)) {
        if (name?.startsWith('node:')) continue
        const owner = (name as string)
          .split('/')
          .slice(0, name?.startsWith('@') ? 2 : 1)
          .join('/')
        expect(Object.keys(manifest.dependencies), file).toContain(owner)
      }
    }
  })

  it('that fail or could not run say so on the page, and why', () => {
    const made = compatPage(
      [
        result({ result: 'fail', reason: 'Error: no\n    at there' }),
        result({ mode: 'swap', result: 'skip', reason: 'not installed' }),
      ],
      '1.0.0',
    )
    expect(made).toContain('**fails**: Error: no; `a \\| b` |')
    expect(made).not.toContain('at there')
    expect(made).toContain('**skipped**: not installed;')
    expect(compatPage([result({})], '1.0.0')).toContain('| not run |')
  })
})
