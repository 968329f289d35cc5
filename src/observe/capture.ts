import { BaseTracer } from './base-tracer.ts'
import { captureOutput, type WritableLike } from './capture-output.ts'
import { DROPPED, PASSED, type PcapngOptions, PcapngWriter } from './pcapng.ts'
import type { Ends } from './tracer.ts'

export interface CaptureOptions {
  /** Bytes of each packet to keep, its made-up Ethernet and IP headers counted. Default 262,144. */
  snaplen?: number
  /** Which paths are captured. Default: all. */
  filter?: (ends: Ends) => boolean
}

/** A capture that is being taken. */
export interface Capture {
  /** Segments captured so far, those that were dropped included. */
  readonly packets: number
  /** Of these, segments that impairment dropped. */
  readonly dropped: number
  /** Writes out what is left and closes the file; a stream is left open. What comes later is not captured. */
  stop(): void
}

/** Writes every segment of a stack into a capture. */
export class CaptureTracer extends BaseTracer implements Capture {
  readonly #writer: PcapngWriter
  /** What the stack's time 0 is, in microseconds since 1970. */
  readonly #epochUs: number
  readonly #onStop: (tracer: CaptureTracer) => void
  readonly #filter: CaptureOptions['filter']
  #stopped = false

  constructor(
    target: string | WritableLike,
    options: PcapngOptions & CaptureOptions,
    epochUs: number,
    onStop: (tracer: CaptureTracer) => void,
  ) {
    super()
    this.#writer = new PcapngWriter(captureOutput(target), options)
    this.#epochUs = epochUs
    this.#onStop = onStop
    this.#filter = options.filter
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

  override frameSent(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    this.#write(now, ends, true, buffer, start, end)
  }

  override frameReceived(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    this.#write(now, ends, false, buffer, start, end)
  }

  override frameDropped(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    rule: string,
    seed: number,
  ): void {
    this.#write(now, ends, outgoing, buffer, start, end, dropComment(rule, seed))
  }

  #write(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    comment?: string,
  ): void {
    if (this.#stopped || this.#filter?.(ends) === false) return
    this.#writer.write({
      us: this.#epochUs + now,
      interface: comment === undefined ? PASSED : DROPPED,
      outgoing,
      family: ends.family,
      source: outgoing ? ends.localAddress : ends.remoteAddress,
      destination: outgoing ? ends.remoteAddress : ends.localAddress,
      buffer,
      start,
      end,
      comment,
    })
  }
}

/** What a dropped packet's comment says. */
export const dropComment = (rule: string, seed: number): string => `dropped: ${rule}, seed ${seed}`
