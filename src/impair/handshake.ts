import { Flag } from '../wire/index.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { TimedQueue } from './timed-queue.ts'
import { formatTimeUs, invalidValue, parseObject, parseTimeUs, unknownField } from './values.ts'
import { Words } from './words.ts'

/** Which of the attempts: a number from 1, several (`[1, 2]`, `'1-3'`), or `'all'`. */
export type Attempts = number | string | readonly (number | string)[]

export interface HandshakeFields {
  /**
   * Faults of opening: which SYNs, SYN-ACKs and final ACKs of each connection are lost, and for how long SYN-ACKs are held.
   * `{ syn: 1, synack: [1, 2], ack: 'all', hold: '500ms' }` or `'syn 1 synack 1-2 ack all hold 500ms'`.
   */
  handshake?: string | { syn?: Attempts; synack?: Attempts; ack?: Attempts; hold?: number | string }
}

type Ranges = readonly (readonly [number, number])[]

export interface HandshakeConfig {
  readonly syn: Ranges
  readonly synack: Ranges
  readonly ack: Ranges
  readonly holdUs: number
}

class HandshakeStage extends Stage<HandshakeConfig> {
  readonly #queue = new TimedQueue()

  override get idle(): boolean {
    return this.config === null && this.#queue.size === 0
  }

  override get deadline(): number {
    return this.#queue.dueUs
  }

  override push(frame: Frame, nowUs: number): void {
    const { config } = this
    const kind = this.#kind(frame)
    if (config === null || kind === null) {
      this.next.push(frame, nowUs)
    } else if (includes(config[kind], frame.flow.attempt)) {
      this.drop(frame, `handshake=${kind} ${formatRanges(config[kind])}`, nowUs)
    } else if (kind === 'synack' && config.holdUs > 0) {
      this.#queue.push(frame.hold(this.counters), nowUs + config.holdUs)
    } else {
      this.next.push(frame, nowUs)
    }
  }

  override release(nowUs: number): void {
    while (this.#queue.dueUs <= nowUs) this.next.push(this.#queue.pop(), nowUs)
  }

  #kind({ segment, flow }: Frame): 'syn' | 'synack' | 'ack' | null {
    if (segment === null) return null
    if ((segment.flags & Flag.SYN) !== 0) return (segment.flags & Flag.ACK) === 0 ? 'syn' : 'synack'
    return flow.isHandshakeAck(segment) ? 'ack' : null
  }
}

const includes = (ranges: Ranges, n: number): boolean => ranges.some(([first, last]) => n >= first && n <= last)

function parseAttempts(field: string, value: unknown): Ranges {
  if (value === undefined || value === null || value === 0) return []
  const parts = Array.isArray(value) ? value : String(value).split('+')
  return parts.map((part) => {
    if (part === 'all') return [1, Infinity]
    const [, first, last] = /^(\d+)(?:-(\d+))?$/.exec(String(part)) ?? []
    if (first === undefined || Number(first) < 1) {
      throw invalidValue(field, value, "the number of an attempt from 1, several such as [1, 3] or '1-2+5', or 'all'")
    }
    return [Number(first), Number(last ?? first)]
  })
}

const formatRanges = (ranges: Ranges): string =>
  ranges.map(([first, last]) => (last === Infinity ? 'all' : first === last ? first : `${first}-${last}`)).join('+')

const MEMBERS = ['syn', 'synack', 'ack', 'hold'] as const

function partsOf(field: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'string') return parseObject(field, value, MEMBERS)
  const parts: Record<string, unknown> = {}
  const words = new Words(field, value)
  while (!words.isOver) {
    const name = (words.take() as string).toLowerCase()
    if (!MEMBERS.includes(name as 'syn')) throw unknownField(`${field} ${name}`, MEMBERS, name)
    parts[name] = words.next(`'${name}' followed by a value`)
  }
  return parts
}

export const handshake: StageType<HandshakeConfig> = {
  name: 'handshake',
  fields: ['handshake'],
  decodes: true,
  parse(reader) {
    const value = reader.raw('handshake')
    if (value === undefined || value === 0 || value === '0' || value === false) return null
    const field = reader.label('handshake')
    const parts = partsOf(field, value)
    const config = {
      syn: parseAttempts(`${field}.syn`, parts.syn),
      synack: parseAttempts(`${field}.synack`, parts.synack),
      ack: parseAttempts(`${field}.ack`, parts.ack),
      holdUs: parseTimeUs(`${field}.hold`, parts.hold ?? 0),
    }
    return config.syn.length + config.synack.length + config.ack.length + config.holdUs === 0 ? null : config
  },
  format(config) {
    const words = (['syn', 'synack', 'ack'] as const)
      .filter((kind) => config[kind].length > 0)
      .map((kind) => `${kind} ${formatRanges(config[kind])}`)
    if (config.holdUs > 0) words.push(`hold ${formatTimeUs(config.holdUs)}`)
    return { handshake: words.join(' ') }
  },
  create: (environment) => new HandshakeStage(environment),
}
