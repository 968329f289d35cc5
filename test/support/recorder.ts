import type { Tracer } from '../../src/observe/tracer.ts'
import { Flag, type Segment, type Seq, seqAdd, seqDiff } from '../../src/wire/index.ts'

/** A segment with data or FIN that left, its first byte counted from 0. */
export interface SentData {
  us: number
  from: number
  length: number
  again: boolean
}

/** Writes down what a connection does. */
export class Recorder implements Tracer {
  readonly sent: SentData[] = []
  /** Each new SND.UNA that came, as a position. */
  readonly acked: { us: number; to: number }[] = []
  readonly caStates: { us: number; from: number; to: number; reason: string }[] = []
  readonly cwnds: { us: number; cwnd: number; ssthresh: number; reason: string }[] = []
  readonly timers: { us: number; timer: string }[] = []
  #iss: Seq | null = null

  /** When all up to `position` had been acknowledged. */
  ackedAt(position: number): number {
    return this.acked.find(({ to }) => to >= position)?.us ?? Infinity
  }

  get again(): SentData[] {
    return this.sent.filter(({ again }) => again)
  }

  segmentSent(_id: number, us: number, seg: Segment, again: boolean): void {
    if ((seg.flags & Flag.SYN) !== 0) this.#iss = seqAdd(seg.seq, 1)
    else if (seg.len > 0) this.sent.push({ us, from: this.#position(seg.seq), length: seg.payloadLength, again })
  }

  segmentReceived(_id: number, us: number, seg: Segment): void {
    if (this.#iss === null || (seg.flags & Flag.ACK) === 0) return
    const to = this.#position(seg.ack)
    if (to > (this.acked.at(-1)?.to ?? 0)) this.acked.push({ us, to })
  }

  stateChanged(): void {}

  caStateChanged(_id: number, us: number, from: number, to: number, reason: string): void {
    this.caStates.push({ us, from, to, reason })
  }

  cwndChanged(_id: number, us: number, cwnd: number, ssthresh: number, reason: string): void {
    this.cwnds.push({ us, cwnd, ssthresh, reason })
  }

  timerFired(_id: number, us: number, timer: string): void {
    this.timers.push({ us, timer })
  }

  #position(seq: Seq): number {
    return seqDiff(seq, this.#iss as Seq)
  }
}
