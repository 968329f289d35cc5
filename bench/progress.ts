import { Presets, SingleBar } from 'cli-progress'

/** What is under way, on stderr: a bar with the time that is left on a terminal, a line for each sample elsewhere. */
export class Progress {
  failures = 0
  readonly #seconds: number
  readonly #samples: number
  readonly #bar: SingleBar | null
  #count = 0
  #passed = 0

  /** What is to be expected. */
  constructor(samples: number, seconds: number) {
    this.#samples = samples
    this.#seconds = seconds
    this.#bar = process.stderr.isTTY
      ? new SingleBar(
          { format: '{bar} {percentage} % | {left} left | {text}', hideCursor: true, etaBuffer: 10 },
          Presets.shades_classic,
        )
      : null
    this.#bar?.start(Math.max(1, Math.round(seconds)), 0, { text: '', left: durationText(seconds) })
  }

  begin(text: string): void {
    this.#count++
    const line = `[${this.#count}/${this.#samples}] ${text}`
    if (this.#bar === null) process.stderr.write(`${line}\n`)
    else this.#bar.update(Math.round(this.#passed), { text: line, left: durationText(this.#seconds - this.#passed) })
  }

  /** `seconds`: what the sample was expected to take. */
  end(seconds: number): void {
    this.#passed += seconds
    this.#bar?.update(Math.round(this.#passed))
  }

  fail(message: string): void {
    this.failures++
    process.stderr.write(`${this.#bar === null ? '' : '\n'}failed: ${message}\n`)
  }

  done(): void {
    this.#bar?.stop()
  }
}

export function durationText(seconds: number): string {
  return seconds < 90 ? `${Math.max(1, Math.ceil(seconds))} s` : `${Math.ceil(seconds / 60)} min`
}
