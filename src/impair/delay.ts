import { Correlated } from './chance.ts'
import { type Distribution, formatDistribution, parseDistribution, spread, UNIFORM } from './distribution.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageType } from './stage.ts'
import { TimedQueue } from './timed-queue.ts'
import {
  type FieldReader,
  formatProbability,
  formatTimeUs,
  invalidValue,
  parseInteger,
  parseObject,
  parseProbability,
  parseTimeUs,
} from './values.ts'
import { Words } from './words.ts'

type Time = number | string
type DistributionSpec = 'uniform' | 'normal' | 'pareto' | 'paretonormal' | (string & {}) | readonly number[]

export interface DelayFields {
  /**
   * How long a frame takes: milliseconds, or netem's `'100ms'`, `'100ms 20ms 25%'` (with jitter and correlation) and
   * `'100ms 20ms distribution normal'`, or an object of these. Default 0.
   */
  delay?: Time | { time?: Time; jitter?: Time; correlation?: number | string; distribution?: DistributionSpec }
  /** By how much the delay varies, never below 0, for each frame anew. As with netem frames overtake each other. Default 0. */
  jitter?: Time
  /** How jitter is spread: `'uniform'` between −jitter and +jitter (default), `'normal'`, `'pareto'`, `'paretonormal'`, a file or numbers. */
  distribution?: DistributionSpec
  /** How many frames may be under way; those beyond are dropped. netem's `limit`, but unlimited by default. */
  limit?: number | string
}

export interface DelayConfig {
  readonly delayUs: number
  readonly jitterUs: number
  /** How much each frame's jitter follows the one before it. */
  readonly correlation: number
  readonly distribution: Distribution
  readonly limit: number
}

/** Keeps every frame for a while. */
class DelayStage extends Stage<DelayConfig, Correlated> {
  readonly #queue = new TimedQueue()

  override get idle(): boolean {
    return this.config === null && this.#queue.size === 0
  }

  override get deadline(): number {
    return this.#queue.dueUs
  }

  protected override recall(rng: Rng, flow: Flow): Correlated {
    return new Correlated(rng, (this.config as DelayConfig).correlation, flow.base)
  }

  override push(frame: Frame, nowUs: number): void {
    const dueUs = nowUs + this.#delayUs(frame)
    // Without delay it passes at once, unless others are about to leave at this very time: they came before.
    if (dueUs === nowUs && this.#queue.dueUs > nowUs) {
      this.next.push(frame, nowUs)
    } else if (this.config !== null && this.#queue.size >= this.config.limit) {
      this.counters.overflowed++
      this.drop(frame, `limit=${this.config.limit}`, nowUs)
    } else {
      this.#queue.push(frame.hold(this.counters), dueUs)
    }
  }

  override release(nowUs: number): void {
    while (this.#queue.dueUs <= nowUs) this.next.push(this.#queue.pop(), nowUs)
  }

  #delayUs(frame: Frame): number {
    const config = this.config
    if (config === null || frame.skipDelay) return 0
    if (config.jitterUs === 0) return config.delayUs
    const u = this.memory(frame.flow).at(frame.index, frame.copy)
    return Math.max(0, Math.round(config.delayUs + config.jitterUs * spread(config.distribution, u)))
  }
}

const FIELDS = ['time', 'jitter', 'correlation', 'distribution'] as const

interface Parts {
  time?: unknown
  jitter?: unknown
  correlation?: unknown
  distribution?: unknown
}

function partsOf(reader: FieldReader): Parts {
  const field = reader.label('delay')
  const value = reader.raw('delay')
  if (typeof value === 'object' && value !== null) return parseObject(field, value, FIELDS)
  // A single quantity may have a blank before its unit.
  if (typeof value !== 'string' || !/\S\s+[^a-z\s]|distribution/i.test(value)) return { time: value }
  const words = new Words(field, value)
  const parts: Parts = { time: words.take() }
  if (words.isNumber) parts.jitter = words.take()
  if (words.isNumber) parts.correlation = words.take()
  if (words.skip('distribution')) parts.distribution = words.rest()
  words.end("a time, a jitter, a correlation and 'distribution' with its name")
  return parts
}

function parseDelay(reader: FieldReader): DelayConfig {
  const field = reader.label('delay')
  const parts = partsOf(reader)
  const { time = 0, jitter = reader.raw('jitter'), correlation = 0, distribution = reader.raw('distribution') } = parts
  const within = (part: string, own: boolean): string => (own ? `${field}.${part}` : reader.label(part))
  const config = {
    delayUs: parseTimeUs(
      parts.time === undefined || typeof reader.raw('delay') !== 'object' ? field : `${field}.time`,
      time ?? 0,
    ),
    jitterUs: parseTimeUs(within('jitter', parts.jitter !== undefined), jitter ?? 0),
    correlation: parseProbability(`${field}.correlation`, correlation ?? 0),
    distribution: parseDistribution(
      reader,
      parts.distribution === undefined ? 'distribution' : 'delay',
      within('distribution', parts.distribution !== undefined),
      distribution ?? undefined,
    ),
    limit: Infinity,
  }
  if (config.distribution !== UNIFORM && config.jitterUs === 0 && !reader.has('slot')) {
    throw invalidValue(
      within('distribution', parts.distribution !== undefined),
      distribution,
      "given together with a jitter, which it spreads, such as delay '100ms 20ms'",
    )
  }
  const limit = reader.raw('limit')
  if (limit !== undefined && limit !== 0) config.limit = parseInteger(reader.label('limit'), limit, 1, 1e9)
  return config
}

/** Whether there is a delay that a frame could skip. */
export function hasDelay(reader: FieldReader): boolean {
  const { delayUs, jitterUs } = parseDelay(reader)
  return delayUs > 0 || jitterUs > 0
}

export const delay: StageType<DelayConfig> = {
  name: 'delay',
  fields: ['delay', 'jitter', 'distribution', 'limit'],
  parse(reader) {
    const config = parseDelay(reader)
    return config.delayUs === 0 && config.jitterUs === 0 ? null : config
  },
  format(config) {
    const fields: Record<string, string> = { delay: formatTimeUs(config.delayUs) }
    if (config.jitterUs > 0) {
      fields.delay += ` ${formatTimeUs(config.jitterUs)}`
      if (config.correlation > 0) fields.delay += ` ${formatProbability(config.correlation)}`
      if (config.distribution !== UNIFORM) fields.delay += ` distribution ${formatDistribution(config.distribution)}`
    }
    if (config.limit !== Infinity) fields.limit = String(config.limit)
    return fields
  },
  create: (environment) => new DelayStage(environment),
}
