import type { RateSample } from '../controller.ts'
import type { RoundCounter } from './filters.ts'

const Episode = { None: 0, Recovery: 1, Loss: 2 } as const
type Episode = (typeof Episode)[keyof typeof Episode]

/**
 * The window in loss recovery. BBR takes no loss for congestion, but the first round of an episode sends no more than was delivered, lest a
 * burst meet a buffer that is full; when the episode ends the window is what it was (linux: bbr_save_cwnd, bbr_set_cwnd_to_recover_or_restore).
 */
export class RecoveryWindow {
  /** The last window that neither an episode nor PROBE_RTT had cut. */
  priorCwnd = 0
  /** What is sent is what was delivered. */
  conserving = false
  #episode: Episode = Episode.None
  #entered = false
  #left = false

  get isLoss(): boolean {
    return this.#episode === Episode.Loss
  }

  get inEpisode(): boolean {
    return this.#episode !== Episode.None
  }

  /** `cut`: PROBE_RTT has, so that an earlier window may be the better one to come back to. */
  save(cwnd: number, cut: boolean): void {
    this.priorCwnd = cut || this.inEpisode || this.#left ? Math.max(this.priorCwnd, cwnd) : cwnd
  }

  enter(): void {
    this.#episode = Episode.Recovery
    // linux: prev_ca_state; where one ACK ends an episode and begins the next, as it goes on and on while more than one segment in a window is
    // lost, it is one episode, and nothing is cut a second time.
    this.#entered = !this.#left
    this.#left = false
  }

  enterLoss(): void {
    this.#episode = Episode.Loss
    this.#entered = false
    this.#left = false
    this.conserving = false
  }

  leave(): void {
    if (this.inEpisode) this.#left = true
    this.#episode = Episode.None
    this.#entered = false
  }

  /** Something was delivered: the window to go on from. `least`: what an episode that begins leaves of it in any case. */
  onAck(sample: RateSample, cwnd: number, round: RoundCounter, least: number): number {
    const { inFlight, delivered, mss } = sample
    let next = cwnd
    if (sample.lost > 0) next = Math.max(next - sample.lost, mss)
    if (this.#entered) {
      this.#entered = false
      if (sample.inRecovery) {
        this.conserving = true
        round.restart(sample.totalDelivered)
        next = Math.max(inFlight + delivered, Math.min(cwnd, least))
      } else {
        // The episode was over as it began: a probe repaired the loss (rfc8985#7.4.1).
        this.leave()
      }
    }
    if (this.#left) {
      this.#left = false
      this.conserving = false
      next = Math.max(next, this.priorCwnd)
    }
    return this.conserving ? Math.max(next, inFlight + delivered, mss) : next
  }
}
