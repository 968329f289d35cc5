// ours: the shim in front of everything that a datagram holds, and walking through a datagram frame by frame.
//
//     byte 0     0x0a
//     byte 1     version << 4 | kind
//     byte 2-3   length of the body, big-endian
//
// Frames follow each other without gaps and never span datagrams. A read that the kernel coalesced (UDP GRO) is several
// datagrams end to end, each of the first one's size but the last.

/** Bytes before a frame's body. */
export const SHIM_LENGTH = 4
/** rfc9443#3: in the range that RTP, QUIC, DTLS and STUN leave free. */
export const SHIM_MAGIC = 0x0a
export const SHIM_VERSION = 1
/** Bytes of a probe's token. */
export const PROBE_TOKEN_LENGTH = 8

export const FrameKind = {
  /** A TCP segment, header and all. */
  Segment: 0,
  /** Padding that asks for a reply with the token in its first eight bytes. */
  Probe: 1,
  ProbeReply: 2,
  /** A segment that its sender declared ECN-capable; sent only where both sides have agreed on ECN. */
  SegmentEct: 3,
  /** The same, and it met congestion. */
  SegmentCe: 4,
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]

export const FrameResult = {
  /** The view holds a frame. */
  Frame: 0,
  /** Nothing is left. */
  End: 1,
  /** Fewer bytes are left than a shim has. */
  Truncated: 2,
  BadMagic: 3,
  BadVersion: 4,
  UnknownKind: 5,
  /** The body would go on beyond the datagram. */
  Overrun: 6,
} as const
export type FrameResult = (typeof FrameResult)[keyof typeof FrameResult]

/** One frame of a datagram; a receiver owns one and has it filled anew by each step. */
export class FrameView {
  /** `Segment` for those with ECN too. */
  kind: FrameKind = FrameKind.Segment
  /** ECN: declared capable, and marked. */
  ect = false
  marked = false
  /** The body is `buffer[start … end)`. */
  start = 0
  end = 0
  /** Where the next step begins, after a bad frame too. */
  next = 0
}

/** The kind of frame for a segment that is ECN-capable, or marked, or neither. */
export const segmentKind = (ect: boolean, marked = false): FrameKind =>
  ect ? (marked ? FrameKind.SegmentCe : FrameKind.SegmentEct) : FrameKind.Segment

/** Writes the shim for a body of `length` bytes at `buffer[at …]`. */
export function writeShim(buffer: Buffer, at: number, kind: FrameKind, length: number): void {
  buffer[at] = SHIM_MAGIC
  buffer[at + 1] = (SHIM_VERSION << 4) | kind
  buffer[at + 2] = length >> 8
  buffer[at + 3] = length
}

/**
 * Takes one step through what was read: looks at the frame at `buffer[at]`, of a read that ends at `end`, and says in
 * `out.next` where to go on. A bad frame makes that `end`: what follows it in its datagram cannot be trusted. Where the read
 * may have been coalesced, `stride` is the size of its first frame, shim included, and `base` where the read began: then a bad
 * frame costs only itself, and the next step begins at the next multiple of the stride. Every step goes forward.
 *
 *     for (let at = start; (result = nextFrame(buffer, at, end, view)) !== FrameResult.End; at = view.next) …
 */
export function nextFrame(
  buffer: Buffer,
  at: number,
  end: number,
  out: FrameView,
  base: number = at,
  stride: number = 0,
): FrameResult {
  if (at >= end) {
    out.next = end
    return FrameResult.End
  }
  let result: FrameResult = FrameResult.Truncated
  if (end - at >= SHIM_LENGTH) {
    const body = at + SHIM_LENGTH
    const bodyEnd = body + ((buffer[at + 2] << 8) | buffer[at + 3])
    const versionAndKind = buffer[at + 1]
    if (buffer[at] !== SHIM_MAGIC) result = FrameResult.BadMagic
    else if (versionAndKind >> 4 !== SHIM_VERSION) result = FrameResult.BadVersion
    else if ((versionAndKind & 0x0f) > FrameKind.SegmentCe) result = FrameResult.UnknownKind
    else if (bodyEnd > end) result = FrameResult.Overrun
    else {
      const kind = (versionAndKind & 0x0f) as FrameKind
      out.ect = kind >= FrameKind.SegmentEct
      out.marked = kind === FrameKind.SegmentCe
      out.kind = out.ect ? FrameKind.Segment : kind
      out.start = body
      out.end = bodyEnd
      out.next = bodyEnd
      return FrameResult.Frame
    }
  }
  out.next = stride > 0 ? Math.min(end, at + stride - ((at - base) % stride)) : end
  return result
}

/**
 * Writes a probe or its reply at `buffer[at …]`, with a body of `length` bytes (8 at least), and returns the bytes of the whole
 * frame. A token in a buffer is that buffer's first eight bytes. Padding is zeros: nothing that the buffer held before leaves.
 */
export function writeProbe(
  buffer: Buffer,
  at: number,
  kind: typeof FrameKind.Probe | typeof FrameKind.ProbeReply,
  token: bigint | Buffer,
  length: number = PROBE_TOKEN_LENGTH,
): number {
  const body = at + SHIM_LENGTH
  writeShim(buffer, at, kind, length)
  if (typeof token === 'bigint') buffer.writeBigUInt64BE(BigInt.asUintN(64, token), body)
  else token.copy(buffer, body, 0, PROBE_TOKEN_LENGTH)
  buffer.fill(0, body + PROBE_TOKEN_LENGTH, body + length)
  return SHIM_LENGTH + length
}

/** The token of a probe or reply whose body is `buffer[start … end)`; null where the body is too short to hold one. */
export function readProbeToken(buffer: Buffer, start: number, end: number): bigint | null {
  return end - start < PROBE_TOKEN_LENGTH ? null : buffer.readBigUInt64BE(start)
}
