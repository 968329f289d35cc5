import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { describe, expect, it } from 'vitest'
import { IMPAIR_FIELDS, Impairment, PROFILES } from '../../../src/impair/index.ts'

const text = readFileSync(resolve(import.meta.dirname, '../../../docs/impairment.md'), 'utf8')

describe('docs/impairment.md', () => {
  it('names every member, and none that does not exist', () => {
    const named = new Set(
      [...text.matchAll(/^\| (`\w+`(?:, `\w+`)*) \|/gm)].flatMap(([, cell]) => [...cell.matchAll(/\w+/g)].map(String)),
    )
    for (const field of IMPAIR_FIELDS) expect([...named]).toContain(field)
  })

  it('lists every profile as it is', () => {
    for (const { name, description, source } of PROFILES)
      expect(text).toContain(`| \`${name}\` | ${description} | ${source} |`)
  })

  it.each([...text.matchAll(/SLUICE_IMPAIR='([^']*)'/g)].map(([, spec]) => spec))('%s works', (spec) => {
    expect(Impairment.parse(spec)).not.toBeNull()
  })

  it.each([...text.matchAll(/^\| `((?:at|every|after) [^`]*)` \|/gm)].map(([, event]) => event))(
    '%s works',
    (event) => {
      expect(Impairment.parse(event)).not.toBeNull()
    },
  )

  it.each([...text.matchAll(/`(loss=[^`]*)`/g)].map(([, spec]) => spec))('%s works', (spec) => {
    expect(Impairment.parse(spec, { readFile: () => '0 0 1' })).not.toBeNull()
  })
})
