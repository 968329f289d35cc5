import { RoundCounter } from '../bbr/filters.ts'
import type { RateSample } from '../controller.ts'
import { paceQuantum } from '../pacer.ts'

/** bbr3#2: MinPipeCwnd, Headroom, Beta, LossThresh */
const MIN_PIPE_SEGS = 4
const HEADROOM = 0.15
export const BETA = 0.7
const LOSS_THRESHOLD = 0.02

const UNBOUNDED = Number.POSITIVE_INFINITY

/**
 * What BBR version 3 knows of the path: how much bandwidth and how much in flight it has been seen to bear (`max_bw`, `inflight_hi`: for long), and
 * what the last rounds warn of (`bw_lo`, `inflight_lo`: until the next probe).
 */
export class Model {
  readonly round: RoundCounter = new RoundCounter()
  readonly #initialWindow: number
  mss: number
  /** µs; `Infinity` before the first. */
  minRtt: number
  /** The best bandwidth of the last probing cycle and of this one, bytes a second. */
  #bwBefore = 0
  #bwNow = 0
  bwLo = UNBOUNDED
  inflightHi = UNBOUNDED
  inflightLo = UNBOUNDED
  /** Of this loss round: the best rate and the most delivered in one flight. */
  bwLatest = 0
  inflightLatest = 0
  /** Excess of late acknowledgements. */
  extraAcked = 0
  /** What the pacer lets out in one go, bytes. */
  quantum = 0

  // What a reduction that proves needless takes back.
  #undoBwLo = UNBOUNDED
  #undoInflightLo = UNBOUNDED
  #undoInflightHi = UNBOUNDED

  constructor(mss: number, initialWindow: number, minRtt: number) {
    this.mss = mss
    this.#initialWindow = initialWindow
    this.minRtt = minRtt
  }

  get maxBw(): number {
    return Math.max(this.#bwBefore, this.#bwNow)
  }

  /** Bandwidth to go by: BBRBoundBWForModel. */
  get bw(): number {
    return Math.min(this.maxBw, this.bwLo)
  }

  get minPipe(): number {
    return MIN_PIPE_SEGS * this.mss
  }

  /** BBRUpdateMaxBw, BBRAdvanceMaxBwFilter: the filter's time is the probing cycle, so that a rate found by a probe holds until the next. */
  onBandwidth(rate: number, appLimited: boolean): void {
    if (rate > this.#bwNow && (!appLimited || rate >= this.maxBw)) this.#bwNow = rate
  }

  advanceCycle(): void {
    if (this.#bwNow === 0) return
    this.#bwBefore = this.#bwNow
    this.#bwNow = 0
  }

  /** BBRBDPMultiple */
  bdp(bw: number, gain: number): number {
    if (this.minRtt === UNBOUNDED) return this.#initialWindow
    return Math.ceil((bw * this.minRtt * gain) / 1e6)
  }

  /** BBRQuantizationBudget */
  budget(inflight: number, probingUp: boolean): number {
    const budget = Math.max(inflight, 3 * this.quantum, this.minPipe)
    return probingUp ? budget + 2 * this.mss : budget
  }

  /** BBRInflight */
  inflight(bw: number, gain: number): number {
    return this.budget(this.bdp(bw, gain), false)
  }

  /** BBRInflightWithHeadroom: room for others to grow into, below what is known to be too much. */
  get withHeadroom(): number {
    const { inflightHi } = this
    if (inflightHi === UNBOUNDED) return UNBOUNDED
    return Math.max(inflightHi - Math.max(HEADROOM * inflightHi, this.mss), this.minPipe)
  }

  /** BBRTargetInflight */
  target(cwnd: number): number {
    return Math.min(this.bdp(this.bw, 1), cwnd)
  }

  /** IsInflightTooHigh: more than 2 % lost of what was in flight with the segment now acknowledged. */
  lossTooHigh(sample: RateSample): boolean {
    return sample.lostSinceSent > txInFlight(sample) * LOSS_THRESHOLD
  }

  /** BBRInitLowerBounds, BBRLossLowerBounds */
  lowerByLoss(cwnd: number): void {
    if (this.bwLo === UNBOUNDED) this.bwLo = this.maxBw
    if (this.inflightLo === UNBOUNDED) this.inflightLo = cwnd
    this.bwLo = Math.max(this.bwLatest, BETA * this.bwLo, 1)
    this.inflightLo = Math.max(this.inflightLatest, BETA * this.inflightLo)
  }

  /** linux v3: bbr_ecn_lower_bounds; marks bound what is in flight, not the rate. */
  lowerByMarks(cwnd: number, cut: number): void {
    if (this.inflightLo === UNBOUNDED) this.inflightLo = cwnd
    this.inflightLo *= 1 - cut
  }

  /** BBRResetShortTermModel */
  resetLower(): void {
    this.bwLo = UNBOUNDED
    this.inflightLo = UNBOUNDED
  }

  /** A loss episode begins (linux v3: bbr_ssthresh). */
  save(): void {
    this.#undoBwLo = this.bwLo
    this.#undoInflightLo = this.inflightLo
    this.#undoInflightHi = this.inflightHi
  }

  /** linux v3: bbr_undo_cwnd */
  undo(): void {
    this.bwLo = Math.max(this.bwLo, this.#undoBwLo)
    this.inflightLo = Math.max(this.inflightLo, this.#undoInflightLo)
    this.inflightHi = Math.max(this.inflightHi, this.#undoInflightHi)
  }

  onPacingRate(rate: number): void {
    this.quantum = paceQuantum(rate, this.mss)
  }
}

/** What was in flight when the acknowledged segment left; where the ACK delivered nothing that is known, what is nearest. */
const txInFlight = (sample: RateSample): number => sample.txInFlight || sample.inFlightBefore

/**
 * BBRInflightAtLoss: how much was in flight when the loss of this flight passed the threshold. The draft asks it of each lost segment; here what one
 * ACK found lost counts as lost together, and the answer is a point within that.
 */
export function inflightAtLoss(sample: RateSample): number {
  const { lost } = sample
  const before = Math.max(txInFlight(sample) - lost, 0)
  const lostBefore = Math.max(sample.lostSinceSent - lost, 0)
  const prefix = (LOSS_THRESHOLD * before - lostBefore) / (1 - LOSS_THRESHOLD)
  return before + Math.min(Math.max(prefix, 0), lost)
}
