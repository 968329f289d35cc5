import type { Connection } from './connection.ts'

/** Probing of a window that does not open (rfc9293#3.8.6.1): how many probes went unanswered, and how far their interval has been doubled. */
export class Persist {
  /** Probes sent since the peer was last heard (linux: icsk_probes_out). */
  probesOut = 0
  backoff = 0
  /** When the first of them was sent, µs; −1 none (linux: icsk_probes_tstamp). */
  since = -1
}

/** SHLD-30: the interval grows exponentially from one RTO (SHLD-29). */
export function persistInterval({ persist, rtt, host }: Connection): number {
  const most = host.sysctl.tcp_rto_max_ms * 1000
  return Math.min(rtt.rtoBase(most) * 2 ** (persist?.backoff ?? 0), most)
}
