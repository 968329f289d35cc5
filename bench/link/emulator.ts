import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cell } from './cells.ts'
import type { Namespaces } from './namespaces.ts'
import { Importance, runBefore } from './real-time.ts'

const OUR_SOURCE = fileURLToPath(new URL('emulator.c', import.meta.url))
/** The receiver's address on any link. */
export const RECEIVER = '10.99.0.2'

/** What became of the packets of one direction. */
export interface LinkCounters {
  seen: number
  lost: number
  qdrop: number
  fwd: number
  bytes: number
  /** Mean time that a packet waited for the wire, ms; another emulator may not say. */
  wait_ms?: number
}

/** The program that plays the link: our own, or one with the same arguments and answers. */
export class Emulator {
  readonly #binary: string
  readonly #directory: string | null

  /** `given`: a binary, or a C source; absent: ours. */
  constructor(given: string | undefined) {
    if (!Emulator.compiles(given)) {
      this.#binary = path.resolve(given as string)
      this.#directory = null
      return
    }
    this.#directory = mkdtempSync(path.join(os.tmpdir(), 'sluice-link-'))
    this.#binary = path.join(this.#directory, 'emulator')
    execFileSync('cc', ['-O2', '-o', this.#binary, given ?? OUR_SOURCE], { stdio: ['ignore', 'ignore', 'inherit'] })
  }

  static compiles(given: string | undefined): boolean {
    return given === undefined || given.endsWith('.c')
  }

  start(namespaces: Namespaces, cell: Cell, queue: number, seed: number): Link {
    const args = [namespaces.sender, namespaces.receiver, '--rate', `${cell.rate}m`, '--delay', `${cell.rtt / 2}`]
    args.push('--loss', `${cell.loss / 100}`, '--queue', `${queue}`, '--seed', `${seed}`)
    return new Link(spawn(this.#binary, args, { stdio: ['ignore', 'ignore', 'pipe'] }))
  }

  remove(): void {
    if (this.#directory !== null) rmSync(this.#directory, { recursive: true, force: true })
  }
}

export class Link {
  /** Both devices are there. */
  readonly ready: Promise<void>
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>
  #said = ''

  constructor(child: ChildProcess) {
    this.#child = child
    this.#gone = once(child, 'close')
    this.ready = new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', () => reject(new Error(`the link emulator ended: ${this.#said.trim()}`)))
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        this.#said += text
        if (this.#said.startsWith('ready')) resolve()
      })
    })
    this.ready.then(
      () => runBefore(Importance.Link, child.pid as number),
      () => {},
    )
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  /** Ends the link; resolves with its counters, from the sender to the receiver and back. */
  async stop(): Promise<{ ab: LinkCounters; ba: LinkCounters }> {
    const end = (): void => void this.#child.kill('SIGTERM')
    end()
    // Some look at the signal only when they are woken once more.
    const timer = setInterval(end, 200)
    await this.#gone
    clearInterval(timer)
    const line = this.#said.split('\n').find((line) => line.startsWith('{'))
    if (line === undefined) throw new Error(`the link emulator said: ${this.#said.trim()}`)
    return JSON.parse(line) as { ab: LinkCounters; ba: LinkCounters }
  }
}
