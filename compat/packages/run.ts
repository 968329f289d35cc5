import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { Missing, type Reach, Servers } from './servers.ts'

type Sluice = typeof import('../../src/index.ts')

export const HERE = import.meta.dirname
const ROOT = join(HERE, '../..')
const CASES = join(HERE, 'cases')
const MODULES = join(HERE, 'node_modules')
const SLUICE = join(MODULES, 'sluice')

export const MODES = ['inject', 'swap'] as const
/** By `node` a case runs without sluice, which shows that it asks nothing that Node's own sockets would not do. */
export type Mode = (typeof MODES)[number] | 'node'

export interface Result {
  readonly name: string
  readonly mode: Mode
  readonly result: 'pass' | 'fail' | 'skip'
  /** Of a failure, and of a skip. */
  readonly reason?: string
  readonly packageName: string
  readonly version: string
  /** How sluice is given to it. */
  readonly inject: string
  readonly swap?: string
  readonly note?: string
  readonly seconds: number
}

/** How long a case may take, without the start of its servers. */
const CASE_MS = 60_000

export const caseNames = (): string[] =>
  readdirSync(CASES)
    .map((file) => file.replace(/\.js$/, ''))
    .sort()

/**
 * Installs the packages, if that was not done since the lockfile changed, and puts the built sluice where an installed one would be: a copy, so
 * that it may be built anew meanwhile. Throws if it is not built.
 */
export function preparePackages(): void {
  const age = (file: string): number => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0
  if (age(join(MODULES, '.package-lock.json')) < age(join(HERE, 'package-lock.json'))) {
    const { status } = spawnSync('npm', ['ci', '--ignore-scripts'], { cwd: HERE, stdio: ['ignore', 2, 2] })
    if (status !== 0) throw new Error(`npm ci in ${HERE} ended with ${status}`)
  }
  if (!existsSync(join(ROOT, 'dist/register.mjs'))) throw new Error('sluice is not built: npm run build')
  rmSync(SLUICE, { recursive: true, force: true })
  for (const part of ['package.json', 'dist']) cpSync(join(ROOT, part), join(SLUICE, part), { recursive: true })
}

export interface RunOptions {
  readonly names: readonly string[]
  readonly modes: readonly Mode[]
  /** The binary that the cases are run by. */
  readonly node: string
  readonly onResult?: ((result: Result) => void) | undefined
}

/** One case after the other, each mode in a process of its own. */
export async function runCases({ names, modes, node, onResult }: RunOptions): Promise<Result[]> {
  const sluice: Sluice = await import(pathToFileURL(join(SLUICE, 'dist/index.mjs')).href)
  const peers = new Peers(sluice)
  const results: Result[] = []
  // Servers have process groups of their own, and would stay.
  const interrupted = async (signal: NodeJS.Signals): Promise<void> => {
    await peers.close()
    process.exit(signal === 'SIGINT' ? 130 : 143)
  }
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted)
  try {
    for (const name of names) {
      for (const mode of modes) {
        const result = await runCase(name, mode, node, peers)
        results.push(result)
        onResult?.(result)
      }
    }
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted)
    await peers.close()
  }
  return results
}

/** The servers of others, and the gateways before them: kernel TCP to them, sluice to the case. */
class Peers {
  readonly #sluice: Sluice
  readonly #servers = new Servers()
  readonly #gateways: InstanceType<Sluice['Stack']>[] = []
  readonly #reaches = new Map<string, Promise<Reach>>()

  constructor(sluice: Sluice) {
    this.#sluice = sluice
  }

  async answer(asked: string, mode: Mode): Promise<object> {
    if (asked === 'certificate') return this.#servers.certificate()
    if (mode === 'node') return this.#servers.start(asked)
    let reach = this.#reaches.get(asked)
    if (reach === undefined) {
      reach = this.#lead(asked)
      this.#reaches.set(asked, reach)
    }
    return reach
  }

  /** The same server with the gateways' ports for its own. */
  async #lead(name: string): Promise<Reach> {
    const reach = await this.#servers.start(name)
    const entries = Object.entries(reach).map(async ([key, value]) =>
      /port$/i.test(key) ? [key, await this.#gateway(Number(value))] : [key, value],
    )
    return Object.fromEntries(await Promise.all(entries))
  }

  async #gateway(port: number): Promise<number> {
    const stack = new this.#sluice.Stack()
    this.#gateways.push(stack)
    const gateway = this.#sluice.createGateway({ listen: 'sluice:127.0.0.1:0', to: `tcp:127.0.0.1:${port}`, stack })
    await once(gateway, 'listening')
    return (gateway.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    for (const stack of this.#gateways) await stack.close()
    await this.#servers.stop()
  }
}

interface Report extends Pick<Result, 'inject' | 'swap' | 'note' | 'packageName' | 'reason' | 'result'> {
  readonly node: string
}

async function runCase(name: string, mode: Mode, node: string, peers: Peers): Promise<Result> {
  const started = Date.now()
  const child = fork(join(HERE, 'child.js'), [name, mode], {
    execPath: node,
    execArgv: mode === 'swap' ? ['--import', 'sluice/register'] : [],
    cwd: HERE,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      said = `${said}${data}`.slice(-4000)
    })
  }
  let report: Report | undefined
  let alive: string[] | undefined
  const impatient = (): NodeJS.Timeout => setTimeout(() => child.kill('SIGKILL'), CASE_MS)
  let patience = impatient()
  child.on('message', async (message: Report | { asked: string } | { alive: string[] }) => {
    if ('alive' in message) alive = message.alive
    else if ('result' in message) report = message
    else {
      const { asked } = message
      clearTimeout(patience)
      try {
        child.send({ asked, value: await peers.answer(asked, mode) })
        patience = impatient()
      } catch (error) {
        if (error instanceof Missing) child.send({ asked, missing: error.message })
        else child.kill()
        said += String(error)
      }
    }
  })
  const [code, signal] = await once(child, 'exit')
  clearTimeout(patience)
  const rest = { name, mode, seconds: (Date.now() - started) / 1000 }
  const { result, reason, packageName = name, inject = '', swap, note } = report ?? {}
  const what = { ...rest, packageName, version: versionOf(packageName) ?? report?.node ?? '', inject, swap, note }
  if (result === undefined)
    return { ...what, result: 'fail', reason: `no result, ${signal ?? `exit ${code}`}: ${said}` }
  if (result === 'pass' && alive !== undefined) {
    return { ...what, result: 'fail', reason: `the process does not end by itself: ${alive.join(', ')}` }
  }
  if (result === 'pass' && code !== 0) return { ...what, result: 'fail', reason: `exit ${code}: ${said}` }
  return { ...what, result, reason }
}

/** None of what comes with Node. */
function versionOf(packageName: string): string | undefined {
  const manifest = join(MODULES, packageName, 'package.json')
  return existsSync(manifest) ? JSON.parse(readFileSync(manifest, 'utf8')).version : undefined
}
