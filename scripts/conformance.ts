/**
 * The conformance matrix of RFC 9293, with its tests run.
 *
 *     npm run conformance                       the table, and what became of each test
 *     npm run conformance -- --no-run           the table alone
 *     npm run conformance -- --json             the same for programs
 *     npm run conformance -- --anchors          anchors of the code without a test, and tags of tests without an anchor
 *
 * The exit status is 0 only if every requirement is accounted for and every test named passes.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import colors from 'picocolors'
import {
  type Anchor,
  compareAnchors,
  fileAndTitle,
  problemsOf,
  type Requirement,
  ROOT,
  readAnchors,
  readMatrix,
  readTitles,
  Status,
} from '../test/conformance/matrix.ts'
import { type Outcome, readOutcome, Verdict, verdictsOf, vitestArguments } from '../test/conformance/run.ts'

const { values } = parseArgs({
  options: {
    anchors: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    run: { type: 'boolean', default: true },
  },
  allowNegative: true,
})

if (values.anchors) printAnchors()
else printMatrix()

function printMatrix(): void {
  const matrix = readMatrix()
  const problems = problemsOf(matrix, readTitles())
  const outcome = values.run ? runAll(matrix) : null
  const verdicts = new Map(
    matrix.flatMap(({ id, test }) => (test === '' || outcome === null ? [] : [[id, verdictsOf(outcome, test)]])),
  )
  const failed = [...verdicts].filter(([, verdict]) => verdict !== Verdict.Passed)
  if (values.json) {
    const rows = matrix.map((row) => ({ ...row, verdict: verdicts.get(row.id) ?? null }))
    console.log(JSON.stringify({ rows, problems }, null, 2))
  } else {
    console.log(tableOf(matrix, verdicts))
    console.log(summary(matrix, verdicts, problems))
  }
  process.exitCode = problems.length === 0 && failed.length === 0 ? 0 : 1
}

function runAll(matrix: readonly Requirement[]): Outcome {
  const named = matrix.filter(({ test }) => test !== '').map(({ test }) => fileAndTitle(test))
  const folder = mkdtempSync(join(tmpdir(), 'sluice-conformance-'))
  try {
    const output = join(folder, 'outcome.json')
    const files = [...new Set(named.map(([file]) => file))]
    const titles = [...new Set(named.map(([, title]) => title))]
    spawnSync(process.execPath, vitestArguments(files, titles, output), { cwd: ROOT, stdio: 'ignore' })
    return readOutcome(output)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function tableOf(matrix: readonly Requirement[], verdicts: ReadonlyMap<string, Verdict>): string {
  const table = new Table({
    head: ['id', 'section', 'rule', 'status', 'test, or reason'],
    colWidths: [9, 11, 40, 16, 78],
    wordWrap: true,
    style: { head: [], border: [], compact: true },
  })
  for (const { id, section, rule, status, test, reason } of matrix) {
    const verdict = verdicts.get(id)
    const mark = verdict === undefined ? status : `${status}: ${verdict}`
    const paint = verdict === undefined || verdict === Verdict.Passed ? (text: string) => text : colors.red
    table.push([id, section, rule, paint(mark), [test, reason].filter((text) => text !== '').join('\n')])
  }
  return table.toString()
}

function summary(
  matrix: readonly Requirement[],
  verdicts: ReadonlyMap<string, Verdict>,
  problems: readonly string[],
): string {
  const lines = problems.map((problem) => colors.red(problem))
  const wrong = new Set(problems.map((problem) => problem.split(':')[0]))
  const accounted = matrix.filter(({ id }) => !wrong.has(id)).length
  lines.push(`${accounted} of ${matrix.length} accounted for:`)
  for (const status of Object.values(Status)) {
    const rows = matrix.filter((row) => row.status === status)
    const passing = rows.filter(({ id }) => verdicts.get(id) === Verdict.Passed).length
    const withTest = rows.filter(({ test }) => test !== '').length
    const share = passing === withTest ? 'every test passes' : colors.red(`only ${passing} of ${withTest} tests pass`)
    const tests = verdicts.size > 0 && withTest > 0 ? `: ${share}` : ''
    lines.push(`  ${String(rows.length).padStart(3)} ${status}${tests}`)
  }
  return lines.join('\n')
}

function printAnchors(): void {
  const { tested, untested, loose } = compareAnchors(readAnchors(), readTitles())
  if (values.json) {
    console.log(JSON.stringify({ tested, untested, loose }, null, 2))
    return
  }
  const print = (title: string, anchors: readonly Anchor[]): void => {
    console.log(title)
    for (const { name, files } of anchors) console.log(`  ${name.padEnd(22)} ${files.join(' ')}`)
  }
  print(`${untested.length} anchors of the code without a test:`, untested)
  print(`${loose.length} tags of tests without an anchor in the code:`, loose)
  console.log(`${tested.length} anchors have a test.`)
}
