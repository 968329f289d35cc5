import { type Scoreboard, Sent } from '../scoreboard.ts'
import { CaState } from '../state.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'

/**
 * Loss detection without SACK (rfc6582): the third duplicate ACK tells that the oldest segment is lost, and within Recovery each
 * partial acknowledgement that the next one is (linux: tcp_newreno_mark_lost).
 */
export class NewReno implements LossDetector {
  readonly name: string = 'newreno'

  detect(board: Scoreboard, ack: AckResult, { caState, mss, reordering }: LossContext): boolean {
    if (board.isEmpty) return false
    const third = caState < CaState.Recovery && board.sackedOutSegs >= reordering
    const partial = caState === CaState.Recovery && ack.advanced
    if (third || partial) {
      const head = board.at(board.head)
      if ((head.state & Sent.Lost) === 0 && head.length > mss) board.split(board.head, mss)
      if (board.markLost(board.head)) ack.lost += board.at(board.head).length
      // Lost segments and those inferred to have arrived are never more than all.
      board.addRenoSacks(0, mss)
    }
    return caState < CaState.Recovery && board.lostOutSegs > 0
  }

  reset(): void {}
}
