// `npm run bench`: sluice beside `node:net`, udx-native and utp-native, in the same run, by turns, two processes for every sample.
//
//   npm run bench                                     all of it, 5 rounds; how long that takes is told first
//   npm run bench -- --quick                          short samples, 1 round: whether it works, not how fast it is
//   npm run bench -- --only bulk:1,ping               some measurements, by their names or those of their groups
//   npm run bench -- --only bulk:1 --sluice mtu=9000,tcp_autocorking=0      another sluice beside the others
//   npm run bench -- --json bench.json --svg charts   every sample for programs; bars and curves
//   npm run bench -- --docs                           the results in docs/performance.md: a quiet machine, please
//
// Medians over the rounds, quotients of medians, and targets beside them. Nothing is asserted: a busy machine is no failure.

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { measurements, type Setting } from './measurements/index.ts'
import { type Planned, planOf, planSeconds, sampleSeconds, samplesOf } from './plan.ts'
import { durationText, Progress } from './progress.ts'
import { writeDocs } from './report/docs.ts'
import { jsonText, type Report } from './report/json.ts'
import { lookAtMachine, machineText } from './report/machine.ts'
import { pictures } from './report/pictures.ts'
import { resultsOf, rowsOf, type Series, type Tried } from './report/results.ts'
import { tableText } from './report/table.ts'
import { takeSample } from './sample.ts'
import { parseSetting, wholeNumber } from './setting.ts'
import { transportKinds } from './transports/index.ts'

interface Options {
  rounds?: number
  quick: boolean
  only?: string[]
  transports: string[]
  sluice: Setting[]
  json?: string
  svg?: string
  docs: boolean
}

const groups = [...new Set(measurements.map(({ group }) => group))]
const names = measurements.map(({ name }) => name)
const transportNames = transportKinds.map(({ name }) => name)

const program = new Command('npm run bench --')
  .description(
    'Measures sluice beside node:net, udx-native and utp-native: by turns, in the same run, two processes for every sample. ' +
      'Prints medians, quotients of medians and the targets.',
  )
  .option('--rounds <n>', 'samples of each, by turns (default: 5, and 1 with --quick)', wholeNumber)
  .option('--quick', 'short samples, without the largest: whether it works, not how fast it is', false)
  .option('--only <names>', `some measurements: ${groups.join(', ')}`, listOf([...groups, ...names]))
  .option(
    '--transports <names>',
    `some transports: ${transportNames.join(', ')}`,
    listOf(transportNames),
    transportNames,
  )
  .option(
    '--sluice <options>',
    'also a sluice with these: mtu, offload, recvBufferSize and sysctls, as mtu=1500,tcp_autocorking=0; again for another',
    (text: string, before: Setting[]) => [...before, parseSetting(text)],
    [],
  )
  .option('--json <file>', 'write every sample to this file')
  .option('--svg <folder>', 'draw bars and curves into this folder')
  .option('--docs', 'put table and pictures into docs/performance.md', false)
  .addHelpText(
    'after',
    `
Measurements (groups or single ones, for --only):
${groups.map((group) => `  ${group.padEnd(10)}${namesOf(group)}`).join('\n')}

Targets are printed beside the figures; whether they were met says little unless the machine is quiet.`,
  )
  .parse()

async function bench(options: Options): Promise<void> {
  const { quick, transports, sluice: settings } = options
  const rounds = options.rounds ?? (quick ? 1 : 5)
  const plan = planOf(measurements, { quick, only: options.only ?? null, transports, settings })
  const seconds = planSeconds(plan, rounds)
  const samples = rounds * plan.reduce((sum, planned) => sum + samplesOf(planned), 0)
  const date = new Date()
  const machine = await lookAtMachine(1000)
  console.log(machineText(machine))
  console.log(`${samples} samples in ${rounds} rounds: about ${durationText(seconds)}`)
  const progress = new Progress(samples, seconds)
  const all: Series[] = []
  for (const planned of plan) all.push(await measure(planned, rounds, progress))
  progress.done()

  const rows = rowsOf(resultsOf(all))
  console.log(tableText(rows))
  const { json, svg, docs } = options
  const report: Report = { date, machine, options: { ...options, rounds }, rows }
  if (json !== undefined) writeFileSync(json, jsonText(report))
  if (svg !== undefined || docs) {
    const drawn = await pictures(rows)
    if (svg !== undefined) {
      mkdirSync(svg, { recursive: true })
      for (const one of drawn) writeFileSync(join(svg, `${one.name}.svg`), one.svg)
    }
    if (docs) console.log(`written: ${writeDocs(report, drawn).join(', ')}`)
  }
  if (progress.failures > 0) process.exitCode = 1
}

async function measure(planned: Planned, rounds: number, progress: Progress): Promise<Series> {
  const { measurement, settings, variants } = planned
  const tried: Tried[] = variants.map(({ variant, reason }) => ({ variant, reason, samples: [] }))
  const able = tried.filter(({ reason }) => reason === null)
  const seconds = sampleSeconds(planned)
  for (let round = 0; round < rounds; round++) {
    // Each round begins with another one: whoever comes first in a round has no advantage over all of them.
    for (let turn = 0; turn < able.length; turn++) {
      const { variant, samples } = able[(round + turn) % able.length]
      const what = `${measurement.name}, round ${round + 1} of ${rounds}, ${variant.kind} ${variant.setting}`.trimEnd()
      progress.begin(what)
      try {
        samples.push(await takeSample(measurement, variant, settings))
      } catch (error) {
        samples.push(null)
        progress.fail(`${what}: ${(error as Error).message}`)
      }
      progress.end(seconds)
    }
  }
  return { measurement, tried }
}

function namesOf(group: string): string {
  const several = measurements.filter((one) => one.group === group).map(({ name }) => name)
  return several.length > 1 ? several.join(', ') : ''
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
