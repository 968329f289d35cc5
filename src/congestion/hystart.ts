import type { RateSample, SlowStartCounters } from './controller.ts'

/** When a slow start should end before it ends in loss. */
export interface SlowStartExit {
  readonly name: string
  /**
   * An acknowledgement in slow start. True: slow start is over, and `ssthresh` is to be the window.
   */
  onAck(sample: RateSample, cwnd: number): boolean
  /** How much the window grows for `acked` bytes acknowledged. */
  growth(acked: number): number
  /** The window was cut to start anew. */
  reset(): void
  /** Where it stands, for `info()`. */
  readonly phase: string
}

/** Samples that a round needs before its smallest is believed (rfc9406#4.3 N_RTT_SAMPLE, linux: HYSTART_MIN_SAMPLES). */
const RTT_SAMPLES = 8
/** rfc9406#4.3 MIN_RTT_THRESH, MAX_RTT_THRESH, MIN_RTT_DIVISOR */
const DELAY_MIN_US = 4000
const DELAY_MAX_US = 16_000
const RTT_DIVISOR = 8
/** rfc9406#4.3 CSS_GROWTH_DIVISOR, CSS_ROUNDS */
const CSS_GROWTH_DIVISOR = 4
const CSS_ROUNDS = 5

/** The rise of the round-trip time that tells of a queue. */
const delayThreshold = (rtt: number): number => Math.min(Math.max(rtt / RTT_DIVISOR, DELAY_MIN_US), DELAY_MAX_US)

/**
 * HyStart++ (rfc9406): when a round's smallest RTT has risen by an eighth, growth falls to a quarter (conservative slow start). Five such
 * rounds end slow start; an RTT that falls below where it began shows that the rise was a jitter, and slow start resumes.
 */
export class HyStartPlusPlus implements SlowStartExit {
  readonly name: string = 'hystart++'
  /** The round ends when so much is delivered (windowEnd); −1: none has begun. */
  #roundEnd = -1
  #lastRoundMinRtt = Number.POSITIVE_INFINITY
  #currentRoundMinRtt = Number.POSITIVE_INFINITY
  #rttSampleCount = 0
  /** `Infinity` outside conservative slow start. */
  #cssBaselineMinRtt = Number.POSITIVE_INFINITY
  #cssRounds = 0
  readonly #counters: SlowStartCounters | null

  constructor(counters: SlowStartCounters | null = null) {
    this.#counters = counters
  }

  get isConservative(): boolean {
    return this.#cssBaselineMinRtt !== Number.POSITIVE_INFINITY
  }

  get phase(): string {
    return this.isConservative ? `conservative slow start, round ${this.#cssRounds + 1}` : 'slow start'
  }

  onAck(sample: RateSample, cwnd: number): boolean {
    if (this.#roundEnd < 0) this.#startRound(sample)
    // The first ACK beyond the round: a sample of the old one would hide a rise in the new.
    else if (sample.totalDelivered > this.#roundEnd) {
      // rfc9406#4.2: conservative slow start lasts for whole rounds, the one it began in included.
      if (this.isConservative && ++this.#cssRounds >= CSS_ROUNDS) {
        countDelay(this.#counters, cwnd, sample.mss)
        return true
      }
      this.#startRound(sample)
    }
    if (sample.rtt < 0) return false
    if (sample.rtt < this.#currentRoundMinRtt) this.#currentRoundMinRtt = sample.rtt
    this.#rttSampleCount++
    if (this.#rttSampleCount < RTT_SAMPLES) return false
    const last = this.#lastRoundMinRtt
    if (this.isConservative) {
      if (this.#currentRoundMinRtt < this.#cssBaselineMinRtt) this.#cssBaselineMinRtt = Number.POSITIVE_INFINITY
    } else if (last !== Number.POSITIVE_INFINITY && this.#currentRoundMinRtt >= last + delayThreshold(last)) {
      this.#cssBaselineMinRtt = this.#currentRoundMinRtt
      this.#cssRounds = 0
    }
    return false
  }

  growth(acked: number): number {
    return this.isConservative ? acked / CSS_GROWTH_DIVISOR : acked
  }

  reset(): void {
    this.#roundEnd = -1
    this.#lastRoundMinRtt = Number.POSITIVE_INFINITY
    this.#currentRoundMinRtt = Number.POSITIVE_INFINITY
    this.#rttSampleCount = 0
    this.#cssBaselineMinRtt = Number.POSITIVE_INFINITY
    this.#cssRounds = 0
  }

  #startRound({ totalDelivered, inFlight }: RateSample): void {
    this.#roundEnd = totalDelivered + inFlight
    this.#lastRoundMinRtt = this.#currentRoundMinRtt
    this.#currentRoundMinRtt = Number.POSITIVE_INFINITY
    this.#rttSampleCount = 0
  }
}

/** linux: hystart_low_window, segments */
const LOW_WINDOW_SEGS = 16
/** linux: hystart_ack_delta_us: ACKs no further apart are one train. */
const ACK_DELTA_US = 2000
/** linux: hystart_ack_delay; what a sender may lag behind for sending large pieces. */
const LARGEST_PIECE = 4 * 65_536
const MAX_ACK_DELAY_US = 1000

/**
 * The kernel's HyStart (Ha and Rhee 2011; linux: hystart_update): a train of closely spaced ACKs as long as the path is, or a rise of the
 * round-trip time by an eighth above the smallest known, ends slow start at once.
 */
export class HyStart implements SlowStartExit {
  readonly name: string = 'hystart'
  #roundEnd = -1
  #roundStart = 0
  #lastAck = 0
  #currRtt = Number.POSITIVE_INFINITY
  #sampleCount = 0
  #delayMin = Number.POSITIVE_INFINITY
  #found = ''
  readonly #counters: SlowStartCounters | null

  constructor(counters: SlowStartCounters | null = null) {
    this.#counters = counters
  }

  get phase(): string {
    return this.#found === '' ? 'slow start' : `left by ${this.#found}`
  }

  onAck(sample: RateSample, cwnd: number): boolean {
    const { now, rtt, srtt } = sample
    if (rtt < 0) return false
    if (rtt < this.#delayMin) this.#delayMin = rtt
    // linux: after(snd_una, end_seq)
    if (this.#roundEnd < 0 || sample.totalDelivered > this.#roundEnd) {
      this.#roundStart = this.#lastAck = now
      this.#roundEnd = sample.totalDelivered + sample.inFlight
      this.#currRtt = Number.POSITIVE_INFINITY
      this.#sampleCount = 0
    }
    if (cwnd < LOW_WINDOW_SEGS * sample.mss) return false
    if (now - this.#lastAck <= ACK_DELTA_US) {
      this.#lastAck = now
      // linux: with pacing, which spreads a window over half a round trip, the whole of delay_min.
      if (now - this.#roundStart > this.#delayMin + ackDelay(cwnd, srtt)) {
        countTrain(this.#counters, cwnd, sample.mss)
        return this.#leave('ACK train')
      }
    }
    if (rtt < this.#currRtt) this.#currRtt = rtt
    if (this.#sampleCount < RTT_SAMPLES) this.#sampleCount++
    else if (this.#currRtt > this.#delayMin + delayThreshold(this.#delayMin)) {
      countDelay(this.#counters, cwnd, sample.mss)
      return this.#leave('delay')
    }
    return false
  }

  growth(acked: number): number {
    return acked
  }

  reset(): void {
    this.#roundEnd = -1
    this.#found = ''
  }

  #leave(why: string): boolean {
    this.#found = why
    return true
  }
}

function countTrain(counters: SlowStartCounters | null, cwnd: number, mss: number): void {
  if (counters === null) return
  counters.TCPHystartTrainDetect++
  counters.TCPHystartTrainCwnd += Math.floor(cwnd / mss)
}

function countDelay(counters: SlowStartCounters | null, cwnd: number, mss: number): void {
  if (counters === null) return
  counters.TCPHystartDelayDetect++
  counters.TCPHystartDelayCwnd += Math.floor(cwnd / mss)
}

/** The pace of slow start is two windows a round trip. */
const ackDelay = (cwnd: number, srtt: number): number => Math.min(MAX_ACK_DELAY_US, (LARGEST_PIECE * srtt) / (2 * cwnd))
