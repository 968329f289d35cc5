import type { RateSample } from '../controller.ts'
import type { Ecn } from './ecn.ts'
import type { Model } from './model.ts'

/**
 * What each round trip says of congestion, and the answer of the short-term model: one reduction a round with loss, to what the path delivered in
 * that round or 0.7 of before, whichever is more. A round of loss begins with its first loss, so that a whole flight is judged.
 */
export class Signals {
  /** The acknowledgement in work began a loss round. */
  roundStart = false
  lossInRound = false
  /** ACKs of the loss round that found loss. */
  lossEvents = 0
  #roundDelivered = 0
  #ecnInRound = false

  /** BBRUpdateLatestDeliverySignals, and BBRNoteLoss */
  onAck(sample: RateSample, model: Model): void {
    const { lost, priorDelivered, totalDelivered } = sample
    if (lost > 0) {
      if (!this.lossInRound) this.#roundDelivered = totalDelivered
      this.lossInRound = true
      this.lossEvents++
    }
    if (sample.ecnMarked > 0) this.#ecnInRound = true
    this.roundStart = false
    if (sample.interval <= 0) return
    model.bwLatest = Math.max(model.bwLatest, sample.rate)
    model.inflightLatest = Math.max(model.inflightLatest, totalDelivered - priorDelivered)
    if (priorDelivered < this.#roundDelivered) return
    this.#roundDelivered = totalDelivered
    this.roundStart = true
  }

  /** BBRUpdateCongestionSignals: the lower bounds, unless this is a time of probing, when the upper ones answer. */
  adapt(model: Model, ecn: Ecn, cwnd: number, probing: boolean): void {
    if (!this.roundStart) return
    if (!probing) {
      if (this.#ecnInRound && ecn.cut > 0) model.lowerByMarks(cwnd, ecn.cut)
      if (this.lossInRound) model.lowerByLoss(cwnd)
    }
    this.lossInRound = false
    this.#ecnInRound = false
  }

  /** BBRAdvanceLatestDeliverySignals: the round's last act. */
  advance(sample: RateSample, model: Model): void {
    if (!this.roundStart) return
    this.lossEvents = 0
    model.bwLatest = sample.rate
    model.inflightLatest = sample.totalDelivered - sample.priorDelivered
  }

  /** BBRResetCongestionSignals */
  reset(model: Model): void {
    this.lossInRound = false
    this.#ecnInRound = false
    model.bwLatest = 0
    model.inflightLatest = 0
  }
}
