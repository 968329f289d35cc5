import { Flag, type Segment, type Seq, seqAdd, seqDiff, seqGt, seqLt } from '../wire/index.ts'
import { isAutocorked } from './autocork.ts'
import { Chrono, Chronograph } from './chrono.ts'
import type { Connection } from './connection.ts'
import { restartAfterIdle, validateCwnd } from './cwnd-validation.ts'
import { ecnFlags } from './ecn.ts'
import { synDataLength } from './fast-open.ts'
import { fillSyn } from './handshake.ts'
import type { SegmentSink } from './host.ts'
import { Tlp } from './loss/tlp.ts'
import { scheduleProbe } from './loss-timers.ts'
import { isPaced, pace } from './pacing.ts'
import { persistInterval } from './persist.ts'
import type { Block } from './reassembly.ts'
import type { Receiver } from './receiver.ts'
import { sendRun } from './send-run.ts'
import { Next } from './sender.ts'
import { CaState, isSynchronized, maySendQueued, State } from './state.ts'
import { OFF } from './timers.ts'
import { traceCwnd } from './trace-recovery.ts'
import { write } from './write.ts'

/** linux: the floor of the probe timer, after which a cork no longer holds. */
const CORK_US = 200_000

// What leaves, in this order: a reset, the SYN, duplicate ACKs, retransmissions, new data, probes, the ACK. Every function writes one segment
// at most and returns whether it did, so that the owner's pull decides how many leave in a turn.

export function fill(c: Connection, sink: SegmentSink, now: number): boolean {
  c.blocked = false
  if (c.resetReplySeq !== null) return sendResetReply(c, sink, now)
  if (c.resetDue) return c.handshakeAckDue ? sendBare(c, sink, c.sender.sndNxt, now) : sendReset(c, sink, now)
  if (c.state === State.SYN_SENT) return c.synDue && sendSyn(c, sink, now)
  if (c.state === State.SYN_RECV) {
    if (c.synDue) return sendSyn(c, sink, now)
    if (c.fastOpen?.early && sendData(c, sink, now)) return true
    // What was unacceptable is answered here too (rfc9293#3.10.7.4).
    return c.ackPolicy.now && sendBare(c, sink, c.sender.sndNxt, now)
  }
  if (!isSynchronized(c.state)) return false

  if (c.ackPolicy.duplicates > 0) {
    if (!sendBare(c, sink, c.sender.sndNxt, now)) return false
    c.ackPolicy.duplicates--
    // The last of them is still owed, alone or on data.
    c.ackPolicy.now = true
    return true
  }
  if (maySendQueued(c.state)) {
    if (c.lossProbeDue && sendLossProbe(c, sink, now)) return true
    if (!c.blocked && sendData(c, sink, now)) return true
    clock(c, now)
    if (c.blocked) return false
    watchWindow(c, now)
  }
  if (c.probeDue) {
    c.probeDue = false
    // linux: tcp_xmit_probe_skb; a sequence number already acknowledged makes the peer answer.
    return sendBare(c, sink, seqAdd(c.sender.sndUna, -1), now)
  }
  if (c.ackPolicy.now) return sendBare(c, sink, c.sender.sndNxt, now)
  if (c.ackPolicy.scheduled && c.timers.delack === OFF) {
    c.timers.delack = c.ackPolicy.deadline(now, c.rtt.srtt, c.host.sysctl)
  }
  return false
}

/** What sending now waits for. */
function clock(c: Connection, now: number): void {
  const { sender } = c
  let state: Chrono = Chrono.Busy
  if (sender.queue.length === 0) state = Chrono.Idle
  else if (sender.notSent > 0) {
    // linux: tcp_write_xmit, is_rwnd_limited; the congestion window is asked first.
    const next = Math.min(sender.notSent, segmentLimit(c))
    const usable = seqDiff(seqAdd(sender.sndUna, sender.sndWnd), sender.sndNxt)
    if (next > usable && sender.board.inFlight + next <= c.cc.cwnd) state = Chrono.RwndLimited
  } else if (sender.wantsRoom) state = Chrono.SndbufLimited
  if (state !== Chrono.Idle) c.chrono ??= new Chronograph()
  c.chrono?.set(state, now)
}

/** The largest payload a segment may have now: SACK blocks take their room (linux: tcp_current_mss, tcp_bound_to_half_wnd). */
function segmentLimit(c: Connection): number {
  const { sender, receiver } = c
  let limit = sender.mss
  const { blocks: held, owed } = receiver.reassembly
  const blocks = held.length + owed.length + (receiver.duplicate === null ? 0 : 1)
  if (c.sackOk && blocks > 0) limit -= 4 + 8 * Math.min(blocks, c.timestamps.on ? 3 : 4)
  // Two segments to a window at least, or the ACK clock stops between them.
  const half = sender.maxWindow >> 1
  if (sender.maxWindow > 536 && limit > half) limit = half
  return Math.max(limit, 1)
}

/** Retransmissions come first, unless F-RTO asks for new data to see what the timeout meant (rfc5682#2.1 step 2b). */
function sendData(c: Connection, sink: SegmentSink, now: number): boolean {
  const { recovery, sender } = c
  if (recovery.frtoSendsNew) {
    if (sendNew(c, sink, now)) return true
    if (c.blocked) return false
    recovery.frtoSendsNew = false
    if (seqGt(sender.sndNxt, recovery.recoveryPoint)) return false
    // Nothing new could leave after all.
    recovery.frto = false
  }
  // New data is out for F-RTO: the next ACK decides what is sent again.
  const waits = recovery.frto && recovery.caState === CaState.Loss && seqGt(sender.sndNxt, recovery.recoveryPoint)
  return (!waits && retransmit(c, sink, now)) || (!waits && sendNew(c, sink, now))
}

/** rfc8985#7.3 TLP_send_probe: new data beyond the congestion window if there is any, else the newest segment again. */
function sendLossProbe(c: Connection, sink: SegmentSink, now: number): boolean {
  const { sender, recovery, host } = c
  const { board, sndNxt } = sender
  if (board.isEmpty || recovery.tlp !== null) {
    c.lossProbeDue = false
    return false
  }
  const limit = segmentLimit(c)
  const isNew = sender.next(Number.POSITIVE_INFINITY, limit, true) === Next.New
  if (isNew) {
    if (!transmitNew(c, sink, limit, now)) return false
  } else {
    let position = board.tail - 1
    const last = board.at(position)
    const payload = last.length - ((last.flags & Flag.FIN) !== 0 ? 1 : 0)
    if (payload > limit) {
      board.split(position, payload - limit)
      position++
    }
    if (!transmitAgain(c, sink, position, now)) return false
  }
  c.lossProbeDue = false
  // rfc8985#7.3: the retransmission timer begins again.
  c.timers.rexmit = now + c.rto
  host.mib.TCPLossProbes++
  recovery.tlp = new Tlp(isNew ? sender.sndNxt : sndNxt, !isNew)
  c.timers.probe = OFF
  return true
}

function retransmit(c: Connection, sink: SegmentSink, now: number): boolean {
  const { sender } = c
  const { board } = sender
  const position = board.nextLost()
  if (position < 0) {
    c.forceRetransmit = false
    return false
  }
  const segment = board.at(position)
  const limit = segmentLimit(c)
  const { inFlight } = board
  if (!c.forceRetransmit && inFlight > 0 && inFlight + Math.min(segment.length, limit) > c.cc.cwnd) return false
  // rfc9293#3.8.6 SHLD-16: what lies beyond a shrunken window waits; the oldest segment serves as the probe.
  if (position !== board.head && !seqLt(segment.seq, seqAdd(sender.sndUna, sender.sndWnd))) return false
  // The first of an episode does not wait: it is what everything else waits for.
  if (!c.forceRetransmit && isPaced(c, now)) return false

  const fin = (segment.flags & Flag.FIN) !== 0
  const length = segment.length - (fin ? 1 : 0)
  if (length > limit) board.split(position, limit)
  if (!transmitAgain(c, sink, position, now)) return false
  // linux: tcp_retransmit_skb; a loss probe counts as neither, for it is no answer to a loss yet.
  c.recovery.onRetransmit(now)
  if (c.retransStamp < 0) c.retransStamp = now
  c.forceRetransmit = false
  // linux: a retransmission of the oldest segment restarts the timer.
  if (position === board.head || c.timers.rexmit === OFF) c.timers.rexmit = now + c.rto
  return true
}

/** Sends the segment at `position` once more. */
function transmitAgain(c: Connection, sink: SegmentSink, position: number, now: number): boolean {
  const { sender, host, recovery } = c
  const { board } = sender
  const sent = board.at(position)
  const withFin = (sent.flags & Flag.FIN) !== 0
  const payload = sent.length - (withFin ? 1 : 0)
  const flags = Flag.ACK | (withFin ? Flag.FIN : 0) | (payload > 0 && sent.end === sender.sndNxt ? Flag.PSH : 0)
  if (!send(c, sink, sent.seq, flags, payload, true, now)) {
    host.mib.TCPRetransFail++
    return false
  }
  c.mtuProbe.onRetransmit()
  board.markRetransmitted(position, now)
  sender.sampler.onSent(sent, now, board.packetsOut, board.inFlight)
  sender.totalRetrans++
  sender.bytesRetrans += payload
  if (payload > 0) {
    sender.lastSentTs = now
    pace(c, payload, now)
  }
  host.mib.RetransSegs++
  if (recovery.isReducing) {
    host.mib.TCPFastRetrans++
    recovery.reduction?.onSent(payload)
  } else if (recovery.caState === CaState.Loss && !c.forceRetransmit) {
    // linux: what the timer itself sends is not among them.
    host.mib.TCPSlowStartRetrans++
  }
  return true
}

function sendNew(c: Connection, sink: SegmentSink, now: number): boolean {
  const { sender } = c
  if (!sender.hasUnsent && !sender.isUnvalidated) return false
  const { cc } = c
  const limit = segmentLimit(c)
  let next: Next = Next.Nothing
  if (sender.hasUnsent) {
    if (sender.board.isEmpty) restartAfterIdle(c, now)
    const probe = c.mtuProbe.wanted(c, now)
    if (probe > 0 && sender.next(cc.cwnd, probe, false) === Next.New && !isPaced(c, now)) {
      const start = sender.sndNxt
      if (!transmitNew(c, sink, probe, now)) return false
      c.mtuProbe.onSent(start, sender.sndNxt)
      return true
    }
    next = sender.next(cc.cwnd, limit, c.overrideDue)
    if (next === Next.New && isAutocorked(c, sink, limit)) return false
    if (next === Next.New && !(sender.length > 0 && isPaced(c, now))) {
      const full = sender.length === limit && !sender.fin
      if (!transmitNew(c, sink, limit, now)) return false
      if (full) sendRun(c, sink, limit, now)
      return true
    }
  }
  if (next === Next.New) {
    // linux: tcp_write_xmit; what the pace holds back is no sign that the window is full, nor that the application leaves it empty.
    sender.noteFlight(false)
    sender.usedSince = now
    sender.mostUsed = 0
    return false
  }
  // linux: tcp_write_xmit; once all that could leave has left. A window filled to its last segment is full, though nothing more waits.
  if (next === Next.CwndLimited) validateCwnd(c, true, now)
  else if (sender.isUnvalidated) validateCwnd(c, sender.board.inFlight + limit > cc.cwnd, now)
  return false
}

/** Sends the new segment that `sender.next` found. */
function transmitNew(c: Connection, sink: SegmentSink, limit: number, now: number): boolean {
  const { sender, cc, host } = c
  const { length, fin } = sender
  const last = length === sender.notSent
  // rfc9293#3.9.1.2 MUST-61: the last segment queued carries PSH.
  const push = length > 0 && (last || endsBurst(c, length, limit, now))
  const flags = Flag.ACK | (fin ? Flag.FIN : 0) | (push ? Flag.PSH : 0)
  const seq = sender.sndNxt
  if (!send(c, sink, seq, flags, length, false, now)) return false
  c.overrideDue = false
  sender.onSent(length, flags, limit, now)
  sender.isUnvalidated = true
  const { cwnd } = cc
  cc.onSent?.(now, length, sender.board.inFlight, sender.sampler.isAppLimited)
  if (cc.cwnd !== cwnd) traceCwnd(c, now, cwnd, 'sending resumed')
  if (length > 0) pace(c, length, now)
  if (c.recovery.isReducing) c.recovery.reduction?.onSent(length)
  if (length > 0) {
    host.mib.TCPOrigDataSent++
    c.ackPolicy.onDataSent(now)
  }
  if (c.timers.rexmit === OFF) c.timers.rexmit = now + c.rto
  // linux: tcp_send_probe0; what was sent is watched by the other timer, and the next probe begins anew.
  c.timers.persist = OFF
  c.persist = null
  scheduleProbe(c, now)
  return true
}

/**
 * The last of several full segments that leave together, for no window has room for another: with PSH the peer need not hold its ACK back (linux:
 * __tcp_transmit_skb, which sets it on every segment cut into packets). A single one goes without: it is what congestion leaves.
 */
function endsBurst({ sender, cc }: Connection, length: number, limit: number, now: number): boolean {
  if (sender.lastSentTs !== now || length < limit) return false
  const next = length + limit
  return sender.board.inFlight + next > cc.cwnd || seqDiff(seqAdd(sender.sndUna, sender.sndWnd), sender.sndNxt) < next
}

/** Nothing is in flight and the window lets nothing out: it must be probed, for the update may have been lost (rfc9293#3.8.6.1 MUST-36). */
function watchWindow(c: Connection, now: number): void {
  const { sender, timers } = c
  if (!sender.hasUnsent || !sender.board.isEmpty) {
    timers.persist = OFF
    return
  }
  if (timers.persist === OFF) {
    // linux: tcp_check_probe_timer; corked data waits for 200 ms at most.
    timers.persist = now + (sender.cork ? CORK_US : persistInterval(c))
  }
}

function sendSyn(c: Connection, sink: SegmentSink, now: number): boolean {
  const { host, sender } = c
  const out = host.outSegment
  out.reset()
  fillSyn(c, out, now)
  const data = synDataLength(c, out)
  if (!write(c, sink, out, data, now, !sender.board.isEmpty)) return false
  c.synDue = false
  if (sender.board.isEmpty) {
    sender.onSent(0, Flag.SYN, 1, now)
    // A segment of its own, so that it can be taken back without the SYN.
    if (data > 0) sender.onSent(data, 0, data, now)
    if (c.fastOpen !== null) c.fastOpen.synData = data
  } else {
    sender.board.markRetransmitted(sender.board.head, now)
    sender.totalRetrans++
    host.mib.RetransSegs++
    host.mib.TCPSynRetrans++
  }
  return true
}

/** A segment without data at `seq`: an ACK or a probe. */
function sendBare(c: Connection, sink: SegmentSink, seq: Seq, now: number): boolean {
  return send(c, sink, seq, Flag.ACK, 0, false, now)
}

function sendReset(c: Connection, sink: SegmentSink, now: number): boolean {
  const out = c.host.outSegment
  out.reset()
  out.seq = c.sender.sndNxt
  out.ack = c.receiver.rcvNxt
  out.flags = Flag.RST | Flag.ACK
  if (!write(c, sink, out, 0, now)) return false
  c.resetDue = false
  c.host.mib.OutRsts++
  return true
}

/** rfc9293#3.5.2: an ACK of something never sent is answered by a RST at the number it names. */
function sendResetReply(c: Connection, sink: SegmentSink, now: number): boolean {
  const out = c.host.outSegment
  out.reset()
  out.seq = c.resetReplySeq as Seq
  out.flags = Flag.RST
  if (!write(c, sink, out, 0, now)) return false
  c.resetReplySeq = null
  c.host.mib.OutRsts++
  return true
}

/** Builds a segment of the established connection, with the newest ACK, window, timestamp and SACK blocks, and writes it. */
function send(
  c: Connection,
  sink: SegmentSink,
  seq: Seq,
  flags: number,
  length: number,
  retransmission: boolean,
  now: number,
): boolean {
  const { host, receiver, timestamps, ackPolicy, recovery } = c
  const { window } = receiver
  const out = host.outSegment
  out.reset()
  out.seq = seq
  out.ack = receiver.rcvNxt
  // rfc3168#6.1.2, #6.1.5: new data only; what is sent again must not, or a mark could be made to count twice.
  const fresh = c.ecn !== null && length > 0 && !retransmission
  out.flags = flags | ecnFlags(c, fresh && recovery.cwrDue)
  if (timestamps.on) {
    out.hasTimestamps = true
    out.tsVal = timestamps.value(now)
    timestamps.sent = out.tsVal
    out.tsEcr = timestamps.recent
  }
  if (c.sackOk && (receiver.duplicate !== null || receiver.reassembly.blocks.length > 0))
    fillSack(out, receiver, timestamps.on ? 3 : 4)
  const before = window.rcvAcc
  out.wnd = window.advertise(receiver.rcvNxt, receiver.unread, receiver.rcvMss)
  if (!write(c, sink, out, length, now, retransmission, fresh)) {
    window.rcvAcc = before
    return false
  }
  if (fresh) recovery.cwrDue = false
  const { mib } = host
  if (out.wnd === 0) {
    if (seqDiff(before, receiver.rcvWup) > 0) mib.TCPToZeroWindowAdv++
  } else if (before === receiver.rcvWup) mib.TCPFromZeroWindowAdv++
  else if (window.isExhausted(receiver.unread, receiver.rcvMss)) mib.TCPWantZeroWindowAdv++
  if (receiver.duplicate !== null) {
    if (seqLt(receiver.duplicate.start, receiver.rcvNxt)) mib.TCPDSACKOldSent++
    else mib.TCPDSACKOfoSent++
    receiver.duplicates.shift()
  }
  receiver.rcvWup = receiver.rcvNxt
  timestamps.lastAckSent = receiver.rcvNxt
  ackPolicy.onAckSent(host.sysctl)
  // ours: one ACK for a whole read has no room for all that it brought; another follows at once.
  if (c.sackOk && (receiver.duplicate !== null || receiver.reassembly.owed.length > 0)) ackPolicy.now = true
  c.handshakeAckDue = false
  c.timers.delack = OFF
  if (length > 0) c.dataSegsOut++
  return true
}

/** rfc2883#4, rfc2018#4: a duplicate first, then what no ACK has told of, then what arrived last, then the other ranges. */
function fillSack(out: Segment, receiver: Receiver, most: number): void {
  const { duplicate, reassembly } = receiver
  const put = ({ start, end }: Block): void => {
    out.sack[out.sackCount * 2] = start
    out.sack[out.sackCount * 2 + 1] = end
    out.sackCount++
  }
  if (duplicate !== null) put(duplicate)
  reassembly.tell(most - out.sackCount, put)
}
