import { Flag, type Segment, type Seq, seqAdd, seqGt, seqLeq, seqLt } from '../wire/index.ts'
import { finish } from './close.ts'
import type { Connection } from './connection.ts'
import { acceptsEcn, Ecn, ecnOffer, tookOffer } from './ecn.ts'
import { FastOpen, onSynAnswered } from './fast-open.ts'
import { RTO_INITIAL_US } from './rtt.ts'
import { MIN_MSS } from './sender.ts'
import { CloseReason, Event, State } from './state.ts'
import { OFF } from './timers.ts'
import { MAX_WINDOW_SHIFT } from './window.ts'

// Opening: rfc9293#3.5, #3.10.1, and SYN-SENT of #3.10.7.3. SYN and SYN-ACK stand on the scoreboard like any segment.

export function openActive(c: Connection, now: number): void {
  c.host.mib.ActiveOpens++
  c.setState(State.SYN_SENT, now)
  c.synDue = true
  c.retransStamp = now
  c.timers.rexmit = now + RTO_INITIAL_US
}

/** A SYN for a listener is to be answered by a connection, not by a record. */
export function openPassive(c: Connection, seg: Segment, now: number): void {
  c.passive = true
  c.receiver.start(seg.seq)
  takeOptions(c, seg, now)
  c.sender.sndWnd = seg.wnd
  c.sender.sndWl1 = seg.seq
  c.setState(State.SYN_RECV, now)
  c.synDue = true
  c.timers.rexmit = now + RTO_INITIAL_US
}

/** rfc7413#4.2.2: the SYN had a good cookie; its data is the application's, and the application may answer. */
export function openFast(c: Connection, seg: Segment, now: number): void {
  openPassive(c, seg, now)
  const { receiver, sender } = c
  c.fastOpen ??= new FastOpen()
  c.fastOpen.early = true
  sender.maxWindow = seg.wnd
  c.startTransfer(now)
  receiver.window.advertiseUnscaled(receiver.rcvNxt)
  if (seg.payloadLength === 0) return
  receiver.receive(seqAdd(seg.seq, 1), seg.buffer, seg.payloadStart, seg.payloadEnd, (seg.flags & Flag.FIN) !== 0)
  c.dataSegsIn++
  if (receiver.unread > 0) c.post(Event.Readable)
}

/** What the peer's SYN or SYN-ACK offers, where we offer it too. */
function takeOptions(c: Connection, seg: Segment, now: number): void {
  const { sysctl } = c.host
  // rfc9293#3.7.1 MUST-15: without the option the default stands.
  if (seg.mss >= 0) c.peerMss = Math.max(seg.mss, MIN_MSS)
  if (seg.wscale >= 0 && sysctl.tcp_window_scaling === 1) {
    c.windowScaling = true
    c.sender.sndWindShift = Math.min(seg.wscale, MAX_WINDOW_SHIFT)
    c.receiver.window.shift = c.offeredShift
  }
  c.sackOk = seg.sackPermitted && sysctl.tcp_sack === 1
  c.sender.board.reno = !c.sackOk
  c.timestamps.on = seg.hasTimestamps && sysctl.tcp_timestamps !== 0
  if (c.timestamps.on) {
    c.timestamps.start(seg.tsVal, now)
    c.timestamps.lastAckSent = c.receiver.rcvNxt
  }
  c.checksumOffload = seg.checksumOffload && c.offersChecksumOffload
  const ecn = (seg.flags & Flag.ACK) === 0 ? acceptsEcn(seg, sysctl.tcp_ecn, c.offersEcn) : tookOffer(c, seg)
  c.ecn = ecn ? new Ecn() : null
  c.updateMss()
}

/** rfc9293#3.10.7.3 */
export function arriveSynSent(c: Connection, seg: Segment, now: number): void {
  const { sender, host } = c
  const hasAck = (seg.flags & Flag.ACK) !== 0
  if (hasAck) {
    if (seqLeq(seg.ack, sender.iss) || seqGt(seg.ack, sender.sndNxt)) {
      if ((seg.flags & Flag.RST) === 0) c.resetReplySeq = seg.ack
      return
    }
    // rfc7323#3: an echo of something we never sent comes from an older incarnation of the peer.
    if (seg.hasTimestamps && seg.tsEcr !== 0 && !isOurEcho(c, seg, now)) {
      host.mib.PAWSActive++
      if ((seg.flags & Flag.RST) === 0) c.resetReplySeq = seg.ack
      return
    }
  }
  if ((seg.flags & Flag.RST) !== 0) {
    // rfc5961#3: without an ACK of our SYN anybody could have sent it.
    if (hasAck) finish(c, CloseReason.Refused, now)
    return
  }
  if ((seg.flags & Flag.SYN) === 0) return

  c.receiver.start(seg.seq)
  takeOptions(c, seg, now)
  if (hasAck) {
    // rfc7323#2.2: the window of a SYN is never scaled.
    sender.sndWnd = seg.wnd
    sender.maxWindow = seg.wnd
    sender.sndWl1 = seg.seq
    sender.sndWl2 = seg.ack
    acknowledgeSyn(c, seg, now)
    onSynAnswered(c, seg, now)
    establish(c, now)
    c.ackPolicy.now = true
    c.handshakeAckDue = true
    return
  }
  // rfc9293#3.5 MUST-10: both sides open at once.
  sender.sndWnd = seg.wnd
  sender.sndWl1 = seg.seq
  c.setState(State.SYN_RECV, now)
  c.synDue = true
  c.timers.rexmit = now + c.rto
}

/** In SYN_RECV an acceptable ACK has come (rfc9293#3.10.7.4, fifth). */
export function completeSynRecv(c: Connection, seg: Segment, now: number): void {
  const { sender } = c
  // rfc7323#2.2: that of a SYN is not scaled, and may come here where both sides opened.
  sender.sndWnd = (seg.flags & Flag.SYN) !== 0 ? seg.wnd : seg.wnd << sender.sndWindShift
  sender.maxWindow = sender.sndWnd
  sender.sndWl1 = seg.seq
  sender.sndWl2 = seg.ack
  acknowledgeSyn(c, seg, now)
  if (c.passive) c.host.mib.PassiveOpens++
  // Sent before the handshake was done (rfc7413#4.2.2).
  if (!sender.board.isEmpty) c.timers.rexmit = now + c.rto
  establish(c, now)
}

function acknowledgeSyn(c: Connection, seg: Segment, now: number): void {
  const { sender, ack, timers, rtt } = c
  ack.reset(sender.sampler, now, sender.sndUna, sender.board.inFlight, sender.sndUna, rtt.minRtt)
  sender.onAck(seqAdd(sender.iss, 1), sender.sndNxt, ack)
  const sample = ack.rtt >= 0 ? ack.rtt : c.timestamps.on ? c.timestamps.rtt(seg, now) : -1
  if (ack.newestRtt >= 0) rtt.onNewest(ack.newestRtt)
  if (sample >= 0) rtt.sample(sample, sender.sndUna, sender.sndNxt, c.host.sysctl.tcp_rto_min_us)
  else rtt.useFallback()
  rtt.backoff = 0
  // How fast a SYN was answered says nothing of the rate.
  sender.sampler.discard()
  timers.rexmit = OFF
  c.synDue = false
  c.retransStamp = -1
  c.lastAckTs = now
}

function establish(c: Connection, now: number): void {
  c.setState(State.ESTABLISHED, now)
  c.startTransfer(now)
  if (c.keepalive.on) c.timers.keepalive = now + c.keepalive.timeUs(c.host.sysctl)
  c.post(Event.Connected)
  // CLOSE was called before the handshake was done.
  if (c.sender.finQueued) c.setState(State.FIN_WAIT1, now)
}

function isOurEcho(c: Connection, seg: Segment, now: number): boolean {
  const first = c.timestamps.value(c.sender.board.at(c.sender.board.head).firstXmitTs)
  return !seqLt(seg.tsEcr, first) && !seqGt(seg.tsEcr, c.timestamps.value(now))
}

/** The SYN or SYN-ACK timer expired (linux: tcp_write_timeout, tcp_syn_retries and tcp_synack_retries). */
export function synTimeout(c: Connection, now: number): void {
  const { sysctl, mib } = c.host
  const { passive } = c
  const most = passive ? sysctl.tcp_synack_retries : sysctl.tcp_syn_retries + sysctl.tcp_syn_linear_timeouts
  // linux: TCP_USER_TIMEOUT counts from the first SYN, once it has been sent again.
  const overdue = c.userTimeoutMs > 0 && c.synRetries > 0 && now - c.retransStamp >= c.userTimeoutMs * 1000
  if (c.synRetries >= most || (overdue && !passive)) {
    if (!passive) mib.TCPAbortOnTimeout++
    finish(c, CloseReason.ConnectTimedOut, now)
    return
  }
  c.synRetries++
  mib.TCPTimeouts++
  const { fastOpen } = c
  if (fastOpen !== null && fastOpen.cookie !== null && !passive) {
    // rfc7413#4.1.3: whatever is in the way may let a plain SYN pass.
    fastOpen.cookie = null
    fastOpen.lost = true
  }
  if (passive || c.synRetries > sysctl.tcp_syn_linear_timeouts) c.rtt.backoff++
  c.synDue = true
  c.timers.rexmit = now + c.retryAfter(now)
}

/** Fills `out` with our SYN or SYN-ACK, ports left out (linux: tcp_syn_options, tcp_synack_options). */
export function fillSyn(c: Connection, out: Segment, now: number): void {
  const { sysctl } = c.host
  const answer = c.state === State.SYN_RECV
  out.seq = c.sender.iss
  out.flags = Flag.SYN | (answer ? Flag.ACK | (c.ecn === null ? 0 : Flag.ECE) : ecnOffer(c))
  out.ack = answer ? c.receiver.rcvNxt : (0 as Seq)
  out.wnd = c.receiver.window.advertiseUnscaled(answer ? c.receiver.rcvNxt : (0 as Seq))
  out.mss = c.advertisedMss
  // An answer offers only what was asked for.
  out.sackPermitted = answer ? c.sackOk : sysctl.tcp_sack === 1
  if (answer ? c.timestamps.on : sysctl.tcp_timestamps !== 0) {
    out.hasTimestamps = true
    out.tsVal = c.timestamps.value(now)
    out.tsEcr = answer ? c.timestamps.recent : (0 as Seq)
  }
  if (answer ? c.windowScaling : sysctl.tcp_window_scaling === 1) out.wscale = c.offeredShift
  if (c.fastOpen !== null) {
    out.fastOpenCookie = answer && !c.passive ? null : c.fastOpen.cookie
    out.fastOpenExperimental = c.fastOpen.experimental
  }
  out.checksumOffload = answer ? c.checksumOffload : c.offersChecksumOffload
}
