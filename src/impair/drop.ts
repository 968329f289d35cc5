import { Flag, type Segment } from '../wire/index.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { invalidType } from './values.ts'

/** A segment as a predicate sees it. */
export interface SegmentView {
  /** `in`: it arrives, `out`: it leaves. */
  readonly direction: 'in' | 'out'
  /** Which segment of its connection and direction this is, from 0, and which connection of its path, from 0. */
  readonly index: number
  readonly connection: number
  /** How often this SYN, these data or this FIN has come along, this time counted; of a bare ACK the final one of a handshake counts. */
  readonly attempt: number
  readonly srcPort: number
  readonly dstPort: number
  readonly syn: boolean
  readonly ack: boolean
  readonly fin: boolean
  readonly rst: boolean
  readonly psh: boolean
  readonly urg: boolean
  readonly ece: boolean
  readonly cwr: boolean
  /** Sequence and acknowledgement numbers, 0 … 2³² − 1. */
  readonly seq: number
  readonly ackNumber: number
  /** Position of the first byte of data in its direction, from 0; −1 where no SYN and nothing before it was seen. */
  readonly offset: number
  /** The window field, unscaled. */
  readonly window: number
  /** Bytes of data, and the data, borrowed until return. */
  readonly length: number
  readonly payload: Buffer
  /** Options; −1 or empty where absent. */
  readonly mss: number
  readonly wscale: number
  readonly sack: readonly (readonly [number, number])[]
  readonly tsVal: number
  readonly tsEcr: number
}

export type DropPredicate = (segment: SegmentView) => boolean

export interface DropFields {
  /** Loses the segments for which it returns true: `seg => seg.syn && seg.ack && seg.attempt === 1`. */
  drop?: DropPredicate | false | null
}

export interface DropConfig {
  readonly predicate: DropPredicate
}

class DropStage extends Stage<DropConfig> {
  override push(frame: Frame, nowUs: number): void {
    const { predicate } = this.config as DropConfig
    if (frame.segment !== null && this.#asks(predicate, frame, frame.segment)) this.drop(frame, 'drop', nowUs)
    else this.next.push(frame, nowUs)
  }

  #asks(predicate: DropPredicate, frame: Frame, segment: Segment): boolean {
    try {
      return predicate(viewOf(frame, segment, this.options.outgoing ?? true)) === true
    } catch (error) {
      // The user's mistake is the user's to see, but a segment on its way is no place to throw from.
      queueMicrotask(() => {
        throw error
      })
      return false
    }
  }
}

function viewOf(frame: Frame, segment: Segment, outgoing: boolean): SegmentView {
  const { flags, seq } = segment
  const has = (flag: number): boolean => (flags & flag) !== 0
  const { origin } = frame.flow
  return {
    direction: outgoing ? 'out' : 'in',
    index: frame.index,
    connection: frame.flow.ordinal,
    attempt: frame.flow.attempt,
    srcPort: segment.srcPort,
    dstPort: segment.dstPort,
    syn: has(Flag.SYN),
    ack: has(Flag.ACK),
    fin: has(Flag.FIN),
    rst: has(Flag.RST),
    psh: has(Flag.PSH),
    urg: has(Flag.URG),
    ece: has(Flag.ECE),
    cwr: has(Flag.CWR),
    seq: seq >>> 0,
    ackNumber: segment.ack >>> 0,
    offset: origin === null ? -1 : Math.max(0, (seq - origin) | 0),
    window: segment.wnd,
    length: segment.payloadLength,
    payload: segment.buffer.subarray(segment.payloadStart, segment.payloadEnd),
    mss: segment.mss,
    wscale: segment.wscale,
    sack: Array.from(
      { length: segment.sackCount },
      (_, i) => [segment.sack[2 * i] >>> 0, segment.sack[2 * i + 1] >>> 0] as const,
    ),
    tsVal: segment.hasTimestamps ? segment.tsVal >>> 0 : -1,
    tsEcr: segment.hasTimestamps ? segment.tsEcr >>> 0 : -1,
  }
}

export const drop: StageType<DropConfig> = {
  name: 'drop',
  fields: ['drop'],
  decodes: true,
  parse(reader) {
    const predicate = reader.raw('drop')
    if (predicate === undefined || predicate === false) return null
    if (typeof predicate !== 'function') {
      throw invalidType(
        reader.label('drop'),
        predicate,
        'a function of a segment, such as seg => seg.syn && seg.attempt === 1',
      )
    }
    return { predicate: predicate as DropPredicate }
  },
  // A function has no text.
  format: () => ({}),
  create: (environment) => new DropStage(environment),
}
