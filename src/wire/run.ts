// Several segments that were read together and continue each other, taken as one: what the kernel's GRO does for its own TCP.

import { Flag } from './flags.ts'
import { SHIM_LENGTH } from './frame.ts'
import { readInt32, readUint16 } from './options.ts'
import { HEADER_LENGTH, type Segment } from './segment.ts'

/** Where the fields stand in a header that say whether it continues another. */
const ACK = 8
const OFFSET_AND_FLAGS = 12
const WINDOW = 14
const CHECKSUM_AND_URGENT = 16

/**
 * linux: tcp_gro_receive; adds to `segment`, which was parsed at `buffer[start …)`, those in the frames behind it that continue it: the same header
 * but for the sequence number, data and nothing else, and no checksum that would have to be looked at. All are as long as the first; a shorter
 * one, or one with PSH, is the last. Their payload is moved up to that of the first. Returns where the first frame begins that was left.
 *
 *     read    shim │ header │ piece │ shim │ header │ piece │ shim …
 *                           └ payload ──┘◀────────── moves up to it
 */
export function joinRun(segment: Segment, buffer: Buffer, start: number, end: number): number {
  const { payloadStart, payloadLength: full, flags } = segment
  const header = payloadStart - start
  let at = segment.payloadEnd
  if (flags !== Flag.ACK || full === 0 || readInt32(buffer, start + CHECKSUM_AND_URGENT) !== 0) return at
  const [shim, ports, ack] = [start - SHIM_LENGTH, readInt32(buffer, start), readInt32(buffer, start + ACK)]
  const kind = readUint16(buffer, shim)
  const window = readUint16(buffer, start + WINDOW)
  const offset = buffer[start + OFFSET_AND_FLAGS]
  let seq: number = segment.seq
  while (at + SHIM_LENGTH + header < end) {
    const next = at + SHIM_LENGTH
    const length = readUint16(buffer, at + 2) - header
    const bits = buffer[next + OFFSET_AND_FLAGS + 1]
    seq = (seq + full) | 0
    if (
      readUint16(buffer, at) !== kind ||
      length <= 0 ||
      length > full ||
      next + header + length > end ||
      readInt32(buffer, next) !== ports ||
      readInt32(buffer, next + 4) !== seq ||
      readInt32(buffer, next + ACK) !== ack ||
      buffer[next + OFFSET_AND_FLAGS] !== offset ||
      (bits & ~Flag.PSH) !== Flag.ACK ||
      readUint16(buffer, next + WINDOW) !== window ||
      readInt32(buffer, next + CHECKSUM_AND_URGENT) !== 0 ||
      !sameOptions(buffer, start, next, header)
    ) {
      break
    }
    buffer.copyWithin(segment.payloadEnd, next + header, next + header + length)
    segment.payloadEnd += length
    segment.count++
    segment.lastLength = length
    at = next + header + length
    if (length < full || bits !== Flag.ACK) {
      segment.flags = bits
      break
    }
  }
  return at
}

function sameOptions(buffer: Buffer, first: number, other: number, header: number): boolean {
  for (let i = HEADER_LENGTH; i < header; i += 4) {
    if (readInt32(buffer, first + i) !== readInt32(buffer, other + i)) return false
  }
  return true
}
