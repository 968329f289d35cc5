// `npm run bench:link`: sluice, the kernel's own TCP and udx-native over the very same link, by turns, as root.
//
//   npm run bench:link                                         reno on six links, six seeds, 20 s each: a good half hour
//   npm run bench:link -- --seconds 5 --seeds 2                how it goes, not how good it is
//   npm run bench:link -- --compare sluice:cubic/kernel:cubic,sluice:bbr/kernel:bbr,sluice:bbr/udx --rtts 40,100 --losses 0,1,5
//   npm run bench:link -- --compare sluice:bbr/kernel:bbr --buffers 32m --cells 100/100/5
//   npm run bench:link -- --share sluice:cubic+kernel:cubic,sluice:bbr+sluice:bbr --cells 100/40/0 --seconds 40 --settle 30
//   npm run bench:link -- --json link.json --sample 100        every transfer, and a look at the sender every 100 ms
//   npm run bench:link -- --compare sluice:reno --trace traces sluice alone, every segment and decision of it written down
//
// The link joins two network namespaces made for each transfer. The nth packet in a direction is lost or not by the seed alone, so that all
// who are compared meet the same losses as long as they send the same packets. The kernel scatters widely even against itself: few seeds
// tell little.

import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { type Buffers, parseBuffers } from './buffers.ts'
import { type Cell, cellText, crossed, parseCells } from './cells.ts'
import {
  type Comparison,
  contenderText,
  DEFAULT_COMPARISONS,
  parseComparisons,
  parseSharings,
  type Sharing,
  sharingText,
  whyAbsent,
} from './contenders.ts'
import { Emulator } from './emulator.ts'
import { removeForgotten } from './namespaces.ts'
import { bufferText, comparisonTable, json, sharingTable } from './report.ts'
import { whyNot } from './requirements.ts'
import type { CellRuns, Run } from './results.ts'
import { cleanUp, type Transfer, transfer } from './transfer.ts'

interface Options {
  compare?: Comparison[]
  share: Sharing[]
  settle?: number
  rate: number
  rtts: number[]
  losses: number[]
  cells?: Cell[]
  seconds: number
  seeds: number
  firstSeed: number
  queue: number
  buffers: Buffers
  linkem?: string
  json?: string
  sample: number
  trace?: string
}

const program = new Command('npm run bench:link --')
  .description("Measures sluice, the kernel's TCP and udx-native over the same emulated link, as root.")
  .option(
    '--compare <list>',
    'as sluice:bbr/kernel:bbr, or sluice:vegas alone (default: sluice:reno/kernel:reno)',
    parseComparisons,
  )
  .option('--share <list>', 'flows on one link, as sluice:cubic+kernel:cubic', parseSharings, [])
  .option('--settle <s>', 'shares count from here on (default: half of the transfer)', positive)
  .option('--rate <Mbit/s>', 'of the links', positive, 100)
  .option('--rtts <list>', 'ms of round trip', numbers, [20, 100])
  .option('--losses <list>', '% of the packets, in each direction', numbers, [0, 0.1, 1])
  .option('--cells <list>', 'links one by one, as Mbit/s/ms/%, instead of these three', parseCells)
  .option('--seconds <n>', 'length of each transfer', positive, 20)
  .option('--seeds <n>', 'transfers of each over each link', positive, 6)
  .option('--first-seed <n>', 'seeds count up from here', positive, 1)
  .option('--queue <packets>', 'that the link holds in each direction', positive, 1000)
  .option('--buffers <bytes>', "largest buffers on both sides, as 32m (default: the kernel's)", parseBuffers, null)
  .option('--linkem <path>', 'another link emulator, a binary or a C source, with the arguments of emulator.c')
  .option('--json <file>', 'write every transfer to this file')
  .option('--sample <ms>', 'note the state of the sender this often', positive, 0)
  .option('--trace <directory>', 'write what sluice sends, receives and decides, a file for each peer')
  .parse()

/** Flows that are on a link together; one, where contenders are compared. */
interface Entry {
  name: string
  flows: Sharing
}

async function bench(options: Options): Promise<void> {
  const { seconds, seeds, firstSeed, share, queue, buffers, sample, trace = null } = options
  const comparisons = options.compare ?? (share.length > 0 ? [] : DEFAULT_COMPARISONS)
  const cells = options.cells ?? crossed(options.rate, options.rtts, options.losses)
  const settled = Math.min(options.settle ?? seconds >> 1, seconds - 1)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + os.constants.signals[signal]))
  }
  const entries = entriesOf(comparisons, share)
  const absent = entries.flatMap(({ flows }) => flows.map(whyAbsent)).filter((reason) => reason !== null)
  const present = entries.filter(({ flows }) => flows.every((flow) => whyAbsent(flow) === null))
  const reason = whyNot(Emulator.compiles(options.linkem)) ?? (present.length === 0 ? absent[0] : null)
  if (reason !== null) {
    console.error(`bench:link cannot run: ${reason}.`)
    process.exitCode = 1
    return
  }
  removeForgotten()
  if (trace !== null) mkdirSync(trace, { recursive: true })
  const emulator = new Emulator(options.linkem)
  process.on('exit', () => {
    cleanUp()
    emulator.remove()
  })

  const all: CellRuns[] = cells.map((cell) => ({ cell, runs: [] }))
  const progress = new Progress(cells.length * seeds * present.length)
  // By seeds first: whatever the machine is busy with meanwhile befalls all links.
  for (let n = 0; n < seeds; n++) {
    const seed = firstSeed + n
    for (const { cell, runs } of all) {
      const run: Run = { seed, transfers: {} }
      runs.push(run)
      // Whoever comes first with one seed comes last with the next.
      for (const { name, flows } of n % 2 === 0 ? present : [...present].reverse()) {
        progress.begin(`${cellText(cell)}, seed ${seed}, ${name}`)
        try {
          const done = await transfer(emulator, flows, {
            cell,
            seed,
            seconds,
            queue,
            buffers,
            sampleEvery: sample,
            trace,
          })
          run.transfers[name] = done
          progress.end(summary(done))
        } catch (error) {
          progress.fail((error as Error).message)
        }
      }
    }
  }
  for (const comparison of comparisons) console.log(comparisonTable(all, comparison))
  for (const flows of share) console.log(sharingTable(all, flows, settled))
  const note = bufferText(all)
  if (note !== '') console.log(note)
  if (options.json !== undefined) {
    writeFileSync(options.json, json(all, comparisons, share, settled, { ...options, cells }))
  }
  if (progress.failures > 0) process.exitCode = 1
}

/** Each once, however often it is compared. */
function entriesOf(comparisons: readonly Comparison[], sharings: readonly Sharing[]): Entry[] {
  const contenders = comparisons.flatMap(({ ours, theirs }) => (theirs === null ? [ours] : [theirs, ours]))
  const entries = [
    ...contenders.map((contender) => ({ name: contenderText(contender), flows: [contender] })),
    ...sharings.map((flows) => ({ name: sharingText(flows), flows })),
  ]
  return [...new Map(entries.map((entry) => [entry.name, entry])).values()]
}

function summary({ flows, link, queueing }: Transfer): string {
  const rates = flows.map(({ goodput }) => goodput.toFixed(2)).join(' + ')
  const again = flows.map(({ retransmitted }) => Math.round(retransmitted / 1024)).join(' + ')
  const drops = Math.max(...flows.map(({ received }) => received.udpDrops))
  return [
    `${rates} Mbit/s, sent again ${again} KB`,
    `the link lost ${link.ab.lost} and its queue ${link.ab.qdrop}`,
    ...(queueing === null ? [] : [`queueing ${queueing.toFixed(1)} ms`]),
    ...(drops > 0 ? [`the UDP buffer lost ${drops}`] : []),
  ].join(', ')
}

/** A line for each transfer on stderr: before it, where somebody looks on, and after it. */
class Progress {
  failures = 0
  readonly #total: number
  readonly #began = performance.now()
  #count = 0
  #head = ''

  constructor(total: number) {
    this.#total = total
  }

  begin(what: string): void {
    const done = this.#count++
    const left =
      done === 0
        ? ''
        : `, ${Math.ceil((((performance.now() - this.#began) / done) * (this.#total - done)) / 60_000)} min left`
    this.#head = `[${this.#count}/${this.#total}${left}] ${what}: `
    if (process.stderr.isTTY) process.stderr.write(this.#head)
  }

  end(outcome: string): void {
    process.stderr.write(`${process.stderr.isTTY ? '' : this.#head}${outcome}\n`)
  }

  fail(message: string): void {
    this.failures++
    this.end(`failed: ${message}`)
  }
}

function positive(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number <= 0) throw new InvalidArgumentError('expected a whole number above 0')
  return number
}

function numbers(text: string): number[] {
  return text.split(',').map((item) => {
    const number = Number(item)
    if (item === '' || !(number >= 0)) throw new InvalidArgumentError(`expected numbers, as in 40,100, not '${text}'`)
    return number
  })
}

await bench(program.opts<Options>())
