import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const root = new URL('..', import.meta.url).pathname

/** A program of ours in a process of its own, spoken with in lines. */
export class Talker {
  readonly child: ChildProcess
  readonly exited: Promise<void>
  #lines: string[] = []
  #wake: () => void = () => {}
  #over = false

  /** `file` from the root of the project; `flags` are node's. */
  constructor(file: string, args: (string | number)[], env: Record<string, string> = {}, flags: string[] = []) {
    const command = [...flags, '--import', 'tsx', join(root, file), ...args.map(String)]
    this.child = spawn(process.execPath, command, {
      env: { ...process.env, ...env },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    this.child.stdin?.on('error', () => {})
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake()
    })
    this.exited = new Promise((resolve) => {
      this.child.once('close', () => {
        this.#over = true
        this.#wake()
        resolve()
      })
    })
  }

  say(line: string): void {
    this.child.stdin?.write(`${line}\n`)
  }

  /** The rest of the next line that begins with `word`; what came before it is forgotten. */
  async heard(word: string): Promise<string> {
    for (;;) {
      for (let line = this.#lines.shift(); line !== undefined; line = this.#lines.shift())
        if (line === word || line.startsWith(`${word} `)) return line.slice(word.length + 1)
      if (this.#over) throw new Error(`${this.child.spawnargs.join(' ')} ended before it said '${word}'`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  ask(line: string, word: string): Promise<string> {
    this.say(line)
    return this.heard(word)
  }

  /** Ends it by the end of its input. */
  async end(): Promise<void> {
    this.child.stdin?.end()
    await this.exited
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exited
  }
}
