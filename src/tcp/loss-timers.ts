import type { Connection } from './connection.ts'
import { probeDelay } from './loss/tlp.ts'
import { CaState } from './state.ts'
import { OFF } from './timers.ts'

// The three timers of data in flight: retransmission (rfc6298#5), tail loss probe (rfc8985#7.2) and RACK's second look (rfc8985#6.2).

/** linux: a peer that reneges is given so long to think better of it. */
const RENEGING_MIN_US = 10_000

/** After an ACK has been dealt with. */
export function armTimers(c: Connection, now: number): void {
  const { sender, timers, ack, recovery, rtt } = c
  if (sender.board.isEmpty) {
    timers.rexmit = OFF
    timers.probe = OFF
    timers.reo = OFF
    return
  }
  timers.reo = recovery.lookAt
  // rfc6298#5.3
  if (ack.advanced) timers.rexmit = now + c.rto
  if (recovery.reneging) timers.rexmit = now + Math.max(rtt.srtt / 2, RENEGING_MIN_US)
  if (ack.advanced || ack.sacked > 0) scheduleProbe(c, now)
}

/** rfc8985#7.2: when something was sent or acknowledged, and nothing is believed lost. */
export function scheduleProbe(c: Connection, now: number): void {
  const { sender, timers, recovery, rtt, host } = c
  const { tcp_early_retrans } = host.sysctl
  const { caState, tlp } = recovery
  timers.probe = OFF
  if (tcp_early_retrans < 3 || !c.sackOk || sender.board.isEmpty || tlp !== null) return
  if (caState !== CaState.Open && caState !== CaState.CWR) return
  // Not while SACKs tell of holes: then RACK is at work.
  if (sender.board.sackedOutSegs > 0) return
  const at = now + probeDelay(rtt.srtt, sender.board.packetsOutSegs)
  timers.probe = timers.rexmit === OFF ? at : Math.min(at, timers.rexmit)
}
