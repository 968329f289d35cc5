import type { CongestionController, ControllerEnvironment, RateSample } from './controller.ts'

/** The loss window after a timeout and the floor of `ssthresh`, in segments (rfc5681#3.1). */
const MIN_SSTHRESH_SEGS = 2

/**
 * Reno: slow start, congestion avoidance, half on loss (rfc5681#3.1), counting bytes acknowledged rather than
 * acknowledgements (rfc3465), so that delayed and merged ACKs cost it no growth.
 */
export class Reno implements CongestionController {
  readonly name: string = 'reno'
  readonly ownsRecovery: boolean = false
  cwnd: number
  ssthresh = Number.POSITIVE_INFINITY
  pacingBps = 0
  #mss: number
  /** Bytes acknowledged towards the next segment of linear growth. */
  #acked = 0

  constructor({ mss, initialWindow }: ControllerEnvironment) {
    this.#mss = mss
    this.cwnd = initialWindow
  }

  onAck(sample: RateSample): void {
    // rfc2861#3: a window that was not used has not been tested and does not grow.
    if (sample.inRecovery || !sample.cwndLimited) return
    let { acked } = sample
    if (this.cwnd < this.ssthresh) {
      // linux: tcp_slow_start() takes all that was acknowledged, without RFC 3465's limit per ACK; the pace is kept elsewhere.
      const grown = Math.min(this.cwnd + acked, this.ssthresh)
      acked -= grown - this.cwnd
      this.cwnd = grown
      if (acked <= 0) return
    }
    // rfc5681#3.1: one segment for each window of data acknowledged.
    this.#acked += acked
    if (this.#acked >= this.cwnd) {
      const windows = Math.floor(this.#acked / this.cwnd)
      this.#acked -= windows * this.cwnd
      this.cwnd += windows * this.#mss
    }
  }

  onEnterRecovery(): void {
    this.#reduce()
  }

  onTimeout(_now: number, _inFlight: number, repeated: boolean): void {
    // rfc5681#3.1: ssthresh is set once for a segment; a backed-off timer says nothing new about the path.
    if (!repeated) this.#reduce()
    this.cwnd = this.#mss
    this.#acked = 0
  }

  onEcn(): void {
    this.#reduce()
  }

  onMss(mss: number): void {
    // The window stands for so many segments: growth and floors follow the new size.
    this.cwnd = Math.max(mss, Math.round((this.cwnd / this.#mss) * mss))
    if (this.ssthresh !== Number.POSITIVE_INFINITY) this.ssthresh = Math.round((this.ssthresh / this.#mss) * mss)
    this.#mss = mss
    this.#acked = 0
  }

  #reduce(): void {
    // linux: half of cwnd, where rfc5681#3.1 says half of FlightSize. The two agree because a window grows only while it is full.
    this.ssthresh = Math.max(Math.floor(this.cwnd / 2), MIN_SSTHRESH_SEGS * this.#mss)
    this.#acked = 0
  }
}
