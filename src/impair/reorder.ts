import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { TimedQueue } from './timed-queue.ts'
import {
  type FieldReader,
  formatProbability,
  formatTimeUs,
  invalidValue,
  parseObject,
  parseProbability,
  parseTimeUs,
} from './values.ts'

export interface ReorderFields {
  /**
   * How probable it is that a frame is out of order. `'25%'` and `{ probability }` are netem's: the chosen frames skip the
   * `delay`, which there must be. `'20% by 5ms'` and `{ probability, by }`: the chosen frames are held back that long.
   */
  reorder?: number | string | { probability: number | string; by?: number | string }
}

export interface ReorderConfig {
  readonly probability: number
  /** How long the chosen are held back; 0: they skip the delay. */
  readonly byUs: number
}

/** Chooses frames that overtake others, or are overtaken. */
class ReorderStage extends Stage<ReorderConfig> {
  readonly #queue = new TimedQueue()

  override get idle(): boolean {
    return this.config === null && this.#queue.size === 0
  }

  override get deadline(): number {
    return this.#queue.dueUs
  }

  override push(frame: Frame, nowUs: number): void {
    const config = this.config
    if (config === null || this.rng.at(frame.index, frame.copy) >= config.probability) {
      this.next.push(frame, nowUs)
      return
    }
    this.counters.reordered++
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

function parseReorder(reader: FieldReader): ReorderConfig {
  const field = reader.label('reorder')
  const value = reader.raw('reorder')
  if (value === undefined) return { probability: 0, byUs: 0 }
  if (typeof value === 'object') {
    const { probability, by } = parseObject(field, value, ['probability', 'by'])
    return {
      probability: parseProbability(`${field}.probability`, probability),
      byUs: parseTimeUs(`${field}.by`, by ?? 0),
    }
  }
  const [, probability, by] = (typeof value === 'string' && /^(.*?)\s*by\s*(.*)$/i.exec(value)) || []
  return {
    probability: parseProbability(field, probability ?? value),
    byUs: by === undefined ? 0 : parseTimeUs(`${field} by`, by),
  }
}

export const reorder: StageType<ReorderConfig> = {
  name: 'reorder',
  fields: ['reorder'],
  parse(reader) {
    const config = parseReorder(reader)
    if (config.probability === 0) return null
    if (config.byUs > 0 || reader.timeUs('delay') > 0 || reader.timeUs('jitter') > 0) return config
    // There is nothing to skip. As netem that is an error, unless a delay meant for both directions was turned off in this one.
    if (reader.has('delay') || reader.has('jitter')) return null
    throw invalidValue(
      reader.label('reorder'),
      reader.raw('reorder'),
      "given together with 'delay', which the chosen packets skip, or as '20% by 5ms'",
    )
  },
  format(config) {
    const by = config.byUs === 0 ? '' : ` by ${formatTimeUs(config.byUs)}`
    return { reorder: formatProbability(config.probability) + by }
  },
  create: (environment) => new ReorderStage(environment),
}
