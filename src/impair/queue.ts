import type { Frame } from './frame.ts'
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

/** rfc8289#4: how long frames may have to wait, and for how long that may be exceeded. */
export interface CoDelConfig {
  readonly targetUs: number
  readonly intervalUs: number
}

/** What may wait for a link. */
export interface QueueConfig {
  /** Bounds, what is now being sent included; `Infinity`: none. */
  readonly packets: number
  readonly bytes: number
  /** Null: drop-tail only. */
  readonly codel: CoDelConfig | null
}

export interface QueueSpec {
  packets?: number | string
  bytes?: number | string
  codel?: boolean | { target?: number | string; interval?: number | string }
}

/** rfc8289#4.3, #4.4. */
const TARGET_US = 5000
const INTERVAL_US = 100_000
/** rfc8289#5.2: where no more than one full packet waits, the queue is short enough. */
const MAX_PACKET = 1500
const MAX_PACKETS = 1e9

/** Takes what the queue throws away. */
export type QueueDrop = (frame: Frame, rule: string, nowUs: number) => void

/** A queue before a link: drop-tail in packets and bytes, and CoDel on leaving it, where that is asked for. */
export class PacketQueue {
  config: QueueConfig = UNLIMITED
  /** CoDel marks what can be marked. */
  ecn = false
  bytes = 0
  readonly #drop: QueueDrop
  readonly #mark: (frame: Frame) => void
  #frames: (Frame | null)[] = []
  #head = 0

  // rfc8289#5.3 and on: the names are the RFC's.
  #firstAboveUs = 0
  #dropNextUs = 0
  #count = 0
  #lastCount = 0
  #dropping = false

  constructor(drop: QueueDrop, mark: (frame: Frame) => void) {
    this.#drop = drop
    this.#mark = mark
  }

  get size(): number {
    return this.#frames.length - this.#head
  }

  /** False: there is no room beside what is being sent, `busy` packets and `busyBytes`. */
  hasRoom(length: number, busy: number, busyBytes: number): boolean {
    const { packets, bytes } = this.config
    return this.size + busy < packets && this.bytes + busyBytes + length <= bytes
  }

  /** The frame must be held. `dueUs` of it becomes the time of its coming. */
  push(frame: Frame, nowUs: number): void {
    frame.dueUs = nowUs
    this.#frames.push(frame)
    this.bytes += frame.length
  }

  /** The next frame to be sent; null: there is none (any more). */
  pop(nowUs: number): Frame | null {
    return this.config.codel === null ? this.#shift() : this.#dequeue(nowUs, this.config.codel)
  }

  #shift(): Frame | null {
    if (this.#head === this.#frames.length) return null
    const frame = this.#frames[this.#head] as Frame
    this.#frames[this.#head++] = null
    this.bytes -= frame.length
    if (this.#head === this.#frames.length) {
      this.#frames = []
      this.#head = 0
    } else if (this.#head > 64 && this.#head * 2 > this.#frames.length) {
      this.#frames = this.#frames.slice(this.#head)
      this.#head = 0
    }
    return frame
  }

  /** rfc8289#5.6: the next frame, and whether the delay has been above the target for an interval. */
  #look(nowUs: number, { targetUs, intervalUs }: CoDelConfig): [Frame | null, boolean] {
    const frame = this.#shift()
    if (frame === null || nowUs - frame.dueUs < targetUs || this.bytes <= MAX_PACKET) {
      this.#firstAboveUs = 0
      return [frame, false]
    }
    if (this.#firstAboveUs === 0) {
      this.#firstAboveUs = nowUs + intervalUs
      return [frame, false]
    }
    return [frame, nowUs >= this.#firstAboveUs]
  }

  /** rfc8289#5.5. */
  #dequeue(nowUs: number, codel: CoDelConfig): Frame | null {
    const next = (fromUs: number): number => fromUs + codel.intervalUs / Math.sqrt(this.#count)
    let [frame, late] = this.#look(nowUs, codel)
    if (this.#dropping) {
      if (!late) this.#dropping = false
      while (frame !== null && this.#dropping && nowUs >= this.#dropNextUs) {
        this.#count++
        if (this.#marked(frame)) {
          this.#dropNextUs = next(this.#dropNextUs)
          return frame
        }
        this.#drop(frame, 'queue codel', nowUs)
        ;[frame, late] = this.#look(nowUs, codel)
        if (late) this.#dropNextUs = next(this.#dropNextUs)
        else this.#dropping = false
      }
      return frame
    }
    if (frame === null || !late) return frame
    if (!this.#marked(frame)) {
      this.#drop(frame, 'queue codel', nowUs)
      ;[frame] = this.#look(nowUs, codel)
    }
    this.#dropping = true
    // rfc8289#5.5: dropping that ended a short while ago goes on about as fast as it was.
    const delta = this.#count - this.#lastCount
    this.#count = delta > 1 && nowUs - this.#dropNextUs < 16 * codel.intervalUs ? delta : 1
    this.#dropNextUs = next(nowUs)
    this.#lastCount = this.#count
    return frame
  }

  #marked(frame: Frame): boolean {
    if (!this.ecn || !frame.ect) return false
    this.#mark(frame)
    return true
  }
}

const UNLIMITED: QueueConfig = { packets: Infinity, bytes: Infinity, codel: null }
const ALLOWED =
  "a number of packets, a size such as '64kb', both as '100/64kb', with or without 'codel', or an object with 'packets', 'bytes' and 'codel'"

/** The queue of a link; `fallback` packets where none is spoken of. */
export function parseQueue(reader: FieldReader, fallback: number): QueueConfig {
  const field = reader.label('queue')
  const value = reader.raw('queue')
  if (value === undefined) {
    const limit = reader.raw('limit')
    const packets =
      limit === undefined || limit === 0 ? fallback : parseInteger(reader.label('limit'), limit, 1, MAX_PACKETS)
    return { ...UNLIMITED, packets }
  }
  if (typeof value === 'number') return { ...UNLIMITED, packets: parseInteger(field, value, 1, MAX_PACKETS) }
  if (typeof value === 'string') return parseQueueText(field, value, fallback)
  const members = parseObject(field, value, ['packets', 'bytes', 'codel'])
  const packets = members.packets ?? undefined
  const bytes = members.bytes ?? undefined
  const codel = parseCoDel(`${field}.codel`, members.codel)
  if (packets === undefined && bytes === undefined && codel === null) throw invalidValue(field, value, ALLOWED)
  return {
    packets:
      packets === undefined
        ? defaultPackets(bytes, fallback)
        : parseInteger(`${field}.packets`, packets, 1, MAX_PACKETS),
    bytes: bytes === undefined ? Infinity : parseSize(`${field}.bytes`, bytes),
    codel,
  }
}

const defaultPackets = (bytes: unknown, fallback: number): number => (bytes === undefined ? fallback : Infinity)

function parseCoDel(field: string, value: unknown): CoDelConfig | null {
  if (value === undefined || value === null || value === false) return null
  const { target, interval } = value === true ? {} : parseObject(field, value, ['target', 'interval'])
  return checkCoDel(
    field,
    parseTimeUs(`${field}.target`, target ?? TARGET_US / 1000),
    parseTimeUs(`${field}.interval`, interval ?? INTERVAL_US / 1000),
  )
}

function checkCoDel(field: string, targetUs: number, intervalUs: number): CoDelConfig {
  if (targetUs >= 1 && intervalUs > targetUs) return { targetUs, intervalUs }
  throw invalidValue(
    field,
    `${formatTimeUs(targetUs)} ${formatTimeUs(intervalUs)}`,
    'a target above 0 and an interval above that',
  )
}

function parseQueueText(field: string, text: string, fallback: number): QueueConfig {
  const [bounds, discipline] = [text.replace(/\b(codel|droptail)\b.*$/i, '').trim(), /\bcodel\b(.*)$/i.exec(text)]
  const [match, packets, bytes] = /^(?:(\d+)(?:\s*\/\s*|$))?(\d[\d.]*\s*[kmg]?b)?$/i.exec(bounds) ?? []
  if (match === undefined || (bounds === '' && !/codel|droptail/i.test(text))) throw invalidValue(field, text, ALLOWED)
  let codel: CoDelConfig | null = null
  if (discipline !== null) {
    const words = new Words(field, discipline[1])
    const target = words.isOver ? TARGET_US : parseTimeUs(`${field} codel target`, words.take())
    const interval = words.isOver ? INTERVAL_US : parseTimeUs(`${field} codel interval`, words.take())
    words.end('codel with a target and an interval')
    codel = checkCoDel(field, target, interval)
  }
  return {
    packets: packets === undefined ? defaultPackets(bytes, fallback) : parseInteger(field, packets, 1, MAX_PACKETS),
    bytes: bytes === undefined ? Infinity : parseSize(field, bytes),
    codel,
  }
}

/** Empty: without limits. */
export function formatQueue({ packets, bytes, codel }: QueueConfig): string {
  const bounds = [packets, bytes === Infinity ? bytes : `${bytes}b`].filter((bound) => bound !== Infinity).join('/')
  if (codel === null) return bounds
  const text = `codel ${formatTimeUs(codel.targetUs)} ${formatTimeUs(codel.intervalUs)}`
  return bounds === '' ? text : `${bounds} ${text}`
}
