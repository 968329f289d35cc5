import type { Scoreboard } from '../scoreboard.ts'
import { Sent } from '../sent-segment.ts'
import { CaState } from '../state.ts'
import { type Deadline, OFF } from '../timers.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'

/**
 * Loss detection without SACK (rfc6582): the third duplicate ACK tells that the oldest segment is lost, and within Recovery each
 * partial acknowledgement that the next one is (linux: tcp_newreno_mark_lost).
 */
export class NewReno implements LossDetector {
  readonly name: string = 'newreno'
  readonly lookAt: Deadline = OFF

  detect(board: Scoreboard, ack: AckResult, { caState, mss, reordering, earlyRetransmit }: LossContext): void {
    if (board.isEmpty) return
    const third =
      caState < CaState.Recovery && board.sackedOutSegs >= duplicateThreshold(board, reordering.degree, earlyRetransmit)
    const partial = caState === CaState.Recovery && ack.advanced
    if (!third && !partial) return
    const head = board.at(board.head)
    if ((head.state & Sent.Lost) === 0 && head.length > mss) board.split(board.head, mss)
    if (board.markLost(board.head)) ack.lost += board.at(board.head).length
    // What is lost and what is inferred to have arrived are never more than all.
    board.addRenoSacks(0, mss)
  }

  reset(): void {}
}

/** rfc5827#3.2: with fewer than four segments out and nothing new to send, one less than are out must do. */
export function duplicateThreshold(board: Scoreboard, reordering: number, earlyRetransmit: boolean): number {
  if (!earlyRetransmit || board.packetsOutSegs >= 4 || board.packetsOutSegs < 2 || board.retransOutSegs > 0)
    return reordering
  return Math.min(reordering, board.packetsOutSegs - 1)
}
