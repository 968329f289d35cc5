import type { Tracer } from '../observe/tracer.ts'
import { encodeHeader, Flag, HEADER_LENGTH, optionsLength, type Segment, seqAdd, writeChecksum } from '../wire/index.ts'
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
  const header = HEADER_LENGTH + optionsLength(out)
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
    // What is lent is released by an ACK or by the connection's end, and those come when the batch is gone.
    if (length >= LEAST_LENT && sink.lends === true && !summed) queue.lendTo(position, length, sink, offset + header)
    else queue.copyTo(position, length, buffer, offset + header)
  }
  if (summed) writeChecksum(buffer, offset, offset + header + length)
  const { tracer } = c.host
  if (tracer !== null) traceSent(tracer, c, now, out, buffer, offset + header, length, retransmission)
  if (length > 0) c.dataBatch = sink.batch
  sink.commit(header + length, ect)
  c.segsOut++
  // linux: tcpOutSegs leaves out what was sent before (rfc4022).
  if (!retransmission) c.host.mib.OutSegs++
  return true
}

/** Room for as many as `count` segments like `out` with `length` bytes of payload: returns for how many. */
export function reserveRun(c: Connection, sink: SegmentSink, out: Segment, length: number, count: number): number {
  const size = HEADER_LENGTH + optionsLength(out) + length
  const most = c.host.tracer === null ? count : 1
  const room = sink.reserveRun?.(size, most) ?? (sink.reserve(size) ? 1 : 0)
  if (room === 0) c.blocked = true
  return room
}

/**
 * `count` segments like `out`, each `length` bytes behind the one before, into the room that `reserveRun` has found: they differ in nothing but their
 * sequence numbers.
 */
export function writeRun(
  c: Connection,
  sink: SegmentSink,
  out: Segment,
  length: number,
  count: number,
  now: number,
  ect: boolean,
): void {
  out.srcPort = c.localPort
  out.dstPort = c.remotePort
  const { queue } = c.sender
  const { buffer, offset, stride = 0 } = sink
  const header = HEADER_LENGTH + optionsLength(out)
  const position = c.sender.position(out.seq)
  const lends = length >= LEAST_LENT && sink.lends === true && c.checksumOffload
  if (lends) queue.lendTo(position, length, sink, offset + header, count, stride)
  const { tracer } = c.host
  for (let i = 0; i < count; i++) {
    const at = offset + i * stride
    const payload = at + header
    encodeHeader(out, buffer, at)
    if (!lends) queue.copyTo(position + i * length, length, buffer, payload)
    if (!c.checksumOffload) writeChecksum(buffer, at, payload + length)
    if (tracer !== null) traceSent(tracer, c, now, out, buffer, payload, length, false)
    out.seq = seqAdd(out.seq, length)
  }
  c.dataBatch = sink.batch
  if (sink.commitRun === undefined) sink.commit(header + length, ect)
  else sink.commitRun(header + length, count, ect)
  c.segsOut += count
  c.host.mib.OutSegs += count
}

function traceSent(
  tracer: Tracer,
  c: Connection,
  now: number,
  out: Segment,
  buffer: Buffer,
  start: number,
  length: number,
  retransmission: boolean,
): void {
  out.buffer = buffer
  out.payloadStart = start
  out.payloadEnd = start + length
  tracer.segmentSent(c.id, now, out, retransmission)
}
