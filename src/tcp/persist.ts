/** Window probing (rfc9293#3.8.6.1): how many probes went unanswered, and how far their interval has been doubled. */
export class Persist {
  /** Probes sent since the peer was last heard (linux: icsk_probes_out). */
  probesOut = 0
  backoff = 0
  /** When the first of them was sent, µs; −1 none (linux: icsk_probes_tstamp). */
  since = -1

  /** SHLD-30: the interval grows exponentially from one RTO (SHLD-29). */
  interval(rtoBaseUs: number, rtoMaxUs: number): number {
    return Math.min(rtoBaseUs * 2 ** this.backoff, rtoMaxUs)
  }

  reset(): void {
    this.probesOut = 0
    this.backoff = 0
    this.since = -1
  }
}
