import { Flag, type Segment } from '../wire/index.ts'
import type { Connection } from './connection.ts'

/**
 * Explicit Congestion Notification (rfc3168#6.1): both SYNs agree on it; then new data leaves declared ECN-capable, a mark that it meets comes back as ECE
 * on every ACK until a CWR tells that the window was reduced.
 *
 * ours: a datagram of Node's has no ECN bits to set or to read, so that a frame's shim carries them, and what impairs frames marks them.
 */
export class Ecn {
  /** A mark has come, and no CWR since: ECE goes on every segment (linux: TCP_ECN_DEMAND_CWR). */
  echoes = false
  /** Segments that the peer has taken while it reported marks (linux: tcpi_delivered_ce). */
  deliveredSegs = 0
}

/** Flags that a segment other than a SYN or RST bears; `tellsCwr`: it carries data for the first time, and the window was reduced. */
export function ecnFlags({ ecn }: Connection, tellsCwr: boolean): number {
  if (ecn === null) return 0
  return (ecn.echoes ? Flag.ECE : 0) | (tellsCwr ? Flag.CWR : 0)
}

/** `tcp_ecn`: who offers it, and who takes an offer. */
const OFFER = 1

const BOTH = Flag.ECE | Flag.CWR

/** Flags that our SYN bears. linux: tcp_ecn_fallback; one sent again goes without, for what is on the way may drop those (rfc3168#6.1.1.1). */
export const ecnOffer = ({ host, offersEcn, synRetries }: Connection): number =>
  offersEcn && host.sysctl.tcp_ecn === OFFER && synRetries === 0 ? BOTH : 0

/** Whether a SYN offers it and we take it (rfc3168#6.1.1). */
export const acceptsEcn = ({ flags }: Segment, tcpEcn: number, able: boolean): boolean =>
  able && tcpEcn > 0 && (flags & (BOTH | Flag.ACK)) === BOTH

/** Whether a SYN-ACK takes our offer: ECE alone, for both would be an echo of what we sent. */
export const tookOffer = (c: Connection, { flags }: Segment): boolean =>
  ecnOffer(c) !== 0 && (flags & BOTH) === Flag.ECE

/** Data has come: whether it met congestion, and whether the peer has answered what we told of. */
export function onEcnData(c: Connection, seg: Segment): void {
  const { ecn, receiver, ackPolicy, host } = c
  if (ecn === null) return
  if ((seg.flags & Flag.CWR) !== 0) {
    ecn.echoes = false
    // linux: tcp_ecn_accept_cwr; its window may be down to a single segment.
    ackPolicy.now = true
  }
  if (!seg.marked) return
  // linux: tcp_ecn_check_ce; it is to hear of it soon.
  if (!ecn.echoes) ackPolicy.enterQuickMode(receiver.rcvWnd, receiver.rcvMss, 2, host.sysctl)
  ecn.echoes = true
}
