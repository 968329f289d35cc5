// The demo, `npm run demo`: two processes, and between them a path that loses packets. One serves a directory over `node:http` on
// a sluice server; the other fetches a file from it, shows what TCP does meanwhile, and verifies SHA-256.
//
//   npm run demo                                                64 MiB by BBR, and CUBIC beside it: 5 % loss, 40 ms, 100 Mbit/s
//   npm run demo -- --loss 2% --delay 100ms --size 256M         another path, another size
//   npm run demo -- --no-impair                                 nothing in the way: sluice beside node:net
//
// The exit status is 0 only if every digest was right.

import { mkdtempSync, rmSync } from 'node:fs'
import { stat, symlink } from 'node:fs/promises'
import nodeNet from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import colors from 'picocolors'
import { Stack } from '../src/index.ts'
import { type Connector, fetchFile } from './demo/fetch.ts'
import { digestOf, makeFile } from './demo/files.ts'
import { Meter } from './demo/meter.ts'
import { type Impairment, Origin, segmentCounts, serve } from './demo/origin.ts'
import { controlsReport, impairedReport, type Outcome, passages, sideBySideReport } from './demo/report.ts'
import { bytesText, parseRate, parseSeed, parseShare, parseSize, parseTime, percentText } from './demo/units.ts'

/** The first fetches the file; each of the others shows how far it comes in the same time. */
const CONTROLS = ['bbr', 'cubic'] as const

interface Options {
  loss: string
  delay: string
  rate: string
  size?: string
  file?: string
  seed?: string
  impair: boolean
}

if (process.argv[2] === '--serve') await serve(JSON.parse(process.argv[3]))
else {
  const program = new Command('npm run demo --')
    .description(
      'Fetches a file over HTTP between two processes, through TCP of our own inside UDP, across a bad path.',
    )
    .option('--loss <share>', 'share of the packets lost, in each direction', '5%')
    .option('--delay <time>', 'delay in each direction, as netem has it: the round trip is twice that', '20ms')
    .option('--rate <rate>', 'of the path, in each direction', '100mbit')
    .option('--size <bytes>', 'size of the file made for it (default: 64M, and 256M where nothing is impaired)')
    .option('--file <path>', 'fetch this file instead of making one')
    .option('--seed <number>', 'the same seed loses the same packets')
    .option('--no-impair', 'no loss and no delay: throughput beside node:net')
    .parse()
  // Whoever looks at the first lines only, as in `npm run demo | head`, has seen enough.
  process.stdout.on('error', () => process.exit(1))
  try {
    process.exitCode = (await demo(program.opts<Options>())) ? 0 : 1
  } catch (error) {
    console.error(colors.red(error instanceof Error ? error.message : String(error)))
    process.exit(1)
  }
}

/** Returns whether what came is what was sent. */
async function demo(options: Options): Promise<boolean> {
  const impairment: Impairment = {
    loss: options.impair ? parseShare(options.loss) : 0,
    delay: options.impair ? parseTime(options.delay) : 0,
    rate: parseRate(options.rate),
    seed: options.seed === undefined ? undefined : parseSeed(options.seed),
  }
  const impaired = impairment.loss > 0 || impairment.delay > 0
  const directory = temporaryDirectory()
  const source = join(directory, 'file')
  let digest: string
  if (options.file === undefined)
    digest = await makeFile(source, parseSize(options.size ?? (impaired ? '64M' : '256M')))
  else {
    digest = await digestOf(options.file)
    await symlink(resolve(options.file), source)
  }
  const { size } = await stat(source)
  const origin = await Origin.start(fileURLToPath(import.meta.url), {
    directory,
    impairment: impaired ? impairment : null,
    controls: CONTROLS,
  })
  const job: Job = { origin, source, size, digest, lines: impaired ? 10 : 1 }
  try {
    return impaired ? await acrossBadPath(job, impairment) : await besideKernel(job)
  } finally {
    await origin.stop()
  }
}

interface Job {
  origin: Origin
  source: string
  size: number
  digest: string
  /** How many lines tell of one transfer where there is no terminal. */
  lines: number
}

async function acrossBadPath(job: Job, { loss, delay, rate }: Impairment): Promise<boolean> {
  const { origin, size } = job
  const path = `${percentText(loss)} loss in each direction, ${2 * delay} ms round trip, ${rate}`
  console.log(`${bytesText(size)} over HTTP over sluice, from process to process: ${path}`)
  const stack = new Stack()
  const [first, ...others] = CONTROLS
  const outcome = await transfer(job, first, stack.net, origin.sluicePorts[0])
  // What the path still holds arrives within a round trip; then both sides' counters speak of the same packets.
  await sleep(2 * delay + 100)
  const { counts, state } = await origin.counts()
  if (state === null) throw new Error('the sender has nothing to say of its connection')
  console.log(impairedReport(outcome, state, passages(counts, segmentCounts(stack))))
  const beside: Outcome[] = []
  for (const [i, control] of others.entries()) {
    beside.push(await transfer(job, control, stack.net, origin.sluicePorts[i + 1], outcome.ms))
  }
  console.log(controlsReport(CONTROLS, [outcome, ...beside]))
  return [outcome, ...beside].every(({ verified }) => verified)
}

async function besideKernel(job: Job): Promise<boolean> {
  const { origin, size } = job
  console.log(`${bytesText(size)} over HTTP, from process to process, nothing in the way: sluice beside node:net`)
  const stack = new Stack()
  const sluice: Outcome[] = []
  const kernel: Outcome[] = []
  // By turns, several times, and each begins as often as the other: both meet the machine in the same moods. What the first of
  // several rounds compiles and warms up is not counted.
  const rounds = size <= 2 ** 28 ? 4 : 1
  const bySluice = async (): Promise<unknown> =>
    sluice.push(await transfer(job, 'sluice  ', stack.net, origin.sluicePorts[0]))
  const byKernel = async (): Promise<unknown> =>
    kernel.push(await transfer(job, 'node:net', nodeNet as unknown as Connector, origin.netPort))
  for (let round = 0; round < rounds; round++) {
    for (const turn of round % 2 === 0 ? [bySluice, byKernel] : [byKernel, bySluice]) await turn()
  }
  const verified = [...sluice, ...kernel].every((outcome) => outcome.verified)
  if (rounds > 1) for (const outcomes of [sluice, kernel]) outcomes.shift()
  console.log(sideBySideReport(size, sluice, kernel))
  return verified
}

async function transfer(
  { origin, source, size, digest, lines }: Job,
  label: string,
  net: Connector,
  port: number,
  limitMs?: number,
): Promise<Outcome> {
  const meter = new Meter(label, size, lines)
  origin.onState = port === origin.netPort ? () => {} : (state) => meter.sender(state)
  try {
    const fetched = fetchFile({ net, port, name: 'file', limitMs, onProgress: (bytes) => meter.progress(bytes) })
    const { bytes, ms, sha256 } = await Promise.race([fetched, origin.failed])
    // Of a part that part is compared.
    const verified = sha256 === (bytes < size && limitMs !== undefined ? await digestOf(source, bytes) : digest)
    return { size: bytes, ms, verified }
  } finally {
    origin.onState = () => {}
    meter.stop()
  }
}

/** A directory that is gone when the process is, however it ends. */
function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'sluice-demo-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  const signals = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const
  for (const [signal, number] of Object.entries(signals)) {
    process.on(signal, () => {
      // The bar had hidden the cursor.
      if (process.stdout.isTTY) process.stdout.write('\x1b[?25h\n')
      process.exit(128 + number)
    })
  }
  return directory
}
