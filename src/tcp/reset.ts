import { Flag, type Segment, type Seq, seqAdd } from '../wire/index.ts'

/**
 * The RST that answers `segment` where no connection takes it (rfc9293#3.10.7.1), written into `out` without ports.
 *
 * @returns false where there must be no answer: to a RST
 */
export function resetFor(segment: Segment, out: Segment): boolean {
  if ((segment.flags & Flag.RST) !== 0) return false
  out.reset()
  if ((segment.flags & Flag.ACK) !== 0) {
    out.seq = segment.ack
    out.flags = Flag.RST
  } else {
    out.seq = 0 as Seq
    out.ack = seqAdd(segment.seq, segment.len)
    out.flags = Flag.RST | Flag.ACK
  }
  return true
}
