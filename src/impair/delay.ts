import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { TimedQueue } from './timed-queue.ts'
import { formatTimeUs } from './values.ts'

export interface DelayFields {
  /** How long a frame takes: milliseconds, or netem's `'100ms'`. Default 0. */
  delay?: number | string
  /**
   * By how much the delay varies: uniform between `delay` − `jitter` and `delay` + `jitter`, never below 0, for each frame anew.
   * As with netem frames overtake each other. Default 0.
   */
  jitter?: number | string
}

export interface DelayConfig {
  readonly delayUs: number
  readonly jitterUs: number
}

/** Keeps every frame for a while. */
class DelayStage extends Stage<DelayConfig> {
  readonly #queue = new TimedQueue()

  override get idle(): boolean {
    return this.config === null && this.#queue.size === 0
  }

  override get deadline(): number {
    return this.#queue.dueUs
  }

  override push(frame: Frame, nowUs: number): void {
    const dueUs = nowUs + this.#delayUs(frame)
    // Without delay it passes at once, unless others are about to leave at this very time: they came before.
    if (dueUs === nowUs && this.#queue.dueUs > nowUs) this.next.push(frame, nowUs)
    else this.#queue.push(frame.hold(this.counters), dueUs)
  }

  override release(nowUs: number): void {
    while (this.#queue.dueUs <= nowUs) this.next.push(this.#queue.pop(), nowUs)
  }

  #delayUs(frame: Frame): number {
    const config = this.config
    if (config === null || frame.skipDelay) return 0
    if (config.jitterUs === 0) return config.delayUs
    const spread = 2 * this.rng.at(frame.index, frame.copy) - 1
    return Math.max(0, Math.round(config.delayUs + config.jitterUs * spread))
  }
}

export const delay: StageType<DelayConfig> = {
  name: 'delay',
  fields: ['delay', 'jitter'],
  parse(reader) {
    const delayUs = reader.timeUs('delay')
    const jitterUs = reader.timeUs('jitter')
    return delayUs === 0 && jitterUs === 0 ? null : { delayUs, jitterUs }
  },
  format(config) {
    const fields: Record<string, string> = { delay: formatTimeUs(config.delayUs) }
    if (config.jitterUs > 0) fields.jitter = formatTimeUs(config.jitterUs)
    return fields
  },
  create: (environment) => new DelayStage(environment),
}
