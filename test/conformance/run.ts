import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { sep } from 'node:path'
import { fileAndTitle } from './matrix.ts'

// Running tests that the matrix names, and what became of them.

/** How a test ended, as a sentence about it goes on. */
export const Verdict = {
  Passed: 'passes',
  Failed: 'fails',
  /** It had to be stopped. */
  Endless: 'does not end',
  /** It was not there: skipped, or its file could not be loaded. */
  Absent: 'was not run',
} as const
export type Verdict = (typeof Verdict)[keyof typeof Verdict]

/** What vitest's JSON reporter tells of a file. */
interface FileResult {
  readonly name: string
  readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
}

export interface Outcome {
  /** It did not end in time. */
  readonly endless: boolean
  readonly tests: readonly FileResult[]
}

/** What `node` is to be called with to run these tests and write their outcome. In threads: who stops the process stops them all. */
export function vitestArguments(files: readonly string[], titles: readonly string[], output: string): string[] {
  const vitest = createRequire(import.meta.url)
    .resolve('vitest/package.json')
    .replace(/package\.json$/, 'vitest.mjs')
  const names = titles.map((title) => `${pattern(title)}$`).join('|')
  const options = ['--pool=threads', '--reporter=json', `--outputFile=${output}`, '--testNamePattern', names]
  return [vitest, 'run', ...files, ...options]
}

/** What vitest wrote; of nothing written, no test was run. */
export function readOutcome(output: string): Outcome {
  const tests: FileResult[] = existsSync(output) ? JSON.parse(readFileSync(output, 'utf8')).testResults : []
  return { endless: false, tests }
}

/** The worst that became of the test that a row of the matrix names; of a table of cases, of all of them. */
export function verdictsOf({ endless, tests }: Outcome, test: string): Verdict {
  if (endless) return Verdict.Endless
  const [file, title] = fileAndTitle(test)
  const whole = new RegExp(`^${pattern(title)}$`)
  const results = tests
    .filter(({ name }) => name.split(sep).join('/').endsWith(`/${file}`))
    .flatMap(({ assertionResults }) => assertionResults)
    .filter((result) => whole.test(result.title))
  if (results.some(({ status }) => status === 'failed')) return Verdict.Failed
  return results.length > 0 && results.every(({ status }) => status === 'passed') ? Verdict.Passed : Verdict.Absent
}

/** A title as it stands in the source, as a regular expression: what a table of cases puts into it may be anything. */
function pattern(title: string): string {
  return title.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&').replace(/%[sdifjoO#]|\\\$\w+/g, '.*')
}
