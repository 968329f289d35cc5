import { type Segment, type Seq, seqGt, seqLeq, seqLt } from '../../wire/index.ts'
import type { Scoreboard } from '../scoreboard.ts'
import { Sent } from '../sent-segment.ts'
import { CaState } from '../state.ts'
import { type Deadline, OFF } from '../timers.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'
import { duplicateThreshold } from './newreno.ts'

/** Applies the SACK blocks of `seg` to the scoreboard (rfc2018#5, linux: tcp_sacktag_write_queue). Segments covered in part are left alone. */
export function applySack(
  board: Scoreboard,
  seg: Segment,
  sndUna: Seq,
  sndNxt: Seq,
  recoveryPoint: Seq,
  ack: AckResult,
): void {
  for (let i = 0; i < seg.sackCount; i++) {
    const start = seg.sack[i * 2] as Seq
    const end = seg.sack[i * 2 + 1] as Seq
    // Nonsense, data never sent, or a block that reaches below SND.UNA: old, or a D-SACK, which is read elsewhere.
    if (!seqLt(start, end) || seqGt(end, sndNxt) || seqLt(start, sndUna)) continue
    for (let position = board.find(start); position < board.tail; ) {
      const segment = board.at(position)
      if (seqGt(segment.end, end)) break
      if ((segment.state & Sent.Sacked) !== 0) {
        position = board.skipKnown(position)
        continue
      }
      if (seqLt(segment.seq, start)) {
        position++
        continue
      }
      ack.onDelivered(segment, true, recoveryPoint)
      board.markSacked(position)
      ack.sacked += segment.length
      ack.delivered += segment.length
      position++
    }
  }
  board.keepBlocks(seg, sndUna, sndNxt)
}

/** Whether the peer threw away what it had selectively acknowledged (rfc2018#8): its cumulative ACK stops short of it. */
export const isReneging = (board: Scoreboard): boolean => !board.isEmpty && (board.oldest.state & Sent.Sacked) !== 0

/**
 * Loss detection by counting SACKs (rfc6675#4, IsLost): a segment is lost when as many as `reordering` segments above it have arrived. With
 * `fack` every segment below the highest one that arrived counts, whether it arrived itself or not: forward acknowledgement, sooner and
 * misled by reordering, at the first sight of which it is given up for the connection.
 */
export class SackCounting implements LossDetector {
  readonly lookAt: Deadline = OFF
  /** Every segment before this position has been judged. */
  #judged = 0
  /** RescueRxt: when SND.UNA is beyond it the last segment may be sent again for want of anything better; null: it never was. */
  #rescued: Seq | null = null
  readonly #fack: boolean

  constructor(fack: boolean) {
    this.#fack = fack
  }

  get name(): string {
    return this.#fack ? 'fack' : 'sack'
  }

  detect(board: Scoreboard, ack: AckResult, context: LossContext): void {
    if (board.isEmpty) return
    if (board.sackedOutSegs > 0) this.#judge(board, ack, context)
    this.#rescue(board, ack, context)
  }

  #judge(board: Scoreboard, ack: AckResult, { reordering, earlyRetransmit }: LossContext): void {
    if (this.#judged < board.head) this.#judged = board.head
    const threshold = duplicateThreshold(board, reordering.degree, earlyRetransmit)
    const edge =
      this.#fack && reordering.seen === 0 ? board.highestSacked - threshold + 1 : this.#edgeBySacks(board, threshold)
    for (; this.#judged < edge; this.#judged++) {
      if (board.markLost(this.#judged)) ack.lost += board.at(this.#judged).length
    }
  }

  /**
   * rfc6675#4, NextSeg rule 4: nothing lost and nothing new is left to send, and no ACK would come if the end of the flight was lost. So the last
   * segment goes again, once in an episode.
   */
  #rescue(board: Scoreboard, ack: AckResult, { caState, canSendNew, sndUna, recoveryPoint }: LossContext): void {
    if (caState !== CaState.Recovery || canSendNew || board.nextLost() >= 0) return
    if (this.#rescued !== null && !seqGt(sndUna, this.#rescued)) return
    const last = board.tail - 1
    const { state, length } = board.at(last)
    if ((state & (Sent.Sacked | Sent.Lost | Sent.Retrans)) !== 0) return
    this.#rescued = recoveryPoint
    if (board.markLost(last)) ack.lost += length
  }

  reset(): void {
    this.#judged = 0
  }

  /** The position below which `threshold` sacked segments lie above every one. */
  #edgeBySacks(board: Scoreboard, threshold: number): number {
    let above = 0
    for (let position = board.highestSacked; position > this.#judged; position--) {
      if ((board.at(position).state & Sent.Sacked) !== 0 && ++above >= threshold) return position
    }
    return this.#judged
  }
}

/** The first block of `seg` reports a duplicate (rfc2883#4): below the cumulative ACK, or within the second block. */
export function dsackOf(seg: Segment): boolean {
  if (seg.sackCount === 0) return false
  const start = seg.sack[0] as Seq
  const end = seg.sack[1] as Seq
  if (!seqLt(start, end)) return false
  if (seqLt(start, seg.ack)) return seqLeq(end, seg.ack)
  if (seg.sackCount < 2) return false
  return seqLeq(end, seg.sack[3] as Seq) && !seqLt(start, seg.sack[2] as Seq)
}
