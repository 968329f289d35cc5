import { Flag, readChecksum, writeChecksum, writeChecksumField } from '../wire/index.ts'
import type { Flow } from './flow.ts'
import { Frame } from './frame.ts'
import type { Rng } from './rng.ts'
import { Stage, type StageType } from './stage.ts'
import { parseObject, parseRateBits, parseSize } from './values.ts'
import { Words } from './words.ts'

export interface ReaderFields {
  /**
   * A slow reader: the windows that segments of this direction announce open as if their sender's application read at this rate
   * (bits a second or `'160kbit'`, `'20kbps'`) from a buffer of so many bytes: `'20kbps 64kb'` or `{ rate, buffer }`. With `out`
   * this end seems to read slowly, with `in` the peer. Buffer: 64 KiB. 0: off.
   */
  reader?: number | string | { rate: number | string; buffer?: number | string }
}

export interface ReaderConfig {
  /** Bytes a second. */
  readonly rateBps: number
  readonly buffer: number
}

const DEFAULT_BUFFER = 65_536
const HEADER = 20
const WINDOW_AT = 14

/** What is known of one direction. */
interface Memory {
  /** Where the window began, and when; null before the first acknowledgement. */
  baseSeq: number | null
  baseUs: number
  shift: number
  /** The edge last announced. */
  edge: number
  /** Bytes that were withheld: what the true window went beyond the announced. */
  withheld: number
  /** A copy of the header of the latest segment, for updates of the window. */
  last: { header: Buffer; ack: number; tag: unknown; window: number } | null
}

/**
 * The peer of a slow reader sees its window close, and open by what was read since. What opens is announced in copies of the
 * latest acknowledgement, for the true receiver has no reason to say anything.
 */
class ReaderStage extends Stage<ReaderConfig, Memory> {
  /** Whose windows are shut, and when a segment's worth of each is free. */
  readonly #shut = new Map<Flow, number>()

  protected override recall(_rng: Rng, _flow: Flow): Memory {
    return { baseSeq: null, baseUs: 0, shift: -1, edge: 0, withheld: 0, last: null }
  }

  override configure(config: ReaderConfig | null): void {
    super.configure(config)
    this.#shut.clear()
  }

  override get deadline(): number {
    let least = Infinity
    for (const us of this.#shut.values()) least = Math.min(least, us)
    return least
  }

  override push(frame: Frame, nowUs: number): void {
    const { segment, flow } = frame
    if (segment === null || (segment.flags & Flag.RST) !== 0) {
      this.#shut.delete(flow)
      this.next.push(frame, nowUs)
      return
    }
    const memory = this.memory(flow)
    const isSyn = (segment.flags & Flag.SYN) !== 0
    if (memory.shift < 0 || isSyn) memory.shift = shiftOf(flow, isSyn)
    if ((segment.flags & Flag.ACK) === 0 || memory.shift < 0) {
      this.next.push(frame, nowUs)
      return
    }
    const { buffer } = this.config as ReaderConfig
    // rfc7323#2.2: the window of a SYN is never scaled.
    const shift = isSyn ? 0 : memory.shift
    const window = segment.wnd << shift
    if (memory.baseSeq === null) {
      memory.baseSeq = segment.ack
      memory.baseUs = nowUs
      memory.edge = Math.min(window, buffer)
    }
    const ack = (segment.ack - memory.baseSeq) | 0
    const edge = this.#edge(memory, nowUs)
    const allowed = Math.max(0, Math.min(window, edge - ack))
    memory.withheld = window - allowed
    const field = Math.min(0xffff, allowed >> shift)
    if (field !== segment.wnd) this.#rewrite(frame, field)
    memory.edge = Math.max(memory.edge, ack + (field << shift))
    this.#remember(memory, frame, field)
    this.next.push(frame, nowUs)
    this.#watch(memory, flow, ack)
  }

  override release(nowUs: number): void {
    for (const [flow, us] of this.#shut) {
      if (us > nowUs) continue
      this.#shut.delete(flow)
      const memory = this.memory(flow)
      const { last } = memory
      if (last === null) continue
      const ack = (last.ack - (memory.baseSeq as number)) | 0
      const field = Math.min(0xffff, (this.#edge(memory, nowUs) - ack) >> memory.shift)
      memory.withheld -= (field << memory.shift) - (last.window << memory.shift)
      last.window = field
      memory.edge = Math.max(memory.edge, ack + (field << memory.shift))
      this.counters.injected++
      const frame = new Frame(false, Buffer.from(last.header), 0, last.header.length, last.tag, flow)
      frame.owned = true
      frame.injected = true
      frame.enteredUs = nowUs
      frame.index = flow.packets
      this.#rewrite(frame, field)
      this.next.push(frame, nowUs)
      this.#watch(memory, flow, ack)
    }
  }

  /** What the sender may send up to, were this the reader's pace. It never moves back. */
  #edge(memory: Memory, nowUs: number): number {
    const { rateBps, buffer } = this.config as ReaderConfig
    return Math.max(memory.edge, Math.floor(buffer + ((nowUs - memory.baseUs) * rateBps) / 1_000_000))
  }

  /** An update is owed as soon as a good part of what is withheld could be given. */
  #watch(memory: Memory, flow: Flow, ack: number): void {
    const { rateBps, buffer } = this.config as ReaderConfig
    const open = memory.edge - ack
    // rfc9293#3.8.6.2.2: a receiver opens its window by a full segment or by half its buffer at least.
    const worth = Math.min(1460, buffer / 2)
    if (memory.withheld < worth || open >= worth) {
      this.#shut.delete(flow)
      return
    }
    const atUs = memory.baseUs + ((memory.edge + worth - buffer) * 1_000_000) / rateBps
    this.#shut.set(flow, Math.ceil(atUs))
  }

  #remember(memory: Memory, frame: Frame, field: number): void {
    const { segment } = frame
    if (segment === null || (segment.flags & Flag.SYN) !== 0) return
    // By the data offset: the bytes may have moved since they were decoded.
    const length = (frame.buffer[frame.start + 12] >> 4) * 4
    const header = Buffer.from(frame.buffer.subarray(frame.start, frame.start + length))
    header.writeInt32BE((segment.seq + segment.len) | 0, 4)
    header[13] = Flag.ACK
    memory.last = { header, ack: segment.ack, tag: frame.tag, window: field }
  }

  #rewrite(frame: Frame, field: number): void {
    if (frame.length < HEADER) return
    const { segment } = frame
    frame.own()
    const { buffer, start, end } = frame
    const summed = readChecksum(buffer, start) !== 0
    buffer.writeUInt16BE(field, start + WINDOW_AT)
    writeChecksumField(buffer, start, 0)
    if (summed || frame.injected) writeChecksum(buffer, start, end)
    // The decoded form still points to the bytes as they came; only the window is another.
    if (segment !== null) segment.wnd = field
  }
}

/** What windows of a flow are shifted by; −1: the handshake was not seen. */
function shiftOf(flow: Flow, isSyn: boolean): number {
  if (flow.isn === null) return -1
  // A SYN announces unscaled; what follows is scaled where both offered it.
  if (flow.peer.isn === null) return isSyn ? 0 : -1
  return flow.wscale < 0 || flow.peer.wscale < 0 ? 0 : Math.min(14, flow.wscale)
}

export const reader: StageType<ReaderConfig> = {
  name: 'reader',
  fields: ['reader'],
  decodes: true,
  parse(fields) {
    const value = fields.raw('reader')
    if (value === undefined || value === 0 || value === '0' || value === false) return null
    const field = fields.label('reader')
    let parts: Record<string, unknown> = { rate: value }
    if (typeof value === 'string') {
      const words = new Words(field, value)
      parts = { rate: words.next('a rate'), buffer: words.take() }
      words.end('a rate and the bytes of a buffer')
    } else if (typeof value === 'object') {
      parts = parseObject(field, value, ['rate', 'buffer'])
    }
    const rateBps = parseRateBits(`${field}.rate`, parts.rate) / 8
    return rateBps === 0 ? null : { rateBps, buffer: parseSize(`${field}.buffer`, parts.buffer ?? DEFAULT_BUFFER) }
  },
  format: ({ rateBps, buffer }) => ({ reader: `${rateBps * 8} ${buffer}` }),
  create: (environment) => new ReaderStage(environment),
}
