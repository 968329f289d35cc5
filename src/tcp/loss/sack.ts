import { type Segment, type Seq, seqGt, seqLeq, seqLt } from '../../wire/index.ts'
import { type Scoreboard, Sent } from '../scoreboard.ts'
import { CaState } from '../state.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'

/** Applies the SACK blocks of `seg` to the scoreboard (rfc2018#5, linux: tcp_sacktag_write_queue). Segments covered in part are left alone. */
export function applySack(board: Scoreboard, seg: Segment, sndUna: Seq, sndNxt: Seq, ack: AckResult): void {
  for (let i = 0; i < seg.sackCount; i++) {
    const start = seg.sack[i * 2] as Seq
    const end = seg.sack[i * 2 + 1] as Seq
    // Nonsense, a D-SACK below SND.UNA (rfc2883#4), or data never sent.
    if (!seqLt(start, end) || seqLeq(end, sndUna) || seqGt(end, sndNxt)) continue
    // Data is acknowledged by the ACK field before it is dropped: a block that reaches below SND.UNA is old.
    if (seqLt(start, sndUna)) continue
    for (let position = board.find(start); position < board.tail; position++) {
      const segment = board.at(position)
      if (seqGt(segment.end, end)) break
      if (seqLt(segment.seq, start)) continue
      const { state } = segment
      if (!board.markSacked(position)) continue
      ack.sacked += segment.length
      ack.delivered += segment.length
      if ((state & Sent.EverRetrans) === 0) {
        // Karn's rule; the newest segment tells most of the path as it is now.
        const rtt = ack.now - segment.xmitTs
        if (ack.sackRtt < 0 || rtt < ack.sackRtt) ack.sackRtt = rtt
      }
    }
  }
}

/**
 * Loss detection by counting SACKs (rfc6675#3, IsLost): a segment is lost when `reordering` segments above it have arrived.
 */
export class SackCounting implements LossDetector {
  readonly name: string = 'sack'
  /** Every segment before this position has been judged. */
  #judged = 0

  detect(board: Scoreboard, ack: AckResult, { caState, reordering }: LossContext): boolean {
    if (board.isEmpty) return false
    if (this.#judged < board.head) this.#judged = board.head
    let above = 0
    let position = board.tail - 1
    // The newest position above which, itself included, `reordering` segments have arrived.
    for (; position >= this.#judged && board.sackedOutSegs > 0; position--) {
      if ((board.at(position).state & Sent.Sacked) !== 0 && ++above >= reordering) break
    }
    if (above >= reordering) {
      for (let p = this.#judged; p < position; p++) {
        if (board.markLost(p)) ack.lost += board.at(p).length
      }
      if (position > this.#judged) this.#judged = position
    }
    return caState < CaState.Recovery && board.lostOutSegs > 0
  }

  /** Positions change their meaning when a segment is cut in two or everything is judged anew. */
  reset(): void {
    this.#judged = 0
  }
}

/** Whether the peer threw away what it had selectively acknowledged (rfc2018#8): its cumulative ACK stops short of it. */
export const isReneging = (board: Scoreboard): boolean =>
  !board.isEmpty && (board.at(board.head).state & Sent.Sacked) !== 0
