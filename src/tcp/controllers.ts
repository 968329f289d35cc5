import type { CongestionController } from '../congestion/index.ts'
import type { Connection } from './connection.ts'
import { describeDelivery, recoveryInput } from './scratch.ts'

// Whom a connection asks how much it may send: made when it first has something to send, and changed when the application wishes.

/** A controller of the kind that was chosen, at its beginning. */
export function makeController(c: Connection, initialWindow: number, now: number): CongestionController {
  const { host, rtt, congestionControl, congestionOptions } = c
  const hystart = host.sysctl.tcp_cubic_hystart
  return host.createCongestionControl(congestionControl, {
    mss: c.sender.mss,
    now,
    initialWindow,
    random: () => host.random(),
    options: congestionControl === 'cubic' ? { hystart, ...congestionOptions } : congestionOptions,
    srtt: rtt.srtt,
    minRtt: rtt.minRtt,
    counters: host.mib,
  })
}

/** What a connection begins with: while its SYN is out, and once more when that is answered. */
export function firstController(c: Connection): CongestionController {
  const { sender, initialWindow, synRetries } = c
  // rfc5681#3.1: a SYN lost more than once is taken as a sign of congestion.
  const isSmall = initialWindow === 0 || synRetries > 1
  const cc = makeController(c, isSmall ? sender.mss : initialWindow, sender.usedSince)
  if (initialWindow > 0 && c.startSsthresh !== null) cc.ssthresh = Math.min(cc.ssthresh, c.startSsthresh)
  return cc
}

/** See `Connection.setCongestionControl`. */
export function changeController(
  c: Connection,
  name: string,
  options: Readonly<Record<string, unknown>>,
  now: number,
): void {
  const before = c.cc
  c.congestionControl = name
  c.congestionOptions = options
  const cc = makeController(c, before.cwnd, now)
  c.cc = cc
  // Nothing has begun yet, and everything will be made anew.
  if (c.initialWindow === 0) return
  cc.ssthresh = before.ssthresh
  describeDelivery(c, now)
  c.recovery.onControllerChange(recoveryInput(c))
  const { tracer } = c.host
  if (tracer === null) return
  tracer.ccStateChanged?.(c.id, now, c.ccState, cc.state ?? '', cc.name)
  c.ccState = cc.state ?? ''
  if (cc.cwnd !== before.cwnd) tracer.cwndChanged(c.id, now, cc.cwnd, cc.ssthresh, `${name} took over`)
}
