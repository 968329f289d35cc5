import {
  type Capture,
  captureOutput,
  DROPPED,
  dropComment,
  PASSED,
  PcapngWriter,
  type WritableLike,
} from '../observe/index.ts'
import type { Flow } from './sim/sim-link.ts'

export interface NetworkCaptureOptions {
  /** Bytes of each packet to keep, headers counted. Default 262,144. */
  snaplen?: number
}

/** What one host of a network sees of it: what it sends when it sends it, what it gets when it comes; and what the network lost of both. */
export class NetworkCapture implements Capture {
  readonly #writer: PcapngWriter
  readonly #host: string
  readonly #seed: number
  readonly #epochUs: number
  readonly #onStop: (capture: NetworkCapture) => void
  #stopped = false

  constructor(
    target: string | WritableLike,
    options: NetworkCaptureOptions,
    from: { host: string; seed: number; epochUs: number },
    onStop: (capture: NetworkCapture) => void,
  ) {
    this.#writer = new PcapngWriter(captureOutput(target), options)
    this.#host = from.host
    this.#seed = from.seed
    this.#epochUs = from.epochUs
    this.#onStop = onStop
  }

  get packets(): number {
    return this.#writer.counts[PASSED] + this.#writer.counts[DROPPED]
  }

  get dropped(): number {
    return this.#writer.counts[DROPPED]
  }

  stop(): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#onStop(this)
    this.#writer.end()
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
    this.#writer.write({
      us: this.#epochUs + us,
      interface: lostBy === null ? PASSED : DROPPED,
      outgoing: flow.link.from.name === this.#host,
      family: flow.family,
      source: flow.sourceAddress,
      destination: flow.address,
      buffer,
      start,
      end,
      comment: lostBy === null ? undefined : dropComment(lostBy, this.#seed),
    })
  }
}
