import type { CaptureFile } from '../observe/index.ts'
import type { Flow } from './sim/sim-link.ts'

export interface NetworkCaptureOptions {
  /** Bytes of each packet to keep, headers counted. Default 262,144. */
  snaplen?: number
}

/** What one host of a network sees of it: what it sends when it sends it, what it gets when it comes; and what the network lost of both. */
export class NetworkCapture {
  readonly file: CaptureFile
  readonly #host: string
  readonly #seed: number

  /** `seed`: of the network. */
  constructor(file: CaptureFile, host: string, seed: number) {
    this.file = file
    this.#host = host
    this.#seed = seed
  }

  sent(us: number, flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string | null): void {
    if (flow.link.from.name === this.#host || (lostBy !== null && flow.link.to.name === this.#host)) {
      this.#write(us, flow, buffer, start, end, lostBy)
    }
  }

  delivered(us: number, flow: Flow, buffer: Buffer, start: number, end: number): void {
    // On loopback it was seen when it was sent.
    if (flow.link.to.name === this.#host && flow.link.from !== flow.link.to)
      this.#write(us, flow, buffer, start, end, null)
  }

  lost(us: number, flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string): void {
    if (flow.link.from.name === this.#host || flow.link.to.name === this.#host) {
      this.#write(us, flow, buffer, start, end, lostBy)
    }
  }

  #write(us: number, flow: Flow, buffer: Buffer, start: number, end: number, lostBy: string | null): void {
    const { family, sourceAddress: source, address: destination } = flow
    const outgoing = flow.link.from.name === this.#host
    const dropped = lostBy === null ? null : { rule: lostBy, seed: this.#seed }
    this.file.write({ us, outgoing, family, source, destination, buffer, start, end }, dropped)
  }
}
