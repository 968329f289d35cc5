import { requireBoolean } from './chance.ts'
import type { Frame } from './frame.ts'
import { formatQueue, parseQueue, type QueueConfig } from './queue.ts'
import { QueuedStage } from './queued-stage.ts'
import type { StageType } from './stage.ts'
import { type FieldReader, invalidValue } from './values.ts'

export interface LinkFields {
  /**
   * A link whose speed was recorded, in Mahimahi's format: the milliseconds at which 1500 bytes may leave, one a line, over
   * again after the last. The name of a file, or numbers. Packets are counted with their IP and UDP headers.
   */
  link?: string | readonly number[]
}

export interface LinkConfig {
  /** Milliseconds, in order; the last is the length of the round. */
  readonly opportunities: readonly number[]
  readonly source: string | null
  readonly queue: QueueConfig
  readonly ecn: boolean
}

/** What may leave at one time. */
const OPPORTUNITY = 1500

/** mm-link: at each opportunity up to 1500 bytes leave, of several packets or of a part of one; what nobody needs is lost. */
class LinkStage extends QueuedStage<LinkConfig> {
  /** Bytes of the frame being sent that have not left. */
  #left = 0
  /** When the trace began; -1: it has not. */
  #startUs = -1
  /** Rounds that are over, and the next opportunity of the one under way. */
  #rounds = 0
  #at = 0

  override configure(config: LinkConfig | null): void {
    super.configure(config)
    this.#startUs = -1
  }

  override get deadline(): number {
    if (this.sending === null) return Infinity
    // Turned off, or given another trace, while frames wait: they leave at once.
    return this.#startUs < 0 ? 0 : this.#opportunityUs(this.config as LinkConfig)
  }

  override push(frame: Frame, nowUs: number): void {
    const sending = this.sending
    const { config } = this
    if (config === null && sending === null) {
      this.next.push(frame, nowUs)
      return
    }
    if (config !== null && !this.queue.hasRoom(frame.length, sending === null ? 0 : 1, sending?.length ?? 0)) {
      this.refuse(frame, nowUs)
      return
    }
    if (config !== null) this.#pass(config, nowUs)
    if (sending === null) this.#send(frame.hold(this.counters))
    else this.queue.push(frame.hold(this.counters), nowUs)
  }

  override release(nowUs: number): void {
    const { config } = this
    if (config === null || this.#startUs < 0) {
      while (this.sending !== null) this.#leave(nowUs)
      return
    }
    while (this.sending !== null && this.#opportunityUs(config) <= nowUs) {
      this.#next(config)
      for (let room = OPPORTUNITY; room > 0 && this.sending !== null; ) {
        const bytes = Math.min(room, this.#left)
        room -= bytes
        this.#left -= bytes
        if (this.#left === 0) this.#leave(nowUs)
      }
    }
  }

  #send(frame: Frame): void {
    this.sending = frame
    this.#left = frame.length + (this.options.overhead ?? 0)
  }

  #leave(nowUs: number): void {
    const frame = this.sending as Frame
    this.sending = null
    const next = this.queue.pop(nowUs)
    if (next !== null) this.#send(next)
    this.next.push(frame, nowUs)
  }

  /** Opportunities that nobody used are over. */
  #pass(config: LinkConfig, nowUs: number): void {
    if (this.#startUs < 0) {
      this.#startUs = nowUs
      this.#rounds = 0
      this.#at = 0
    }
    if (this.sending !== null) return
    const roundUs = (config.opportunities.at(-1) as number) * 1000
    const rounds = Math.floor((nowUs - this.#startUs) / roundUs)
    if (rounds > this.#rounds + 1) {
      this.#rounds = rounds - 1
      this.#at = 0
    }
    while (this.#opportunityUs(config) < nowUs) this.#next(config)
  }

  #opportunityUs({ opportunities }: LinkConfig): number {
    return this.#startUs + (this.#rounds * (opportunities.at(-1) as number) + opportunities[this.#at]) * 1000
  }

  #next({ opportunities }: LinkConfig): void {
    this.#at++
    if (this.#at < opportunities.length) return
    this.#at = 0
    this.#rounds++
  }
}

function parseTrace(reader: FieldReader, value: unknown): Pick<LinkConfig, 'opportunities' | 'source'> {
  const field = reader.label('link')
  const allowed =
    'a file of whole milliseconds in order, one a line and the last above 0, as Mahimahi has them, or a list of such'
  let source: string | null = null
  let numbers: unknown[]
  if (Array.isArray(value)) numbers = value
  else if (typeof value !== 'string') throw invalidValue(field, value, allowed)
  else if (/^[\d\s]+$/.test(value)) numbers = value.trim().split(/\s+/).map(Number)
  else {
    source = value
    numbers = reader.file('link', value).split(/\s+/).filter(Boolean).map(Number)
  }
  const right = numbers.every((n, i) => Number.isInteger(n) && (n as number) >= ((numbers[i - 1] as number) ?? 0))
  if (!right || numbers.length === 0 || numbers.at(-1) === 0) throw invalidValue(field, value, allowed)
  return { opportunities: numbers as number[], source }
}

export const link: StageType<LinkConfig> = {
  name: 'link',
  fields: ['link'],
  parse(reader) {
    const value = reader.raw('link')
    if (value === undefined || value === 0 || value === '0' || value === false) return null
    const rate = reader.raw('rate')
    if (rate !== undefined && rate !== 0 && rate !== '0') {
      throw invalidValue(reader.label('link'), value, "given without 'rate': a link has one speed")
    }
    const ecn = requireBoolean(reader.label('ecn'), reader.raw('ecn'))
    return { ...parseTrace(reader, value), queue: parseQueue(reader, Infinity), ecn }
  },
  format({ opportunities, source, queue, ecn }) {
    const fields: Record<string, string> = { link: source ?? opportunities.join(' ') }
    const text = formatQueue(queue)
    if (text !== '') fields.queue = text
    if (ecn) fields.ecn = 'true'
    return fields
  },
  create: (environment) => new LinkStage(environment),
}
