import { pacingRate, QUANTUM_US } from '../congestion/index.ts'
import type { Connection } from './connection.ts'
import { OFF } from './timers.ts'

/**
 * The pace that the connection keeps now, bytes a second; `Infinity`: none.
 *
 * A controller that names a rate is held to it, always. For the others Linux leaves pacing to the queueing discipline (fq), or to SO_MAX_PACING_RATE;
 * under UDP there is nobody else to do it, so `tcp_pacing` decides.
 */
export function currentPace(c: Connection): number {
  const { cc, rtt, sender, maxPacingRate, host } = c
  const { tcp_pacing, tcp_pacing_ss_ratio, tcp_pacing_ca_ratio } = host.sysctl
  if (cc.pacingBps === 0) {
    if (tcp_pacing === 0) return maxPacingRate
    // ours: a window that comes and goes within one tick of the timer cannot be spread any further, and on loopback each tick would cost a wake-up.
    if (rtt.minRtt < QUANTUM_US) return maxPacingRate
  }
  return pacingRate(cc, sender.board.packetsOut, rtt.srtt, tcp_pacing_ss_ratio, tcp_pacing_ca_ratio, maxPacingRate)
}

/** Whether data must wait to keep the pace; then a deadline says until when. */
export function isPaced(c: Connection, now: number): boolean {
  const paced = !c.pacer.canSend(now)
  c.timers.pacing = paced ? c.pacer.nextSendAt : OFF
  return paced
}

/** `bytes` of data left. */
export function pace(c: Connection, bytes: number, now: number): void {
  c.pacer.onSent(now, bytes, currentPace(c))
}
