// `npm run bench:link`: sluice and the kernel's own TCP over the very same link, by turns, as root.
//
//   npm run bench:link                                       six links, six seeds, 20 s each: a good half hour
//   npm run bench:link -- --seconds 5 --seeds 2              how it goes, not how good it is
//   npm run bench:link -- --cells 100/20/0.1,10/50/2         links: Mbit/s, ms of round trip, % of loss
//   npm run bench:link -- --json link.json --sample 100      every transfer, and a look at the sender every 100 ms
//   npm run bench:link -- --sides sluice --trace traces      sluice alone, every segment and decision of it written down
//
// The link joins two network namespaces made for each transfer. The nth packet in a direction is lost or not by the seed alone, so that both
// sides of a pair meet the same losses as long as they send the same packets. The kernel scatters widely even against itself: few seeds tell little.

import { mkdirSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import { Command, InvalidArgumentError } from 'commander'
import { type Cell, cellText, DEFAULT_CELLS, parseCells } from './cells.ts'
import { Emulator } from './emulator.ts'
import { removeForgotten } from './namespaces.ts'
import type { Side } from './peer.ts'
import { type CellPairs, json, type Pair, results, table } from './report.ts'
import { whyNot } from './requirements.ts'
import { cleanUp, transfer } from './transfer.ts'

interface Options {
  algo: string
  cells: Cell[]
  seconds: number
  seeds: number
  firstSeed: number
  queue: number
  sides: Side[]
  linkem?: string
  json?: string
  sample: number
  trace?: string
}

const SIDES: readonly Side[] = ['kernel', 'sluice']

const program = new Command('npm run bench:link --')
  .description("Measures sluice beside the kernel's TCP over the same emulated link, as root.")
  .option('--algo <name>', 'congestion control of both', 'reno')
  .option('--cells <list>', 'links, as Mbit/s/ms/%', parseCells, [...DEFAULT_CELLS])
  .option('--seconds <n>', 'length of each transfer', positive, 20)
  .option('--seeds <n>', 'transfers of each side over each link', positive, 6)
  .option('--first-seed <n>', 'seeds count up from here', positive, 1)
  .option('--queue <packets>', 'that the link holds in each direction', positive, 1000)
  .option('--sides <names>', 'kernel, sluice, or both', sides, [...SIDES])
  .option('--linkem <path>', 'another link emulator, a binary or a C source, with the arguments of emulator.c')
  .option('--json <file>', 'write every transfer to this file')
  .option('--sample <ms>', 'note the state of the sender this often', positive, 0)
  .option('--trace <directory>', 'write what sluice sends, receives and decides, a file for each peer')
  .parse()

async function bench(options: Options): Promise<void> {
  const { algo, cells, seconds, seeds, firstSeed, queue } = options
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => process.exit(128 + os.constants.signals[signal]))
  }
  const reason = whyNot(algo, Emulator.compiles(options.linkem))
  if (reason !== null) {
    console.error(`bench:link cannot run: ${reason}.`)
    process.exitCode = 1
    return
  }
  removeForgotten()
  if (options.trace !== undefined) mkdirSync(options.trace, { recursive: true })
  const emulator = new Emulator(options.linkem)
  process.on('exit', () => {
    cleanUp()
    emulator.remove()
  })

  const all: CellPairs[] = cells.map((cell) => ({ cell, pairs: [] }))
  const total = cells.length * seeds * options.sides.length
  let count = 0
  let failures = 0
  // By seeds first: whatever the machine is busy with meanwhile befalls all links.
  for (let n = 0; n < seeds; n++) {
    const seed = firstSeed + n
    for (const { cell, pairs } of all) {
      const pair: Pair = { seed, kernel: null, sluice: null }
      pairs.push(pair)
      // Whoever comes first in a pair comes second in the next.
      for (const side of n % 2 === 0 ? options.sides : [...options.sides].reverse()) {
        const head = `[${++count}/${total}] ${cellText(cell)}, seed ${seed}, ${side}: `
        if (process.stderr.isTTY) process.stderr.write(head)
        const { sample: sampleEvery, trace = null } = options
        const run = { cell, seed, side, algorithm: algo, seconds, queue, sampleEvery, trace }
        try {
          const done = await transfer(emulator, run)
          pair[side] = done
          const { udpDrops } = done.received
          process.stderr.write(
            `${process.stderr.isTTY ? '' : head}${done.goodput.toFixed(2)} Mbit/s, sent again ${Math.round(done.retransmitted / 1024)} KB, ` +
              `the link lost ${done.link.ab.lost} and its queue ${done.link.ab.qdrop}${udpDrops > 0 ? `, the UDP buffer ${udpDrops}` : ''}\n`,
          )
        } catch (error) {
          failures++
          process.stderr.write(`${process.stderr.isTTY ? '' : head}failed: ${(error as Error).message}\n`)
        }
      }
    }
  }
  const figures = results(all)
  console.log(table(figures, algo))
  if (options.json !== undefined) writeFileSync(options.json, json(figures, { ...options }))
  if (failures > 0) process.exitCode = 1
}

function positive(text: string): number {
  const number = Number(text)
  if (!Number.isInteger(number) || number <= 0) throw new InvalidArgumentError('expected a whole number above 0')
  return number
}

function sides(text: string): Side[] {
  const wanted = text.split(',')
  const unknown = wanted.find((name) => !SIDES.includes(name as Side))
  if (unknown !== undefined) throw new InvalidArgumentError(`${unknown} is none of ${SIDES.join(', ')}`)
  return wanted as Side[]
}

await bench(program.opts<Options>())
