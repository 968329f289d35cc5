import { type Distribution, formatDistribution, parseDistribution, spread } from './distribution.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import {
  type FieldReader,
  formatTimeUs,
  invalidValue,
  parseInteger,
  parseObject,
  parseSize,
  parseTimeUs,
} from './values.ts'
import { Words } from './words.ts'

type Time = number | string

export interface SlotFields {
  /**
   * Frames leave in slots, as over a shared medium: `'10ms 20ms'` (the pause between slots, least and most), then perhaps
   * `packets 8` and `bytes 12kb`, what a slot takes; `'distribution normal 10ms 2ms'`; or an object. 0: none.
   */
  slot?:
    | Time
    | {
        min?: Time
        max?: Time
        distribution?: string | readonly number[]
        delay?: Time
        jitter?: Time
        packets?: number
        bytes?: number | string
      }
}

export interface SlotConfig {
  readonly minUs: number
  readonly maxUs: number
  /** With a table: `minUs` is the mean and `jitterUs` its spread. */
  readonly distribution: Distribution | null
  readonly jitterUs: number
  /** What leaves in one slot; `Infinity`: all that waits. */
  readonly packets: number
  readonly bytes: number
}

/** linux: netem's slots. */
class SlotStage extends Stage<SlotConfig> {
  #queue: Frame[] = []
  #slotUs = -Infinity
  #slots = 0
  #packets = 0
  #bytes = 0

  override get idle(): boolean {
    return this.config === null && this.#queue.length === 0
  }

  override get deadline(): number {
    return this.#queue.length === 0 ? Infinity : this.config === null ? 0 : this.#slotUs
  }

  override push(frame: Frame, nowUs: number): void {
    const held = frame.hold(this.counters)
    held.dueUs = nowUs
    this.#queue.push(held)
    // What comes after the last slot opened waits for the next.
    if (this.#queue.length === 1 && this.config !== null && this.#slotUs < nowUs) this.#open(this.config, nowUs)
  }

  override release(nowUs: number): void {
    let left = 0
    const queue = this.#queue
    for (; left < queue.length; left++) {
      const frame = queue[left]
      const { config } = this
      if (config !== null) {
        if (this.#slotUs < frame.dueUs) this.#open(config, frame.dueUs)
        if (this.#slotUs > nowUs) break
        this.#bytes -= frame.length
        if (--this.#packets <= 0 || this.#bytes <= 0) this.#open(config, nowUs)
      }
      this.next.push(frame, nowUs)
    }
    this.#queue = queue.slice(left)
  }

  #open({ minUs, maxUs, distribution, jitterUs, packets, bytes }: SlotConfig, nowUs: number): void {
    const u = this.rng.at(this.#slots++)
    const pause = distribution === null ? minUs + u * (maxUs - minUs) : minUs + jitterUs * spread(distribution, u)
    this.#slotUs = nowUs + Math.max(1, Math.round(pause))
    this.#packets = packets
    this.#bytes = bytes
  }
}

const MEMBERS = ['min', 'max', 'distribution', 'delay', 'jitter', 'packets', 'bytes'] as const

function partsOf(field: string, value: unknown): Record<string, unknown> {
  if (typeof value === 'number') return { min: value }
  if (typeof value !== 'string') return parseObject(field, value, MEMBERS)
  const words = new Words(field, value)
  const parts: Record<string, unknown> = {}
  if (words.skip('distribution')) {
    parts.distribution = words.next('a distribution')
    parts.delay = words.next('a delay')
    parts.jitter = words.take()
  } else {
    parts.min = words.next('a time')
    if (words.isNumber) parts.max = words.take()
  }
  while (!words.isOver) {
    if (words.skip('packets')) parts.packets = words.take()
    else if (words.skip('bytes')) parts.bytes = words.take()
    else words.end("the least and most time, 'packets' and 'bytes' with a number each")
  }
  return parts
}

function parseSlot(reader: FieldReader, value: unknown): SlotConfig {
  const field = reader.label('slot')
  const parts = partsOf(field, value)
  const time = (name: string, fallback: number): number =>
    (parts[name] ?? undefined) === undefined ? fallback : parseTimeUs(`${field}.${name}`, parts[name])
  const given = (parts.distribution ?? undefined) !== undefined
  const minUs = given ? time('delay', 0) : time('min', 0)
  const maxUs = given ? minUs : time('max', minUs)
  if (maxUs < minUs) throw invalidValue(field, value, 'a least time and one that is not below it')
  return {
    minUs,
    maxUs,
    distribution: given ? parseDistribution(reader, 'slot', `${field}.distribution`, parts.distribution) : null,
    jitterUs: given ? time('jitter', 0) : 0,
    packets: (parts.packets ?? 0) === 0 ? Infinity : parseInteger(`${field}.packets`, parts.packets, 1, 1e9),
    bytes: (parts.bytes ?? 0) === 0 ? Infinity : parseSize(`${field}.bytes`, parts.bytes),
  }
}

export const slot: StageType<SlotConfig> = {
  name: 'slot',
  fields: ['slot'],
  parse(reader) {
    const value = reader.raw('slot')
    if (value === undefined) return null
    const config = parseSlot(reader, value)
    return config.maxUs === 0 && config.jitterUs === 0 ? null : config
  },
  format({ minUs, maxUs, distribution, jitterUs, packets, bytes }) {
    const words =
      distribution === null
        ? [formatTimeUs(minUs), formatTimeUs(maxUs)]
        : ['distribution', formatDistribution(distribution), formatTimeUs(minUs), formatTimeUs(jitterUs)]
    if (packets !== Infinity) words.push('packets', String(packets))
    if (bytes !== Infinity) words.push('bytes', `${bytes}b`)
    return { slot: words.join(' ') }
  },
  create: (environment) => new SlotStage(environment),
}
