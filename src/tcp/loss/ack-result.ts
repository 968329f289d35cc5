import { RateSampler } from '../../congestion/index.ts'
import { type Seq, seqAdd, seqGt, seqLt } from '../../wire/index.ts'
import { Sent, type SentSegment } from '../sent-segment.ts'

const NOBODYS = new RateSampler()

/** What one acknowledgement did, gathered as it passes through the parts of a connection; one record for all of them, filled anew each time. */
export class AckResult {
  #sampler: RateSampler = NOBODYS
  now = 0
  /** SND.UNA before. */
  priorUna: Seq = 0 as Seq
  priorInFlight = 0
  /** Highest sequence number selectively acknowledged before: `fack` of Linux. */
  priorFack: Seq = 0 as Seq
  /** The smallest round trip seen, µs: less than this a retransmission cannot have been answered. */
  minRtt = 0

  /** Bytes and segments newly acknowledged in sequence. */
  acked = 0
  ackedSegs = 0
  /** Segments newly delivered by ACK or SACK. */
  deliveredSegs = 0
  /** Bytes newly acknowledged by SACK, or inferred from a duplicate ACK. */
  sacked = 0
  /** Bytes newly delivered by either. */
  delivered = 0
  /** Bytes newly marked lost. */
  lost = 0
  /** SND.UNA moved. */
  advanced = false
  /** 1 where it counts as a duplicate ACK: no data, no window change, nothing new acknowledged (rfc5681#2). */
  duplicates = 0
  /** It carried data or changed the window: no duplicate even if nothing moved. */
  notDuplicate = false
  /** The SYN was among what was acknowledged. */
  synAcked = false
  /** Something acknowledged in sequence had been retransmitted. */
  retransAcked = false
  /** Something that was sent before the episode began, and once only, was delivered: not all of it is lost (rfc5682). */
  origAcked = false
  /** A retransmission believed in flight was found lost. */
  lostRetrans = false
  /** It reported a duplicate (rfc2883); of the last loss probe (rfc8985#7.4.2). */
  dsack = false
  dsackOfProbe = false
  /** It echoes a timestamp from before the first retransmission of the episode: what was retransmitted had arrived (rfc3522). */
  echoOfOriginal = false
  /** ECE was set. */
  ece = false

  /** Lowest segment delivered late, out of the order of sending; valid if `reordered`. */
  reorderedSeq: Seq = 0 as Seq
  reordered = false

  /** Round trip of the oldest segment acknowledged in sequence that was sent once, µs; −1 none (Karn, rfc6298#3). */
  rtt = -1
  /** The same of the newest, which no delayed ACK has lengthened. */
  newestRtt = -1
  /** The same of what was selectively acknowledged. */
  sackRtt = -1

  /** Of the segment sent last among those delivered (RACK.segment, rfc8985#6.2): −1 none. */
  rackXmitTs = -1
  rackEnd: Seq = 0 as Seq
  rackRtt = 0
  /** The same among those that were sent once. */
  onceXmitTs = -1
  onceEnd: Seq = 0 as Seq
  /** C.delivered when that segment was sent. */
  priorDelivered = -0
  priorDeliveredTs = -1

  /** `sampler` is that of the connection that the acknowledgement is for. */
  reset(sampler: RateSampler, now: number, una: Seq, inFlight: number, fack: Seq, minRtt: number): void {
    this.#sampler = sampler
    this.now = now
    this.priorUna = una
    this.priorInFlight = inFlight
    this.priorFack = fack
    this.minRtt = minRtt
    this.acked = 0
    this.ackedSegs = 0
    this.deliveredSegs = 0
    this.sacked = 0
    this.delivered = 0
    this.lost = 0
    this.advanced = false
    this.duplicates = 0
    this.notDuplicate = false
    this.synAcked = false
    this.retransAcked = false
    this.origAcked = false
    this.lostRetrans = false
    this.dsack = false
    this.dsackOfProbe = false
    this.echoOfOriginal = false
    this.ece = false
    this.reordered = false
    this.rtt = -1
    this.newestRtt = -1
    this.sackRtt = -1
    this.rackXmitTs = -1
    this.onceXmitTs = -1
    this.priorDeliveredTs = -1
  }

  /** The same for the first `count` of a run: all that counts of them are the first and the last. */
  onRunDelivered(run: SentSegment, count: number, recoveryPoint: Seq): void {
    const { seq, end, size, txInFlight } = run
    run.end = seqAdd(seq, size)
    this.onDelivered(run, false, recoveryPoint)
    if (count > 1) {
      const before = (count - 1) * size
      run.seq = seqAdd(seq, before)
      run.end = seqAdd(run.seq, size)
      run.txInFlight += before
      this.onDelivered(run, false, recoveryPoint)
      this.deliveredSegs += count - 2
    }
    run.seq = seq
    run.end = end
    run.txInFlight = txInFlight
  }

  /** A segment is delivered, by SACK or in sequence, for the first time. `recoveryPoint`: end of what was sent before the episode. */
  onDelivered(segment: SentSegment, bySack: boolean, recoveryPoint: Seq): void {
    this.#sampler.onDelivered(segment, segment.xmitTs)
    this.deliveredSegs++
    const { xmitTs, end } = segment
    const rtt = this.now - xmitTs
    if ((segment.state & Sent.EverRetrans) === 0) {
      if (bySack) {
        if (this.sackRtt < 0 || rtt < this.sackRtt) this.sackRtt = rtt
      } else {
        if (this.rtt < 0) this.rtt = rtt
        this.newestRtt = rtt
      }
      // Delivered below what was delivered before: the network, not a retransmission, changed the order.
      if (seqLt(segment.seq, this.priorFack) && (!this.reordered || seqLt(segment.seq, this.reorderedSeq))) {
        this.reordered = true
        this.reorderedSeq = segment.seq
      }
      if (!seqGt(end, recoveryPoint)) this.origAcked = true
      if (xmitTs > this.onceXmitTs || (xmitTs === this.onceXmitTs && seqGt(end, this.onceEnd))) {
        this.onceXmitTs = xmitTs
        this.onceEnd = end
      }
    } else {
      // rfc8985#6.2 step 2: too soon to be the answer to the retransmission.
      if (rtt < this.minRtt) return
    }
    if (xmitTs > this.rackXmitTs || (xmitTs === this.rackXmitTs && seqGt(end, this.rackEnd))) {
      this.rackXmitTs = xmitTs
      this.rackEnd = end
      this.rackRtt = Math.max(1, rtt)
      this.priorDelivered = segment.delivered
      this.priorDeliveredTs = segment.deliveredTs
    }
  }
}
