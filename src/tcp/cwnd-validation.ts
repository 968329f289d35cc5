import type { Connection } from './connection.ts'
import { CaState } from './state.ts'
import { traceCwnd } from './trace-recovery.ts'

// Congestion window validation (rfc2861, rfc7661, linux: tcp_cwnd_validate, tcp_cwnd_restart): a window that was not used says nothing about
// the path as it is now.

/** Sending stopped, because the congestion window was full (`limited`) or for another reason. */
export function validateCwnd(c: Connection, limited: boolean, now: number): void {
  const { sender, cc, host } = c
  sender.isUnvalidated = false
  sender.noteFlight(limited)
  if (sender.isCwndLimited(cc.cwnd, cc.cwnd < cc.ssthresh)) {
    sender.usedSince = now
    sender.mostUsed = 0
    return
  }
  if (sender.board.packetsOut > sender.mostUsed) sender.mostUsed = sender.board.packetsOut
  if (host.sysctl.tcp_slow_start_after_idle === 0 || cc.ownsRecovery || now - sender.usedSince < c.rto) return
  // rfc2861#3.2: a round trip and more in which the application did not fill it; half of what was not used goes.
  if (c.recovery.caState === CaState.Open && !sender.wantsRoom) {
    const used = Math.max(sender.mostUsed, c.initialWindow)
    if (used < cc.cwnd) {
      keepThreshold(c)
      setCwnd(c, Math.floor((cc.cwnd + used) / 2), now, 'application limited')
    }
    sender.mostUsed = 0
  }
  sender.usedSince = now
}

/**
 * After a silence of more than one RTO the path is no longer known (rfc5681#4.1, rfc2861#3.1). What counts is what was sent: a request that comes
 * after a long silence would else be answered by a whole window at once.
 */
export function restartAfterIdle(c: Connection, now: number): void {
  const { sender, cc, host } = c
  if (host.sysctl.tcp_slow_start_after_idle === 0 || sender.lastSentTs < 0) return
  const idle = now - sender.lastSentTs
  const { rto } = c
  if (idle <= rto) return
  if (!cc.ownsRecovery) {
    const restart = Math.min(c.initialWindow, cc.cwnd)
    keepThreshold(c)
    let next = cc.cwnd
    for (let left = idle - rto; left > 0 && next > restart; left -= rto) next /= 2
    setCwnd(c, Math.max(Math.floor(next), restart), now, 'idle restart')
    sender.usedSince = now
    sender.mostUsed = 0
  }
  const { cwnd } = cc
  cc.onIdleRestart?.(now, idle)
  traceCwnd(c, now, cwnd, 'idle restart')
}

/** linux: tcp_current_ssthresh; the way back up is quick to three quarters of what was. */
function keepThreshold({ cc }: Connection): void {
  if (cc.ssthresh !== Number.POSITIVE_INFINITY) cc.ssthresh = Math.max(cc.ssthresh, Math.floor((cc.cwnd * 3) / 4))
}

function setCwnd(c: Connection, cwnd: number, now: number, reason: string): void {
  const before = c.cc.cwnd
  c.cc.cwnd = cwnd
  traceCwnd(c, now, before, reason)
}
