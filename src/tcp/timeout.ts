import { abort, finish } from './close.ts'
import type { Connection } from './connection.ts'
import { synTimeout } from './handshake.ts'
import { Persist, persistInterval } from './persist.ts'
import { describeDelivery, recoveryInput } from './scratch.ts'
import { reportSoftError, silenceReason } from './soft-errors.ts'
import { CaState, CloseReason, isSynchronized, State } from './state.ts'
import { isDue, OFF } from './timers.ts'
import { Occasion, traceRecovery } from './trace-recovery.ts'

// What happens when a deadline passes. A timer that fires for nothing any more does nothing: it is disarmed where its reason ends.

/** linux: tcp_stream_is_thin, TCP_THIN_LINEAR_RETRIES. */
const THIN_SEGMENTS = 4
const THIN_LINEAR_RETRIES = 6

/** linux: TCP_RTO_MIN, the unit in which tcp_retries2 is turned into a time. */
const RTO_MIN_US = 200_000

export function deadlinePassed(c: Connection, now: number): void {
  const { timers } = c
  // Whoever calls this pulls next.
  if (isDue(timers.pacing, now)) timers.pacing = OFF
  if (isDue(timers.delack, now)) {
    fired(c, now, 'delack')
    timers.delack = OFF
    c.host.mib.DelayedACKs++
    c.ackPolicy.onTimer(c.rto, c.host.sysctl)
  }
  // rfc8985#7.2: where the probe would come later than the retransmission timer, it takes that one's place.
  if (isDue(timers.probe, now)) {
    fired(c, now, 'probe')
    probeTimeout(c, now)
  }
  if (isDue(timers.rexmit, now)) {
    fired(c, now, 'retransmit')
    if (c.state === State.SYN_SENT || c.state === State.SYN_RECV) synTimeout(c, now)
    else retransmissionTimeout(c, now)
  }
  if (isDue(timers.reo, now)) {
    fired(c, now, 'reo')
    reoTimeout(c, now)
  }
  if (isDue(timers.persist, now)) {
    fired(c, now, 'persist')
    persistTimeout(c, now)
  }
  if (isDue(timers.keepalive, now)) {
    fired(c, now, 'keepalive')
    keepaliveTimeout(c, now)
  }
  if (isDue(timers.refusal, now)) {
    timers.refusal = OFF
    if (c.refusals !== null && isSynchronized(c.state)) c.probeDue = true
  }
  if (isDue(timers.finWait2, now)) {
    fired(c, now, 'fin_wait2')
    // linux: the orphan is forgotten without a word; what the peer still sends draws a RST.
    finish(c, CloseReason.Normal, now)
  }
}

function fired(c: Connection, now: number, timer: string): void {
  const { tracer } = c.host
  if (tracer !== null) tracer.timerFired(c.id, now, timer)
}

/** rfc6298#5.4 to #5.6, with the limits of rfc9293#3.8.3. */
function retransmissionTimeout(c: Connection, now: number): void {
  const { sender, timers, rtt, recovery, host, cc } = c
  if (sender.board.isEmpty) {
    timers.rexmit = OFF
    return
  }
  if (retriesSpent(c, now)) {
    host.mib.TCPAbortOnTimeout++
    finish(c, silenceReason(c), now)
    return
  }
  host.mib.TCPTimeouts++
  const [stateBefore, cwndBefore] = [recovery.caState, cc.cwnd]
  // All of it counts as lost now.
  sender.sampler.onLost(sender.board.inFlight)
  describeDelivery(c, now)
  recovery.onTimeout(now, recoveryInput(c))
  recovery.retransmits++
  // linux: retrans_stamp; the attempt counts, for a path may take nothing.
  if (c.retransStamp < 0) c.retransStamp = now
  timers.probe = OFF
  timers.reo = OFF
  traceRecovery(c, now, stateBefore, cwndBefore, Occasion.Timeout)
  c.forceRetransmit = true
  const { tcp_thin_linear_timeouts, tcp_retries1, tcp_mtu_probing, tcp_base_mss } = host.sysctl
  // linux: a thin stream has too few segments for anything but the timer to help it, so it stays quick at first.
  const thin = sender.board.packetsOutSegs < THIN_SEGMENTS && cc.ssthresh !== Number.POSITIVE_INFINITY
  if (tcp_thin_linear_timeouts === 1 && thin && recovery.retransmits <= THIN_LINEAR_RETRIES) rtt.backoff = 0
  else rtt.backoff++
  timers.rexmit = now + c.retryAfter(now)
  if (recovery.retransmits !== tcp_retries1) return
  // rfc9293#3.8.3, R1: whoever wants to know hears of it (SHLD-9); the path may swallow segments of this size without a word (rfc4821#7.6).
  reportSoftError(c, CloseReason.TimedOut, now)
  if (tcp_mtu_probing > 0) c.shrinkSegments(tcp_base_mss, now, true)
}

/** rfc8985#6.2 step 5: what was late has become lost without an ACK saying so. */
function reoTimeout(c: Connection, now: number): void {
  const { timers, recovery, ack, sender, cc } = c
  timers.reo = OFF
  const [stateBefore, cwndBefore] = [recovery.caState, cc.cwnd]
  ack.reset(sender.sampler, now, sender.sndUna, sender.board.inFlight, sender.sndUna, c.rtt.minRtt)
  describeDelivery(c, now)
  recovery.onReoTimeout(ack, recoveryInput(c))
  if (recovery.lostMtuProbe) c.mtuProbe.onLost(c)
  sender.sampler.onLost(ack.lost)
  timers.reo = recovery.lookAt
  if (recovery.caState === CaState.Recovery && stateBefore !== CaState.Recovery) c.forceRetransmit = true
  traceRecovery(c, now, stateBefore, cwndBefore, Occasion.Reordering)
}

/** rfc8985#7.3: new data if there is any and the window lets it, else the last segment again. */
function probeTimeout(c: Connection, now: number): void {
  const { timers, sender } = c
  timers.probe = OFF
  if (sender.board.isEmpty) return
  c.lossProbeDue = true
  // It begins again when the probe has left.
  if (isDue(timers.rexmit, now)) timers.rexmit = now + 1
}

/** rfc9293#3.8.3 MUST-20: R2, as the time that `tcp_retries2` doublings from the smallest RTO take (linux: retransmits_timed_out). */
function retriesSpent(c: Connection, now: number): boolean {
  // Timeouts count, not the time since a fast retransmission or a probe.
  if (c.recovery.retransmits === 0 || c.retransStamp < 0) return false
  const { sysctl } = c.host
  const elapsed = now - c.retransStamp
  if (c.userTimeoutMs > 0) return elapsed >= c.userTimeoutMs * 1000
  const rtoMax = sysctl.tcp_rto_max_ms * 1000
  if (c.sender.sndWnd === 0 && !c.orphan) {
    // rfc9293#3.8.6 SHLD-17, linux: tcp_rtx_probe0_timed_out; the peer took its window back, and lives as long as it answers.
    return elapsed > 2 * rtoMax && now - c.lastAckTs > 2 * rtoMax
  }
  const retries = c.orphan ? sysctl.tcp_orphan_retries || 8 : sysctl.tcp_retries2
  return elapsed >= retriesTimeUs(retries, rtoMax)
}

/** linux: tcp_model_timeout. */
export function retriesTimeUs(retries: number, rtoMaxUs: number): number {
  const linear = Math.floor(Math.log2(rtoMaxUs / RTO_MIN_US))
  if (retries <= linear) return (2 ** (retries + 1) - 1) * RTO_MIN_US
  return (2 ** (linear + 1) - 1) * RTO_MIN_US + (retries - linear) * rtoMaxUs
}

/** rfc9293#3.8.6.1: probe the window, for ever while the peer answers (MUST-37). */
function persistTimeout(c: Connection, now: number): void {
  const { timers, sender, host } = c
  timers.persist = OFF
  if (!sender.hasUnsent || !sender.board.isEmpty) return
  if (sender.cork && sender.sndWnd > 0) {
    c.overrideDue = true
    return
  }
  const { sysctl, mib } = host
  const most = c.orphan ? sysctl.tcp_orphan_retries || 8 : sysctl.tcp_retries2
  const rtoMax = sysctl.tcp_rto_max_ms * 1000
  c.persist ??= new Persist()
  const { persist } = c
  // linux: tcp_probe_timer; an orphan is not probed for ever, or a peer with a closed window could make us keep as many as it likes.
  const outlived = c.orphan && persistInterval(c) === rtoMax && persist.backoff >= most
  // linux: TCP_USER_TIMEOUT counts from the first probe, answered or not.
  const overdue = c.userTimeoutMs > 0 && persist.since >= 0 && now - persist.since >= c.userTimeoutMs * 1000
  if (outlived || overdue || persist.probesOut >= most) {
    mib.TCPAbortOnTimeout++
    finish(c, silenceReason(c), now)
    return
  }
  persist.probesOut++
  if (persist.since < 0) persist.since = now
  if (persist.backoff < sysctl.tcp_retries2) persist.backoff++
  mib.TCPWinProbe++
  // rfc9293#3.8.6.2.1: a window too small to be worth it is used now all the same.
  if (sender.sndWnd > 0) c.overrideDue = true
  else c.probeDue = true
  timers.persist = now + persistInterval(c)
}

/** rfc9293#3.8.4, linux: tcp_keepalive_timer. */
function keepaliveTimeout(c: Connection, now: number): void {
  const { timers, keepalive, sender, host } = c
  const { sysctl, mib } = host
  if (!keepalive.on || !isSynchronized(c.state)) {
    timers.keepalive = OFF
    return
  }
  const time = keepalive.timeUs(sysctl)
  // MUST-26: only when nothing is outstanding; the other timers watch otherwise.
  if (!sender.board.isEmpty || sender.hasUnsent) {
    timers.keepalive = now + time
    return
  }
  const idle = now - c.lastHeard
  if (idle < time && keepalive.probesOut === 0) {
    timers.keepalive = c.lastHeard + time
    return
  }
  // MUST-29: one unanswered probe says nothing.
  if (keepalive.probesOut >= keepalive.maxProbes(sysctl)) {
    mib.TCPAbortOnTimeout++
    abort(c, now)
    c.closeReason = silenceReason(c)
    return
  }
  keepalive.probesOut++
  mib.TCPKeepAlive++
  c.probeDue = true
  timers.keepalive = now + keepalive.intvlUs(sysctl)
}
