import type { Tracer } from '../observe/tracer.ts'
import { encodeHeader, Flag, HEADER_LENGTH, optionsLength, type Segment, seqAdd, writeChecksum } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import type { SegmentSink } from './host.ts'

/** Shorter payload is copied sooner than it is told where it is. */
const LEAST_LENT = 512

/** Header and payload into the sink, if it has room. */
export function write(
  c: Connection,
  sink: SegmentSink,
  out: Segment,
  length: number,
  now: number,
  retransmission = false,
  ect = false,
): boolean {
  if (!sink.reserve(HEADER_LENGTH + optionsLength(out) + length)) {
    c.blocked = true
    return false
  }
  writeRun(c, sink, out, length, 1, now, ect, retransmission)
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
 * `count` segments like `out`, each `length` bytes behind the one before, into the room that was found for them: they differ in nothing but their
 * sequence numbers. Ports are the connection's.
 */
export function writeRun(
  c: Connection,
  sink: SegmentSink,
  out: Segment,
  length: number,
  count: number,
  now: number,
  ect: boolean,
  retransmission = false,
): void {
  out.srcPort = c.localPort
  out.dstPort = c.remotePort
  const { sender, host } = c
  const { buffer, offset, stride = 0 } = sink
  const syn = (out.flags & Flag.SYN) !== 0 ? 1 : 0
  const position = length > 0 ? sender.position(out.seq) + syn : 0
  const header = encodeHeader(out, buffer, offset)
  const size = header + length
  for (let i = 1; i < count; i++) {
    out.seq = seqAdd(out.seq, length)
    encodeHeader(out, buffer, offset + i * stride)
  }
  // A SYN always is: by it the two agree to do without.
  const summed = !c.checksumOffload || syn === 1
  if (length > 0) {
    // What is lent is released by an ACK or by the connection's end, and those come when the batch is gone.
    const lends = length >= LEAST_LENT && sink.lends === true && !summed
    sender.queue.place(position, length, count, sink, offset + header, stride, lends)
  }
  if (summed) {
    for (let i = 0; i < count; i++) {
      const at = offset + i * stride
      writeChecksum(buffer, at, at + size)
    }
  }
  // Who is shown segments is shown them one by one: `reserveRun` sees to it.
  if (host.tracer !== null) traceSent(host.tracer, c, now, out, buffer, offset + header, length, retransmission)
  if (length > 0) c.dataBatch = sink.batch
  if (sink.commitRun === undefined) sink.commit(size, ect)
  else sink.commitRun(size, count, ect)
  c.segsOut += count
  // linux: tcpOutSegs leaves out what was sent before (rfc4022).
  if (!retransmission) host.mib.OutSegs += count
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
