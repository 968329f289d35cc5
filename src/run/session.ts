import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import nodeNet from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { threadId } from 'node:worker_threads'

// What the processes of one run share: a folder. It holds what was asked for, a file for each port that one of them listens on, and
// at the end what each has to report. A file's name says all there is to say of a port, so that to look one up is to list a folder.

/** What `sluice run` was asked for. */
export interface RunPlan {
  /** Text, as `SLUICE_IMPAIR` has it; empty: nothing. */
  readonly impair: string
  readonly seed: number
  readonly only: readonly string[]
  readonly except: readonly string[]
  /** Destinations outside the run that speak sluice. */
  readonly peers: readonly string[]
  readonly capture: boolean
  readonly report: boolean
}

/** Names the folder, in the environment of the processes. */
export const RUN_VARIABLE = 'SLUICE_RUN'
const PLAN = 'run.json'
const PORTS = 'ports'

/** Makes the folder of a new run. */
export function createSession(plan: RunPlan): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-run-'))
  mkdirSync(join(folder, PORTS))
  writeFileSync(join(folder, PLAN), JSON.stringify(plan))
  return folder
}

/** Files of the run whose names begin so, in the order in which their processes began. */
export function sessionFiles(folder: string, prefix: string): string[] {
  const ordinal = (name: string): number => Number(name.slice(prefix.length).split(/\D/)[0])
  return readdirSync(folder)
    .filter((name) => name.startsWith(prefix))
    .sort((a, b) => ordinal(a) - ordinal(b))
    .map((name) => join(folder, name))
}

export function removeSession(folder: string): void {
  rmSync(folder, { recursive: true, force: true })
}

/** One process, or thread, within a run. */
export class Session {
  readonly plan: RunPlan
  /** Which of the run's processes: 1 is the first that began. */
  readonly ordinal: number
  readonly #folder: string
  readonly #noted = new Set<string>()

  /** Throws where the folder is no run's, or is gone. */
  constructor(folder: string) {
    this.#folder = folder
    this.plan = JSON.parse(readFileSync(join(folder, PLAN), 'utf8'))
    this.ordinal = this.#claim()
  }

  /** A seed of this process alone, for one of its hosts. */
  seedOf(role: string): number {
    return createHash('sha256').update(`${this.plan.seed}/${this.ordinal}/${role}`).digest().readUInt32BE()
  }

  /** A file of this process in the run's folder. */
  path(prefix: string, suffix: string): string {
    return join(this.#folder, `${prefix}${this.ordinal}${suffix}`)
  }

  /** From now on others of the run find this port. What it returns ends that. */
  note(address: string, port: number): () => void {
    const name = [port, address.replaceAll(':', '_'), process.pid, threadId].join(',')
    const file = join(this.#folder, PORTS, name)
    const forget = (): void => {
      if (this.#noted.delete(file)) rmSync(file, { force: true })
    }
    writeFileSync(file, '')
    this.#noted.add(file)
    return forget
  }

  /** Whether a process of the run listens there. */
  listens(address: string, port: number): boolean {
    return this.#ports().some((name) => {
      const [at, bound, pid] = name.split(',') as [string, string, string]
      return Number(at) === port && covers(bound.replaceAll('_', ':'), address) && isAlive(Number(pid))
    })
  }

  /** Nobody finds any port of this process any more. */
  forgetAll(): void {
    for (const file of this.#noted) rmSync(file, { force: true })
    this.#noted.clear()
  }

  #ports(): string[] {
    try {
      return readdirSync(join(this.#folder, PORTS))
    } catch {
      // The run is over, and this process outlives it.
      return []
    }
  }

  #claim(): number {
    for (let ordinal = 1; ; ordinal++) {
      try {
        writeFileSync(join(this.#folder, `process-${ordinal}`), '', { flag: 'wx' })
        return ordinal
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      }
    }
  }
}

/** Whether what is bound to one address is reached by another. */
function covers(bound: string, address: string): boolean {
  if (bound === address) return true
  if (bound === '0.0.0.0') return nodeNet.isIPv4(address) && isOwn(address)
  return bound === '::' && isOwn(address)
}

function isOwn(address: string): boolean {
  if (address.startsWith('127.') || address === '::1') return true
  return Object.values(networkInterfaces()).some((list) => list?.some((one) => one.address === address))
}

/** A process that was killed leaves its files. */
function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
