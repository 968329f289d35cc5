import { type CongestionController, type RateSample, UndoKind } from '../../congestion/index.ts'
import { type Segment, type Seq, seqDiff, seqGeq, seqGt, seqLeq } from '../../wire/index.ts'
import type { TcpMib, TcpSysctl } from '../host.ts'
import type { Scoreboard } from '../scoreboard.ts'
import { CaState } from '../state.ts'
import type { Deadline } from '../timers.ts'
import type { AckResult } from './ack-result.ts'
import type { LossContext, LossDetector } from './detector.ts'
import { NewReno } from './newreno.ts'
import { RACK, Rack } from './rack.ts'
import { createReduction, type Reduction, type ReductionInput } from './reduction.ts'
import { Reordering } from './reordering.ts'
import { isReneging, SackCounting } from './sack.ts'
import { type Tlp, TlpVerdict } from './tlp.ts'
import { NOTHING_TO_UNDO, Undo } from './undo.ts'

/** What the recovery needs to know of the connection at the moment; a plain record, filled by the connection. */
export interface RecoveryInput {
  board: Scoreboard
  controller: CongestionController
  sample: RateSample
  sndUna: Seq
  sndNxt: Seq
  mss: number
  /** A segment longer than `mss`, to find out whether the path takes such (rfc4821); `start` null: none is out. */
  mtuProbe: { readonly start: Seq | null; readonly end: Seq }
  /** New data could be sent now, by the peer's window and for want of nothing else. */
  canSendNew: boolean
  minRtt: number
  srtt: number
}

// Filled anew each time, by whichever connection is at work.
const scratchContext: LossContext = {
  now: 0,
  caState: CaState.Open,
  mss: 0,
  sndUna: 0 as Seq,
  sndNxt: 0 as Seq,
  reordering: new Reordering(0),
  minRtt: Number.POSITIVE_INFINITY,
  srtt: 0,
  tcpRecovery: 0,
  recoveryPoint: 0 as Seq,
  canSendNew: false,
  earlyRetransmit: false,
}
/** It keeps nothing: one does for all. */
const NEW_RENO = new NewReno()
const scratchReduction: ReductionInput = { delivered: 0, advanced: false, lost: false, mss: 0 }

/**
 * The congestion states and the ways between them (linux: tcp_fastretrans_alert). It decides *when* an episode begins and ends; the detector
 * decides what is lost, the controller how far the window falls, the reduction how it gets there, the undo whether it was right.
 *
 *     Open ──dup ACK──▶ Disorder ──loss──▶ Recovery ──all acknowledged──▶ Open
 *       │  ╰──ECN, lost tail──▶ CWR ───────────╯
 *       ╰───────────────timeout─────────────▶ Loss ──all acknowledged──▶ Open
 */
export class Recovery {
  caState: CaState = CaState.Open
  /** SND.NXT when the episode began: RecoveryPoint of rfc6675, `recover` of rfc6582, high_seq of Linux. */
  recoveryPoint: Seq = 0 as Seq
  /** Timeouts in a row without an acknowledgement of something new. */
  retransmits = 0
  readonly reordering: Reordering
  /** Null: no probe is out. */
  tlp: Tlp | null = null
  undo: Undo = NOTHING_TO_UNDO
  /** Made with the first episode, as `cwnd_reduction` says. */
  reduction: Reduction | null = null
  /** Reason of the last change of state, for the tracer. */
  reason = ''
  /** What, besides the state, changed the window last: an undo, a loss that a probe repaired; empty: nothing did. For the tracer. */
  cause = ''
  /** F-RTO (rfc5682) is finding out whether the timeout was needless. */
  frto = false
  /** F-RTO wants new data sent in place of retransmissions. */
  frtoSendsNew = false
  /** The last ACK stops short of what was selectively acknowledged. */
  reneging = false
  /** The last ACK showed that the probe for larger segments is lost. */
  lostMtuProbe = false
  /** The window was reduced: the peer, where it knows of ECN, is to be told; set until whoever tells it takes it. */
  cwrDue = false
  /** D-SACKs received, segments. */
  dsackDups = 0
  #detector: LossDetector = NEW_RENO
  #rack: Rack | null = null
  readonly #sysctl: TcpSysctl
  readonly #mib: TcpMib

  constructor(sysctl: TcpSysctl, mib: TcpMib) {
    this.#sysctl = sysctl
    this.#mib = mib
    this.reordering = new Reordering(sysctl.tcp_reordering)
  }

  /** SACK was negotiated, and there is something to send: `tcp_recovery` and `tcp_fack` choose among the detectors that use it. */
  useSack(): void {
    if (this.#detector !== NEW_RENO) return
    if ((this.#sysctl.tcp_recovery & RACK) !== 0) {
      this.#rack = new Rack()
      this.#detector = this.#rack
    } else this.#detector = new SackCounting(this.#sysctl.tcp_fack === 1)
  }

  /** A reduction is under way and the window is not the controller's to grow. */
  get isReducing(): boolean {
    return this.caState === CaState.CWR || this.caState === CaState.Recovery
  }

  /** When losses should be looked for again without an ACK. */
  get lookAt(): Deadline {
    return this.#detector.lookAt
  }

  get detectorName(): string {
    return this.#detector.name
  }

  get reoWndSteps(): number {
    return this.#rack?.reoWndSteps ?? 0
  }

  // ---- An ACK has been applied to the scoreboard ---------------------------------------------------------------------------------

  onAck(ack: AckResult, input: RecoveryInput): void {
    const { board, mss } = input
    this.lostMtuProbe = false
    this.cause = ''
    const mib = this.#mib
    if (this.#rack !== null) {
      this.#rack.onAck(ack)
      if (ack.dsack && !ack.dsackOfProbe) this.#rack.dsackSeen = true
      if (ack.priorDeliveredTs >= 0)
        this.#rack.adapt(input.sample.totalDelivered + ack.delivered, ack.priorDelivered, this.#sysctl.tcp_recovery)
    }
    if (!board.reno) this.reordering.onAck(ack, mss, this.#sysctl.tcp_max_reordering, mib)

    this.#onLossProbe(ack, input)

    const plain = ack.duplicates === 0 && ack.sacked === 0 && !ack.dsack && !ack.ece && board.sackedOutSegs === 0
    if (this.caState === CaState.Open && plain) {
      this.undo.firstRetransTs = -1
      return
    }
    this.#alert(ack, input)
    this.#applyReduction(ack, input)
  }

  /** linux: tcp_ack, no_queue. Nothing was outstanding when it came: it may still tell that what was sent again had arrived before. */
  onIdleAck(ack: AckResult, input: RecoveryInput): void {
    this.cause = ''
    ack.ece = false
    if (ack.dsack) this.#alert(ack, input)
    this.#onLossProbe(ack, input)
  }

  #onLossProbe(ack: AckResult, input: RecoveryInput): void {
    if (this.tlp === null) return
    const verdict = this.tlp.onAck(input.sndUna, ack)
    if (verdict === TlpVerdict.None) return
    this.tlp = null
    if (verdict === TlpVerdict.NoLoss) return
    // rfc8985#7.4.1: the probe repaired a loss that nothing else will tell of: it is answered as any loss is.
    this.#mib.TCPLossProbeRecovery++
    if (this.isReducing) return
    const { controller } = input
    this.cause = 'loss probe'
    this.#reduce(input, false)
    if (!controller.ownsRecovery) this.reduction?.end(controller)
  }

  /** linux: tcp_fastretrans_alert */
  #alert(ack: AckResult, input: RecoveryInput): void {
    const { board, controller, sndUna } = input
    this.reneging = ack.advanced && isReneging(board)
    // rfc2018#8: keep quiet until the timer fires; it forgets all selective acknowledgements.
    if (this.reneging) return
    if (this.caState === CaState.Open) {
      this.undo.firstRetransTs = -1
    } else if (seqGeq(sndUna, this.recoveryPoint)) {
      if (this.caState === CaState.CWR) {
        // Something above the point must be acknowledged first, or its ECE would start the next reduction.
        if (sndUna !== this.recoveryPoint) this.#end(controller, ack.now, 'window reduced')
      } else if (this.caState === CaState.Recovery) {
        if (board.reno) board.resetRenoSacks()
        if (this.#undoRecovery(ack, input)) return
        if (this.caState === CaState.Recovery) this.#end(controller, ack.now, 'all acknowledged')
      }
    }

    switch (this.caState) {
      case CaState.Recovery:
        if (!ack.advanced) {
          if (board.reno) this.#addRenoSacks(ack, input)
        } else if (this.#undoPartial(ack, input)) return
        if (this.undo.allDuplicates) {
          this.#undoByDsack(input)
          this.#tryOpen(input, ack)
        }
        this.#detect(ack, input)
        if (this.caState === CaState.Recovery) {
          if (ack.lost > 0) controller.onLost?.(input.sample)
        } else if (board.lostOutSegs > 0) {
          // Undone, and yet something is lost: another episode (reordering first, then loss).
          this.#enterRecovery(input, ack.ece)
        }
        return
      case CaState.Loss:
        this.#inLoss(ack, input)
        // The state that it has led to has to look at this ACK too, for losses above the point belong to nobody else.
        if (this.caState !== CaState.Loss) break
        this.#detect(ack, input)
        // rfc5681#4.3: a retransmission that is lost is one more sign of congestion.
        if (ack.lostRetrans) this.#enterRecovery(input, ack.ece)
        return
      default:
    }

    if (board.reno) {
      if (ack.advanced) board.resetRenoSacks()
      this.#addRenoSacks(ack, input)
    }
    if (this.caState <= CaState.Disorder && this.undo.allDuplicates) this.#undoByDsack(input)
    this.#detect(ack, input)
    if (board.lostOutSegs === 0) this.#tryOpen(input, ack)
    else if (!this.#loseMtuProbe(input)) this.#enterRecovery(input, ack.ece)
  }

  /** linux: tcp_process_loss. After a timeout: was it needless (rfc5682), is it over? */
  #inLoss(ack: AckResult, input: RecoveryInput): void {
    const { board, sndUna, sndNxt } = input
    const recovered = seqGeq(sndUna, this.recoveryPoint)
    if (ack.advanced && this.#undoLoss(false, ack, input)) return
    if (this.frto) {
      // rfc5682#3.1 step 3b: what was never sent again is acknowledged, so not all was lost.
      if (ack.origAcked && this.#undoLoss(true, ack, input)) return
      if (seqGt(sndNxt, this.recoveryPoint)) {
        // Step 3a: new data draws duplicates; the loss was real.
        if (ack.sacked > 0 || ack.duplicates > 0) this.frto = false
      } else if (ack.advanced && !recovered) {
        // Step 2b: new data now, if there is any, and the next ACK will tell.
        this.recoveryPoint = sndNxt
        if (input.canSendNew) {
          this.frtoSendsNew = true
          return
        }
        this.frto = false
      }
    }
    if (recovered) {
      if (this.#undoRecovery(ack, input)) return
      if (this.caState === CaState.Loss) this.#end(input.controller, ack.now, 'all acknowledged')
      return
    }
    if (board.reno) {
      if (seqGt(sndNxt, this.recoveryPoint) && ack.duplicates > 0) this.#addRenoSacks(ack, input)
      else if (ack.advanced) board.resetRenoSacks()
    }
  }

  #detect(ack: AckResult, input: RecoveryInput): void {
    const context = scratchContext
    const { tcp_early_retrans, tcp_recovery } = this.#sysctl
    context.now = ack.now
    context.caState = this.caState
    context.mss = input.mss
    context.reordering = this.reordering
    context.sndUna = input.sndUna
    context.sndNxt = input.sndNxt
    context.minRtt = input.minRtt
    context.srtt = input.srtt
    context.tcpRecovery = tcp_recovery
    context.recoveryPoint = this.recoveryPoint
    context.canSendNew = input.canSendNew
    context.earlyRetransmit = (tcp_early_retrans === 1 || tcp_early_retrans === 2) && !input.canSendNew
    this.#detector.detect(input.board, ack, context)
    input.sample.lost = ack.lost
    input.sample.inFlight = input.board.inFlight
    if (ack.lostRetrans) this.#mib.TCPLostRetransmit++
  }

  #applyReduction(ack: AckResult, { controller, board, mss }: RecoveryInput, delivered = ack.delivered): void {
    if (!this.isReducing || controller.ownsRecovery) return
    const input = scratchReduction
    input.delivered = delivered
    input.advanced = ack.advanced
    input.lost = ack.lost > 0
    input.mss = mss
    this.reduction?.onAck(controller, board, input)
  }

  // ---- Without an ACK ------------------------------------------------------------------------------------------------------------

  /** The reordering timer went off (rfc8985#6.2 step 5, linux: tcp_rack_reo_timeout). `ack` is only a place to count in. */
  onReoTimeout(ack: AckResult, input: RecoveryInput): void {
    this.#rack?.reset()
    this.lostMtuProbe = false
    this.cause = ''
    this.#detect(ack, input)
    if (ack.lost === 0 || this.#loseMtuProbe(input)) return
    const begins = this.caState !== CaState.Recovery
    if (begins) this.#enterRecovery(input, false)
    // linux: as if this were the ACK of a segment, or all that is lost would leave again at once, in the window from before.
    this.#applyReduction(ack, input, begins ? input.mss : 0)
  }

  /** The retransmission timer expired with data outstanding (rfc6298#5.4, linux: tcp_enter_loss). */
  onTimeout(now: number, { board, controller, sndUna, sndNxt }: RecoveryInput): void {
    const mib = this.#mib
    const newRecovery = this.caState < CaState.Recovery
    if (this.retransmits === 0) this.#countFailure(board)
    // rfc5681#3.1: ssthresh falls once for the same data, however often its timer expires.
    const fresh =
      this.caState <= CaState.Disorder ||
      !seqGt(this.recoveryPoint, sndUna) ||
      (this.caState === CaState.Loss && this.retransmits === 0)
    if (fresh) {
      const undo = this.#ownUndo()
      undo.keep(controller)
      undo.begin(sndUna, 0)
      undo.firstRetransTs = -1
    }
    const reneged = isReneging(board)
    if (reneged) mib.TCPSACKReneging++
    const { inFlight } = board
    board.markAllLost(reneged)
    this.#detector.reset()
    this.cwrDue = true
    controller.onTimeout?.(now, inFlight, !fresh)
    // linux: in disorder the measured degree of reordering has misled.
    if (newRecovery && this.caState === CaState.Disorder && board.sackedOutSegs >= this.#sysctl.tcp_reordering)
      this.reordering.degree = Math.min(this.reordering.degree, this.#sysctl.tcp_reordering)
    this.#setState(CaState.Loss, 'retransmission timeout')
    this.recoveryPoint = sndNxt
    this.tlp = null
    // rfc5682: only a first timeout can be told from a real one, and only if something is outstanding that it did not send.
    this.frto = this.#sysctl.tcp_frto !== 0 && (newRecovery || this.retransmits > 0)
    this.frtoSendsNew = false
  }

  /** linux: tcp_retransmit_timer; what the first of several timeouts cut short. */
  #countFailure(board: Scoreboard): void {
    const mib = this.#mib
    if (this.caState === CaState.Loss) mib.TCPLossFailures++
    else if (this.caState === CaState.Recovery) {
      if (board.reno) mib.TCPRenoRecoveryFail++
      else mib.TCPSackRecoveryFail++
    } else if (this.caState === CaState.Disorder || board.sackedOutSegs > 0) {
      if (board.reno) mib.TCPRenoFailures++
      else mib.TCPSackFailures++
    }
  }

  /** Another controller has come into an episode that the one before it had answered. */
  onControllerChange({ controller, board, sample }: RecoveryInput): void {
    this.undo.forget()
    if (!this.isReducing) return
    if (controller.ownsRecovery) controller.onEnterRecovery?.(sample)
    else this.#beginReduction(controller, board)
  }

  /** A window reduction for another reason than loss (linux: tcp_enter_cwr). */
  #enterCwr(ack: AckResult, input: RecoveryInput): void {
    if (this.caState >= CaState.CWR) return
    this.undo.forget()
    this.#reduce(input, true, ack)
    this.#setState(CaState.CWR, 'ECN')
    this.recoveryPoint = input.sndNxt
  }

  /** A D-SACK: what was sent again had arrived already (rfc2883, linux: tcp_check_dsack). */
  onDsack(seg: Segment, maxWindow: number, mss: number, totalRetrans: number, ack: AckResult): void {
    const start = seg.sack[0] as Seq
    const end = seg.sack[1] as Seq
    const length = seqDiff(end, start)
    const segments = Math.ceil(length / mss)
    // linux: more than was ever retransmitted, or longer than any window, is no honest report.
    if (length > maxWindow || segments > totalRetrans - this.dsackDups) {
      this.#mib.TCPDSACKIgnoredNoUndo++
      return
    }
    ack.dsack = true
    ack.dsackOfProbe = this.tlp !== null && this.tlp.endSeq === end
    this.dsackDups += segments
    if (seqLeq(end, seg.ack)) this.#mib.TCPDSACKRecv++
    else this.#mib.TCPDSACKOfoRecv++
    this.#mib.TCPDSACKRecvSegs += segments
    this.undo.onDsack(end, segments)
  }

  /** A segment was sent again. */
  onRetransmit(now: number): void {
    this.#ownUndo().onRetransmit(now)
  }

  // ---- Undo ----------------------------------------------------------------------------------------------------------------------

  /** To keep something in. Whatever else is done to one leaves the empty one as it is. */
  #ownUndo(): Undo {
    if (this.undo === NOTHING_TO_UNDO) this.undo = new Undo()
    return this.undo
  }

  /** linux: tcp_undo_cwnd_reduction, tcp_ecn_withdraw_cwr */
  #restore(controller: CongestionController): void {
    this.cause = 'undo'
    this.undo.restore(controller)
    this.cwrDue = false
  }

  /** linux: tcp_may_undo */
  #mayUndo(ack: AckResult): boolean {
    return this.undo.isOpen && (this.undo.allDuplicates || ack.echoOfOriginal)
  }

  /**
   * The episode is over: Open, if it was needless. True: without SACK, its state is held until something above the point is acknowledged
   * (rfc6582#4.1). Linux: tcp_try_undo_recovery.
   */
  #undoRecovery(ack: AckResult, { board, controller, sndUna }: RecoveryInput): boolean {
    const needless = this.#mayUndo(ack)
    if (needless) {
      const loss = this.caState === CaState.Loss
      if (loss) this.#mib.TCPLossUndo++
      else this.#mib.TCPFullUndo++
      this.#restore(controller)
      controller.onUndo?.(ack.echoOfOriginal ? UndoKind.Eifel : UndoKind.DSack)
    } else this.#rack?.onRecoveryEnd(false)
    if (board.reno && sndUna === this.recoveryPoint && this.#sysctl.newreno_exit === 1) return true
    if (needless) this.#setState(CaState.Open, 'undone')
    return false
  }

  /** linux: tcp_try_undo_dsack */
  #undoByDsack({ controller }: RecoveryInput): void {
    this.#rack?.onRecoveryEnd(true)
    this.#restore(controller)
    controller.onUndo?.(UndoKind.DSack)
    this.#mib.TCPDSACKUndo++
  }

  /** linux: tcp_try_undo_partial. A partial ACK that answers the original shows that the rest is late, not lost. */
  #undoPartial(ack: AckResult, { board, controller, mss, sndUna }: RecoveryInput): boolean {
    if (!this.undo.isOpen || !ack.echoOfOriginal) return false
    this.reordering.check(
      ack.priorUna,
      board.highestSackedSeq(sndUna),
      mss,
      this.#sysctl.tcp_max_reordering,
      true,
      this.#mib,
    )
    // Some retransmissions are still out: let their ACKs say what they were.
    if (board.retransOutSegs > 0) return true
    board.clearLost()
    this.#detector.reset()
    this.#restore(controller)
    this.undo.firstRetransTs = -1
    controller.onUndo?.(UndoKind.Eifel)
    this.#mib.TCPPartialUndo++
    this.#keepOpen(board)
    return true
  }

  /** linux: tcp_try_undo_loss */
  #undoLoss(byFrto: boolean, ack: AckResult, { board, controller, sndUna }: RecoveryInput): boolean {
    if (!byFrto && !this.#mayUndo(ack)) return false
    board.clearLost()
    this.#detector.reset()
    this.#rack?.onNeedless(ack)
    this.#restore(controller)
    controller.onUndo?.(byFrto ? UndoKind.FRto : ack.echoOfOriginal ? UndoKind.Eifel : UndoKind.DSack)
    this.#mib.TCPLossUndo++
    if (byFrto) this.#mib.TCPSpuriousRTOs++
    this.retransmits = 0
    this.frto = false
    if (board.reno && sndUna === this.recoveryPoint && this.#sysctl.newreno_exit === 1) return true
    if (byFrto || !board.reno) this.#setState(CaState.Open, 'timeout was spurious')
    return true
  }

  // ---- Between the states --------------------------------------------------------------------------------------------------------

  #addRenoSacks(ack: AckResult, { board, mss }: RecoveryInput): void {
    if (ack.duplicates === 0) return
    const before = board.sackedOut
    if (board.addRenoSacks(ack.duplicates, mss))
      this.reordering.renoOverflow(board.packetsOutSegs + ack.duplicates, this.#sysctl.tcp_max_reordering, this.#mib)
    const added = Math.max(0, board.sackedOut - before)
    ack.sacked += added
    ack.delivered += added
  }

  #enterRecovery(input: RecoveryInput, ece: boolean): void {
    const { board, sndUna, sndNxt } = input
    if (board.reno) this.#mib.TCPRenoRecovery++
    else this.#mib.TCPSackRecovery++
    this.#ownUndo().begin(sndUna, board.retransOutSegs)
    this.recoveryPoint = sndNxt
    // From CWR the window is on its way down already: one reduction an episode.
    if (this.caState !== CaState.CWR) this.#reduce(input, ece)
    this.#setState(CaState.Recovery, this.#detector.name)
  }

  /**
   * rfc4821#7.5: what is lost is, first of all, the probe for larger segments. It is no sign of congestion: its bytes are sent again, in shorter
   * segments, and the window stays (linux: tcp_simple_retransmit).
   */
  #loseMtuProbe({ mtuProbe, board, sndUna, sndNxt }: RecoveryInput): boolean {
    if (mtuProbe.start !== sndUna || this.caState >= CaState.CWR) return false
    // Without SACK as much as one short segment was marked.
    for (let p = board.head; p < board.tail && seqGt(mtuProbe.end, board.at(p).seq); p++) board.markLost(p)
    this.lostMtuProbe = true
    this.undo.forget()
    this.tlp = null
    this.frto = false
    this.frtoSendsNew = false
    this.recoveryPoint = sndNxt
    this.#setState(CaState.Loss, 'MTU probe lost')
    return true
  }

  /** `final`: it cannot be undone. `marks`: the ACK that reported them, where these are the reason. */
  #reduce({ controller, board, sample }: RecoveryInput, final: boolean, marks: AckResult | null = null): void {
    if (!final) this.#ownUndo().keep(controller)
    this.tlp = null
    this.cwrDue = true
    if (marks === null || controller.onEcn === undefined) controller.onEnterRecovery?.(sample)
    else controller.onEcn(marks.now, marks.delivered, sample)
    if (!controller.ownsRecovery) this.#beginReduction(controller, board)
  }

  #beginReduction(controller: CongestionController, board: Scoreboard): void {
    this.reduction ??= createReduction(this.#sysctl.cwnd_reduction)
    this.reduction.begin(controller, board)
  }

  /** linux: tcp_try_to_open */
  #tryOpen(input: RecoveryInput, ack: AckResult): void {
    // rfc3168#6.1.2: once a window of data.
    if (ack.ece) this.#enterCwr(ack, input)
    if (this.caState === CaState.CWR) return
    this.#keepOpen(input.board)
    this.recoveryPoint = input.sndNxt
  }

  #keepOpen(board: Scoreboard): void {
    const disorder = board.sackedOutSegs > 0 || board.lostOutSegs > 0 || board.retransOutSegs > 0
    this.#setState(disorder ? CaState.Disorder : CaState.Open, disorder ? 'duplicate ACKs' : 'in order')
  }

  #end(controller: CongestionController, now: number, reason: string): void {
    if (!controller.ownsRecovery && this.isReducing) this.reduction?.end(controller)
    controller.onExitRecovery?.(now)
    this.#setState(CaState.Open, reason)
  }

  #setState(state: CaState, reason: string): void {
    if (state === this.caState) return
    this.caState = state
    this.reason = reason
  }
}
