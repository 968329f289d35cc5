import type { CongestionController, ControllerEnvironment } from './controller.ts'
import { numberOption } from './options.ts'

/** The largest window that TCP can offer (rfc7323#2.3). */
const WINDOW_MAX = 2 ** 30

/**
 * A window and a pace set by hand, which nothing moves: neither loss nor timeouts. For tests and experiments; on a shared path it is a menace.
 *
 * Options: `cwnd` in bytes, or `cwndSegs` in segments (then it follows the segment size); `rate` in bytes a second. With a rate alone the
 * window is without limit; with neither it stays at the segments it began with.
 */
export class Fixed implements CongestionController {
  readonly name: string = 'fixed'
  readonly ownsRecovery: boolean = true
  cwnd: number
  ssthresh: number = Number.POSITIVE_INFINITY
  pacingBps: number
  /** 0: the window was given in bytes. */
  readonly #segments: number

  constructor({ mss, initialWindow, options }: ControllerEnvironment) {
    this.pacingBps = numberOption(options, 'rate', 0, 0, Number.MAX_VALUE)
    const bytes = numberOption(options, 'cwnd', this.pacingBps > 0 ? WINDOW_MAX : 0, 1, WINDOW_MAX)
    this.#segments = numberOption(options, 'cwndSegs', bytes > 0 ? 0 : initialWindow / mss, 0, WINDOW_MAX)
    this.cwnd = this.#segments > 0 ? this.#segments * mss : bytes
  }

  onAck(): void {}

  /** As for the next two: there is nothing to answer with. */
  onEnterRecovery(): void {}

  onTimeout(): void {}

  onEcn(): void {}

  onMss(mss: number): void {
    if (this.#segments > 0) this.cwnd = this.#segments * mss
  }

  info(): Record<string, number | string | boolean> {
    return { cwnd: this.cwnd, rate: this.pacingBps }
  }
}
