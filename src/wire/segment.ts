import type { Seq } from './seq.ts'

/** Length of a header without options (rfc9293#3.1). */
export const HEADER_LENGTH = 20
/** A data offset of 15 words leaves this much for options. */
export const MAX_OPTIONS_LENGTH = 40

/**
 * One TCP segment, taken apart. A stack owns one for what arrives and one for what leaves, and fills them anew each time:
 * nothing may keep a reference to it past the call that received it.
 */
export class Segment {
  srcPort = 0
  dstPort = 0
  seq: Seq = 0 as Seq
  /** Meaningful only with ACK set. */
  ack: Seq = 0 as Seq
  flags = 0
  /** It met congestion on its way (CE), as its frame tells: no part of the header. */
  marked = false
  /** The window field as it stands in the header, unscaled. */
  wnd = 0
  urgentPointer = 0

  /** Where the payload lies: `buffer[payloadStart … payloadEnd)`. Borrowed until the call returns. */
  buffer: Buffer = EMPTY
  payloadStart = 0
  payloadEnd = 0
  /** How many segments of one read it stands for; see `joinRun`. */
  count = 1
  /** Of several, the payload of the last. */
  lastLength = 0

  // Options; -1, 0 or false where absent.
  mss = -1
  wscale = -1
  sackPermitted = false
  hasTimestamps = false
  /** TSval and TSecr as int32, compared as sequence numbers are (rfc7323#5.2). */
  tsVal: Seq = 0 as Seq
  tsEcr: Seq = 0 as Seq
  sackCount = 0
  /** `sackCount` pairs of left and right edge, up to four. */
  readonly sack: Int32Array = new Int32Array(8)
  /** Fast Open cookie (rfc7413): null where absent, of length 0 when one is asked for. */
  fastOpenCookie: Buffer | null = null
  /** The cookie came, or shall leave, in the experimental option that preceded kind 34 (rfc7413#A, rfc6994). */
  fastOpenExperimental = false
  /** The field of a user timeout option (rfc5482#3): granularity bit and 15 bits of value; see `userTimeoutSeconds`. */
  userTimeout = -1
  /** Our own experimental option: the sender offers to leave segments to the UDP checksum. */
  checksumOffload = false

  /** Bytes of data carried. */
  get payloadLength(): number {
    return this.payloadEnd - this.payloadStart
  }

  /** Of several segments the payload of each but the last, which may be shorter (linux: gso_size). */
  get unitLength(): number {
    const length = this.payloadEnd - this.payloadStart
    return this.count === 1 ? length : (length - this.lastLength) / (this.count - 1)
  }

  /** SEG.LEN: data plus one each for SYN and FIN (rfc9293#3.4). */
  get len(): number {
    return this.payloadEnd - this.payloadStart + ((this.flags >> 1) & 1) + (this.flags & 1)
  }

  /** Back to a bare header with no options and no payload. */
  reset(): void {
    this.srcPort = 0
    this.dstPort = 0
    this.seq = 0 as Seq
    this.ack = 0 as Seq
    this.flags = 0
    this.marked = false
    this.wnd = 0
    this.urgentPointer = 0
    this.buffer = EMPTY
    this.payloadStart = 0
    this.payloadEnd = 0
    this.count = 1
    this.lastLength = 0
    this.clearOptions()
  }

  clearOptions(): void {
    this.mss = -1
    this.wscale = -1
    this.sackPermitted = false
    this.hasTimestamps = false
    this.tsVal = 0 as Seq
    this.tsEcr = 0 as Seq
    this.sackCount = 0
    this.fastOpenCookie = null
    this.fastOpenExperimental = false
    this.userTimeout = -1
    this.checksumOffload = false
  }
}

const EMPTY: Buffer = Buffer.alloc(0)
