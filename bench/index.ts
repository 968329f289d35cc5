// `npm run bench`: sluice beside `node:net` and udx-native, in the same run, by turns, two processes for every sample.
//
//   npm run bench                                  all of it, 5 rounds: some minutes
//   npm run bench -- --quick                       short samples, 3 rounds: whether it works, not how fast it is
//   npm run bench -- --only bulk,ping --mtu 1500   two measurements; and a second sluice that obeys an MTU of 1500
//   npm run bench -- --json bench.json             every sample, for programs
//
// Medians over the rounds, and quotients of medians. Nothing is asserted: a busy machine is no failure.

import { writeFileSync } from 'node:fs'
import { Command, InvalidArgumentError } from 'commander'
import { measurements, type Sample } from './measurements/index.ts'
import { json, results, type Series, table } from './report.ts'
import { takeSample } from './sample.ts'
import { transportKinds, type Variant } from './transports/index.ts'

interface Options {
  json?: string
  rounds?: number
  quick: boolean
  only: string[]
  transports: string[]
  mtu: number[]
}

const measurementNames = measurements.map(({ name }) => name)
const transportNames = transportKinds.map(({ name }) => name)

const program = new Command('npm run bench --')
  .description('Measures sluice beside node:net and udx-native, by turns, in the same run.')
  .option('--rounds <n>', 'samples of each, by turns (default: 5, and 3 with --quick)', positive)
  .option('--quick', 'short samples', false)
  .option(
    '--only <names>',
    `some measurements: ${measurementNames.join(', ')}`,
    listOf(measurementNames),
    measurementNames,
  )
  .option(
    '--transports <names>',
    `some transports: ${transportNames.join(', ')}`,
    listOf(transportNames),
    transportNames,
  )
  .option('--mtu <numbers>', 'also sluice with this MTU, or with several', (text) => text.split(',').map(positive), [])
  .option('--json <file>', 'write every sample to this file')
  .parse()

async function bench(options: Options): Promise<void> {
  const rounds = options.rounds ?? (options.quick ? 3 : 5)
  const variants = variantsOf(options)
  const chosen = measurements.filter(({ name }) => options.only.includes(name))
  const progress = new Progress(chosen.length * variants.length * rounds)
  const all: Series[] = []
  for (const measurement of chosen) {
    const settings = measurement.settings(options.quick)
    const samples: (Sample | null)[][] = variants.map(() => [])
    for (let round = 0; round < rounds; round++) {
      // Each round begins with another one: whoever comes first in a round has no advantage over all of them.
      for (let turn = 0; turn < variants.length; turn++) {
        const index = (round + turn) % variants.length
        progress.next(`${measurement.name}, round ${round + 1} of ${rounds}, ${variants[index].label}`)
        samples[index].push(await takeSample(measurement, variants[index], settings).catch(progress.failed))
      }
    }
    all.push({ measurement, samples })
  }
  progress.done()
  const figures = results(all, variants)
  console.log(table(figures, variants))
  if (options.json !== undefined) writeFileSync(options.json, json(figures, { ...options, rounds }))
  if (progress.failures > 0) process.exitCode = 1
}

function variantsOf({ transports, mtu }: Options): Variant[] {
  return transportKinds
    .filter(({ name }) => transports.includes(name))
    .flatMap(({ name: kind, label }) => [
      { kind, label, options: {} },
      ...(kind === 'sluice' ? mtu.map((mtu) => ({ kind, label: `${label} mtu ${mtu}`, options: { mtu } })) : []),
    ])
}

/** What is under way, on stderr: one line that changes on a terminal, lines elsewhere. */
class Progress {
  failures = 0
  readonly #total: number
  #count = 0

  constructor(total: number) {
    this.#total = total
  }

  next(text: string): void {
    const line = `[${++this.#count}/${this.#total}] ${text}`
    process.stderr.write(process.stderr.isTTY ? `\r\x1b[K${line}` : `${line}\n`)
  }

  failed = (error: Error): null => {
    this.failures++
    process.stderr.write(`${process.stderr.isTTY ? '\n' : ''}failed: ${error.message}\n`)
    return null
  }

  done(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K')
  }
}

function positive(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number <= 0) throw new InvalidArgumentError('expected a whole number above 0')
  return number
}

function listOf(names: readonly string[]): (text: string) => string[] {
  return (text) => {
    const wanted = text.split(',')
    const unknown = wanted.find((name) => !names.includes(name))
    if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${names.join(', ')}`)
    return wanted
  }
}

await bench(program.opts<Options>())
