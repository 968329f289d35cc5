import { type Seq, seqGt } from '../wire/index.ts'

/** rfc6298#2: the timeout before the first measurement. */
export const RTO_INITIAL_US = 1_000_000
/** rfc6298#5.7: the timeout to begin with when the SYN had to be retransmitted. */
const RTO_FALLBACK_US = 3_000_000

/**
 * Round-trip time and retransmission timeout (rfc9293#3.8.1, rfc6298), smoothed as linux's tcp_rtt_estimator() does: the variance falls
 * by a quarter of its excess once a round trip, rises at once, and never counts for less than `tcp_rto_min_us`.
 */
export class RttEstimator {
  /** Eight times the smoothed round-trip time, µs; 0 before the first sample. */
  #srtt8 = 0
  /** Four times the mean deviation. */
  #mdev4 = 0
  #mdevMax4 = 0
  #rttvar4 = 0
  /** `mdevMax4` is taken over the round trip that ends here. */
  #roundEnd = 0 as Seq
  /** Before backoff, µs. */
  #rtoBase: number = RTO_INITIAL_US
  /** Doublings now in force. */
  backoff = 0
  /** The smallest round trip seen, µs. */
  minRtt = Number.POSITIVE_INFINITY

  get srtt(): number {
    return this.#srtt8 / 8
  }

  /** The mean deviation: RTTVAR of rfc6298#2, without the floor that the timeout puts under it (linux: tcpi_rttvar). */
  get rttvar(): number {
    return this.#mdev4 / 4
  }

  get hasSample(): boolean {
    return this.#srtt8 !== 0
  }

  readonly #classic: boolean

  constructor(algorithm = 'rfc6298') {
    this.#classic = algorithm === 'rfc793'
  }

  /** The timeout in force: backed off and bounded. */
  rto(maxUs: number): number {
    return Math.min(this.#rtoBase * 2 ** this.backoff, maxUs)
  }

  /** The timeout without backoff. */
  rtoBase(maxUs: number): number {
    return Math.min(this.#rtoBase, maxUs)
  }

  /** Another way to the peer: nothing has been measured yet. */
  restart(): void {
    this.#srtt8 = 0
    this.#mdev4 = 0
    this.#mdevMax4 = 0
    this.#rttvar4 = 0
    this.#rtoBase = RTO_INITIAL_US
    this.backoff = 0
    this.minRtt = Number.POSITIVE_INFINITY
  }

  /** rfc6298#5.7 */
  useFallback(): void {
    if (this.#srtt8 === 0) this.#rtoBase = RTO_FALLBACK_US
  }

  /** From an earlier connection to the same host: no sample, but a timeout not to fall below until there is one (linux: tcp_init_metrics). */
  remember(srttUs: number, rtoMinUs: number): void {
    if (this.#srtt8 === 0) this.#rtoBase = Math.max(this.#rtoBase, srttUs + Math.max(2 * srttUs, rtoMinUs))
  }

  /** The round trip of the newest segment acknowledged: the path, without the peer's patience. */
  onNewest(rttUs: number): void {
    const rtt = Math.max(1, Math.round(rttUs))
    if (rtt < this.minRtt) this.minRtt = rtt
  }

  /** A measurement of `rttUs`, allowed by Karn's rule (rfc6298#3), taken when SND.UNA and SND.NXT stood thus. */
  sample(rttUs: number, sndUna: Seq, sndNxt: Seq, rtoMinUs: number): void {
    // An RTT of 0 would say that the clock is coarse, not that the path is short.
    const rtt = Math.max(1, Math.round(rttUs))
    if (this.#srtt8 === 0) {
      this.#srtt8 = rtt * 8
      this.#mdev4 = rtt * 2
      this.#rttvar4 = Math.max(this.#mdev4, rtoMinUs)
      this.#mdevMax4 = this.#rttvar4
      this.#roundEnd = sndNxt
    } else {
      let error = rtt - Math.floor(this.#srtt8 / 8)
      this.#srtt8 = Math.max(1, this.#srtt8 + error)
      if (error < 0) {
        error = -error - Math.floor(this.#mdev4 / 4)
        // linux: a sudden drop of the RTT is no reason to raise the variance; take an eighth of it.
        if (error > 0) error = Math.floor(error / 8)
      } else {
        error -= Math.floor(this.#mdev4 / 4)
      }
      this.#mdev4 += error
      if (this.#mdev4 > this.#mdevMax4) {
        this.#mdevMax4 = this.#mdev4
        if (this.#mdevMax4 > this.#rttvar4) this.#rttvar4 = this.#mdevMax4
      }
      if (seqGt(sndUna, this.#roundEnd)) {
        if (this.#mdevMax4 < this.#rttvar4) this.#rttvar4 -= Math.floor((this.#rttvar4 - this.#mdevMax4) / 4)
        this.#roundEnd = sndNxt
        this.#mdevMax4 = rtoMinUs
      }
    }
    // rfc793#3.7: twice the smoothed time, however much it varies.
    this.#rtoBase = this.#classic
      ? Math.max(rtoMinUs, Math.floor(this.#srtt8 / 4))
      : Math.floor(this.#srtt8 / 8) + this.#rttvar4
  }
}
