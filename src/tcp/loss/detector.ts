import type { Scoreboard } from '../scoreboard.ts'
import type { CaState } from '../state.ts'
import type { AckResult } from './ack-result.ts'

/** What a detector may know beside the scoreboard. */
export interface LossContext {
  caState: CaState
  mss: number
  /** Duplicate ACKs that mean loss (`tcp_reordering`, raised by reordering seen). */
  reordering: number
}

/**
 * Decides which segments are lost. It marks them on the scoreboard and adds their bytes to `ack.lost`; what to do about it is the
 * recovery's business.
 */
export interface LossDetector {
  readonly name: string
  /** Called for every ACK that is not plain progress. True: in Open or Disorder, a recovery episode is to begin. */
  detect(board: Scoreboard, ack: AckResult, context: LossContext): boolean
  /** The marks were set anew by a timeout: what was found before counts no more. */
  reset(): void
}
