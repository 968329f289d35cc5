/**
 * Packages riding on sluice: each case is run with the real package, once by injection and once by swap, each time in a process of its own.
 *
 *     npm run compat:packages                          all of them; installs the packages before, by `npm ci`
 *     npm run compat:packages -- --only ws pg          these
 *     npm run compat:packages -- --mode swap           one way only; `node`: without sluice
 *     npm run compat:packages -- --node /path/to/node  on another Node
 *     npm run compat:packages -- --docs                writes docs/compat.md from the results
 *
 * Servers that the cases need are started here on free ports of loopback, with data in a temporary folder, and stopped in the end. Those that are
 * not installed skip their cases, with a line that says which package of Debian has them; --strict makes that a failure.
 *
 * Exit status: 0 all passed (or were skipped); 1 some failed.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import { Command, Option } from 'commander'
import pc from 'picocolors'
import { compatPage, PAGE } from './page.ts'
import { caseNames, MODES, type Mode, preparePackages, type Result, runCases } from './run.ts'

interface Options {
  only?: string[]
  mode?: Mode
  node: string
  strict?: boolean
  docs?: boolean
  json?: boolean
}

const command = new Command()
  .name('compat:packages')
  .description('Runs well-known packages on sluice, by injection and by swap.')
  .option('--only <name...>', 'these cases')
  .addOption(new Option('--mode <mode>', 'one way only').choices([...MODES, 'node']))
  .option('--node <path>', 'the Node binary', process.execPath)
  .option('--strict', 'a server that is not installed is a failure')
  .option('--docs', 'write docs/compat.md')
  .option('--json', 'print all results as JSON')
  .parse()
const options = command.opts<Options>()

const all = caseNames()
const names = options.only ?? all
const unknown = names.filter((name) => !all.includes(name))
if (unknown.length > 0) command.error(`there is no case ${unknown.join(', ')}; there are ${all.join(', ')}`)
if (options.docs && (options.only || options.mode)) command.error('--docs needs all cases, both ways')

const modes = options.mode ? [options.mode] : MODES
preparePackages()
const results = await runCases({
  names,
  modes,
  node: options.node,
  onResult: options.json ? undefined : showResult,
})
if (options.json) console.log(JSON.stringify(results, null, 2))
else showTable(results)
if (options.docs) {
  const { stdout } = spawnSync(options.node, ['--version'], { encoding: 'utf8' })
  writeFileSync(PAGE, compatPage(results, stdout.trim().slice(1)))
}
const bad = results.filter(({ result }) => result === 'fail' || (options.strict && result === 'skip'))
process.exitCode = bad.length > 0 ? 1 : 0

function showResult({ name, mode, result, reason, seconds }: Result): void {
  const colour = { pass: pc.green, fail: pc.red, skip: pc.yellow }[result]
  console.log(
    `${colour(result)} ${name} by ${mode} (${seconds.toFixed(1)} s)${reason === undefined ? '' : `: ${reason}`}`,
  )
}

function showTable(results: readonly Result[]): void {
  const table = new Table({ head: ['package', 'version', ...modes], style: { head: [], border: [] } })
  for (const name of names) {
    const of = results.filter((result) => result.name === name)
    const cell = (mode: Mode): string => of.find((result) => result.mode === mode)?.result ?? ''
    table.push([of[0]?.packageName, of[0]?.version, ...modes.map(cell)])
  }
  console.log(table.toString())
  const count = (kind: Result['result']): number => results.filter(({ result }) => result === kind).length
  console.log(`${count('pass')} passed, ${count('fail')} failed, ${count('skip')} skipped`)
}
