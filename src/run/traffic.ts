import type { ImpairReportEntry } from '../stack/index.ts'

/** What one end of the connections to a destination has seen of them: the other end sees the same, a little later. */
export interface EndView {
  connections: number
  /** Bytes that were acknowledged, to the server and from it. */
  bytesUp: number
  bytesDown: number
  resets: number
}

/** What connections to one destination went through. Times are microseconds. */
export interface DestinationTraffic {
  /** `address:port` of the server. */
  readonly destination: string
  /** As the end that connected sees it, and the one that was connected to. */
  readonly opened: EndView
  readonly accepted: EndView
  /** What the ends sent that were watched, and the time in which something of it waited to be acknowledged. */
  sentBytes: number
  busyUs: number
  /** Segments with data, SYN or FIN; and those of them that had been sent before. */
  segments: number
  retransmissions: number
  timeouts: number
  /** The longest time for which nothing of what had been sent was acknowledged. */
  worstStallUs: number
  rttUs: number[]
}

/** What a process writes when it ends. */
export interface ProcessReport {
  readonly ordinal: number
  readonly pid: number
  readonly command: readonly string[]
  readonly traffic: readonly DestinationTraffic[]
  readonly injected: readonly ImpairReportEntry[]
  readonly udp: UdpTraffic
}

/** Datagrams of a process, both ends of what it has with itself. */
export interface UdpTraffic {
  received: number
  /** Sent off by us, and thrown away by this machine for want of room in a socket's receive buffer. */
  overflowed: number
  /** Refused when they were sent. */
  unsent: number
}

const emptyView = (): EndView => ({ connections: 0, bytesUp: 0, bytesDown: 0, resets: 0 })

export function emptyTraffic(destination: string): DestinationTraffic {
  return {
    destination,
    opened: emptyView(),
    accepted: emptyView(),
    sentBytes: 0,
    busyUs: 0,
    segments: 0,
    retransmissions: 0,
    timeouts: 0,
    worstStallUs: 0,
    rttUs: [],
  }
}

/** Adds `more` to `sum`, and returns that. */
export function addTraffic(sum: DestinationTraffic, more: DestinationTraffic): DestinationTraffic {
  for (const end of ['opened', 'accepted'] as const) {
    for (const name of ['connections', 'bytesUp', 'bytesDown', 'resets'] as const) sum[end][name] += more[end][name]
  }
  for (const name of ['sentBytes', 'busyUs', 'segments', 'retransmissions', 'timeouts'] as const)
    sum[name] += more[name]
  sum.worstStallUs = Math.max(sum.worstStallUs, more.worstStallUs)
  sum.rttUs = sum.rttUs.concat(more.rttUs)
  return sum
}
