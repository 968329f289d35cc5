/**
 * Do the tests of the conformance matrix notice a rule that is broken?
 *
 *     npm run conformance:break -- --seed 7 --count 20      twenty rules, drawn by the seed; a minute or two
 *     npm run conformance:break -- --all                    every rule that can be drawn
 *     npm run conformance:break -- --rules MUST-18,SHLD-7   these
 *
 * Works on a copy of the tree in a temporary folder: breaks one rule there as `test/conformance/breaks.ts` says, runs the one test that the
 * matrix names for it, which must fail, and mends it again. Before, all of these tests must pass. The exit status is 0 only if so it is.
 */
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { Rng } from '../src/impair/index.ts'
import { breaks } from '../test/conformance/breaks.ts'
import { fileAndTitle, type Requirement, ROOT, readMatrix, Status } from '../test/conformance/matrix.ts'
import { type Outcome, readOutcome, Verdict, verdictsOf, vitestArguments } from '../test/conformance/run.ts'

/** What a test needs to run. */
const PARTS = ['src', 'test', 'package.json', 'tsconfig.json', 'vitest.config.ts'] as const
/** A broken rule may keep a test from ever ending. */
const LIMIT_MS = 120_000

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    count: { type: 'string', default: '20' },
    rules: { type: 'string' },
    all: { type: 'boolean', default: false },
  },
})

const tested = readMatrix().filter(({ status }) => status === Status.Tested)
const drawable = tested.filter(({ id }) => breaks[id] !== undefined)
const rules = choose()
const [files, titles] = [new Set<string>(), new Set<string>()]
for (const { test } of rules) {
  const [file, title] = fileAndTitle(test)
  files.add(file)
  titles.add(title)
}
const how = values.all || values.rules !== undefined ? 'were asked for' : `are, by seed ${values.seed}`
console.log(`${drawable.length} of ${tested.length} tested rules can be drawn; ${rules.length} ${how}.`)

const copy = mkdtempSync(join(tmpdir(), 'sluice-break-'))
// What is made here goes, however the process ends.
process.on('exit', () => rmSync(copy, { recursive: true, force: true }))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))

copyTree()
const unbroken = run([...files], [...titles])
let failures = 0
for (const rule of rules) {
  const before = verdictsOf(unbroken, rule.test)
  const text = before === Verdict.Passed ? tryBroken(rule) : `its test ${before} before anything was broken`
  if (text !== null) failures++
  console.log(
    `${text === null ? 'ok  ' : 'FAIL'} ${rule.id.padEnd(8)} ${breaks[rule.id].file.padEnd(28)} ${text ?? 'noticed'}`,
  )
}
console.log(failures === 0 ? `All ${rules.length} were noticed.` : `${failures} of ${rules.length} were not.`)
process.exitCode = failures === 0 ? 0 : 1

function choose(): Requirement[] {
  if (values.rules !== undefined) {
    const wanted = values.rules.split(',')
    const found = drawable.filter(({ id }) => wanted.includes(id))
    if (found.length !== wanted.length) giveUp(`--rules ${values.rules}: not all of them are tested and can be broken`)
    return found
  }
  if (values.all) return drawable
  const rng = new Rng(wholeNumber(values.seed, 'seed'))
  const left = [...drawable]
  const drawn: Requirement[] = []
  for (let n = Math.min(wholeNumber(values.count, 'count'), left.length); n > 0; n--) {
    drawn.push(...left.splice(rng.nextInt(left.length), 1))
  }
  return drawn
}

function wholeNumber(text: string, name: string): number {
  if (!/^\d{1,15}$/.test(text)) giveUp(`--${name} ${text}: a whole number is needed`)
  return Number(text)
}

function giveUp(message: string): never {
  console.error(message)
  process.exit(2)
}

/** The installed packages are linked, not copied; what a test runner keeps beside them stays in the copy. */
function copyTree(): void {
  for (const part of PARTS) cpSync(join(ROOT, part), join(copy, part), { recursive: true })
  const installed = join(ROOT, 'node_modules')
  mkdirSync(join(copy, 'node_modules'))
  for (const name of readdirSync(installed)) {
    if (name.startsWith('.')) continue
    symlinkSync(join(installed, name), join(copy, 'node_modules', name))
  }
}

/** Null: its test noticed. Else what happened. */
function tryBroken({ id, test }: Requirement): string | null {
  const { file, find, replace } = breaks[id]
  const path = join(copy, file)
  const whole = readFileSync(path, 'utf8')
  const pieces = whole.split(find)
  if (pieces.length !== 2) return `the snippet stands ${pieces.length - 1} times in the file`
  const [testFile, title] = fileAndTitle(test)
  writeFileSync(path, pieces.join(replace))
  const outcome = run([testFile], [title])
  writeFileSync(path, whole)
  const verdict = verdictsOf(outcome, test)
  return verdict === Verdict.Failed ? null : `its test ${verdict}`
}

function run(testFiles: readonly string[], testTitles: readonly string[]): Outcome {
  const output = join(copy, 'outcome.json')
  rmSync(output, { force: true })
  const { signal } = spawnSync(process.execPath, vitestArguments(testFiles, testTitles, output), {
    cwd: copy,
    stdio: 'ignore',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  return signal !== null ? { endless: true, tests: [] } : readOutcome(output)
}
