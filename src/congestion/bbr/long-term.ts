import type { RateSample } from '../controller.ts'

/** linux: bbr_lt_intvl_min_rtts; a sample spans at least so many rounds, and four times that at most. */
const INTERVAL_MIN_ROUNDS = 4
/** linux: bbr_lt_loss_thresh, 50/256: with so much loss in an interval a policer may be at work. */
const LOSS_THRESHOLD = 50 / 256
/**
 * ours: by so many standard deviations. 15 % of random loss is 18 % of what is delivered, which chance brings above a fifth all the time where few
 * segments are counted, and the rate of that interval would hold for 48 rounds.
 */
const CONFIDENCE = 3
/** linux: bbr_lt_bw_ratio, bbr_lt_bw_diff: two intervals are of one rate if they differ by no more than an eighth, or 4 kbit/s. */
const RATIO = 1 / 8
const DIFFERENCE_BPS = 4000 / 8
/** linux: bbr_lt_bw_max_rtts; after so many rounds see whether the policer is still there. */
const USE_MAX_ROUNDS = 48

/**
 * Policers, which drop whatever exceeds a token bucket's rate: bursts pass, so the best bandwidth of ten rounds is the wrong one. Two intervals in a
 * row that begin and end in loss, lose a fifth, and deliver at the same rate show it: that rate then holds for 48 rounds (linux:
 * bbr_lt_bw_sampling).
 */
export class LongTerm {
  /** The estimate is in force, and PROBE_BW's gains are not. */
  inUse = false
  /** Bytes a second. */
  bwBps = 0
  #sampling = false
  #rounds = 0
  #start = 0
  #startDelivered = 0
  #startLost = 0
  /** All bytes lost so far. */
  #lost = 0
  #mss = 1

  /** A valid sample. True: what was known of a policer is forgotten, and probing begins again. */
  onAck(sample: RateSample, appLimited: boolean, roundStart: boolean, probing: boolean): boolean {
    this.#lost = sample.totalLost
    this.#mss = sample.mss
    return this.#advance(sample.now, sample.totalDelivered, sample.lost > 0, appLimited, roundStart, probing)
  }

  /** linux: bbr_set_state; a timeout is a loss, and the end of a round. */
  onTimeout(now: number, totalDelivered: number, probing: boolean): void {
    this.#advance(now, totalDelivered, true, false, true, probing)
  }

  #advance(
    now: number,
    totalDelivered: number,
    loss: boolean,
    appLimited: boolean,
    roundStart: boolean,
    probing: boolean,
  ): boolean {
    if (this.inUse) {
      if (!probing || !roundStart || ++this.#rounds < USE_MAX_ROUNDS) return false
      this.reset(now, totalDelivered)
      return true
    }
    if (!this.#sampling) {
      // An interval begins with loss: the bucket is empty.
      if (!loss) return false
      this.#begin(now, totalDelivered)
      this.#sampling = true
    }
    if (appLimited) {
      this.reset(now, totalDelivered)
      return false
    }
    if (roundStart) this.#rounds++
    if (this.#rounds < INTERVAL_MIN_ROUNDS) return false
    if (this.#rounds > 4 * INTERVAL_MIN_ROUNDS) {
      // No loss for long: there is no policer, or it has changed.
      this.reset(now, totalDelivered)
      return false
    }
    // It ends with loss too, to contain whole fillings of the bucket.
    if (!loss) return false
    const delivered = totalDelivered - this.#startDelivered
    const span = now - this.#start
    if (delivered <= 0 || this.#lost - this.#startLost < tooMuch(delivered, this.#mss) || span < 1000) return false
    this.#onInterval((delivered * 1e6) / span, now, totalDelivered)
    return false
  }

  reset(now: number, totalDelivered: number): void {
    this.bwBps = 0
    this.inUse = false
    this.#sampling = false
    this.#begin(now, totalDelivered)
  }

  #begin(now: number, totalDelivered: number): void {
    this.#start = now
    this.#startDelivered = totalDelivered
    this.#startLost = this.#lost
    this.#rounds = 0
  }

  #onInterval(bwBps: number, now: number, totalDelivered: number): void {
    const before = this.bwBps
    if (before > 0) {
      const difference = Math.abs(bwBps - before)
      if (difference <= RATIO * before || difference <= DIFFERENCE_BPS) {
        this.bwBps = (bwBps + before) / 2
        this.inUse = true
        this.#rounds = 0
        return
      }
    }
    this.bwBps = bwBps
    this.#begin(now, totalDelivered)
  }
}

/** Bytes lost that tell of a policer, where so many were delivered; each segment is lost or not by itself. */
function tooMuch(delivered: number, mss: number): number {
  const deviation = Math.sqrt(LOSS_THRESHOLD * (1 + LOSS_THRESHOLD) * (delivered / mss)) * mss
  return LOSS_THRESHOLD * delivered + CONFIDENCE * deviation
}
