import type { RateSample } from './controller.ts'

/** What a segment keeps of the moment it was last sent (P.* of the draft; linux: tcp_skb_cb.tx). */
export interface SendStamp {
  /** All bytes delivered, and when that number last grew. */
  delivered: number
  deliveredTs: number
  /** When the segment was sent whose delivery began the flight that this one belongs to. */
  firstSentTs: number
  appLimited: boolean
  /** In flight when it had left, itself included. */
  txInFlight: number
  /** All bytes lost. */
  lost: number
}

/**
 * Delivery rate (draft-cheng-iccrg-delivery-rate-estimation; linux: tcp_rate.c): bytes delivered over the longer of the time it took to send
 * them and the time it took to have them acknowledged, between the sending of a segment and its acknowledgement. The longer one, because an ACK
 * that came late makes the next ones come in a bunch, and because what was sent in a burst says nothing about the link.
 *
 *     sent         P₀ ──── send phase ────▶ P
 *     delivered         Δ₀ ──── ACK phase ────▶ Δ      rate = (Δ − Δ₀) / max(phases)
 *
 * Owned by a sender, which calls `onSent` for each segment as it leaves, again or for the first time, `onDelivered` for each that an ACK covers
 * for the first time, then `generate`. Nothing is allocated.
 */
export class RateSampler {
  /** C.delivered: bytes delivered, in sequence or by SACK. −0, for such a number outgrows the integers that V8 has a short form of. */
  delivered = -0
  /** When `delivered` last grew, or sending began after silence, µs. */
  deliveredTs = 0
  /** C.lost: bytes ever marked lost; what is lost twice counts twice. */
  lost = 0
  /** The last rate not limited by the application, or a higher one that was, bytes a second; 0 none yet (linux: tcpi_delivery_rate). */
  deliveryRate = 0
  deliveryRateAppLimited = false
  /** When the segment delivered last was sent. */
  #firstSentTs = 0
  /** Samples are limited by the application until so much is delivered; 0: they are not. */
  #appLimitedUntil = -0
  /** A round ends when something is delivered that was sent after so much had been. */
  #nextRoundDelivered = -0

  // Of the segment sent last among those that the ACK in work delivers; −1: it delivers none.
  #sentTs = -1
  #sentTxInFlight = 0
  #priorDelivered = -0
  #priorDeliveredTs = 0
  #priorLost = 0
  #sendPhase = 0
  #priorAppLimited = false

  get isAppLimited(): boolean {
    return this.#appLimitedUntil !== 0
  }

  /**
   * A segment leaves.
   *
   * @param outstanding bytes between SND.UNA and SND.NXT before this one: 0 begins a flight
   * @param inFlight bytes in the network, this one counted
   */
  onSent(stamp: SendStamp, now: number, outstanding: number, inFlight: number): void {
    if (outstanding === 0) {
      this.#firstSentTs = now
      this.deliveredTs = now
    }
    stamp.delivered = this.delivered
    stamp.deliveredTs = this.deliveredTs
    stamp.firstSentTs = this.#firstSentTs
    stamp.appLimited = this.#appLimitedUntil !== 0
    stamp.txInFlight = inFlight
    stamp.lost = this.lost
  }

  /** A segment that was last sent at `sentTs` is delivered, for the first time. */
  onDelivered(stamp: SendStamp, sentTs: number): void {
    // The newest one counts. Those of one burst bear one time; more was in flight the later one left.
    if (sentTs < this.#sentTs || (sentTs === this.#sentTs && stamp.txInFlight < this.#sentTxInFlight)) return
    this.#sentTs = sentTs
    this.#sentTxInFlight = stamp.txInFlight
    this.#priorDelivered = stamp.delivered
    this.#priorDeliveredTs = stamp.deliveredTs
    this.#priorLost = stamp.lost
    this.#priorAppLimited = stamp.appLimited
    this.#sendPhase = sentTs - stamp.firstSentTs
  }

  /** `bytes` were marked lost without an ACK: by the retransmission or the reordering timer. */
  onLost(bytes: number): void {
    this.lost += bytes
  }

  /**
   * The application leaves the window unused: what is sent from now on, until what is in flight is delivered, measures the application
   * (linux: app_limited).
   */
  markAppLimited(inFlight: number): void {
    this.#appLimitedUntil = Math.max(this.delivered + inFlight, 1)
  }

  /**
   * `markAppLimited` where it is so (linux: tcp_rate_check_app_limited): less than a segment is to be sent, the window has room for it,
   * and nothing lost waits. To be asked when the application writes, before what it wrote is queued, and when sending ends for want of data.
   */
  checkAppLimited(
    notSent: number,
    mss: number,
    inFlight: number,
    cwnd: number,
    lostOut: number,
    retransOut: number,
  ): void {
    if (notSent < mss && inFlight < cwnd && lostOut <= retransOut) this.markAppLimited(inFlight)
  }

  /**
   * The ACK is applied: fills the members of `sample` that concern delivery. `delivered` and `lost` are what it newly delivered and newly
   * marked lost; a rate over less than `minRtt` is thrown away, for it comes of an ACK of the original taken for one of the retransmission.
   */
  generate(sample: RateSample, now: number, delivered: number, lost: number, minRtt: number): void {
    this.lost += lost
    if (delivered > 0) {
      this.delivered += delivered
      this.deliveredTs = now
    }
    if (this.#appLimitedUntil !== 0 && this.delivered > this.#appLimitedUntil) this.#appLimitedUntil = 0
    sample.now = now
    sample.delivered = delivered
    sample.lost = lost
    sample.totalDelivered = this.delivered
    sample.totalLost = this.lost
    sample.interval = 0
    sample.rate = -1
    sample.roundStart = false
    if (this.#sentTs < 0) {
      sample.priorDelivered = this.delivered
      sample.appLimited = this.#appLimitedUntil !== 0
      sample.txInFlight = 0
      sample.lostSinceSent = 0
      return
    }
    sample.priorDelivered = this.#priorDelivered
    sample.appLimited = this.#priorAppLimited
    sample.txInFlight = this.#sentTxInFlight
    sample.lostSinceSent = this.lost - this.#priorLost
    if (this.#priorDelivered >= this.#nextRoundDelivered) {
      this.#nextRoundDelivered = this.delivered
      sample.roundStart = true
    }
    this.#firstSentTs = this.#sentTs
    this.#sentTs = -1
    const interval = Math.max(this.#sendPhase, now - this.#priorDeliveredTs)
    if (interval <= 0 || interval < minRtt) return
    const rate = ((this.delivered - this.#priorDelivered) * 1e6) / interval
    sample.interval = interval
    sample.rate = rate
    if (!this.#priorAppLimited || rate >= this.deliveryRate) {
      this.deliveryRate = rate
      this.deliveryRateAppLimited = this.#priorAppLimited
    }
  }

  /** Fills the same members where no acknowledgement, or nothing yet of it, is to be told of. */
  describe(sample: RateSample): void {
    sample.acked = 0
    sample.sacked = 0
    sample.lost = 0
    sample.delivered = 0
    sample.rtt = -1
    sample.ecnMarked = 0
    sample.totalDelivered = this.delivered
    sample.totalLost = this.lost
    sample.priorDelivered = this.delivered
    sample.interval = 0
    sample.rate = -1
    sample.roundStart = false
    sample.appLimited = this.#appLimitedUntil !== 0
    sample.txInFlight = 0
    sample.lostSinceSent = 0
  }

  /** The selective acknowledgements turned out worthless (rfc2018#8): what the ACK delivered says nothing. */
  discard(): void {
    this.#sentTs = -1
  }
}
