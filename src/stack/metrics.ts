import type { Connection } from '../tcp/index.ts'

/** What is kept of the connections to one address (rfc9040, linux: tcp_metrics.c). */
interface Entry {
  /** µs */
  srtt: number
  /** Bytes; null: not known. */
  ssthresh: number | null
  reordering: number
}

/** Addresses remembered; the one longest unused goes first. */
const MOST = 1024

/** What connections learned of their paths, for the next one to the same address (`tcp_no_metrics_save`). */
export class Metrics {
  readonly #entries = new Map<string, Entry>()

  /** A connection to `address` begins. */
  apply(address: string, connection: Connection): void {
    const entry = this.#entries.get(address)
    if (entry === undefined) return
    const { sysctl } = connection.host
    connection.rtt.remember(entry.srtt, sysctl.tcp_rto_min_us)
    connection.recovery.reordering.degree = Math.max(entry.reordering, sysctl.tcp_reordering)
    connection.startSsthresh = entry.ssthresh
  }

  /** Somebody there has answered us (linux: tcp_peer_is_proven). */
  knows(address: string): boolean {
    return this.#entries.has(address)
  }

  /** A connection has ended (linux: tcp_update_metrics). */
  save(address: string, connection: Connection, withSsthresh: boolean): void {
    const { rtt, recovery, ssthresh } = connection
    // A connection that ended in silence says nothing good of its path.
    if (!rtt.hasSample || rtt.backoff > 0) {
      this.#entries.delete(address)
      return
    }
    const before = this.#entries.get(address)
    const srtt = before === undefined || rtt.srtt >= before.srtt ? rtt.srtt : before.srtt - (before.srtt - rtt.srtt) / 8
    // To the end of the order, where it is not there already.
    if (this.#entries.size > 1) this.#entries.delete(address)
    this.#entries.set(address, {
      srtt,
      ssthresh: withSsthresh ? ssthresh : null,
      reordering: recovery.reordering.degree,
    })
    if (this.#entries.size > MOST) {
      const [oldest] = this.#entries.keys()
      if (oldest !== undefined) this.#entries.delete(oldest)
    }
  }
}
