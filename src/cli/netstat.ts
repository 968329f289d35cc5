import { readFileSync } from 'node:fs'
import { Command } from 'commander'
import { mibGroups } from '../stack/index.ts'
import { counterText } from './counters.ts'
import { ExitStatus } from './exit-status.ts'

interface NetstatOptions {
  statistics?: boolean
  json?: boolean
}

/** `sluice netstat -s [FILE]`. */
export function command(): Command {
  return new Command('netstat')
    .summary('counters of a stack, as netstat -s words them')
    .description(
      'Prints the counters of a stack as netstat(8) prints the kernel’s. They come from FILE, or from standard input: JSON as\n' +
        'stack.counters() gives it, for instance by `writeFileSync(file, JSON.stringify(stack.counters()))`.',
    )
    .argument('[file]', 'JSON of counters; - or nothing is standard input')
    .requiredOption('-s, --statistics', 'the counters, group by group')
    .option('--json', 'the counters as JSON by group, every name, zeros included')
    .action((file: string | undefined, options: NetstatOptions) => {
      const counters = load(file ?? '-')
      if (typeof counters === 'string') {
        process.stderr.write(`sluice netstat: ${counters}\n`)
        process.exitCode = ExitStatus.Failed
      } else
        process.stdout.write(
          options.json === true ? `${JSON.stringify(grouped(counters), null, 2)}\n` : counterText(counters),
        )
    })
}

/** The counters, or what is wrong with them. */
function load(file: string): Record<string, number> | string {
  const name = file === '-' ? 'standard input' : file
  try {
    const value: unknown = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'))
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return `${name} holds no counters`
    for (const [key, count] of Object.entries(value)) {
      if (typeof count !== 'number' || !Number.isFinite(count)) return `${name}: ${key} is no number`
    }
    return value as Record<string, number>
  } catch (error) {
    return `${name}: ${(error as Error).message}`
  }
}

function grouped(counters: Readonly<Record<string, number>>): Record<string, Record<string, number>> {
  const groups = Object.entries(mibGroups)
  return Object.fromEntries(
    groups.map(([group, names]) => [group, Object.fromEntries(names.map((name) => [name, counters[name] ?? 0]))]),
  )
}
