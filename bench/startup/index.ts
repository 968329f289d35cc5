// `npm run bench:startup`: what `-r sluice/register` adds to the start of a program, beside the same program without it, by turns.
//
//   npm run bench:startup                                  the package as it was built (npm run build)
//   npm run bench:startup -- --node /path/to/node …        other Nodes than the one that runs
//   npm run bench:startup -- --rounds 30 --dist /a/build
//
// Processor time is that of the whole process, user and system; wall time from its birth to its end; memory what is resident at its end.
// Nothing is asserted: a busy machine is no failure. Of times the least says most, for nothing but the program itself can make it longer.

import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import Table from 'cli-table3'
import { Command } from 'commander'
import { median } from '../stats.ts'

interface Sample {
  cpuMs: number
  wallMs: number
  rss: number
}

interface Options {
  node: string[]
  rounds: string
  dist: string
}

const PROGRAMS = {
  empty: 'a program that does nothing',
  app: 'an http server and one fetch from it',
}
const KINDS = ['plain', 'registered'] as const
const UNITS = { cpuMs: 1, wallMs: 1, rss: 1e6 } as const

const options = new Command('npm run bench:startup --')
  .description(
    'What sluice/register adds to the start of a program: least and median over rounds, by turns with plain Node.',
  )
  .option('--node <path...>', 'Node binaries', [process.execPath])
  .option('--rounds <n>', 'runs of each', '15')
  .option('--dist <folder>', 'the build', resolve(import.meta.dirname, '../../dist'))
  .parse()
  .opts<Options>()

const register = join(resolve(options.dist), 'register.cjs')
if (!existsSync(register)) {
  console.error(`no ${register}: npm run build makes it`)
  process.exit(1)
}

function run(node: string, program: string, kind: (typeof KINDS)[number]): Sample {
  const at = (file: string): string => join(import.meta.dirname, file)
  const flags = ['-r', at('probe.cjs'), ...(kind === 'registered' ? ['-r', register] : [])]
  const env = { ...process.env, NODE_OPTIONS: '' }
  const output = execFileSync(node, [...flags, at(`${program}.cjs`)], { encoding: 'utf8', env })
  return JSON.parse(output.trimEnd().split('\n').at(-1) as string) as Sample
}

const table = new Table({
  head: ['Node', 'program', '', 'processor, ms', 'wall, ms', 'memory, MB'],
  style: { head: [], border: [] },
})
for (const node of options.node) {
  const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim()
  for (const program of Object.keys(PROGRAMS)) {
    const samples: Record<(typeof KINDS)[number], Sample[]> = { plain: [], registered: [] }
    for (let round = 0; round < Number(options.rounds); round++) {
      for (const kind of KINDS) samples[kind].push(run(node, program, kind))
    }
    const least = (kind: (typeof KINDS)[number], what: keyof Sample): number =>
      Math.min(...samples[kind].map((sample) => sample[what])) / UNITS[what]
    const middle = (kind: (typeof KINDS)[number], what: keyof Sample): number =>
      median(samples[kind].map((sample) => sample[what])) / UNITS[what]
    const cells = (tell: (what: keyof Sample) => string): string[] => [tell('cpuMs'), tell('wallMs'), tell('rss')]
    for (const kind of KINDS) {
      table.push([
        version,
        program,
        kind,
        ...cells((what) => `${least(kind, what).toFixed(1)}  (${middle(kind, what).toFixed(1)})`),
      ])
    }
    const more = (of: typeof least, what: keyof Sample): string =>
      `+${(of('registered', what) - of('plain', what)).toFixed(1)}`
    table.push(['', '', 'more', ...cells((what) => `${more(least, what)}  (${more(middle, what)})`)])
  }
}
console.log(
  `Least (median) of ${options.rounds} runs; ${Object.entries(PROGRAMS)
    .map((pair) => pair.join(': '))
    .join('; ')}`,
)
console.log(table.toString())
