import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readCapture, segmentsOf } from '../observe/index.ts'
import { type Network, type NetworkOptions, withNetwork } from '../testing/index.ts'
import type { Experiment, Settings } from './experiment.ts'
import { sequencePlot } from './plot.ts'
import { type Check, Scene } from './scene.ts'
import { sequenceOf } from './sequence.ts'
import { socketTable } from './table.ts'

export interface RunOptions {
  /** Where `NAME.pcapng` and `NAME.svg` go; absent: nowhere. */
  out?: string
  seed?: number
  /** Over UDP sockets, in real time. */
  real?: boolean
  /** How long, with which losses: what the experiment takes. */
  settings?: Settings
  /** Further options of the network, over those of the experiment. */
  network?: NetworkOptions
  /** Gets the lines as they come. */
  print?: (line: string) => void
}

export interface RunResult {
  readonly name: string
  readonly seed: number
  readonly checks: readonly Check[]
  /** Milliseconds of the network's time. */
  readonly lasted: number
  readonly segments: number
  readonly lost: number
  /** Files that were written. */
  readonly files: readonly string[]
  readonly holds: boolean
}

const DEFAULT_SEED = 1

/** Whether it can be shown over UDP sockets, in real time. */
export const canBeReal = ({ virtualOnly, bulk }: Experiment): boolean => virtualOnly !== true && bulk !== true

/** Runs an experiment. Rejects where it cannot be run at all; a claim that does not hold is in the result. */
export async function runExperiment(experiment: Experiment, options: RunOptions = {}): Promise<RunResult> {
  const { out, print = () => {}, real = false } = options
  const isBulk = experiment.bulk === true
  if (real && !canBeReal(experiment)) throw new Error(`${experiment.name} can be run in virtual time only`)
  const settings: NetworkOptions = {
    ...experiment.network,
    ...options.network,
    seed: options.seed ?? DEFAULT_SEED,
    time: real ? 'real' : 'virtual',
  }
  const pieces: Buffer[] = []
  const [scene, result] = await withNetwork(
    settings,
    async ({ network }): Promise<[Scene, Omit<RunResult, 'files'>]> => {
      const listener = {
        segment: print,
        note: (text: string) => print(`# ${text}`),
        table: (of: Network) => {
          for (const line of socketTable(of)) print(line)
        },
      }
      const scene = new Scene(network, listener, options.settings, out !== undefined)
      if (isBulk) {
        // It lets its own time pass, and this one has nothing to wait for.
        await network.outside(experiment.run(scene))
      } else {
        // So that addresses are the same in every experiment.
        const client = scene.host('client', experiment.client)
        void scene.server
        const capture = network.capture({ write: (bytes) => pieces.push(bytes) }, { host: client })
        await experiment.run(scene)
        capture.stop()
      }
      const { checks } = scene
      const holds = checks.length > 0 && checks.every((check) => check.holds)
      return [scene, { name: experiment.name, seed: network.seed, checks, ...passed(scene), holds }]
    },
  )
  // Behind the network's end: drawing is no part of its time.
  const files = out === undefined ? [] : await writeFiles(experiment.name, out, Buffer.concat(pieces), scene)
  return { ...result, files }
}

/** What there was, on the network and in bulk transfers. */
function passed({ network, bulk }: Scene): Pick<RunResult, 'lasted' | 'segments' | 'lost'> {
  const { segments, lost } = network.statistics()
  return { lasted: network.now() + bulk.lasted, segments: segments + bulk.segments, lost: lost + bulk.lost }
}

async function writeFiles(name: string, out: string, capture: Buffer, scene: Scene): Promise<string[]> {
  mkdirSync(out, { recursive: true })
  const files: string[] = []
  const write = (part: string, suffix: string, content: Buffer | string): void => {
    const file = join(out, `${name}${part === '' ? '' : `-${part}`}.${suffix}`)
    writeFileSync(file, content)
    files.push(file)
  }
  if (capture.length > 0) write('', 'pcapng', capture)
  for (const [part, pieces] of scene.captures) write(part, 'pcapng', Buffer.concat(pieces))
  if (capture.length > 0 && !scene.graphs.has('')) {
    const found = [...readCapture(capture)].flatMap((packet) => [...segmentsOf(packet)])
    const data = sequenceOf(found)
    if (data !== null) write('', 'svg', await sequencePlot({ ...data, title: `${name}: ${data.title}` }))
  }
  for (const [part, draw] of scene.graphs) write(part, 'svg', await draw())
  for (const [part, text] of scene.data) write(part, 'csv', text)
  return files
}
