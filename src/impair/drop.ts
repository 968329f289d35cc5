import type { Segment } from '../wire/index.ts'
import type { Frame } from './frame.ts'
import { partsOf, type SegmentParts } from './parts.ts'
import { Stage, type StageType } from './stage.ts'
import { invalidType } from './values.ts'

/** A segment as a predicate sees it. */
export interface SegmentView extends SegmentParts {
  /** `in`: it arrives, `out`: it leaves. */
  readonly direction: 'in' | 'out'
  /** Which segment of its connection and direction this is, from 0, and which connection of its path, from 0. */
  readonly index: number
  readonly connection: number
  /** How often this SYN, these data or this FIN has come along, this time counted; of a bare ACK the final one of a handshake counts. */
  readonly attempt: number
  /** Position of the first byte of data in its direction, from 0; −1 where no SYN and nothing before it was seen. */
  readonly offset: number
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
  const { attempt, ordinal, origin } = frame.flow
  return {
    ...partsOf(segment),
    direction: outgoing ? 'out' : 'in',
    index: frame.index,
    connection: ordinal,
    attempt,
    offset: origin === null ? -1 : Math.max(0, (segment.seq - origin) | 0),
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
