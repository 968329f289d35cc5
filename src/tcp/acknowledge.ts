import { Flag, type Segment, type Seq, seqAdd, seqGt, seqLt } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { applySack, dsackOf } from './loss/sack.ts'
import { armTimers } from './loss-timers.ts'
import { describeDelivery, recoveryInput } from './scratch.ts'
import type { Sender } from './sender.ts'
import { CaState, CloseReason } from './state.ts'
import { OFF } from './timers.ts'
import { Occasion, traceRecovery } from './trace-recovery.ts'

// The ACK field: rfc9293#3.10.7.4, fifth, in the shape of linux's tcp_ack(). The sender takes off what was acknowledged, the recovery judges
// what that means, the controller hears of it last.

/** Applies the acknowledgement of `seg`. False: it was unacceptable, and the segment is done with. */
export function onAcknowledgement(c: Connection, seg: Segment, now: number): boolean {
  const { sender, ack, host } = c
  const { mib } = host
  const una = seg.ack

  if (seqGt(una, sender.sndNxt)) {
    // It acknowledges what was never sent: say where we stand, drop the segment.
    c.challenge(now)
    return false
  }
  if (seqLt(una, sender.sndUna)) {
    // rfc5961#5.2: too old to be an ACK that was held up on its way.
    if (!seqLt(una, oldestAck(sender))) return true
    c.challenge(now)
    return false
  }

  c.timestamps.update(seg, now)
  c.lastAckTs = now
  c.keepalive.probesOut = 0
  if (c.persist !== null) c.persist.probesOut = 0
  c.softError = CloseReason.None

  const { board } = sender
  const wnd = seg.wnd << sender.sndWindShift
  const outstanding = !board.isEmpty
  // Who only receives has nothing out: the ACK tells of the window alone.
  if (!outstanding && seg.sackCount === 0 && c.recovery.tlp === null) {
    sender.updateWindow(seg.seq, una, wnd)
    onWindowProbed(c)
    return true
  }
  const { sndUna } = sender
  ack.reset(sender.sampler, now, sndUna, board.inFlight, board.highestSackedSeq(sndUna), c.rtt.minRtt)
  const windowChanged = sender.updateWindow(seg.seq, una, wnd)
  if (una !== sender.sndUna) {
    ack.advanced = true
    sender.onAck(una, c.recovery.recoveryPoint, ack)
  }
  ack.notDuplicate = windowChanged || seg.payloadLength > 0 || (seg.flags & (Flag.FIN | Flag.SYN)) !== 0
  if (c.sackOk && seg.sackCount > 0) {
    if (dsackOf(seg)) c.recovery.onDsack(seg, sender.maxWindow, sender.mss, sender.totalRetrans, ack)
    applySack(board, seg, sender.sndUna, sender.sndNxt, c.recovery.recoveryPoint, ack)
  }
  if (ack.advanced) {
    c.recovery.retransmits = 0
    c.retransStamp = -1
  }
  // linux: tcp_ecn_rcv_ecn_echo
  ack.ece = c.ecn !== null && (seg.flags & (Flag.ECE | Flag.SYN)) === Flag.ECE
  if (outstanding) updateRtt(c, seg, now)
  if (!outstanding) {
    if (ack.dsack || c.recovery.tlp !== null) {
      const [stateBefore, cwndBefore] = [c.recovery.caState, c.cc.cwnd]
      fillSample(c, now)
      c.recovery.onIdleAck(ack, recoveryInput(c))
      traceRecovery(c, now, stateBefore, cwndBefore, Occasion.Ack)
    }
    onWindowProbed(c)
    return true
  }
  // rfc5681#2: a duplicate ACK moves nothing, carries nothing, and comes while data is outstanding.
  if (!ack.advanced && !ack.notDuplicate && !ack.dsack) ack.duplicates = 1
  const { firstRetransTs } = c.recovery.undo
  if (c.timestamps.on && firstRetransTs >= 0 && seg.hasTimestamps && seg.tsEcr !== 0)
    ack.echoOfOriginal = seqLt(seg.tsEcr, c.timestamps.value(firstRetransTs))

  if (seg.payloadLength === 0) mib.TCPPureAcks++
  react(c, now)

  armTimers(c, now)
  return true
}

/** rfc5961#5.2: SND.UNA − MAX.SND.WND. linux: and nothing from before the first byte, for we never sent that. */
function oldestAck({ sndUna, iss, bytesAcked, maxWindow }: Sender): Seq {
  return bytesAcked < maxWindow ? seqAdd(iss, 1) : seqAdd(sndUna, -maxWindow)
}

/** linux: tcp_ack_update_rtt */
function updateRtt(c: Connection, seg: Segment, now: number): void {
  const { ack, sender, rtt, host } = c
  // linux: tcp_clean_rtx_queue; Karn's rule, and more: where a retransmission filled the hole, what lay behind it was held up by the loss.
  if (ack.retransAcked) {
    ack.rtt = -1
    ack.newestRtt = -1
  }
  let sample = ack.rtt >= 0 ? ack.rtt : ack.sackRtt
  // An echoed timestamp tells which copy it answers (rfc7323#4).
  if (sample < 0 && ack.advanced && c.timestamps.on) sample = c.timestamps.rtt(seg, now)
  const newest = ack.newestRtt >= 0 ? ack.newestRtt : ack.sackRtt
  if (newest >= 0) rtt.onNewest(newest)
  if (sample >= 0) {
    rtt.sample(sample, sender.sndUna, sender.sndNxt, host.sysctl.tcp_rto_min_us)
    rtt.backoff = 0
  }
}

/** The ACK answers a probe: the window may have opened (linux: tcp_ack_probe). */
function onWindowProbed(c: Connection): void {
  const { sender, timers } = c
  // As long as the window is too small the timer runs on: the peer's own traffic must not put it off.
  if (sender.hasUnsent && sender.sndWnd < Math.max(1, Math.min(sender.notSent, sender.mss))) return
  c.persist = null
  timers.persist = OFF
}

function react(c: Connection, now: number): void {
  const { sender, recovery, cc, sample, ack, host, rtt } = c
  const { mib } = host
  const { board } = sender
  const stateBefore = recovery.caState
  const cwndBefore = cc.cwnd

  fillSample(c, now)
  recovery.onAck(ack, recoveryInput(c))
  if (recovery.lostMtuProbe) c.mtuProbe.onLost(c)
  c.mtuProbe.onAck(c)
  if (recovery.caState === CaState.Recovery && stateBefore !== CaState.Recovery) c.forceRetransmit = true
  // What the peer took back tells of no rate (linux: is_sack_reneg).
  if (recovery.reneging) sender.sampler.discard()
  sender.sampler.generate(sample, now, ack.delivered, ack.lost, rtt.minRtt)
  sender.deliveredSegs += ack.deliveredSegs
  mib.TCPDelivered += ack.deliveredSegs
  if (c.ecn !== null && ack.ece) {
    c.ecn.deliveredSegs += ack.deliveredSegs
    mib.TCPDeliveredCE += ack.deliveredSegs
  }

  sample.sacked = ack.sacked
  sample.inFlight = board.inFlight
  sample.inRecovery = recovery.isReducing
  cc.onAck(sample)
  c.growSendBuffer()
  traceRecovery(c, now, stateBefore, cwndBefore, Occasion.Ack)
}

function fillSample(c: Connection, now: number): void {
  const { sample, ack, sender, cc } = c
  describeDelivery(c, now)
  sample.acked = ack.acked
  sample.delivered = ack.delivered
  sample.inFlightBefore = ack.priorInFlight
  sample.rtt = ack.newestRtt >= 0 ? ack.newestRtt : ack.sackRtt
  sample.ecnMarked = ack.ece ? ack.delivered : 0
  sample.cwndLimited = sender.isCwndLimited(cc.cwnd, cc.cwnd < cc.ssthresh)
}
