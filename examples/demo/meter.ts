// The progress of a transfer: a bar on a terminal, lines elsewhere.

import { SingleBar } from 'cli-progress'
import colors from 'picocolors'
import type { SenderState } from './origin.ts'
import { bytesText, countText, rateText, timeText } from './units.ts'

/** How far back the live throughput looks, in milliseconds. */
const WINDOW = 1000

export class Meter {
  readonly #label: string
  readonly #total: number
  readonly #bar: SingleBar | null
  readonly #began = performance.now()
  /** Times and byte counts of the last second, the oldest first. */
  readonly #samples: { at: number; bytes: number }[] = []
  /** How many lines tell of it where there is no terminal. */
  readonly #lines: number
  #bytes = 0
  #line = 0
  #shown = 0
  #sender: SenderState | null = null

  constructor(label: string, total: number, lines: number) {
    this.#lines = lines
    this.#label = label
    this.#total = total
    this.#bar = process.stdout.isTTY
      ? new SingleBar({
          format: `${label} ${colors.cyan('{bar}')} {percentage}%  {details}`,
          barCompleteChar: '█',
          barIncompleteChar: '░',
          barsize: 24,
          hideCursor: true,
          stream: process.stdout,
        })
      : null
    this.#bar?.start(total, 0, { details: '' })
  }

  sender(state: SenderState): void {
    this.#sender = state
    this.#show()
  }

  progress(bytes: number): void {
    this.#bytes = bytes
    const now = performance.now()
    const last = this.#samples.at(-1)
    if (last !== undefined && now - last.at < 20) last.bytes = bytes
    else this.#samples.push({ at: now, bytes })
    while (this.#samples[0].at < now - WINDOW && this.#samples.length > 2) this.#samples.shift()
    this.#show()
  }

  stop(): void {
    this.#show()
    this.#bar?.stop()
  }

  #show(): void {
    if (this.#bar !== null) {
      const now = performance.now()
      if (now - this.#shown < 100 && this.#bytes < this.#total) return
      this.#shown = now
      this.#bar.update(this.#bytes, { details: this.#details() })
      return
    }
    const line = this.#total === 0 ? this.#lines : Math.floor((this.#bytes / this.#total) * this.#lines)
    if (line === this.#line) return
    this.#line = line
    const percent = Math.floor((line / this.#lines) * 100)
    console.log(`${this.#label} ${String(percent).padStart(3)}%  ${this.#details()}`)
  }

  #details(): string {
    const parts = [`${bytesText(this.#bytes)} of ${bytesText(this.#total)}`, rateText(this.#rate())]
    if (this.#sender !== null) {
      const { rtt, cwnd, retransmitted } = this.#sender
      parts.push(
        `RTT ${(rtt / 1000).toFixed(rtt < 10_000 ? 2 : 1)} ms`,
        `cwnd ${cwnd}`,
        `${countText(retransmitted)} sent again`,
      )
    }
    return [...parts, timeText(performance.now() - this.#began)].join('  ')
  }

  #rate(): number {
    const first = this.#samples[0]
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined) return 0
    // The first second has no window yet: it counts from the beginning.
    const whole = first.at - this.#began < WINDOW
    const ms = last.at - (whole ? this.#began : first.at)
    return ms <= 0 ? 0 : ((last.bytes - (whole ? 0 : first.bytes)) / ms) * 1000
  }
}
