import { Command } from 'commander'
import pc from 'picocolors'
import {
  CHAPTERS,
  canBeReal,
  type Experiment,
  experiments,
  type RunResult,
  runExperiment,
  type Settings,
} from '../lab/index.ts'
import { ExitStatus } from './exit-status.ts'

interface LabOptions {
  all?: boolean
  list?: boolean
  out?: string
  seed?: string
  real?: boolean
  quiet?: boolean
  json?: boolean
  full?: boolean
  seconds?: string
  loss?: string
}

/** `sluice lab [NAME …]`. */
export function command(): Command {
  return new Command('lab')
    .summary('experiments that show how TCP works')
    .description(
      'Runs an experiment: sets two hosts up, prints every segment between them as tcpdump does and the sockets as ss does, and checks\n' +
        'what it claims. In virtual time, so that minutes of protocol take milliseconds. Without a name it lists what there is.',
    )
    .argument('[names...]', 'experiments')
    .option('-a, --all', 'run all')
    .option('-l, --list', 'list them, with what each must show')
    .option('-o, --out <dir>', 'write NAME.pcapng, NAME.svg and NAME.csv there')
    .option('-f, --full', 'as long, and as fast, as pictures in books are made; may take minutes')
    .option('--loss <list>', 'losses to go through, per cent: 0,0.01,1,5 (cc-compare)')
    .option('--seconds <n>', 'of virtual time, for each run (cc-compare)')
    .option('--seed <n>', 'of every random choice')
    .option(
      '--real',
      'over UDP sockets, in real time, those that can be: what they claim of milliseconds wants an idle machine',
    )
    .option('-q, --quiet', 'print the checks only')
    .option('--json', 'print the results as JSON')
    .action(async (names: string[], options: LabOptions) => {
      process.exitCode = await lab(names, options)
    })
}

async function lab(names: readonly string[], options: LabOptions): Promise<ExitStatus> {
  if (options.list === true || (names.length === 0 && options.all !== true)) {
    process.stdout.write(options.json === true ? `${JSON.stringify(experiments.map(described), null, 2)}\n` : list())
    return ExitStatus.Ok
  }
  const seed = options.seed === undefined ? undefined : Number(options.seed)
  if (seed !== undefined && !(Number.isSafeInteger(seed) && seed >= 0)) {
    process.stderr.write(`sluice lab: --seed takes a whole number, not ${JSON.stringify(options.seed)}\n`)
    return ExitStatus.Usage
  }
  const settings = settingsOf(options)
  if (typeof settings === 'string') {
    process.stderr.write(`sluice lab: ${settings}\n`)
    return ExitStatus.Usage
  }
  const unknown = names.find((name) => !experiments.some((one) => one.name === name))
  if (unknown !== undefined) {
    process.stderr.write(`sluice lab: there is no experiment ${JSON.stringify(unknown)}; sluice lab lists them\n`)
    return ExitStatus.Usage
  }
  const possible = options.real === true ? experiments.filter(canBeReal) : experiments
  const unreal = options.all === true ? undefined : names.find((name) => !possible.some((one) => one.name === name))
  if (unreal !== undefined) {
    const real = possible.map(({ name }) => name).join(', ')
    process.stderr.write(`sluice lab: ${unreal} can be run in virtual time only; --real can show ${real}\n`)
    return ExitStatus.Usage
  }
  const wanted = options.all === true ? possible : possible.filter(({ name }) => names.includes(name))
  const deaf = wanted.find(({ takes = [] }) => takesNot(settings, takes) !== undefined)
  if (deaf !== undefined) {
    process.stderr.write(`sluice lab: ${deaf.name} takes no --${takesNot(settings, deaf.takes ?? [])}\n`)
    return ExitStatus.Usage
  }
  const results: RunResult[] = []
  for (const experiment of wanted) {
    const isTold = options.quiet !== true && options.json !== true
    if (isTold) process.stdout.write(`${pc.bold(experiment.name)}: ${experiment.setting}\n`)
    const result = await runExperiment(experiment, {
      out: options.out,
      seed,
      real: options.real,
      settings,
      print: isTold ? (line) => process.stdout.write(`${line}\n`) : undefined,
    })
    results.push(result)
    if (options.json !== true) process.stdout.write(summary(result))
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(results, null, 2)}\n`)
  return results.every(({ holds }) => holds) ? ExitStatus.Ok : ExitStatus.Failed
}

/** What is wrong with them, where something is. */
function settingsOf({ full, seconds, loss }: LabOptions): Settings | string {
  const time = seconds === undefined ? undefined : Number(seconds)
  if (time !== undefined && !(time > 0 && time <= 3600))
    return `--seconds takes a number up to 3600, not ${JSON.stringify(seconds)}`
  const losses = loss?.split(',').map((one) => Number(one.trim().replace(/%$/, '') || Number.NaN) / 100)
  if (losses?.some((one) => !(one >= 0 && one < 1))) {
    return `--loss takes percentages below 100, separated by commas, not ${JSON.stringify(loss)}`
  }
  return { full: full === true, seconds: time, loss: losses }
}

const takesNot = (settings: Settings, takes: NonNullable<Experiment['takes']>): 'loss' | 'seconds' | undefined =>
  (['loss', 'seconds'] as const).find((name) => settings[name] !== undefined && !takes.includes(name))

const described = ({ name, chapter, setting, shows }: Experiment): Record<string, string> => ({
  name,
  chapter,
  setting,
  shows,
})

function list(): string {
  let text = ''
  for (const chapter of CHAPTERS) {
    const those = experiments.filter((one) => one.chapter === chapter)
    if (those.length === 0) continue
    text += `${pc.bold(chapter)}\n`
    for (const { name, setting, shows } of those)
      text += `  ${name.padEnd(24)} ${setting}\n${' '.repeat(27)}${pc.dim(shows)}\n`
  }
  return text
}

function summary({ name, checks, lasted, segments, lost, files, seed, holds }: RunResult): string {
  let text = `${holds ? pc.green('ok') : pc.red('FAILED')} ${name}: ${segments} segments, ${lost} lost, ${(lasted / 1000).toFixed(3)} s, seed ${seed}\n`
  for (const check of checks) {
    const found = check.found === '' ? '' : pc.dim(` (${check.found})`)
    text += `  ${check.holds ? pc.green('✓') : pc.red('✗')} ${check.claim}${found}\n`
  }
  for (const file of files) text += `  ${file}\n`
  return text
}
