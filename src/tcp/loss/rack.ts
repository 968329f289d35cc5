import { type Seq, seqGt } from '../../wire/index.ts'
import type { Scoreboard } from '../scoreboard.ts'
import { Sent, type SentSegment } from '../sent-segment.ts'
import { CaState } from '../state.ts'
import { type Deadline, OFF } from '../timers.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'

/** Bits of `tcp_recovery`. */
export const RACK = 1
const RACK_STATIC_REO_WND = 2
const RACK_NO_DUPTHRESH = 4
/** rfc8985#6.2 step 4: a widened window lasts for so many recoveries. */
const REO_WND_PERSIST = 16
const MAX_REO_WND_STEPS = 255
/** linux: TCP_TIMEOUT_MIN; the reordering timer is never sooner. */
const TIMER_MIN_US = 2000

/**
 * Loss detection by time (rfc8985, linux: tcp_recovery.c): a segment is lost when one sent later, by more than the reordering window, has been
 * delivered. It finds lost retransmissions too.
 */
export class Rack implements LossDetector {
  readonly name: string = 'rack'
  /** Of the segment sent last among all that were delivered. */
  xmitTs = -1
  endSeq: Seq = 0 as Seq
  rtt = 0
  /** Reordering window in quarters of the smallest RTT. */
  reoWndSteps = 1
  #persist = 0
  /** A D-SACK came since the window was last adapted. */
  dsackSeen = false
  #lastDelivered = -0
  /** Something was delivered since the last look. */
  #advanced = false
  /** What the last ACK found. */
  #priorXmitTs = -1
  #priorEndSeq: Seq = 0 as Seq
  #priorRtt = 0
  lookAt: Deadline = OFF

  onAck(ack: AckResult): void {
    this.#priorXmitTs = this.xmitTs
    this.#priorEndSeq = this.endSeq
    this.#priorRtt = this.rtt
    if (ack.rackXmitTs >= 0) this.#advance(ack.rackXmitTs, ack.rackEnd, ack.rackRtt)
  }

  /**
   * ours: the ACK has shown that a timeout was needless, so what was delivered were the originals. Taken for answers to the retransmissions they
   * would make everything sent before these look lost, and end in the recovery that the undo has just averted.
   */
  onNeedless(ack: AckResult): void {
    this.xmitTs = this.#priorXmitTs
    this.endSeq = this.#priorEndSeq
    this.rtt = this.#priorRtt
    if (ack.onceXmitTs >= 0) this.#advance(ack.onceXmitTs, ack.onceEnd, Math.max(1, ack.now - ack.onceXmitTs))
  }

  #advance(xmitTs: number, endSeq: Seq, rtt: number): void {
    this.#advanced = true
    this.rtt = rtt
    if (sentAfter(xmitTs, endSeq, this.xmitTs, this.endSeq)) {
      this.xmitTs = xmitTs
      this.endSeq = endSeq
    }
  }

  detect(board: Scoreboard, ack: AckResult, context: LossContext): void {
    // What was late is late still, and will be looked for at the same time.
    if (!this.#advanced) return
    // The timer that asked for another look does not wait for an ACK.
    this.#advanced = false
    this.look(board, ack, context)
  }

  /** rfc8985#6.2 step 5 */
  look(board: Scoreboard, ack: AckResult, context: LossContext): void {
    const { now } = context
    const window = this.reoWnd(board, context)
    let wait = 0
    for (let next: SentSegment | null, segment = board.eldest; segment !== null; segment = next) {
      next = segment.younger
      if (segment.xmitTs > this.xmitTs) break
      if (!sentAfter(this.xmitTs, this.endSeq, segment.xmitTs, segment.end)) continue
      const left = segment.xmitTs + this.rtt + window - now
      if (left > 0) {
        if (left > wait) wait = left
        continue
      }
      const position = board.find(segment.seq)
      if ((segment.state & Sent.Retrans) !== 0) {
        board.clearRetransmitted(position)
        ack.lostRetrans = true
      }
      board.markLost(position)
      ack.lost += segment.length
    }
    this.lookAt = wait > 0 ? now + wait + TIMER_MIN_US : OFF
  }

  /** rfc8985#6.2 step 4, µs. */
  reoWnd(board: Scoreboard, { reordering, caState, tcpRecovery, minRtt, srtt }: LossContext): number {
    if (reordering.seen === 0) {
      // Nothing was ever out of order: in a recovery, or after three duplicates, there is no doubt.
      if (caState >= CaState.Recovery) return 0
      if ((tcpRecovery & RACK_NO_DUPTHRESH) === 0 && board.sackedOutSegs >= reordering.degree) return 0
    }
    return minRtt === Number.POSITIVE_INFINITY ? 0 : Math.min((minRtt / 4) * this.reoWndSteps, srtt)
  }

  /** A D-SACK tells that the window was too small: wider by a quarter, once a round trip (rfc8985#6.2 step 4). */
  adapt(delivered: number, priorDelivered: number, tcpRecovery: number): void {
    if ((tcpRecovery & RACK_STATIC_REO_WND) !== 0) return
    if (priorDelivered < this.#lastDelivered) this.dsackSeen = false
    if (this.dsackSeen) {
      this.reoWndSteps = Math.min(MAX_REO_WND_STEPS, this.reoWndSteps + 1)
      this.dsackSeen = false
      this.#lastDelivered = delivered
      this.#persist = REO_WND_PERSIST
    } else if (this.#persist === 0) this.reoWndSteps = 1
  }

  /** A recovery ended: needless, and the window stays wide for longer, or not. */
  onRecoveryEnd(needless: boolean): void {
    if (needless) this.#persist = Math.min(REO_WND_PERSIST, this.#persist + 1)
    else if (this.#persist > 0) this.#persist--
  }

  /** Marks were taken back: look again with the next ACK, whatever it delivers. */
  reset(): void {
    this.#advanced = true
    this.lookAt = OFF
  }
}

/** rfc8985#6.2: RACK_sent_after */
const sentAfter = (t1: number, end1: Seq, t2: number, end2: Seq): boolean => t1 > t2 || (t1 === t2 && seqGt(end1, end2))
