// The TCP header of rfc9293#3.1, to and from a `Segment`.

import { encodeOptions, parseOptions, readInt32, readUint16, writeInt32, writeUint16 } from './options.ts'
import { HEADER_LENGTH, type Segment } from './segment.ts'
import type { Seq } from './seq.ts'

export const ParseResult = {
  Ok: 0,
  /** Fewer bytes than the shortest header. */
  TooShort: 1,
  /** The header says that it is shorter than 20 bytes, or longer than the segment. */
  BadDataOffset: 2,
  /** An option's length is below 2 or overruns the header. */
  BadOption: 3,
} as const
export type ParseResult = (typeof ParseResult)[keyof typeof ParseResult]

/**
 * Takes apart the segment at `buffer[start … end)`. The buffer is borrowed for as long as `into` is used: the payload and a
 * Fast Open cookie are parts of it. The checksum is not looked at. Anything but `Ok` means that the segment is to be dropped;
 * after `BadOption` all but the remaining options has been read, after the others nothing has.
 */
export function parseSegment(buffer: Buffer, start: number, end: number, into: Segment): ParseResult {
  if (end - start < HEADER_LENGTH) return ParseResult.TooShort
  const offsetAndAe = buffer[start + 12]
  const payloadStart = start + ((offsetAndAe >> 4) << 2)
  if (payloadStart < start + HEADER_LENGTH || payloadStart > end) return ParseResult.BadDataOffset

  into.srcPort = readUint16(buffer, start)
  into.dstPort = readUint16(buffer, start + 2)
  into.seq = readInt32(buffer, start + 4) as Seq
  into.ack = readInt32(buffer, start + 8) as Seq
  // rfc9293#3.1: the three bits between data offset and AE are reserved, and ignored on arrival.
  into.flags = ((offsetAndAe & 1) << 8) | buffer[start + 13]
  into.wnd = readUint16(buffer, start + 14)
  into.urgentPointer = readUint16(buffer, start + 18)
  into.buffer = buffer
  into.payloadStart = payloadStart
  into.payloadEnd = end
  into.count = 1
  into.clearOptions()
  if (payloadStart === start + HEADER_LENGTH) return ParseResult.Ok
  // rfc9293#3.1 MUST-7: nothing behind a bad length can be understood. ours: the segment is dropped, not reset, for anyone
  // could have sent it.
  return parseOptions(buffer, start + HEADER_LENGTH, payloadStart, into) ? ParseResult.Ok : ParseResult.BadOption
}

/**
 * Writes the header of `seg` with its options at `buffer[at …]` and returns its length, `HEADER_LENGTH + optionsLength(seg)`.
 * The checksum field is left at 0: `writeChecksum` fills it once the payload stands behind the header.
 */
export function encodeHeader(seg: Segment, buffer: Buffer, at: number): number {
  const length = HEADER_LENGTH + encodeOptions(seg, buffer, at + HEADER_LENGTH)
  const flags = seg.flags
  writeUint16(buffer, at, seg.srcPort)
  writeUint16(buffer, at + 2, seg.dstPort)
  writeInt32(buffer, at + 4, seg.seq)
  writeInt32(buffer, at + 8, seg.ack)
  buffer[at + 12] = (length << 2) | ((flags >> 8) & 1)
  buffer[at + 13] = flags
  writeUint16(buffer, at + 14, seg.wnd)
  writeUint16(buffer, at + 16, 0)
  writeUint16(buffer, at + 18, seg.urgentPointer)
  return length
}
