import { requireBoolean } from './chance.ts'
import type { Frame } from './frame.ts'
import { formatQueue, parseQueue, type QueueConfig, type QueueSpec } from './queue.ts'
import { QueuedStage } from './queued-stage.ts'
import type { StageType } from './stage.ts'
import { type FieldReader, invalidValue, parseInteger, parseObject, parseRateBits } from './values.ts'
import { Words } from './words.ts'

export interface RateFields {
  /**
   * The link's speed: bits a second, or netem's `'10mbit'`, which may be followed by bytes of overhead for each packet, the size
   * of a cell and its overhead (`'1mbit 10 48 5'` is ATM), or an object. 0 or absent: unlimited. Counted are frame bodies.
   */
  rate?: number | string | { rate: number | string; packetoverhead?: number; cellsize?: number; celloverhead?: number }
  /**
   * What may wait for a link (`rate` or `link`), the frame now being sent included; more is dropped. A number of packets, a size
   * such as `'64kb'`, both as `'100/64kb'`, each followed by `codel` or `codel TARGET INTERVAL` for RFC 8289, or an object.
   * Default 1000 packets for a `rate`, as netem's `limit`, and no limit for a `link`.
   */
  queue?: number | string | QueueSpec
}

export interface RateConfig {
  /** Bytes a second. */
  readonly rateBps: number
  /** Added to each packet; may be negative. */
  readonly packetOverhead: number
  /** 0: no cells. */
  readonly cellSize: number
  readonly cellOverhead: number
  readonly queue: QueueConfig
  readonly ecn: boolean
}

const DEFAULT_QUEUE_PACKETS = 1000

/** A link that sends one frame after the other, each for as long as its bytes take, behind a queue. */
class RateStage extends QueuedStage<RateConfig> {
  /** When the frame being sent has been; while none is, when the last was. Not rounded, so that rates are exact. */
  #sentUs = 0

  override get deadline(): number {
    return this.sending === null ? Infinity : wholeUs(this.#sentUs)
  }

  override push(frame: Frame, nowUs: number): void {
    const sending = this.sending
    if (this.config === null && sending === null) {
      this.next.push(frame, nowUs)
    } else if (sending === null) {
      if (this.queue.hasRoom(frame.length, 0, 0)) this.#send(frame.hold(this.counters), Math.max(this.#sentUs, nowUs))
      else this.refuse(frame, nowUs)
    } else if (this.config === null || this.queue.hasRoom(frame.length, 1, sending.length)) {
      this.queue.push(frame.hold(this.counters), nowUs)
    } else {
      this.refuse(frame, nowUs)
    }
  }

  override release(nowUs: number): void {
    while (this.sending !== null && wholeUs(this.#sentUs) <= nowUs) {
      const frame = this.sending
      this.sending = null
      const next = this.queue.pop(this.#sentUs)
      if (next !== null) this.#send(next, this.#sentUs)
      this.next.push(frame, nowUs)
    }
  }

  #send(frame: Frame, fromUs: number): void {
    this.sending = frame
    // Frames that still wait when the limit is lifted follow the first at once.
    this.#sentUs =
      fromUs + (this.config === null ? 0 : (wireLength(frame.length, this.config) * 1_000_000) / this.config.rateBps)
  }
}

/** linux: `packet_time_ns` of netem. A packet fills whole cells, each with an overhead of its own. */
function wireLength(length: number, { packetOverhead, cellSize, cellOverhead }: RateConfig): number {
  const bytes = Math.max(0, length + packetOverhead)
  return cellSize === 0 ? bytes : Math.ceil(bytes / cellSize) * (cellSize + cellOverhead)
}

/** The next whole microsecond; what is above it by no more than the rounding of long sums is on it. */
const wholeUs = (us: number): number => Math.ceil(us - 0.001)

type Link = Omit<RateConfig, 'queue' | 'ecn'>

function parseLink(reader: FieldReader): Link {
  const field = reader.label('rate')
  const value = reader.raw('rate') ?? 0
  let parts: Record<string, unknown> = { rate: value }
  if (typeof value === 'object') {
    parts = parseObject(field, value, ['rate', 'packetoverhead', 'cellsize', 'celloverhead'])
  } else if (typeof value === 'string') {
    const words = new Words(field, value.replace(/^(\s*[\d.]+)\s+([a-z])/i, '$1$2'))
    parts = {
      rate: words.next('a rate'),
      packetoverhead: words.take(),
      cellsize: words.take(),
      celloverhead: words.take(),
    }
    words.end('a rate, the overhead of a packet, the size of a cell and its overhead')
  }
  const whole = (name: string, min: number): number => {
    const part = parts[name] ?? 0
    return parseInteger(`${field}.${name}`, typeof part === 'string' ? Number(part) : part, min, 65_536)
  }
  return {
    rateBps: parseRateBits(field, parts.rate) / 8,
    packetOverhead: whole('packetoverhead', -65_536),
    cellSize: whole('cellsize', 0),
    cellOverhead: whole('celloverhead', -65_536),
  }
}

export const rate: StageType<RateConfig> = {
  name: 'rate',
  fields: ['rate', 'queue'],
  parse(reader) {
    const link = parseLink(reader)
    const queue = parseQueue(reader, DEFAULT_QUEUE_PACKETS)
    if (reader.has('queue') && !reader.has('rate') && !reader.has('link')) {
      throw invalidValue(
        reader.label('queue'),
        reader.raw('queue'),
        "given together with 'rate' or 'link': only a limited link has a queue",
      )
    }
    const ecn = requireBoolean(reader.label('ecn'), reader.raw('ecn'))
    return link.rateBps === 0 ? null : { ...link, queue, ecn }
  },
  format(config) {
    const { packetOverhead, cellSize, cellOverhead } = config
    const cells = [packetOverhead, cellSize, cellOverhead]
    const fields: Record<string, string> = {
      rate: [config.rateBps * 8, ...(cells.some((n) => n !== 0) ? cells : [])].join(' '),
      queue: formatQueue(config.queue),
    }
    if (config.ecn) fields.ecn = 'true'
    return fields
  },
  create: (environment) => new RateStage(environment),
}
