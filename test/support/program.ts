import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

/** What became of a process: its status, or the signal that ended it. */
export interface Exit {
  code: number | null
  signal: NodeJS.Signals | null
}

export interface ProgramOptions {
  args?: (string | number)[]
  /** Added to the environment. */
  env?: Record<string, string>
  /** Instead of running it by itself: `['ip', 'netns', 'exec', 'a']`. */
  wrapper?: string[]
}

/** A program of `test/support/programs` in a process of its own, which ends with the test at the latest. It talks in lines. */
export class Program {
  readonly child: ChildProcess
  readonly exited: Promise<Exit>
  /** What it printed, both ways. */
  readonly lines: string[] = []
  errors = ''
  #waiting: (() => void)[] = []
  #exit: Exit | null = null

  constructor(name: string, { args = [], env = {}, wrapper = [] }: ProgramOptions = {}) {
    const file = new URL(`programs/${name}.ts`, import.meta.url).pathname
    const [command, ...rest] = [...wrapper, process.execPath, '--import', 'tsx', file, ...args.map(String)] as [string]
    this.child = spawn(command, rest, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] })
    // Whoever writes to a process that has just ended learns of it by `exited`.
    this.child.stdin?.on('error', () => {})
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.lines.push(line)
      this.#wake()
    })
    this.child.stderr?.on('data', (data: Buffer) => {
      this.errors += data
    })
    this.exited = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.#exit = { code, signal }
        this.#wake()
        resolve(this.#exit)
      })
    })
    onTestFinished(async () => {
      if (this.#exit === null) this.child.kill('SIGKILL')
      await this.exited
    })
  }

  /** The rest of the first line that begins with `word`, as soon as it is there. */
  async said(word: string): Promise<string> {
    for (;;) {
      const line = this.lines.find((line) => line === word || line.startsWith(`${word} `))
      if (line !== undefined) return line.slice(word.length + 1)
      if (this.#exit !== null) {
        throw new Error(`it never said '${word}', but: ${this.lines.join('\n')}\n${this.errors}`)
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    }
  }

  /** A line on its standard input. */
  tell(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  kill(signal: NodeJS.Signals): void {
    this.child.kill(signal)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resolve of waiting) resolve()
  }
}
