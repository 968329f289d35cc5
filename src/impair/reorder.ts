import { Chance, type ChanceConfig, Correlated, formatChance, takeChance } from './chance.ts'
import { hasDelay } from './delay.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageType } from './stage.ts'
import { TimedQueue } from './timed-queue.ts'
import {
  type FieldReader,
  formatTimeUs,
  invalidValue,
  parseInteger,
  parseObject,
  parseProbability,
  parseTimeUs,
} from './values.ts'
import { Words } from './words.ts'

export interface ReorderFields {
  /**
   * How probable it is that a frame is out of order. `'25%'`, `'25% 50%'` (with correlation), `'25% gap 5'` and
   * `{ probability, correlation, gap }` are netem's: the chosen frames skip the `delay`, which there must be, and with a gap only
   * each fifth or later is a candidate. `'20% by 5ms'` and `{ probability, by }`: the chosen frames are held back that long.
   */
  reorder?:
    | number
    | string
    | { probability: number | string; correlation?: number | string; gap?: number; by?: number | string }
}

export interface ReorderConfig extends ChanceConfig {
  /** After one frame out of order, the next so many less one are in order. */
  readonly gap: number
  /** How long the chosen are held back; 0: they skip the delay. */
  readonly byUs: number
}

/** linux: with a gap, a number is drawn only for frames that are candidates, and only those move the correlation. */
class Gaps {
  readonly #numbers: Correlated
  readonly #config: ReorderConfig
  #at: number
  #since = 0
  #drawn = 0
  #chosen = false

  constructor(config: ReorderConfig, rng: Rng, from: number) {
    this.#config = config
    this.#numbers = new Correlated(rng, config.correlation, 0)
    this.#at = from - 1
  }

  hits(index: number): boolean {
    while (this.#at < index) {
      this.#at++
      const candidate = this.#since >= this.#config.gap - 1
      this.#chosen = candidate && this.#numbers.at(this.#drawn++, 0) < this.#config.probability
      this.#since = this.#chosen ? 0 : this.#since + 1
    }
    return this.#chosen
  }
}

/** Chooses frames that overtake others, or are overtaken. */
class ReorderStage extends Stage<ReorderConfig, Chance | Gaps> {
  readonly #queue = new TimedQueue()

  override get idle(): boolean {
    return this.config === null && this.#queue.size === 0
  }

  override get deadline(): number {
    return this.#queue.dueUs
  }

  protected override recall(rng: Rng, flow: Flow): Chance | Gaps {
    const config = this.config as ReorderConfig
    return config.gap > 1 ? new Gaps(config, rng, flow.base) : new Chance(rng, config, flow.base)
  }

  override push(frame: Frame, nowUs: number): void {
    const config = this.config
    if (config === null || !this.memory(frame.flow).hits(frame.index, frame.copy)) {
      this.next.push(frame, nowUs)
      return
    }
    this.counters.reordered++
    frame.reordered = true
    if (config.byUs > 0) {
      this.#queue.push(frame.hold(this.counters), nowUs + config.byUs)
    } else {
      frame.skipDelay = true
      this.next.push(frame, nowUs)
    }
  }

  override release(nowUs: number): void {
    while (this.#queue.dueUs <= nowUs) this.next.push(this.#queue.pop(), nowUs)
  }
}

const MAX_GAP = 1e9

function parseReorder(reader: FieldReader): ReorderConfig {
  const field = reader.label('reorder')
  const value = reader.raw('reorder') ?? 0
  if (typeof value === 'object') {
    const { probability, correlation, gap, by } = parseObject(field, value, ['probability', 'correlation', 'gap', 'by'])
    return {
      probability: parseProbability(`${field}.probability`, probability),
      correlation: parseProbability(`${field}.correlation`, correlation ?? 0),
      gap: parseInteger(`${field}.gap`, gap ?? 1, 1, MAX_GAP),
      byUs: parseTimeUs(`${field}.by`, by ?? 0),
    }
  }
  if (typeof value !== 'string') {
    return { probability: parseProbability(field, value), correlation: 0, gap: 1, byUs: 0 }
  }
  const words = new Words(field, value.replace(/by/i, ' by '))
  const chance = takeChance(field, words)
  let gap = 1
  let byUs = 0
  while (!words.isOver) {
    if (words.skip('gap')) gap = parseInteger(`${field} gap`, words.take(), 1, MAX_GAP)
    else if (words.skip('by')) byUs = parseTimeUs(`${field} by`, words.take())
    else words.end("a probability, a correlation, 'gap' with a number and 'by' with a time")
  }
  return { ...chance, gap, byUs }
}

export const reorder: StageType<ReorderConfig> = {
  name: 'reorder',
  fields: ['reorder'],
  parse(reader) {
    const config = parseReorder(reader)
    if (config.probability === 0) return null
    if (config.byUs > 0 || hasDelay(reader)) return config
    // There is nothing to skip. As netem that is an error, unless a delay meant for both directions was turned off in this one.
    if (reader.has('delay') || reader.has('jitter')) return null
    throw invalidValue(
      reader.label('reorder'),
      reader.raw('reorder'),
      "given together with 'delay', which the chosen packets skip, or as '20% by 5ms'",
    )
  },
  format(config) {
    const gap = config.gap === 1 ? '' : ` gap ${config.gap}`
    const by = config.byUs === 0 ? '' : ` by ${formatTimeUs(config.byUs)}`
    return { reorder: formatChance(config) + gap + by }
  },
  create: (environment) => new ReorderStage(environment),
}
