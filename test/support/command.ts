import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

export interface CommandOptions {
  /** All of its standard input; absent: it stays open, for `write` and `end`. */
  input?: string | Buffer
  /** Added to the environment. */
  env?: Record<string, string>
}

/**
 * A script of the project, run as a user runs it, with what it prints kept byte for byte. It ends with the test at the latest.
 */
export class Command {
  readonly #child: ChildProcess
  readonly #out: Buffer[] = []
  readonly #err: Buffer[] = []
  #ended = false
  #changed: () => void = () => {}
  /** The exit status, once both outputs are complete; the signal's name if one ended it. */
  readonly status: Promise<number | string>

  /** `script` from the project's root: `examples/nc.ts`. */
  constructor(script: string, args: readonly (string | number)[], { input, env }: CommandOptions = {}) {
    const child = spawn(process.execPath, ['--import', 'tsx', script, ...args.map(String)], {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', ...env },
    })
    this.#child = child
    // Whoever writes to a process that has ended learns of it by its status.
    child.stdin.on('error', () => {})
    if (input !== undefined) child.stdin.end(input)
    for (const [stream, pieces] of [
      [child.stdout, this.#out],
      [child.stderr, this.#err],
    ] as const) {
      stream.on('data', (piece: Buffer) => {
        pieces.push(piece)
        this.#changed()
      })
    }
    this.status = new Promise((resolve) => {
      child.once('close', (code, signal) => {
        this.#ended = true
        this.#changed()
        resolve(code ?? signal ?? 'unknown')
      })
    })
    onTestFinished(async () => {
      if (!this.#ended) child.kill('SIGKILL')
      await this.status
    })
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  get stdout(): Buffer {
    return Buffer.concat(this.#out)
  }

  get stderr(): string {
    return Buffer.concat(this.#err).toString()
  }

  /** Waits until what it printed matches. */
  async prints(pattern: RegExp, on: 'stdout' | 'stderr' = 'stdout'): Promise<RegExpExecArray> {
    for (;;) {
      const found = pattern.exec(this[on].toString())
      if (found !== null) return found
      if (this.#ended) throw new Error(`it never printed ${pattern}, but:\n${this.stdout}\n${this.stderr}`)
      await new Promise<void>((resolve) => {
        this.#changed = resolve
      })
    }
  }

  write(text: string | Buffer): void {
    this.#child.stdin?.write(text)
  }

  end(): void {
    this.#child.stdin?.end()
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }
}
