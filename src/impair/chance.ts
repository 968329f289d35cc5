import type { Rng } from './rng.ts'
import { formatProbability, invalidType, parseObject, parseProbability } from './values.ts'
import { Words } from './words.ts'

/** How probable something is, and how much each choice follows the one before it. */
export interface ChanceConfig {
  readonly probability: number
  /** 0 … 1. */
  readonly correlation: number
}

/** A probability (0 … 1 or `'5%'`), with netem's correlation behind it (`'5% 25%'`), or an object of the two. */
export type ChanceSpec = number | string | { probability: number | string; correlation?: number | string }

export function parseChance(field: string, value: unknown): ChanceConfig {
  if (typeof value === 'object' && value !== null) {
    const { probability, correlation } = parseObject(field, value, ['probability', 'correlation'])
    return {
      probability: parseProbability(`${field}.probability`, probability),
      correlation: parseProbability(`${field}.correlation`, correlation ?? 0),
    }
  }
  if (typeof value !== 'string') return { probability: parseProbability(field, value), correlation: 0 }
  const words = new Words(field, value)
  const chance = takeChance(field, words)
  words.end()
  return chance
}

/** Takes `P [CORRELATION]` from a text. */
export function takeChance(field: string, words: Words): ChanceConfig {
  const probability = parseProbability(field, words.next('a probability'))
  const correlation = words.isNumber ? parseProbability(`${field} correlation`, words.take()) : 0
  return { probability, correlation }
}

export function formatChance({ probability, correlation }: ChanceConfig): string {
  return formatProbability(probability) + (correlation === 0 ? '' : ` ${formatProbability(correlation)}`)
}

export function requireBoolean(field: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value
  if (value === undefined || value === 'false' || value === '0' || value === 0) return false
  if (value === 'true' || value === '1' || value === '' || value === 1) return true
  throw invalidType(field, value, 'true or false')
}

/** The draw of `init_crandom`, beyond those of duplicates. */
const FIRST = 254

/**
 * netem's correlated generator (`get_crandom`): each number is the one before it by `correlation`, and new for the rest. What
 * it gives is uniform only without correlation: with it numbers keep to the middle, so that small probabilities come true more
 * seldom than asked for, in netem as here.
 */
export class Correlated {
  readonly #rng: Rng
  readonly #correlation: number
  #at: number
  #last: number

  /** `from`: the index of the first number that will be asked for. */
  constructor(rng: Rng, correlation: number, from: number) {
    this.#rng = rng
    this.#correlation = correlation
    this.#at = from - 1
    this.#last = correlation === 0 ? 0 : rng.at(from, FIRST)
  }

  /** The number of a frame, in [0, 1). A copy gets one of its own, which those after it do not follow. */
  at(index: number, copy: number): number {
    const rho = this.#correlation
    if (rho === 0) return this.#rng.at(index, copy)
    // What was dropped before it came here counts all the same: other stages must not change what this one decides.
    while (this.#at < index) this.#last = this.#rng.at(++this.#at) * (1 - rho) + this.#last * rho
    return copy === 0 ? this.#last : this.#rng.at(index, copy) * (1 - rho) + this.#last * rho
  }
}

/** A chance at work on one flow. */
export class Chance {
  readonly #numbers: Correlated
  readonly #probability: number

  constructor(rng: Rng, config: ChanceConfig, from: number) {
    this.#numbers = new Correlated(rng, config.correlation, from)
    this.#probability = config.probability
  }

  hits(index: number, copy: number): boolean {
    return this.#numbers.at(index, copy) < this.#probability
  }
}
