import { type Segment, seqDiff, seqGt, seqLt } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { makeController } from './controllers.ts'
import { describeDelivery, recoveryInput } from './scratch.ts'
import { CaState, isSynchronized, State } from './state.ts'
import { MAX_UNSCALED_WINDOW } from './window.ts'

// A connection whose peer is heard from another address: what a NAT makes of it that forgot its mapping.

/**
 * Whether `segment`, which came by a way that is not the connection's, is such as its peer would send now: acceptable by its sequence number, its
 * acknowledgement, and a timestamp that it echoes. Never without timestamps: the rest can be guessed, and a peer that anybody may claim to be is none.
 */
export function isFromPeer(c: Connection, segment: Segment, now: number): boolean {
  const { sender, receiver, timestamps, state } = c
  if (!isSynchronized(state) || state === State.TIME_WAIT || state === State.SYN_RECV || !timestamps.on) return false
  if (!timestamps.isOurs(segment) || timestamps.isOld(segment, now)) return false
  if (seqLt(segment.ack, sender.sndUna) || seqGt(segment.ack, sender.sndNxt)) return false
  // ours: a window below RCV.NXT is let in too. Our ACKs went where nobody is any more, so that the first that comes is often a retransmission.
  const behind = seqDiff(receiver.rcvNxt, segment.seq)
  if (behind > Math.max(receiver.window.capacity, MAX_UNSCALED_WINDOW)) return false
  return !seqGt(segment.seq, receiver.window.rcvAcc)
}

/**
 * The connection goes on by another way, that takes segments of `maxSegment` bytes. The same host, behind another port of its NAT, is as far away as
 * before; `elsewhere`, at another address, everything has to be found out again (rfc9000#9.4).
 */
export function pathChanged(c: Connection, maxSegment: number, elsewhere: boolean, now: number): void {
  const { timers, recovery, sender } = c
  c.autocorked = false
  c.dataBatch = 0
  c.blocked = false
  if (maxSegment !== c.maxSegment) c.setMaxSegment(maxSegment, now)
  if (elsewhere) restart(c, now)
  // The peer is to hear from where we speak now, and what of its own has come.
  c.ackPolicy.now = true
  if (sender.board.isEmpty) return
  // ours: what is outstanding went the old way, and the timer is backed off by a silence that was no congestion (as rfc6069#4 reasons). A probe asks
  // what is missing, where the timer has not said already that all of it is.
  c.rtt.backoff = 0
  if (recovery.caState === CaState.Loss) timers.rexmit = now
  else timers.probe = now
}

/** As after the handshake. */
function restart(c: Connection, now: number): void {
  const { cwnd } = c.cc
  c.rtt.restart()
  c.cc = makeController(c, c.initialWindow, now)
  describeDelivery(c, now)
  c.recovery.onControllerChange(recoveryInput(c))
  c.host.tracer?.cwndChanged(c.id, now, c.cc.cwnd, c.cc.ssthresh, `another address, ${cwnd} before`)
}
