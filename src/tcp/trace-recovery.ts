import type { Connection } from './connection.ts'

/** Tells the tracer what the recovery decided, if it decided anything: the states and the window were these before. */
export function traceRecovery(
  c: Connection,
  now: number,
  stateBefore: number,
  cwndBefore: number,
  reason: string,
): void {
  const { recovery, cc } = c
  const { tracer } = c.host
  if (tracer === null) return
  if (recovery.caState !== stateBefore) tracer.caStateChanged(c.id, now, stateBefore, recovery.caState, recovery.reason)
  const { state = '' } = cc
  if (state !== c.ccState) {
    tracer.ccStateChanged?.(c.id, now, c.ccState, state, cc.name)
    c.ccState = state
  }
  if (cc.cwnd !== cwndBefore) tracer.cwndChanged(c.id, now, cc.cwnd, cc.ssthresh, reason)
}
