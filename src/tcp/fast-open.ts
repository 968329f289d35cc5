import { optionsLength, type Segment, seqAdd, seqGt } from '../wire/index.ts'
import type { Connection } from './connection.ts'

// TCP Fast Open (rfc7413): data in a SYN, for a peer that has shown before that it can be reached at its address.

/** What one connection has to do with it. */
export class FastOpen {
  /** Leaves in our next SYN or SYN-ACK; of length 0 it asks for one. Null: nothing. */
  cookie: Buffer | null
  /** Data may leave with the first SYN, so much at most; 0: none. */
  readonly mss: number
  /** The option bears the number that experiments share (rfc7413#4.1.1). */
  readonly experimental: boolean
  /** Bytes that did. */
  synData = 0
  /** A SYN with cookie or data got no answer in time. */
  lost = false
  /** Our SYN asked for it, or made use of it: then the SYN-ACK may bring data too. */
  used = false
  /** What the peer gave us in its SYN-ACK, to be kept. */
  received: Buffer | null = null
  /** Passive: data may flow before the handshake is done. */
  early = false

  constructor(cookie: Buffer | null = null, mss = 0, experimental = false) {
    this.cookie = cookie
    this.mss = mss
    this.experimental = experimental
  }
}

/** Bytes of data that the SYN in `out` takes along. */
export function synDataLength(c: Connection, out: Segment): number {
  const { fastOpen, sender } = c
  if (fastOpen === null || fastOpen.cookie === null || fastOpen.cookie.length === 0 || !sender.board.isEmpty) return 0
  const most = Math.min(fastOpen.mss, c.maxSegment - 20) - optionsLength(out)
  return Math.max(0, Math.min(sender.queue.length, most))
}

/** The SYN-ACK says what became of the data in our SYN (rfc7413#4.2.1, linux: tcp_rcv_fastopen_synack). */
export function onSynAnswered(c: Connection, seg: Segment, now: number): void {
  const { fastOpen, sender, ack, host } = c
  if (fastOpen === null) return
  if (seg.fastOpenCookie !== null && seg.fastOpenCookie.length > 0) fastOpen.received = Buffer.from(seg.fastOpenCookie)
  fastOpen.used = fastOpen.cookie !== null
  fastOpen.cookie = null
  if (fastOpen.synData === 0) return
  fastOpen.synData = 0
  if (seqGt(seg.ack, seqAdd(sender.iss, 1))) {
    host.mib.TCPFastOpenActive++
    ack.reset(sender.sampler, now, sender.sndUna, sender.board.inFlight, sender.sndUna, c.rtt.minRtt)
    sender.onAck(seg.ack, sender.sndNxt, ack)
  } else host.mib.TCPFastOpenActiveFail++
  // What was not taken goes out again, as if it never had.
  sender.takeBack()
}
