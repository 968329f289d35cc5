import fs from 'node:fs'
import timers from 'node:timers'
import type { CaptureOutput } from './pcapng.ts'

// Captured at load: fake timers of a test runner must not be able to keep a capture from the disk.
const { setTimeout, clearTimeout } = timers

const FULL = 64 << 10
/** Whoever looks at a growing file need not wait longer, milliseconds. */
const FLUSH_MS = 100

/** Anything with `write` and `end`, such as a stream. */
export interface WritableLike {
  write(bytes: Buffer): unknown
}

/** Where a capture goes: a file by its name (`%p` is this process's id), which is written anew, or a stream, which is not ended. Throws where the file cannot be opened. */
export function captureOutput(target: string | WritableLike): CaptureOutput {
  if (typeof target === 'string') return new FileOutput(target.replaceAll('%p', String(process.pid)))
  return { write: (bytes) => void target.write(bytes), end() {} }
}

/** Written synchronously, in large pieces: a capture must be whole whatever way the process ends. */
class FileOutput implements CaptureOutput {
  readonly #fd: number
  #waiting: Buffer[] = []
  #bytes = 0
  #timer: NodeJS.Timeout | null = null
  #ended = false

  constructor(path: string) {
    this.#fd = fs.openSync(path, 'w')
    process.on('exit', this.#flush)
  }

  write(bytes: Buffer): void {
    if (this.#ended) return
    this.#waiting.push(bytes)
    this.#bytes += bytes.length
    if (this.#bytes >= FULL) this.#flush()
    else if (this.#timer === null) {
      this.#timer = setTimeout(this.#flush, FLUSH_MS)
      this.#timer.unref()
    }
  }

  end(): void {
    if (this.#ended) return
    this.#flush()
    this.#ended = true
    process.off('exit', this.#flush)
    fs.closeSync(this.#fd)
  }

  readonly #flush = (): void => {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const bytes = Buffer.concat(this.#waiting)
    this.#waiting = []
    this.#bytes = 0
    for (let at = 0; at < bytes.length; ) at += fs.writeSync(this.#fd, bytes, at)
  }
}
