import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { type FieldReader, invalidValue, parseInteger, parseObject, parseSize } from './values.ts'

export interface RateFields {
  /** The link's speed: bits a second, or netem's `'10mbit'`. 0 or absent: unlimited. Counted are the bytes of frame bodies. */
  rate?: number | string
  /**
   * What may wait for a link with a `rate`, the frame now being sent included; more is dropped. A number of packets, a size
   * such as `'64kb'`, both as `'100/64kb'`, or an object. Default 1000 packets, as netem's `limit`.
   */
  queue?: number | string | { packets?: number; bytes?: number | string }
}

export interface RateConfig {
  /** Bytes a second. */
  readonly rateBps: number
  /** Bounds of the queue; `Infinity`: none. */
  readonly packets: number
  readonly bytes: number
}

const DEFAULT_QUEUE_PACKETS = 1000
const MAX_PACKETS = 1e9

/** A link that sends one frame after the other, each for as long as its bytes take, behind a queue that drops at its tail. */
class RateStage extends Stage<RateConfig> {
  /** Waiting frames, the one being sent first, from `#head` on. */
  #queue: (Frame | null)[] = []
  #head = 0
  #bytes = 0
  /** When the first of the queue has been sent; with an empty queue, when the last was. Not rounded, so that rates are exact. */
  #sentUs = 0

  override get idle(): boolean {
    return this.config === null && this.#waiting === 0
  }

  override get deadline(): number {
    return this.#waiting === 0 ? Infinity : wholeUs(this.#sentUs)
  }

  get #waiting(): number {
    return this.#queue.length - this.#head
  }

  override push(frame: Frame, nowUs: number): void {
    const waiting = this.#waiting
    if (this.config === null && waiting === 0) {
      this.next.push(frame, nowUs)
      return
    }
    if (this.config !== null && (waiting >= this.config.packets || this.#bytes + frame.length > this.config.bytes)) {
      this.counters.overflowed++
      this.drop()
      return
    }
    if (waiting === 0) this.#sentUs = Math.max(this.#sentUs, nowUs) + this.#sendingUs(frame.length)
    this.#queue.push(frame.hold(this.counters))
    this.#bytes += frame.length
  }

  override release(nowUs: number): void {
    while (this.#waiting > 0 && wholeUs(this.#sentUs) <= nowUs) {
      const frame = this.#queue[this.#head] as Frame
      this.#queue[this.#head++] = null
      this.#bytes -= frame.length
      if (this.#waiting > 0) this.#sentUs += this.#sendingUs((this.#queue[this.#head] as Frame).length)
      else this.#forget()
      this.next.push(frame, nowUs)
    }
    if (this.#head > 64 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
  }

  #forget(): void {
    this.#queue = []
    this.#head = 0
  }

  /** Frames that still wait when the limit is lifted follow the first at once. */
  #sendingUs(length: number): number {
    return this.config === null ? 0 : (length * 1_000_000) / this.config.rateBps
  }
}

/** The next whole microsecond; what is above it by no more than the rounding of long sums is on it. */
const wholeUs = (us: number): number => Math.ceil(us - 0.001)

type Queue = Pick<RateConfig, 'packets' | 'bytes'>

function parseQueue(reader: FieldReader): Queue {
  const field = reader.label('queue')
  const value = reader.raw('queue')
  if (value === undefined) return { packets: DEFAULT_QUEUE_PACKETS, bytes: Infinity }
  if (typeof value === 'number') return { packets: parseInteger(field, value, 1, MAX_PACKETS), bytes: Infinity }
  if (typeof value === 'string') return parseQueueText(field, value)
  const members = parseObject(field, value, ['packets', 'bytes'])
  const packets = members.packets ?? undefined
  const bytes = members.bytes ?? undefined
  if (packets === undefined && bytes === undefined) throw invalidValue(field, value, 'given in packets, bytes or both')
  return {
    packets: packets === undefined ? Infinity : parseInteger(`${field}.packets`, packets, 1, MAX_PACKETS),
    bytes: bytes === undefined ? Infinity : parseSize(`${field}.bytes`, bytes),
  }
}

function parseQueueText(field: string, text: string): Queue {
  const [, packets, bytes] = /^(?:(\d+)(?:\s*\/\s*|$))?(\d[\d.]*\s*[kmg]?b)?$/i.exec(text.trim()) ?? []
  if (packets === undefined && bytes === undefined) {
    throw invalidValue(field, text, "a number of packets, a size such as '64kb', or both as '100/64kb'")
  }
  return {
    packets: packets === undefined ? Infinity : parseInteger(field, packets, 1, MAX_PACKETS),
    bytes: bytes === undefined ? Infinity : parseSize(field, bytes),
  }
}

export const rate: StageType<RateConfig> = {
  name: 'rate',
  fields: ['rate', 'queue'],
  parse(reader) {
    const rateBps = reader.rateBits('rate') / 8
    const queue = parseQueue(reader)
    if (reader.has('queue') && !reader.has('rate')) {
      throw invalidValue(
        reader.label('queue'),
        reader.raw('queue'),
        "given together with 'rate': only a limited link has a queue",
      )
    }
    return rateBps === 0 ? null : { rateBps, ...queue }
  },
  format(config) {
    const packets = config.packets === Infinity ? '' : String(config.packets)
    const bytes = config.bytes === Infinity ? '' : `${config.bytes}b`
    return {
      rate: String(config.rateBps * 8),
      queue: packets !== '' && bytes !== '' ? `${packets}/${bytes}` : packets + bytes,
    }
  },
  create: (environment) => new RateStage(environment),
}
