import type { CongestionController } from '../../congestion/index.ts'
import { type Seq, seqGt } from '../../wire/index.ts'

/**
 * What a reduction took away, and the evidence whether it had to (linux: undo_marker, undo_retrans). Two kinds of evidence speak against it: every
 * retransmission was reported as a duplicate (rfc2883, rfc3708#2), or an ACK echoes a timestamp older than the first of them (Eifel, rfc3522#3.2).
 */
export class Undo {
  /** SND.UNA when the episode began; null: there is nothing to undo. */
  #marker: Seq | null = null
  /** Retransmissions of the episode not yet reported as duplicates, segments; −1: none was made yet. */
  #retrans = -1
  /** The window before the reduction; 0: nothing is kept. */
  priorCwnd = 0
  #priorSsthresh = 0
  /** When the first retransmission of the episode was sent, µs; −1 none (linux: retrans_stamp). */
  firstRetransTs = -1

  /** An episode begins, the window not yet reduced. */
  begin(sndUna: Seq, retransOutSegs: number): void {
    this.#marker = sndUna
    this.#retrans = retransOutSegs > 0 ? retransOutSegs : -1
  }

  /** Keeps what the reduction is about to take. */
  keep(controller: CongestionController): void {
    this.priorCwnd = controller.cwnd
    this.#priorSsthresh = controller.ssthresh
  }

  onRetransmit(now: number): void {
    if (this.#retrans < 0) this.#retrans = 0
    this.#retrans++
    if (this.firstRetransTs < 0) this.firstRetransTs = now
  }

  /** `segments` up to `end` were reported as duplicates. */
  onDsack(end: Seq, segments: number): void {
    if (this.#marker === null || this.#retrans <= 0 || !seqGt(end, this.#marker)) return
    this.#retrans = Math.max(0, this.#retrans - segments)
  }

  get isOpen(): boolean {
    return this.#marker !== null
  }

  /** Every retransmission was needless. */
  get allDuplicates(): boolean {
    return this.#marker !== null && this.#retrans === 0
  }

  /** rfc4015#3.2: back to where it was; growth made meanwhile stays. */
  restore(controller: CongestionController): void {
    if (this.priorCwnd > 0 && !controller.ownsRecovery) {
      controller.cwnd = Math.max(controller.cwnd, this.priorCwnd)
      if (this.#priorSsthresh > controller.ssthresh) controller.ssthresh = this.#priorSsthresh
    }
    this.forget()
  }

  /** The reduction stands. */
  forget(): void {
    this.#marker = null
    this.priorCwnd = 0
  }
}

/** Of those that never had to reduce nor to send again. */
export const NOTHING_TO_UNDO: Undo = new Undo()
