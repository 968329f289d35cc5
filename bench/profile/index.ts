// `npm run bench:profile`: where the processor's time goes, by layers of src, on both sides of one sample.
//
//   npm run bench:profile                                        bulk, one connection
//   npm run bench:profile -- --measurement ping --functions 20   another one, and its most expensive functions
//   npm run bench:profile -- --sluice mtu=1500,offload=off       with options as npm run bench has them
//   npm run bench:profile -- some.cpuprofile …                   what node --cpu-prof wrote elsewhere
//   npm run bench:profile -- --docs                              the shares in docs/performance.md
//
// Self time: what the processor was at. `(program)` and `(native)` are outside JavaScript, system calls above all. The profiles stay in --out,
// for the browser's developer tools.

import { mkdirSync, mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import Table from 'cli-table3'
import { Command, Option } from 'commander'
import { measurements, type Setting } from '../measurements/index.ts'
import { markdown, PROFILE, writeSection } from '../report/docs.ts'
import { lookAtMachine, machineText } from '../report/machine.ts'
import { takeSample } from '../sample.ts'
import { parseSetting, wholeNumber } from '../setting.ts'
import { transportKinds } from '../transports/index.ts'
import { type CpuProfile, functionOf, layerOf, type Share, sharesOf } from './layers.ts'

interface Options {
  measurement: string
  transport: string
  sluice?: Setting
  functions: number
  interval: number
  out?: string
  docs: boolean
}

/** Layers that are told one by one; the rest is summed up. */
const MOST = 16
/** What the documentation shows. */
const DOCUMENTED = ['mtu=1500', 'mtu=1500,offload=off']

const program = new Command('npm run bench:profile --')
  .description('Tells where the processor’s time goes, by layers of src, on both sides of one sample of a measurement.')
  .argument('[profiles...]', 'files that node --cpu-prof wrote, instead of a sample')
  .addOption(
    new Option('--measurement <name>', 'what to take a sample of')
      .choices(measurements.map(({ name }) => name))
      .default('bulk:1'),
  )
  .addOption(
    new Option('--transport <name>', 'of which').choices(transportKinds.map(({ name }) => name)).default('sluice'),
  )
  .option('--sluice <options>', 'with these, as mtu=1500,offload=off', parseSetting)
  .option('--functions <n>', 'also the most expensive functions, so many', wholeNumber, 0)
  .option('--interval <µs>', 'between two looks', wholeNumber, 500)
  .option('--out <folder>', 'where the profiles go (default: a folder for temporary files)')
  .option('--docs', 'put the shares of bulk into docs/performance.md', false)
  .parse()

/** Takes one sample, and tells the files of its server and client. */
async function record({ measurement: name, transport, sluice, interval, out }: Options): Promise<string[]> {
  const folder = out ?? mkdtempSync(join(tmpdir(), 'sluice-profile-'))
  mkdirSync(folder, { recursive: true })
  const measurement = measurements.find((one) => one.name === name)!
  const variant = { kind: transport, setting: '', options: { ...measurement.options, ...sluice?.options } }
  const [server, client] = ['server', 'client'].map((side) => join(folder, `${side}.cpuprofile`))
  const sample = await takeSample(measurement, variant, measurement.settings(false), { server, client, interval })
  const figures = measurement.figures.filter((figure) => sample[figure.name] !== undefined)
  console.log(figures.map(({ name, title, unit }) => `${title}: ${sample[name].toFixed(1)} ${unit}`).join('; '))
  return [server, client]
}

const read = (file: string): CpuProfile => JSON.parse(readFileSync(file, 'utf8'))
const total = (shares: readonly Share[]): number => shares.reduce((sum, { self }) => sum + self, 0)

function print(title: string, shares: readonly Share[], most: number): void {
  const all = total(shares)
  const table = new Table({
    head: [title, 'ms', '%'],
    colAligns: ['left', 'right', 'right'],
    style: { head: [], border: [], compact: true },
  })
  const row = (name: string, self: number) => [name, (self / 1000).toFixed(0), ((100 * self) / all).toFixed(1)]
  for (const { name, self } of shares.slice(0, most)) table.push(row(name, self))
  const rest = total(shares.slice(most))
  if (rest > 0) table.push(row('(all others)', rest))
  console.log(table.toString())
}

async function document(options: Options): Promise<void> {
  const columns: Share[][] = []
  const head = ['layer']
  for (const sluice of [undefined, ...DOCUMENTED.map(parseSetting)]) {
    for (const file of await record({
      ...options,
      measurement: 'bulk:1',
      transport: 'sluice',
      sluice,
      out: undefined,
    })) {
      columns.push(sharesOf(read(file), layerOf))
      head.push(`${sluice?.label ?? 'defaults'}: ${basename(file, '.cpuprofile')}`)
    }
  }
  const names = [...new Set(columns.flatMap((shares) => shares.slice(0, MOST).map(({ name }) => name)))]
  const percent = (shares: readonly Share[], name: string): number =>
    (100 * (shares.find((share) => share.name === name)?.self ?? 0)) / total(shares)
  const body = names.map((name) => ({ name, cells: columns.map((shares) => percent(shares, name)) }))
  const text = body
    .filter(({ cells }) => Math.max(...cells) >= 1)
    .map(({ name, cells }) => [name, ...cells.map((cell) => `${cell.toFixed(1)} %`)])
  const machine = machineText(await lookAtMachine(500))
  writeSection(PROFILE, `${machine}; layers with 1 % somewhere.\n\n${markdown(head, text, head.length)}`)
}

const options = program.opts<Options>()
if (options.docs) await document(options)
else {
  const files = program.args.length > 0 ? program.args : await record(options)
  for (const file of files) {
    const profile = read(file)
    const side = basename(file, '.cpuprofile')
    console.log(file)
    print(`${side}: by layers`, sharesOf(profile, layerOf), MOST)
    if (options.functions > 0) print(`${side}: by functions`, sharesOf(profile, functionOf), options.functions)
  }
}
