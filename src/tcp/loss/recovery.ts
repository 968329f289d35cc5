import type { CongestionController, RateSample } from '../../congestion/index.ts'
import { type Seq, seqGeq, seqGt } from '../../wire/index.ts'
import type { TcpMib, TcpSysctl } from '../host.ts'
import type { Scoreboard } from '../scoreboard.ts'
import { CaState } from '../state.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'
import { NewReno } from './newreno.ts'
import { Prr, type Reduction } from './reduction.ts'
import { isReneging, SackCounting } from './sack.ts'

/** What the recovery needs to know of the connection at the moment; a plain record, filled by the connection. */
export interface RecoveryInput {
  sndUna: Seq
  sndNxt: Seq
  mss: number
}

/**
 * The congestion states and the way between them (linux: tcp_fastretrans_alert). It decides *when* an episode begins and ends; the detector
 * decides what is lost, the controller how far the window falls, the reduction how it gets there.
 *
 *     Open ──dup ACK──▶ Disorder ──loss──▶ Recovery ──all acknowledged──▶ Open
 *        ╰───────────────timeout─────────────▶ Loss ──all acknowledged──▶ Open
 */
export class Recovery {
  caState: CaState = CaState.Open
  /** SND.NXT when the episode began: RecoveryPoint of rfc6675, `recover` of rfc6582, high_seq of Linux. */
  recoveryPoint: Seq = 0 as Seq
  /** Timeouts in a row without an acknowledgement of something new. */
  retransmits = 0
  #detector: LossDetector
  readonly reduction: Reduction
  readonly context: LossContext
  /** Reason of the last change of state, for the tracer. */
  reason = ''

  constructor(reordering: number) {
    this.#detector = new NewReno()
    this.reduction = new Prr()
    this.context = { caState: CaState.Open, mss: 0, reordering }
  }

  /** SACK was negotiated. */
  useSack(): void {
    this.#detector = new SackCounting()
  }

  /** A reduction is under way and the window is not the controller's to grow. */
  get isReducing(): boolean {
    return this.caState === CaState.CWR || this.caState === CaState.Recovery
  }

  /** An ACK has been applied to the scoreboard. */
  onAck(
    board: Scoreboard,
    ack: AckResult,
    controller: CongestionController,
    sample: RateSample,
    { sndUna, sndNxt, mss }: RecoveryInput,
    sysctl: TcpSysctl,
    mib: TcpMib,
  ): void {
    this.context.mss = mss

    // The episode ends when everything sent before it is acknowledged.
    let held = false
    if (this.caState !== CaState.Open && seqGeq(sndUna, this.recoveryPoint)) {
      const atPoint = sndUna === this.recoveryPoint
      switch (this.caState) {
        case CaState.CWR:
          // Something above the point must be acknowledged first, or its ECE would start the next reduction.
          if (!atPoint) this.#end(controller, ack.now, 'window reduced')
          break
        case CaState.Recovery:
        case CaState.Loss:
          if (board.reno) board.resetRenoSacks()
          // rfc6582#4.1: without SACK, duplicates of what was retransmitted needlessly would start another episode.
          if (board.reno && atPoint && sysctl.newreno_exit === 1 && !board.isEmpty) held = true
          else this.#end(controller, ack.now, 'all acknowledged')
          break
        default:
      }
    }

    if (!held) this.#react(board, ack, controller, sample, sndNxt, mss, mib)
    if (this.isReducing && !controller.ownsRecovery) {
      this.reduction.onAck(controller, ack.delivered, board.inFlight, ack.advanced && ack.lost === 0, mss)
    }
  }

  /** Counts what arrived, finds what is lost, begins an episode if need be. */
  #react(
    board: Scoreboard,
    ack: AckResult,
    controller: CongestionController,
    sample: RateSample,
    sndNxt: Seq,
    mss: number,
    mib: TcpMib,
  ): void {
    const { context } = this
    if (board.reno) {
      switch (this.caState) {
        case CaState.Recovery:
          if (!ack.advanced) this.#addRenoSacks(board, ack, mss)
          break
        case CaState.Loss:
          if (ack.advanced) board.resetRenoSacks()
          else if (seqGt(sndNxt, this.recoveryPoint)) this.#addRenoSacks(board, ack, mss)
          break
        default:
          if (ack.advanced) board.resetRenoSacks()
          this.#addRenoSacks(board, ack, mss)
      }
    }

    context.caState = this.caState
    const begins = this.#detector.detect(board, ack, context)
    if (this.caState <= CaState.CWR) {
      if (begins) this.#enterRecovery(board, controller, sample, sndNxt, ack, mib)
      else if (this.caState !== CaState.CWR) {
        const disorder = board.sackedOutSegs > 0 || board.lostOutSegs > 0
        this.#setState(disorder ? CaState.Disorder : CaState.Open, 'duplicate ACKs')
        this.recoveryPoint = sndNxt
      }
    } else if (ack.lost > 0) controller.onLost?.(sample)
  }

  /** The retransmission timer expired with data outstanding (rfc6298#5.4, linux: tcp_enter_loss). */
  onTimeout(
    board: Scoreboard,
    controller: CongestionController,
    now: number,
    sndUna: Seq,
    sndNxt: Seq,
    mib: TcpMib,
  ): void {
    // rfc5681#3.1: ssthresh falls once for the same data, however often its timer expires.
    const fresh =
      this.caState <= CaState.Disorder ||
      !seqGt(this.recoveryPoint, sndUna) ||
      (this.caState === CaState.Loss && this.retransmits === 0)
    if (this.caState === CaState.Loss) mib.TCPLossFailures++
    else if (this.caState === CaState.Recovery) {
      if (board.reno) mib.TCPRenoFailures++
      else mib.TCPSackFailures++
    }
    const inFlight = board.inFlight
    const reneged = isReneging(board)
    if (reneged) mib.TCPSACKReneging++
    board.markAllLost(reneged)
    this.#detector.reset()
    controller.onTimeout?.(now, inFlight, !fresh)
    this.#setState(CaState.Loss, 'retransmission timeout')
    this.recoveryPoint = sndNxt
  }

  #addRenoSacks(board: Scoreboard, ack: AckResult, mss: number): void {
    if (ack.duplicates === 0) return
    const before = board.sackedOut
    board.addRenoSacks(ack.duplicates, mss)
    const added = Math.max(0, board.sackedOut - before)
    ack.sacked += added
    ack.delivered += added
  }

  #enterRecovery(
    board: Scoreboard,
    controller: CongestionController,
    sample: RateSample,
    sndNxt: Seq,
    ack: AckResult,
    mib: TcpMib,
  ): void {
    if (board.reno) mib.TCPRenoRecovery++
    else mib.TCPSackRecovery++
    this.recoveryPoint = sndNxt
    // From CWR the window is on its way down already: one reduction an episode.
    if (this.caState !== CaState.CWR) {
      sample.lost = ack.lost
      controller.onEnterRecovery?.(sample)
      if (!controller.ownsRecovery) this.reduction.begin(controller, board.inFlight)
    }
    this.#setState(CaState.Recovery, this.#detector.name)
  }

  #end(controller: CongestionController, now: number, reason: string): void {
    if (!controller.ownsRecovery && this.isReducing) this.reduction.end(controller)
    controller.onExitRecovery?.(now)
    this.#setState(CaState.Open, reason)
  }

  #setState(state: CaState, reason: string): void {
    if (state === this.caState) return
    this.caState = state
    this.reason = reason
  }
}
