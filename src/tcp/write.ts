import { encodeHeader, Flag, optionsLength, type Segment, seqAdd, writeChecksum } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import type { SegmentSink } from './host.ts'

/** Shorter payload is copied sooner than it is told where it is. */
const LEAST_LENT = 512

/** Header and payload into the sink. Ports are the connection's. */
export function write(
  c: Connection,
  sink: SegmentSink,
  out: Segment,
  length: number,
  now: number,
  retransmission = false,
  ect = false,
): boolean {
  out.srcPort = c.localPort
  out.dstPort = c.remotePort
  const header = 20 + optionsLength(out)
  if (!sink.reserve(header + length)) {
    c.blocked = true
    return false
  }
  const { buffer, offset } = sink
  encodeHeader(out, buffer, offset)
  const syn = (out.flags & Flag.SYN) !== 0 ? 1 : 0
  const summed = !c.checksumOffload || syn === 1
  if (length > 0) {
    const { queue } = c.sender
    const position = c.sender.position(seqAdd(out.seq, syn))
    // Nothing is acknowledged, and so released, before the turn has ended.
    if (length >= LEAST_LENT && sink.lends === true && !summed) queue.lendTo(position, length, sink, offset + header)
    else queue.copyTo(position, length, buffer, offset + header)
  }
  if (summed) writeChecksum(buffer, offset, offset + header + length)
  const { tracer } = c.host
  if (tracer !== null) {
    out.buffer = buffer
    out.payloadStart = offset + header
    out.payloadEnd = offset + header + length
    tracer.segmentSent(c.id, now, out, retransmission)
  }
  if (length > 0) c.autocork.batch = sink.batch
  sink.commit(header + length, ect)
  c.segsOut++
  // linux: tcpOutSegs leaves out what was sent before (rfc4022).
  if (!retransmission) c.host.mib.OutSegs++
  return true
}
