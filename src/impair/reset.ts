import { encodeHeader, Flag, Segment, writeChecksum } from '../wire/index.ts'
import type { Flow } from './flow.ts'
import type { Frame } from './frame.ts'
import { Stage, type StageType } from './stage.ts'
import { parseSize } from './values.ts'

export interface ResetFields {
  /** Both ends get a reset where the byte at this offset of this direction would be delivered: `65536` or `'64kb'`. 0: never. */
  reset?: number | string
}

export interface ResetConfig {
  readonly after: number
}

class ResetStage extends Stage<ResetConfig> {
  override push(frame: Frame, nowUs: number): void {
    const { after } = this.config as ResetConfig
    const { segment, flow } = frame
    const conversation = this.host.conversation
    if (
      conversation === null ||
      segment === null ||
      segment.payloadLength === 0 ||
      flow.origin === null ||
      ((segment.seq - flow.origin) | 0) + segment.payloadLength <= after
    ) {
      this.next.push(frame, nowUs)
      return
    }
    this.drop(frame, `reset=${after}`, nowUs)
    this.host.reset(conversation, nowUs)
  }
}

/** A reset at `seq` that the sender of `flow` might have sent. */
export function makeReset(flow: Flow, srcPort: number, dstPort: number, seq: number): Buffer {
  const segment = new Segment()
  segment.srcPort = srcPort
  segment.dstPort = dstPort
  segment.seq = seq as Segment['seq']
  segment.flags = Flag.RST
  if (flow.peer.nextSeq !== null) {
    segment.flags |= Flag.ACK
    segment.ack = flow.peer.nextSeq as Segment['ack']
  }
  const buffer = Buffer.alloc(20)
  encodeHeader(segment, buffer, 0)
  writeChecksum(buffer, 0, 20)
  return buffer
}

export const reset: StageType<ResetConfig> = {
  name: 'reset',
  fields: ['reset'],
  decodes: true,
  parse(reader) {
    const value = reader.raw('reset') ?? 0
    return value === 0 || value === '0' ? null : { after: parseSize(reader.label('reset'), value) }
  },
  format: ({ after }) => ({ reset: String(after) }),
  create: (environment) => new ResetStage(environment),
}
