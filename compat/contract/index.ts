/**
 * The contract: programs that use `net` in every way, each run on Node's own and on sluice, and all that they saw compared.
 *
 *     npm run compat                              the whole, on the Node that runs
 *     npm run compat -- --node /path/to/node      on another
 *     npm run compat -- --only 'half-open'        programs with this in their name
 *     npm run compat -- --show --only 'connect: port and host'     what Node's net recorded, too
 *     npm run compat -- --fresh                   each program in a process of its own: slower, the same result
 *     npm run compat -- --self                    Node's net against itself: finds programs that are left to chance
 *     npm run compat -- --record --node /path/to/newest            records what older Nodes' own net does not have
 *
 * Exit status: 0 no differences but the allowed ones; 1 there are, or an allowed one is not needed any more.
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import Table from 'cli-table3'
import { Command } from 'commander'
import pc from 'picocolors'
import { allowed } from './allowed.ts'
import { explain } from './compare.ts'
import { allPrograms } from './programs/index.ts'
import { type Report, type Result, runSuite } from './suite.ts'

interface Options {
  node?: string
  only?: string[]
  jobs: string
  self?: boolean
  show?: boolean
  record?: boolean
  fresh?: boolean
  json?: boolean
}

const command = new Command()
  .name('compat')
  .description("Runs the programs of the contract on Node's own net and on sluice, and compares what they saw.")
  .option('--node <path>', 'the Node binary (default: the one that runs)')
  .option('--only <name...>', 'programs with this in their name')
  .option('--jobs <n>', 'processes at a time', '4')
  .option('--fresh', 'each program in a process of its own')
  .option('--self', "compare Node's net with itself")
  .option('--show', "print what Node's net recorded")
  .option('--record', 'write expected.json from the net of this Node')
  .option('--json', 'print all results as JSON')
  .parse()
const options = command.opts<Options>()

const report = await runSuite({
  node: options.node,
  only: options.only,
  jobs: Number(options.jobs),
  self: options.self || options.record,
  fresh: options.fresh,
  onResult: options.json ? undefined : showResult,
})
if (options.record) await record(report)
else if (options.json)
  console.log(JSON.stringify({ ...report, allowed: allowed.map(({ name, reason }) => ({ name, reason })) }, null, 2))
else showSummary(report)
const failed = report.results.some(({ differences }) => differences.length > 0) || report.unused.length > 0
process.exitCode = failed ? 1 : 0

function showResult(result: Result): void {
  if (options.show) {
    console.log(pc.bold(result.program))
    for (const [lane, lines] of Object.entries(result.record)) {
      console.log(`  lane ${lane}:`)
      for (const line of lines) console.log(`    ${line.replaceAll('\n', '\n    ')}`)
    }
  }
  if (result.differences.length === 0) return
  console.log(`${pc.red('differs')} ${pc.bold(result.program)}${result.against === 'recorded' ? ' (recorded)' : ''}`)
  for (const difference of result.differences) console.log(explain(difference))
}

function showSummary({ node, results, unused, seconds }: Report): void {
  const table = new Table({ head: ['theme', 'programs', 'same', 'allowed', 'differ'], style: { head: [], border: [] } })
  const themes = [...new Set(results.map(({ theme }) => theme))]
  const row = (name: string, of: readonly Result[]): void => {
    const differ = of.filter(({ differences }) => differences.length > 0).length
    const allowed = of.filter((result) => result.allowed.length > 0).length
    table.push([name, of.length, of.length - differ - allowed, allowed, differ])
  }
  for (const theme of themes)
    row(
      theme,
      results.filter((result) => result.theme === theme),
    )
  row('all', results)
  console.log(table.toString())
  for (const { name, reason } of allowed) {
    const count = results.filter((result) => result.allowed.includes(name)).length
    if (count > 0) console.log(`allowed: ${name} (${count} programs): ${reason}`)
  }
  for (const { name } of unused) console.log(pc.red(`not needed any more: ${name}`))
  const recorded = results.filter(({ against }) => against === 'recorded').length
  console.log(
    `Node ${node}, ${results.length} programs (${recorded} against a newer Node's record), ${seconds.toFixed(1)} s`,
  )
}

/** Keeps what programs for newer Nodes do there, for the older ones. */
async function record({ results, node }: Report): Promise<void> {
  const programs = await allPrograms()
  const newer = results.filter(({ program }) => 'since' in (programs.get(program) ?? {}))
  const records = Object.fromEntries(newer.map(({ program, record }) => [program, record]))
  writeFileSync(join(import.meta.dirname, 'expected.json'), `${JSON.stringify(records, null, 2)}\n`)
  console.log(`${newer.length} programs recorded from ${node}`)
}
