import { Flag, type Segment, seqAdd, seqDiff, seqGt, seqLt, seqMin } from '../wire/index.ts'
import { onAcknowledgement } from './acknowledge.ts'
import { enterTimeWait, finish, startFinWait2 } from './close.ts'
import type { Connection } from './connection.ts'
import { onEcnData } from './ecn.ts'
import { arriveSynSent, completeSynRecv } from './handshake.ts'
import { Received } from './receiver.ts'
import { CloseReason, Event, isSynchronized, mayReceive, State } from './state.ts'
import { MAX_UNSCALED_WINDOW } from './window.ts'

/** linux: smaller segments cost more in overhead than they carry, and open no window. */
const LEAST_TO_OPEN = 128

// SEGMENT ARRIVES, rfc9293#3.10.7, in its order: sequence, RST, security (none here), SYN, ACK, URG, data, FIN.

export function segmentArrives(c: Connection, seg: Segment, now: number): void {
  const { host } = c
  if (host.tracer !== null) host.tracer.segmentReceived(c.id, now, seg)
  c.segsIn += seg.count
  if (c.state === State.CLOSE || c.state === State.TIME_WAIT) return
  if (c.state === State.SYN_SENT) {
    arriveSynSent(c, seg, now)
    // rfc7413#4.2.1: what came with the SYN-ACK; linux: without Fast Open it is left to be sent again.
    if (c.fastOpen?.used && seg.len > 1 && isSynchronized(c.state)) {
      seg.seq = seqAdd(seg.seq, 1)
      seg.flags &= ~Flag.SYN
      onData(c, seg, now)
    }
    return
  }
  if (!isAcceptable(c, seg, now)) return
  // Only what the peer itself can have sent tells that it lives: anybody can send the rest.
  c.lastHeard = now
  c.refusals = null

  // Fifth: the ACK. A segment without one belongs to no synchronized connection.
  if ((seg.flags & Flag.ACK) === 0) return
  if (c.state === State.SYN_RECV) {
    const { sender } = c
    if (seqLt(seg.ack, seqAdd(sender.iss, 1)) || seqGt(seg.ack, sender.sndNxt)) {
      c.resetReplySeq = seg.ack
      return
    }
    completeSynRecv(c, seg, now)
    // Data that we sent early (rfc7413#4.2.2).
    if (seg.ack !== sender.sndUna && !onAcknowledgement(c, seg, now)) return
    c.timestamps.update(seg, now)
  } else if (!onAcknowledgement(c, seg, now)) return
  onFinAcknowledged(c, now)
  if (c.state === (State.CLOSE as State) || c.state === (State.TIME_WAIT as State)) return

  // Sixth: URG. The pointer names the octet behind the urgent data (MUST-62), of any length (MUST-31), which is delivered in line.
  if ((seg.flags & Flag.URG) !== 0 && mayReceive(c.state) && !c.receiver.discard) {
    const up = seqAdd(seg.seq, seg.urgentPointer)
    if (seqGt(up, c.rcvUp ?? seqAdd(c.receiver.rcvNxt, -c.receiver.unread))) {
      c.rcvUp = up
      host.tracer?.urgentData?.(c.id, now, c.urgent)
    }
  }
  onData(c, seg, now)
}

/** First to fourth: sequence number, RST, SYN. Answers what must be answered; false: the segment is done with. */
function isAcceptable(c: Connection, seg: Segment, now: number): boolean {
  const { receiver, host } = c
  const { mib } = host
  const { flags } = seg
  const rst = (flags & Flag.RST) !== 0

  // rfc7323#5.3 R1: older than what came before it in time; a RST is let through, for it may lack timestamps.
  if (c.timestamps.on && !rst && c.timestamps.isOld(seg, now)) {
    mib.PAWSEstab++
    if (!answer(c, seg, now)) mib.TCPACKSkippedPAWS++
    return false
  }

  // linux: tcp_sequence; a segment is let in if any part of it, or its edge, touches [RCV.NXT at the last ACK, right edge].
  const end = seqAdd(seg.seq, seg.len)
  if (seqLt(end, receiver.rcvWup) || seqGt(seg.seq, receiver.window.rcvAcc)) {
    if (rst || isOutgrown(c, seg)) return false
    if ((flags & Flag.SYN) !== 0) onUnexpectedSyn(c, seg, now)
    else if (!answer(c, seg, now)) {
      if (c.state === State.FIN_WAIT2 && c.orphan) mib.TCPACKSkippedFinWait2++
      else mib.TCPACKSkippedSeq++
    }
    return false
  }

  if (rst) {
    onReset(c, seg, now)
    return false
  }

  if ((flags & Flag.SYN) !== 0 && !completesSimultaneousOpen(c, seg)) {
    if (!isOutgrown(c, seg)) onUnexpectedSyn(c, seg, now)
    return false
  }
  return true
}

/**
 * ours: before the handshake is done the sender may be anybody, and his address somebody else's. The answer would carry timestamps, as all that
 * the peer itself sends does: what comes without draws none, or it would be the longer of the two.
 */
function isOutgrown(c: Connection, seg: Segment): boolean {
  if (c.state !== State.SYN_RECV || !c.timestamps.on || seg.hasTimestamps) return false
  c.host.mib.TCPACKSkippedSynRecv++
  return true
}

/**
 * An unacceptable segment draws an ACK: at once if the peer may have sent it again for want of one, else now and then. Linux answers all that
 * carries data; of what lies further off than any window it may be part of no exchange, and anybody can send it at any rate.
 */
function answer(c: Connection, seg: Segment, now: number): boolean {
  const { receiver, ackPolicy, host } = c
  const behind = seqDiff(receiver.rcvNxt, seg.seq)
  const near =
    behind <= Math.max(receiver.window.capacity, MAX_UNSCALED_WINDOW) && !seqGt(seg.seq, receiver.window.rcvAcc)
  if (seg.len === 0 || (seg.flags & Flag.SYN) !== 0 || !near) return c.answerInvalid(now)
  // linux: tcp_send_dupack; what is below RCV.NXT was sent again for nothing, and the peer should know (rfc2883#4.1).
  if (seg.payloadLength > 0 && behind > 0) {
    host.mib.DelayedACKLost++
    ackPolicy.enterQuickMode(receiver.rcvWnd, receiver.rcvMss, 16, host.sysctl)
    const end = seqMin(seqAdd(seg.seq, seg.payloadLength), receiver.rcvNxt)
    if (c.sackOk && host.sysctl.tcp_dsack === 1) receiver.cameTwice(seg.seq, end)
  }
  ackPolicy.now = true
  return true
}

/** rfc9293#3.5, figure 8: where both opened, the SYN comes a second time, with the ACK of ours (linux: tcp_validate_incoming). */
function completesSimultaneousOpen(c: Connection, seg: Segment): boolean {
  if (c.state !== State.SYN_RECV || c.passive || (seg.flags & Flag.ACK) === 0) return false
  return seg.seq === c.receiver.irs && seg.len === 1 && seg.ack === c.sender.sndNxt
}

/** rfc5961#3.2, rfc9293#3.10.7.4: only a RST at exactly RCV.NXT resets; another within the window is challenged. */
function onReset(c: Connection, seg: Segment, now: number): void {
  if (seg.seq !== c.receiver.rcvNxt) {
    if (!isOutgrown(c, seg)) c.challenge(now)
    return
  }
  switch (c.state) {
    case State.SYN_RECV:
      finish(c, CloseReason.Refused, now)
      break
    case State.CLOSING:
    case State.LAST_ACK:
      // rfc9293#3.10.7.4: both sides had finished.
      finish(c, CloseReason.Normal, now)
      break
    default:
      finish(c, CloseReason.Reset, now)
  }
}

/** A SYN where none is due: a duplicate of the first in SYN_RECV, else challenged (rfc5961#4.2). */
function onUnexpectedSyn(c: Connection, seg: Segment, now: number): void {
  const { mib } = c.host
  if (c.state === State.SYN_RECV && seg.seq === c.receiver.irs) {
    // Our SYN-ACK was lost, or crosses this one.
    if (c.mayAnswer(now)) c.synDue = true
    else mib.TCPACKSkippedSynRecv++
    return
  }
  mib.TCPSYNChallenge++
  c.challenge(now)
}

/** The FIN that we sent is acknowledged. */
function onFinAcknowledged(c: Connection, now: number): void {
  const { sender } = c
  if (!sender.finSent || sender.sndUna !== sender.sndNxt) return
  switch (c.state) {
    case State.FIN_WAIT1:
      c.setState(State.FIN_WAIT2, now)
      if (c.orphan) startFinWait2(c, now)
      break
    case State.CLOSING:
      enterTimeWait(c, now)
      break
    case State.LAST_ACK:
      finish(c, CloseReason.Normal, now)
      break
    default:
  }
}

/** Seventh and eighth: data and FIN. */
function onData(c: Connection, seg: Segment, now: number): void {
  const { receiver, ackPolicy, host } = c
  const { mib } = host
  const length = seg.payloadLength
  const fin = (seg.flags & Flag.FIN) !== 0
  if (length === 0 && !fin) {
    // Keepalives and window probes lie just below RCV.NXT, and want an answer.
    if (seqLt(seg.seq, receiver.rcvNxt) && !c.answerInvalid(now)) mib.TCPACKSkippedSeq++
    return
  }
  if (!mayReceive(c.state)) {
    // The peer's FIN was seen; this is a duplicate, and its ACK was lost.
    ackPolicy.now = true
    return
  }
  if (length > 0) {
    c.dataSegsIn += seg.count
    if (c.orphan && seqGt(seqAdd(seg.seq, length), receiver.rcvNxt)) {
      // rfc9293#3.6.1 SHLD-3: nobody is there to read it.
      mib.TCPAbortOnData++
      finish(c, CloseReason.Reset, now)
      c.resetDue = true
      return
    }
    // linux: tcp_data_queue; a connection that has something to read can do without more.
    if (host.memory.isFull && receiver.unread > 0 && seg.seq === receiver.rcvNxt) {
      mib.TCPRcvQDrop++
      ackPolicy.now = true
      return
    }
    onEcnData(c, seg)
    ackPolicy.onData(now, receiver.rcvWnd, receiver.rcvMss, c.rto, host.sysctl)
    // linux: tcp_grow_window; the sender is to hear at once of a window that grows. Without SACK, what is out of order opens nothing: an ACK
    // that brings another window is no duplicate (rfc5681#2, linux: tcp_data_queue_ofo).
    const opens = length >= LEAST_TO_OPEN && (c.sackOk || !seqGt(seg.seq, receiver.rcvNxt))
    if (opens && receiver.window.open(2 * Math.max(c.advertisedMss, length), receiver.unread)) ackPolicy.quick |= 1
  }

  const windowBefore = receiver.rcvWnd
  const { tcp_max_ooo } = host.sysctl
  const mostOutOfOrder = tcp_max_ooo === 'rcvbuf' ? receiver.window.rcvBuf : tcp_max_ooo
  const { buffer, payloadStart, payloadEnd } = seg
  const result = receiver.receive(seg.seq, buffer, payloadStart, payloadEnd, fin, mostOutOfOrder, seg.unitLength)
  switch (result) {
    case Received.InOrder:
    case Received.FilledGap:
      if (receiver.unread > 0) c.post(Event.Readable)
      if (c.timestamps.on) {
        const rtt = c.timestamps.rtt(seg, now)
        if (rtt > 0) receiver.window.onRtt(rtt)
      } else receiver.window.onData(receiver.rcvNxt, now)
      // What was out of order in this turn is in order now.
      if (receiver.reassembly.isEmpty) ackPolicy.duplicates = 0
      if (result === Received.FilledGap || shouldAckNow(c)) ackPolicy.now = true
      else ackPolicy.scheduled = true
      break
    case Received.OutOfOrder:
    case Received.Duplicate:
    case Received.Dropped:
      if (result === Received.OutOfOrder) {
        mib.TCPOFOQueue++
        receiver.window.makeRoom(receiver.reassembly.reach(receiver.rcvNxt), c.largestReceiveBuffer)
      } else if (result === Received.Duplicate) mib.TCPOFOMerge++
      else mib.TCPOFODrop++
      // rfc5681#4.2: at once, and without SACK one for each.
      if (!c.sackOk && ackPolicy.now) ackPolicy.duplicates++
      ackPolicy.enterQuickMode(receiver.rcvWnd, receiver.rcvMss, 16, host.sysctl)
      ackPolicy.now = true
      break
    default:
      // Nothing new, or the window was closed: the sender has to be told where we stand.
      if (windowBefore === 0 && seg.seq === receiver.rcvNxt) mib.TCPZeroWindowDrop++
      else if (length > 0) mib.DelayedACKLost++
      ackPolicy.now = true
  }
  if (length > 0)
    ackPolicy.onEnd(seg.count === 1 ? length : seg.lastLength, receiver.rcvMss, (seg.flags & Flag.PSH) !== 0)
  if (host.sysctl.tcp_dsack === 0 || !c.sackOk) receiver.duplicates.length = 0
  if (receiver.finished) onFin(c, now)
}

/** linux: __tcp_ack_snd_check; a second full segment, quick mode, or a gap. */
function shouldAckNow(c: Connection): boolean {
  const { receiver, ackPolicy, host } = c
  if (ackPolicy.isQuick(host.sysctl) || !receiver.reassembly.isEmpty) return true
  return receiver.ackPending > receiver.rcvMss
}

/** rfc9293#3.10.7.4, eighth: all the peer had to say has come. */
function onFin(c: Connection, now: number): void {
  c.ackPolicy.now = true
  c.post(Event.PeerFinished)
  switch (c.state) {
    case State.ESTABLISHED:
      c.setState(State.CLOSE_WAIT, now)
      break
    case State.FIN_WAIT1:
      // Our FIN is not acknowledged, or the ACK would have been seen first.
      c.setState(State.CLOSING, now)
      break
    case State.FIN_WAIT2:
      enterTimeWait(c, now)
      break
    default:
  }
}
