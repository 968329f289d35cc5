import type { Seq } from '../../wire/index.ts'
import type { Scoreboard } from '../scoreboard.ts'
import type { CaState } from '../state.ts'
import type { Deadline } from '../timers.ts'
import type { AckResult } from './ack-result.ts'
import type { Reordering } from './reordering.ts'

/** What a detector may know beside the scoreboard; a plain record, filled by the recovery. */
export interface LossContext {
  now: number
  caState: CaState
  mss: number
  sndUna: Seq
  sndNxt: Seq
  reordering: Reordering
  /** µs; `minRtt` is `Infinity` and `srtt` 0 before the first sample. */
  minRtt: number
  srtt: number
  /** Bits of `tcp_recovery`. */
  tcpRecovery: number
  /** End of what was sent before the episode. */
  recoveryPoint: Seq
  /** New data could be sent. */
  canSendNew: boolean
  /** Early retransmit is on, and there is nothing new that could be sent instead (rfc5827#3). */
  earlyRetransmit: boolean
}

/**
 * Decides which segments are lost: it marks them on the scoreboard and adds their bytes to `ack.lost`. What to do about it is the recovery's
 * business.
 */
export interface LossDetector {
  readonly name: string
  /** Called for every ACK that is not plain progress. */
  detect(board: Scoreboard, ack: AckResult, context: LossContext): void
  /** The marks were set anew by a timeout, or taken back: what was found before counts no more. */
  reset(): void
  /** When `detect` wants to be called again without an ACK. */
  readonly lookAt: Deadline
}
