import { BaseTracer } from './base-tracer.ts'
import { captureOutput, type WritableLike } from './capture-output.ts'
import { type CapturedSegment, DROPPED, PASSED, type PcapngOptions, PcapngWriter } from './pcapng.ts'
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

/** The file, or the stream, of a capture that is being taken. */
export class CaptureFile implements Capture {
  readonly #writer: PcapngWriter
  readonly #epochUs: number
  readonly #onStop: () => void
  #stopped = false

  /** `epochUs`: what time 0 is of those who write, in microseconds since 1970. */
  constructor(target: string | WritableLike, options: PcapngOptions, epochUs: number, onStop: () => void) {
    this.#writer = new PcapngWriter(captureOutput(target), options)
    this.#epochUs = epochUs
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
    this.#onStop()
    this.#writer.end()
  }

  /** `dropped`: by what, with which seed; null: the segment passed. */
  write(segment: Omit<CapturedSegment, 'interface' | 'comment'>, dropped: { rule: string; seed: number } | null): void {
    if (this.#stopped) return
    this.#writer.write({
      ...segment,
      us: this.#epochUs + segment.us,
      interface: dropped === null ? PASSED : DROPPED,
      comment: dropped === null ? undefined : `dropped: ${dropped.rule}, seed ${dropped.seed}`,
    })
  }
}

/** Writes every segment of a stack into a capture. */
export class CaptureTracer extends BaseTracer {
  readonly file: CaptureFile
  readonly #filter: CaptureOptions['filter']

  constructor(file: CaptureFile, filter: CaptureOptions['filter']) {
    super()
    this.file = file
    this.#filter = filter
  }

  override frameSent(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    this.#write(now, ends, true, buffer, start, end, null)
  }

  override frameReceived(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    this.#write(now, ends, false, buffer, start, end, null)
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
    this.#write(now, ends, outgoing, buffer, start, end, { rule, seed })
  }

  #write(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    dropped: { rule: string; seed: number } | null,
  ): void {
    if (this.#filter?.(ends) === false) return
    const { family, localAddress, remoteAddress } = ends
    const [source, destination] = outgoing ? [localAddress, remoteAddress] : [remoteAddress, localAddress]
    this.file.write({ us: now, outgoing, family, source, destination, buffer, start, end }, dropped)
  }
}
