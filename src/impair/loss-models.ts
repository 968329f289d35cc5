import { Chance, type ChanceConfig, formatChance, takeChance } from './chance.ts'
import type { Rng } from './rng.ts'
import {
  type FieldReader,
  formatProbability,
  invalidValue,
  parseInteger,
  parseObject,
  parseProbability,
} from './values.ts'
import { Words } from './words.ts'

export interface GilbertElliott {
  /** Into the bad state, and out of it, for each packet. */
  readonly p: number
  readonly r: number
  /** Lost in the bad state (1 − h), and in the good one (1 − k). */
  readonly lossBad: number
  readonly lossGood: number
}

/** tc-netem(8): states 1 good reception, 2 good reception within a burst, 3 loss within a burst, 4 a loss by itself. */
export interface FourStates {
  readonly p13: number
  readonly p31: number
  readonly p32: number
  readonly p23: number
  readonly p14: number
}

export type LossModelConfig =
  | ({ readonly model: 'random' } & ChanceConfig)
  | ({ readonly model: 'gemodel' } & GilbertElliott)
  | ({ readonly model: 'state' } & FourStates)
  | { readonly model: 'every'; readonly every: number }
  | { readonly model: 'packets'; readonly packets: readonly (readonly [number, number])[] }
  | { readonly model: 'trace'; readonly fates: string; readonly source: string | null }

/** A model at work on one flow: whether the frame at an index is lost. */
export interface LossModel {
  loses(index: number, copy: number): boolean
}

export function makeLossModel(config: LossModelConfig, rng: Rng, from: number): LossModel {
  switch (config.model) {
    case 'random': {
      const chance = new Chance(rng, config, from)
      return { loses: (index, copy) => chance.hits(index, copy) }
    }
    case 'gemodel':
      return new GilbertElliottModel(config, rng, from)
    case 'state':
      return new FourStateModel(config, rng, from)
    case 'every':
      return { loses: (index, copy) => copy === 0 && (index - from + 1) % config.every === 0 }
    case 'packets':
      return {
        loses: (index, copy) =>
          copy === 0 && config.packets.some(([first, last]) => index >= first - 1 && index < last),
      }
    case 'trace':
      return { loses: (index, copy) => copy === 0 && config.fates[(index - from) % config.fates.length] === '1' }
  }
}

// Draws at one index. What a duplicate meets beside its original: a throw of its own in the state of the moment.
const MOVE = 0
const LOSE = 1

/** linux: `loss_gilb_ell`. The loss is decided by the state before the move. */
class GilbertElliottModel implements LossModel {
  readonly #config: GilbertElliott
  readonly #rng: Rng
  #at: number
  #bad = false
  #wasBad = false

  constructor(config: GilbertElliott, rng: Rng, from: number) {
    this.#config = config
    this.#rng = rng
    this.#at = from - 1
  }

  loses(index: number, copy: number): boolean {
    const { p, r, lossBad, lossGood } = this.#config
    while (this.#at < index) {
      this.#wasBad = this.#bad
      const u = this.#rng.at(++this.#at, MOVE)
      if (this.#bad ? u < r : u < p) this.#bad = !this.#bad
    }
    return this.#rng.at(index, LOSE + 2 * copy) < (this.#wasBad ? lossBad : lossGood)
  }
}

/** linux: `loss_4state`. */
class FourStateModel implements LossModel {
  readonly #config: FourStates
  readonly #rng: Rng
  #at: number
  #state: 1 | 2 | 3 | 4 = 1
  #lost = false

  constructor(config: FourStates, rng: Rng, from: number) {
    this.#config = config
    this.#rng = rng
    this.#at = from - 1
  }

  loses(index: number): boolean {
    while (this.#at < index) {
      this.#state = this.#moved(this.#rng.at(++this.#at, MOVE))
      this.#lost = this.#state >= 3
    }
    return this.#lost
  }

  #moved(u: number): 1 | 2 | 3 | 4 {
    const { p13, p31, p32, p23, p14 } = this.#config
    switch (this.#state) {
      case 1:
        return u < p14 ? 4 : u < p14 + p13 ? 3 : 1
      case 2:
        return u < p23 ? 3 : 2
      case 3:
        return u < p32 ? 2 : u < p32 + p31 ? 1 : 3
      case 4:
        return 1
    }
  }
}

const OFF: LossModelConfig = { model: 'random', probability: 0, correlation: 0 }
const MEMBERS = ['probability', 'correlation', 'gemodel', 'state', 'every', 'packets', 'trace'] as const

/** Anything that `loss` may be. */
export function parseLoss(reader: FieldReader, name: string): LossModelConfig {
  const field = reader.label(name)
  const value = reader.raw(name)
  if (value === undefined) return OFF
  if (typeof value === 'string') return parseLossText(reader, name, value)
  if (typeof value !== 'object') return { model: 'random', probability: parseProbability(field, value), correlation: 0 }
  const members = parseObject(field, value, MEMBERS)
  const given = MEMBERS.filter((member) => (members[member] ?? undefined) !== undefined)
  const [first = 'probability', ...others] = given
  const rest = first === 'probability' ? others.filter((member) => member !== 'correlation') : others
  if (rest.length > 0) throw invalidValue(`${field}.${rest[0]}`, members[rest[0]], `given without '${first}'`)
  const label = `${field}.${first}`
  switch (first) {
    case 'gemodel':
      return parseGilbertElliott(label, members.gemodel)
    case 'state':
      return parseStates(label, members.state)
    case 'every':
      return parseEvery(label, members.every)
    case 'packets':
      return parsePackets(label, members.packets)
    case 'trace':
      return parseFates(reader, name, label, members.trace)
    default: {
      const probability = parseProbability(`${field}.probability`, members.probability)
      const correlation = parseProbability(`${field}.correlation`, members.correlation ?? 0)
      return { model: 'random', probability, correlation }
    }
  }
}

function parseLossText(reader: FieldReader, name: string, text: string): LossModelConfig {
  const field = reader.label(name)
  const words = new Words(field, text)
  const model = /^[a-z]/i.test(words.peek() ?? '') ? (words.take() as string).toLowerCase() : 'random'
  switch (model) {
    case 'random': {
      const chance = takeChance(field, words)
      words.end()
      return { model, ...chance }
    }
    case 'gemodel':
      return parseGilbertElliott(field, words.rest())
    case 'state':
      return parseStates(field, words.rest())
    case 'every':
      return parseEvery(field, words.rest())
    case 'packets':
      return parsePackets(field, words.rest())
    case 'trace':
      return parseFates(reader, name, field, words.rest())
    default:
      throw invalidValue(
        field,
        text,
        "a probability from 0 to 1 or a percentage such as '5%', or begin with 'gemodel', 'state', 'every', 'packets' or 'trace'",
      )
  }
}

/** tc-netem(8): with `p` alone Bernoulli, with `r` the simple Gilbert model, with `1-h` Gilbert's, with all Gilbert–Elliott's. */
export function parseGilbertElliott(field: string, value: unknown): LossModelConfig {
  const [p, r, bad, good] = parseNumbers(field, value, ['p', 'r', '1-h', '1-k'])
  if (p === undefined)
    throw invalidValue(field, value, "given with 'p', how probable it is that a burst of losses begins")
  return { model: 'gemodel', p, r: r ?? 1 - p, lossBad: bad ?? 1, lossGood: good ?? 0 }
}

function parseStates(field: string, value: unknown): LossModelConfig {
  const [p13, p31, p32, p23, p14] = parseNumbers(field, value, ['p13', 'p31', 'p32', 'p23', 'p14'])
  if (p13 === undefined)
    throw invalidValue(field, value, "given with 'p13', how probable it is that a burst of losses begins")
  const config = { p13, p31: p31 ?? 1 - p13, p32: p32 ?? 0, p23: p23 ?? 1, p14: p14 ?? 0 }
  if (config.p13 + config.p14 > 1 + 1e-9 || config.p31 + config.p32 > 1 + 1e-9) {
    throw invalidValue(field, value, 'such that p13 + p14 and p31 + p32 are not above 100%')
  }
  return { model: 'state', ...config }
}

/** Probabilities in a text, one after the other, or by name. */
function parseNumbers(field: string, value: unknown, names: readonly string[]): (number | undefined)[] {
  if (typeof value !== 'string') {
    const members = parseObject(field, value, names)
    return names.map((name) => {
      const member = members[name] ?? undefined
      return member === undefined ? undefined : parseProbability(`${field}.${name}`, member)
    })
  }
  const words = new Words(field, value)
  const numbers = names.map((name) => {
    const word = words.take()
    return word === undefined ? undefined : parseProbability(`${field} ${name}`, word)
  })
  words.end()
  return numbers
}

function parseEvery(field: string, value: unknown): LossModelConfig {
  const every = parseInteger(field, typeof value === 'string' ? value.replace(/(st|nd|rd|th)$/i, '') : value, 0, 1e9)
  return every === 0 ? OFF : { model: 'every', every }
}

const PACKETS = "a list of packet numbers from 1, such as [1, 5] or '1 5 7-9'"

function parsePackets(field: string, value: unknown): LossModelConfig {
  const parts = typeof value === 'string' ? value.split(/\s+/).filter(Boolean) : Array.isArray(value) ? value : [value]
  const packets = parts.map((part): readonly [number, number] => {
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(String(part)) ?? []
    const range = [Number(first), Number(last ?? first)] as const
    if (first === undefined || range[0] < 1 || range[1] < range[0]) throw invalidValue(field, part, PACKETS)
    return range
  })
  return packets.length === 0 ? OFF : { model: 'packets', packets }
}

const FATES = "a list of fates, 1 for lost and 0 for not, such as [0, 0, 1] or '001', or the name of a file with them"

function parseFates(reader: FieldReader, name: string, field: string, value: unknown): LossModelConfig {
  let source: string | null = null
  let fates: string
  if (Array.isArray(value))
    fates = value.map((fate) => (fate === true ? '1' : fate === false ? '0' : String(fate))).join('')
  else if (typeof value !== 'string') throw invalidValue(field, value, FATES)
  else if (/^[01\s]+$/.test(value)) fates = value
  else {
    source = value
    fates = reader.file(name, value).replace(/#.*$/gm, '')
  }
  fates = fates.replace(/\s+/g, '')
  if (!/^[01]+$/.test(fates)) throw invalidValue(field, value, FATES)
  return { model: 'trace', fates, source }
}

/** Null: it never loses anything. */
export function orOff(config: LossModelConfig): LossModelConfig | null {
  if (config.model === 'random' && config.probability === 0) return null
  if (config.model === 'gemodel' && config.p === 0 && config.lossGood === 0) return null
  return config.model === 'state' && config.p13 === 0 && config.p14 === 0 ? null : config
}

const percents = (...all: number[]): string => all.map(formatProbability).join(' ')

export function formatLoss(config: LossModelConfig): string {
  switch (config.model) {
    case 'random':
      return formatChance(config)
    case 'gemodel':
      return `gemodel ${percents(config.p, config.r, config.lossBad, config.lossGood)}`
    case 'state':
      return `state ${percents(config.p13, config.p31, config.p32, config.p23, config.p14)}`
    case 'every':
      return `every ${config.every}`
    case 'packets':
      return `packets ${config.packets.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(' ')}`
    case 'trace':
      return `trace ${config.source ?? config.fates}`
  }
}
