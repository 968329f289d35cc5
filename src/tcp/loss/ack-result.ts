import type { Seq } from '../../wire/index.ts'

/** What one acknowledgement did, gathered as it passes through the parts of a connection; one record, filled anew each time. */
export class AckResult {
  now = 0
  /** SND.UNA before. */
  priorUna: Seq = 0 as Seq
  priorInFlight = 0
  /** Bytes and segments newly acknowledged in sequence. */
  acked = 0
  ackedSegs = 0
  /** Bytes newly acknowledged by SACK, or inferred from a duplicate ACK. */
  sacked = 0
  /** Bytes newly delivered by either. */
  delivered = 0
  /** Bytes newly marked lost. */
  lost = 0
  /** SND.UNA moved. */
  advanced = false
  /** Segments that count as duplicate ACKs: no data, no window change, nothing new acknowledged (rfc5681#2). */
  duplicates = 0
  /** The SYN was among what was acknowledged. */
  synAcked = false
  /** Something acknowledged had been retransmitted. */
  retransAcked = false
  /** Round trip of the newest segment acknowledged that was sent once, µs; −1 none (Karn, rfc6298#3). */
  rtt = -1
  /** The same of the newest segment newly acknowledged by SACK. */
  sackRtt = -1

  reset(now: number, una: Seq, inFlight: number): void {
    this.now = now
    this.priorUna = una
    this.priorInFlight = inFlight
    this.acked = 0
    this.ackedSegs = 0
    this.sacked = 0
    this.delivered = 0
    this.lost = 0
    this.advanced = false
    this.duplicates = 0
    this.synAcked = false
    this.retransAcked = false
    this.rtt = -1
    this.sackRtt = -1
  }
}
