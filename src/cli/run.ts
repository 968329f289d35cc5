import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, existsSync, openSync } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Command, InvalidArgumentError, Option } from 'commander'
import { Rules } from '../register/rules.ts'
import { createSession, RUN_VARIABLE, type RunPlan, removeSession } from '../run/index.ts'
import { IMPAIR_FIELDS, Impairment, PROFILES, readImpairFile } from '../stack/index.ts'
import { ExitStatus } from './exit-status.ts'
import { mergeCaptures } from './run-capture.ts'
import { printReport } from './run-report.ts'

interface Options {
  impair?: string
  in?: string
  out?: string
  seed?: number
  only?: string[]
  except?: string[]
  sluice?: string[]
  capture?: string
  report?: 'text' | 'json' | true
  reportFile?: string
  listProfiles?: boolean
  [field: string]: unknown
}

/** How a member of an impairment is said on the command line; those that are not here are said as in texts. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  profile: 'a network by name: 3g, bad-wifi, satellite-geo … (--list-profiles)',
  loss: 'packets lost: 5%, "5% 25%", "gemodel 1% 10% 70% 0.1%", "every 10", "packets 1 5 7-9"',
  delay: 'each way: 100ms, "100ms 20ms 25%", "100ms 20ms distribution normal"',
  jitter: 'by how much the delay varies: 20ms',
  rate: 'bits a second: 10mbit, 500kbit',
  queue: 'what may wait before the rate: 100, 64kb, "100 codel"',
  reorder: 'packets that overtake others: 25%, "20% by 5ms"',
  duplicate: 'packets that come twice: 1%',
  corrupt: 'packets of which a bit flips: 1%',
  burst: 'losses in bursts: "1% 10% 70% 0.1%"',
  schedule: 'events: "at 2s blackhole 500ms", "after 64kb reset", "every 10s loss 30% for 1s"',
  handshake: 'lose or hold packets of handshakes: "syn 1 hold 500ms"',
  reset: 'reset each connection at a byte: 64kb',
  to: 'only what goes there is impaired: 10.0.0.0/8, localhost:5432, :80',
}
/** Members that are there or not. */
const SWITCHES = new Set(['blackhole', 'ecn'])
/** A function, and what has options of its own below. */
const NOT_FLAGS = new Set(['drop', 'in', 'out', 'seed'])
const FIELDS = [...new Set([...Object.keys(DESCRIPTIONS), ...IMPAIR_FIELDS])].filter((name) => !NOT_FLAGS.has(name))

/** `sluice run [impairment…] -- CMD…`. */
export function command(): Command {
  const run = new Command('run')
    .summary('run a program under packet loss, delay and the like')
    .description(
      'Runs a program as it is, with all Node processes that it starts, on a network that loses, delays, reorders … its packets. What its\n' +
        'processes connect to need not know sluice: a gateway within each process speaks the kernel’s TCP with the rest of the world, and\n' +
        'the loss lies before it. Servers of the program are reached by curl and browsers on their ports, through such a gateway.',
    )
    .usage('[options] -- command [argument...]')
    .argument('[command...]', 'what to run')
    // Without -- too, what follows the command is the command's.
    .passThroughOptions()
  for (const name of FIELDS) {
    const flags = SWITCHES.has(name) ? `--${name} [value]` : `--${name} <value>`
    run.addOption(new Option(flags, DESCRIPTIONS[name] ?? 'as in SLUICE_IMPAIR').preset('true'))
  }
  return run
    .option('--in <spec>', 'for the way to the client alone: loss=5%,delay=10ms')
    .option('--out <spec>', 'for the way to the server alone')
    .option('--impair <spec>', 'all at once, as SLUICE_IMPAIR has it, which is the default')
    .option('--seed <number>', 'of every choice (default: one that is told)', wholeNumber)
    .option('--only <items>', 'what goes through sluice: hosts, networks, ports (default: all)', list)
    .option('--except <items>', 'what does not', list)
    .option('--sluice <items>', 'destinations that speak sluice themselves: host:port', list)
    .option('--capture <file>', 'all packets, those lost too, as pcapng for Wireshark')
    .addOption(
      new Option('--report [format]', 'at the end, what happened, on standard error').choices(['text', 'json']),
    )
    .option('--report-file <file>', 'the report goes there')
    .option('--list-profiles', 'print the networks that --profile knows')
    .addHelpText(
      'after',
      `
Exit status: that of the command; if a signal ended it, the same signal ends this; 127 it could not be run, 2 not understood.
NODE_DEBUG=sluice tells of every decision where a connection goes.

Examples:
  sluice run --loss 5% --delay 100ms --seed 7 -- node app.js
  sluice run --profile 3g --report -- npm test
  sluice run --loss 10% --to :5432 --report=json --report-file report.json -- node worker.js
  sluice run --schedule 'at 2s blackhole 5s' --except api.example.com -- node app.js
  sluice run --in loss=5% --out delay=50ms --capture run.pcapng -- node client.js`,
    )
    .action(async (words: string[], options: Options, command: Command) => {
      if (options.listProfiles) {
        const width = Math.max(...PROFILES.map(({ name }) => name.length))
        for (const { name, description } of PROFILES) process.stdout.write(`${name.padEnd(width)}  ${description}\n`)
        return
      }
      if (words.length === 0) command.error('error: what shall be run? sluice run [options] -- command')
      const plan = planOf(options, command)
      checkFiles(options, command)
      process.exitCode = await start(words, plan, options)
    })
}

function planOf(options: Options, command: Command): RunPlan {
  const impair = impairmentOf(options)
  let seed = options.seed
  try {
    seed ??= Impairment.parse(impair, { readFile: readImpairFile })?.seed
  } catch (error) {
    command.error(`error: ${(error as Error).message}`)
  }
  const { sluice: peers = [], report, reportFile, capture } = options
  const [only, onlyName] = listFrom(options.only, '--only', 'SLUICE_ONLY')
  const [except, exceptName] = listFrom(options.except, '--except', 'SLUICE_EXCEPT')
  try {
    // Each process reads them for itself: what is wrong is better told once, and before.
    new Rules(only, except, [onlyName, exceptName])
    new Rules(peers, [], ['--sluice', ''])
  } catch (error) {
    command.error(`error: ${(error as Error).message}`)
  }
  return {
    impair,
    seed: seed ?? randomInt(2 ** 32),
    only,
    except,
    peers,
    capture: capture !== undefined,
    report: report !== undefined || reportFile !== undefined,
  }
}

/** Those of the option, or of the variable; and which it was. */
function listFrom(items: string[] | undefined, option: string, variable: string): [string[], string] {
  return items !== undefined ? [items, option] : [listOf(process.env[variable]), variable]
}

/** What is written at the end: that it cannot be is better known before. */
function checkFiles({ capture, reportFile }: Options, command: Command): void {
  for (const [flag, file] of [
    ['--capture', capture],
    ['--report-file', reportFile],
  ]) {
    if (file === undefined) continue
    try {
      closeSync(openSync(file, 'a'))
    } catch (error) {
      command.error(`error: ${flag}: ${(error as Error).message}`)
    }
  }
}

/** All that was said of the impairment, as one text. */
function impairmentOf(options: Options): string {
  const parts: string[] = []
  const base = options.impair ?? process.env.SLUICE_IMPAIR
  if (base) parts.push(base)
  for (const name of FIELDS) if (options[name] !== undefined) parts.push(`${name}=${options[name]}`)
  for (const way of ['in', 'out'] as const) {
    for (const pair of (options[way] ?? '').split(',')) if (pair.trim() !== '') parts.push(`${way}.${pair.trim()}`)
  }
  return parts.join(',')
}

async function start(words: string[], plan: RunPlan, options: Options): Promise<number> {
  const folder = createSession(plan)
  try {
    const exit = await runCommand(words, folder)
    if (options.capture !== undefined) mergeCaptures(folder, options.capture)
    if (plan.report) printReport(folder, plan, options.report === 'json' ? 'json' : 'text', options.reportFile)
    if (exit !== 0 && exit !== NOT_RUN && !plan.report)
      process.stderr.write(`sluice run: it failed; --seed ${plan.seed} repeats its network\n`)
    if (typeof exit === 'number') return exit
    removeSession(folder)
    // Whoever waits for us sees what it would have seen of the command.
    process.kill(process.pid, exit)
    return 128 + constants.signals[exit]
  } catch (error) {
    process.stderr.write(`sluice run: ${(error as Error).message}\n`)
    return ExitStatus.Failed
  } finally {
    removeSession(folder)
  }
}

/** As shells say it. */
const NOT_RUN = 127
const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** The command's exit status, or the signal that ended it. */
function runCommand([file, ...args]: string[], folder: string): Promise<number | NodeJS.Signals> {
  const { SLUICE_IMPAIR: _impair, SLUICE_ONLY: _only, SLUICE_EXCEPT: _except, ...env } = process.env
  env[RUN_VARIABLE] = folder
  env.NODE_OPTIONS = `${env.NODE_OPTIONS ?? ''} --require ${JSON.stringify(preload())}`.trim()
  // npm and its like are scripts of the shell there.
  const shell = process.platform === 'win32'
  const child = spawn(file as string, args, { stdio: 'inherit', env, shell })
  const forward = (signal: NodeJS.Signals): void => {
    // From a terminal it has gone to all its processes already.
    if (signal !== 'SIGINT' || !process.stdin.isTTY) child.kill(signal)
  }
  for (const signal of FORWARDED) process.on(signal, forward)
  return new Promise((resolve) => {
    const ended = (exit: number | NodeJS.Signals): void => {
      for (const signal of FORWARDED) process.off(signal, forward)
      resolve(exit)
    }
    child.once('error', (error: NodeJS.ErrnoException) => {
      process.stderr.write(`sluice run: ${JSON.stringify(file)} cannot be run: ${error.code}\n`)
      ended(NOT_RUN)
    })
    child.once('exit', (code, signal) => ended(signal ?? code ?? 0))
  })
}

/** What each process loads first: beside the folder of this file once built. */
function preload(): string {
  const [built, other] = ['../run.cjs', '../../dist/run.cjs'].map((at) => fileURLToPath(new URL(at, import.meta.url)))
  return (existsSync(built as string) ? built : other) as string
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(Number(text)))
    throw new InvalidArgumentError('A whole number is wanted.')
  return Number(text)
}

const list = (text: string, before: string[] = []): string[] => [...before, ...listOf(text)]
const listOf = (text: string | undefined): string[] => (text ?? '').split(',').filter((item) => item.trim() !== '')
