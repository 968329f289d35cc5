// What the examples share: reading lines and counted bytes from a stream, and a line of progress.

import type { Readable } from 'node:stream'

/** Reads a stream piece by piece: lines where a protocol has lines, then bytes by their number. Both throw where it ends early. */
export class StreamReader {
  readonly #source: AsyncIterator<Buffer>
  #rest: Buffer = Buffer.alloc(0)

  constructor(stream: Readable) {
    // Held open on purpose: an iterator that is left, or that sees the end, destroys its stream, and a reply may be due yet.
    this.#source = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  }

  /** The next line, without its line end. */
  async line(): Promise<string> {
    for (;;) {
      const end = this.#rest.indexOf(10)
      if (end >= 0) {
        const line = this.#rest.toString('utf8', 0, end)
        this.#rest = this.#rest.subarray(end + 1)
        return line
      }
      if (this.#rest.length > 65_536) throw new Error('the line is too long')
      this.#rest = Buffer.concat([this.#rest, await this.#more()])
    }
  }

  /** The next `count` bytes, in the pieces in which they come. */
  async *bytes(count: number): AsyncGenerator<Buffer> {
    while (count > 0) {
      const chunk = this.#rest.length > 0 ? this.#rest : await this.#more()
      const piece = chunk.subarray(0, count)
      this.#rest = chunk.subarray(piece.length)
      count -= piece.length
      yield piece
    }
  }

  /** The next `count` bytes in one piece: for small counts. */
  async exactly(count: number): Promise<Buffer> {
    const pieces: Buffer[] = []
    for await (const piece of this.bytes(count)) pieces.push(piece)
    return Buffer.concat(pieces)
  }

  async #more(): Promise<Buffer> {
    const { done, value } = await this.#source.next()
    if (done) throw new Error('the connection ended early')
    return value
  }
}

/** Shows how far a transfer is, ten times a second on one line of a terminal, and not at all where stderr is none. */
export function progress(verb: string, total: number, from = 0): (bytes: number) => void {
  const began = performance.now()
  let at = from
  let shown = 0
  return (bytes) => {
    at += bytes
    const now = performance.now()
    if (!process.stderr.isTTY || (now - shown < 100 && at < total)) return
    shown = now
    const rate = (at - from) / 1000 / Math.max(1, now - began)
    const percent = total === 0 ? 100 : Math.floor((at / total) * 100)
    process.stderr.write(`\r${percent}% ${verb}, ${rate.toFixed(1)} MB/s ${at < total ? '' : '\n'}`)
  }
}
