import type { Connection } from './connection.ts'
import { CaState } from './state.ts'

/** What the recovery and the controller were asked about. */
export const Occasion = { Ack: 'ack', Timeout: 'retransmission timeout', Reordering: 'reordering timeout' } as const
export type Occasion = (typeof Occasion)[keyof typeof Occasion]

/** Tells the tracer what the recovery and the controller decided, if they decided anything: the states and the window were these before. */
export function traceRecovery(
  c: Connection,
  now: number,
  stateBefore: number,
  cwndBefore: number,
  occasion: Occasion,
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
  if (cc.cwnd !== cwndBefore) traceCwnd(c, now, cwndBefore, reasonOf(c, stateBefore, cwndBefore, occasion))
}

/** Tells the tracer of the window, if it is another than before. */
export function traceCwnd(c: Connection, now: number, cwndBefore: number, reason: string): void {
  const { cc, host } = c
  if (host.tracer !== null && cc.cwnd !== cwndBefore) host.tracer.cwndChanged(c.id, now, cc.cwnd, cc.ssthresh, reason)
}

/** Why the window is what it is now: what the recovery did to it comes before what the controller did, for it says more. */
function reasonOf(c: Connection, stateBefore: number, cwndBefore: number, occasion: Occasion): string {
  const { recovery, cc } = c
  const { caState, cause, reduction } = recovery
  if (occasion === Occasion.Timeout) return occasion
  if (cause !== '') return cause
  if (recovery.isReducing) {
    const why = caState === CaState.CWR ? 'ECN' : 'recovery'
    return cc.ownsRecovery ? why : `${why}, ${reduction?.name}`
  }
  if (stateBefore === CaState.CWR || stateBefore === CaState.Recovery) return `end of ${endOf(stateBefore)}`
  // A controller with a model of the path says itself where it stands.
  if (cc.ownsRecovery) return cc.state ?? cc.name
  return cwndBefore < cc.ssthresh ? 'slow start' : 'congestion avoidance'
}

const endOf = (state: number): string => (state === CaState.CWR ? 'ECN reduction' : 'recovery')
