import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { Readable } from 'node:stream'
import { rolldown } from 'rolldown'
import { type Allowed, allowed } from './allowed.ts'
import { appliesTo, compare, type Difference } from './compare.ts'
import expectations from './expected.json' with { type: 'json' }
import type { Program } from './program.ts'
import { allPrograms } from './programs/index.ts'
import type { Lanes } from './recorder.ts'

const ROOT = resolve(import.meta.dirname, '../..')

/** Milliseconds after which a process that does not even end itself is killed. */
const LAST_PATIENCE = 120_000

/** Programs that share a process, at most. */
const BATCH = 20

export type Implementation = 'node' | 'sluice'

export interface SuiteOptions {
  /** The Node binary; default: the one that runs. */
  readonly node?: string
  /** Names of programs, or parts of names; default: all. */
  readonly only?: readonly string[]
  /** Each program in a process of its own; default: many share one, each when the former has ended, but for those that must not. */
  readonly fresh?: boolean
  /** Processes at a time. */
  readonly jobs?: number
  /** Compares Node's net with itself: what differs is a program that is left to chance. */
  readonly self?: boolean
  readonly onResult?: (result: Result) => void
}

export interface Result {
  readonly program: string
  /** Below the same name in programs/. */
  readonly theme: string
  /** What sluice was compared with: the net of the Node that runs, or what was recorded of a newer Node's. */
  readonly against: 'net' | 'recorded'
  readonly differences: readonly Difference[]
  /** Names of the allowed differences that it needed. */
  readonly allowed: readonly string[]
  /** What Node's net recorded, or the record that stood for it. */
  readonly record: Lanes
}

export interface Report {
  /** As in process.version. */
  readonly node: string
  readonly results: readonly Result[]
  /** Allowed differences that no program of a whole run needed. */
  readonly unused: readonly Allowed[]
  readonly seconds: number
}

/** Runs programs on both, and compares. */
export async function runSuite(options: SuiteOptions = {}): Promise<Report> {
  const { node = process.execPath, only = [], jobs = 4, self = false, fresh = false, onResult } = options
  const began = performance.now()
  const version = await versionOf(node)
  const major = Number.parseInt(version.slice(1), 10)
  const programs = await allPrograms()
  const chosen = [...programs].filter(([name]) => only.length === 0 || only.some((part) => name.includes(part)))
  const bundle = await bundleChild()
  const used = new Set<Allowed>()
  const results: Result[] = []
  const run = (implementation: Implementation, names: readonly string[]): Promise<Map<string, Lanes>> =>
    runPrograms(node, bundle.path, implementation, names)
  try {
    await inParallel(jobs, batchesOf(chosen, fresh), async (batch) => {
      const newer = new Set(batch.filter(([, program]) => isNewer(program, version)).map(([name]) => name))
      const here = batch.map(([name]) => name).filter((name) => !newer.has(name))
      const net = await run('node', here)
      const other = await run(self ? 'node' : 'sluice', self ? here : batch.map(([name]) => name))
      for (const name of other.keys()) {
        const recorded = (expectations as unknown as Record<string, Lanes>)[name] ?? {}
        const record = newer.has(name) ? recorded : (net.get(name) as Lanes)
        const verdict = compare(name, major, record, other.get(name) as Lanes)
        for (const entry of verdict.used) used.add(entry)
        const result: Result = {
          program: name,
          theme: name.split(': ')[0],
          against: newer.has(name) ? 'recorded' : 'net',
          differences: verdict.differences,
          allowed: verdict.used.map((entry) => entry.name),
          record,
        }
        results.push(result)
        onResult?.(result)
      }
    })
  } finally {
    bundle.remove()
  }
  const order = [...programs.keys()]
  results.sort((a, b) => order.indexOf(a.program) - order.indexOf(b.program))
  const whole = only.length === 0 && !self
  const unused = whole ? allowed.filter((entry) => !used.has(entry) && isFor(entry, major)) : []
  return { node: version, results, unused, seconds: (performance.now() - began) / 1000 }
}

/** What goes into one process: programs of a theme, and some programs alone. */
function batchesOf(programs: [string, Program][], fresh: boolean): [string, Program][][] {
  const batches = new Map<string, [string, Program][]>()
  for (const entry of programs) {
    const [name, program] = entry
    const key = fresh || 'alone' in program ? name : name.split(': ')[0]
    const batch = batches.get(key) ?? []
    batches.set(key, batch)
    batch.push(entry)
  }
  return [...batches.values()].flatMap((batch) => {
    const parts: [string, Program][][] = []
    for (let at = 0; at < batch.length; at += BATCH) parts.push(batch.slice(at, at + BATCH))
    return parts
  })
}

function isFor(entry: Allowed, major: number): boolean {
  return appliesTo({ ...entry, programs: 'all' }, '', major)
}

function isNewer(program: Program, version: string): boolean {
  return 'since' in program && isOlder(version, program.since)
}

function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((text) => text.replace('v', '').split('.').map(Number))
  for (let i = 0; i < b.length; i++) {
    if (a[i] !== b[i]) return a[i] < b[i]
  }
  return false
}

/** The child and all it imports in a file, so that any Node can run it and does so at once. */
async function bundleChild(): Promise<{ path: string; remove: () => void }> {
  // Below the project, where the packages that stay outside the bundle are found.
  const cache = join(ROOT, 'node_modules/.cache')
  mkdirSync(cache, { recursive: true })
  const directory = mkdtempSync(join(cache, 'contract-'))
  const bundle = await rolldown({
    cwd: ROOT,
    input: { child: join(import.meta.dirname, 'child.ts') },
    platform: 'node',
    external: [/^node:/, /^[^./]/],
  })
  await bundle.write({ dir: directory, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
  await bundle.close()
  return { path: join(directory, 'child.mjs'), remove: () => rmSync(directory, { recursive: true }) }
}

async function inParallel<Item>(jobs: number, items: Item[], work: (item: Item) => Promise<void>): Promise<void> {
  const rest = [...items]
  const worker = async (): Promise<void> => {
    for (let item = rest.shift(); item !== undefined; item = rest.shift()) await work(item)
  }
  await Promise.all(Array.from({ length: jobs }, worker))
}

/** Runs them one after the other in a process, and in another from where one came to grief. */
async function runPrograms(
  node: string,
  child: string,
  implementation: Implementation,
  names: readonly string[],
): Promise<Map<string, Lanes>> {
  const records = new Map<string, Lanes>()
  let rest = names
  while (rest.length > 0) {
    // A port that is no number is a pipe in the working directory: each process has its own, and leaves nothing behind.
    const place = mkdtempSync(join(tmpdir(), 'contract-'))
    const args = ['--no-warnings', child, implementation, ...rest]
    const { stdout, stderr, records: text } = await output(node, args, place)
    rmSync(place, { recursive: true })
    const lines = text.split('\n').filter((line) => line !== '')
    for (const [at, line] of lines.entries()) records.set(rest[at], JSON.parse(line) as Lanes)
    // Nobody expects it of a network stack.
    const printed = stdout + stderr
    const first = records.get(rest[0])
    if (printed !== '' && first !== undefined) first.process = [...(first.process ?? []), `printed: ${printed}`]
    rest = rest.slice(lines.length)
    if (lines.length > 0) continue
    records.set(rest[0], { process: [`no record: ${printed}`] })
    rest = rest.slice(1)
  }
  return records
}

async function versionOf(node: string): Promise<string> {
  const { stdout } = await output(node, ['--version'])
  return stdout.trim()
}

function output(
  file: string,
  args: string[],
  cwd?: string,
): Promise<{ stdout: string; stderr: string; records: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { cwd, stdio: ['ignore', 'pipe', 'pipe', 'pipe'] })
    const [stdout, stderr, records] = child.stdio.slice(1).map((stream) => {
      const text: string[] = []
      ;(stream as Readable).setEncoding('utf8').on('data', (chunk: string) => text.push(chunk))
      return text
    })
    const patience = setTimeout(() => child.kill('SIGKILL'), LAST_PATIENCE)
    child.on('error', reject)
    child.on('close', () => {
      clearTimeout(patience)
      resolve({ stdout: stdout.join(''), stderr: stderr.join(''), records: records.join('') })
    })
  })
}
