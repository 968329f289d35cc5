import { type Seq, seqDiff, seqLeq, seqLt } from '../wire/index.ts'
import { giveBack, inNetwork, Sent, SentSegment, takeRecord } from './sent-segment.ts'

const INITIAL_CAPACITY = 4
/** A larger ring is let go of when nothing is in flight. */
const LARGE_RING = 64
/** In a place of a ring that holds none. */
const NOBODY = new SentSegment()
const NONE: Seq[] = []
const NO_RING: SentSegment[] = []

/**
 * The segments between SND.UNA and SND.NXT, in sequence order, and the counts that Linux keeps of them. Counts are kept where
 * marks are set, never recounted.
 *
 *     inFlight = packetsOut − sackedOut − lostOut + retransOut
 *
 * Positions count records since the connection began, so that one stays good while the head moves on. Full segments that leave together share a
 * record until somebody asks for a position, or for one segment.
 */
export class Scoreboard {
  /** A ring whose size is a power of two; empty until the first segment. */
  #ring: SentSegment[] = NO_RING
  /** Position of the oldest segment. */
  head = 0
  /** Position behind the newest. */
  #tail = 0
  /** Records that stand for several segments. */
  #runs = 0
  /** No segment before this position is lost and waiting for its retransmission. */
  #firstLost = 0
  #eldest: SentSegment | null = null
  #youngest: SentSegment | null = null

  /** The blocks of the last selective acknowledgement, start and end by turns (linux: recv_sack_cache). */
  #known: Seq[] = NONE

  /** Position of the newest segment that was selectively acknowledged; −1: none is. */
  highestSacked = -1
  /** SACK was not negotiated: `sackedOut` is inferred from duplicate ACKs and no record bears the mark. */
  reno = true

  packetsOut = 0
  sackedOut = 0
  lostOut = 0
  retransOut = 0
  packetsOutSegs = 0
  sackedOutSegs = 0
  lostOutSegs = 0
  retransOutSegs = 0

  /** Bytes believed to be in the network: `pipe` of rfc6675#4, tcp_packets_in_flight() of Linux. */
  get inFlight(): number {
    return this.packetsOut - this.sackedOut - this.lostOut + this.retransOut
  }

  get inFlightSegs(): number {
    return this.packetsOutSegs - this.sackedOutSegs - this.lostOutSegs + this.retransOutSegs
  }

  get isEmpty(): boolean {
    return this.head === this.#tail
  }

  /** Position behind the newest segment. */
  get tail(): number {
    this.unroll()
    return this.#tail
  }

  /**
   * Of those in the network, neither delivered nor believed lost since they were sent last, the one sent longest ago (linux: tsorted_sent_queue):
   * what a look for losses by time begins with. Its `younger` is the next.
   */
  get eldest(): SentSegment | null {
    this.unroll()
    return this.#eldest
  }

  /** The oldest record, which may stand for a run. */
  get oldest(): SentSegment {
    return this.#ring[this.head & (this.#ring.length - 1)] as SentSegment
  }

  /** Where the newest selectively acknowledged segment begins (linux: tcp_highest_sack_seq), or `sndUna`. */
  highestSackedSeq(sndUna: Seq): Seq {
    return this.highestSacked < 0 ? sndUna : this.at(this.highestSacked).seq
  }

  at(position: number): SentSegment {
    this.unroll()
    return this.#ring[position & (this.#ring.length - 1)] as SentSegment
  }

  /** Position of the first segment that ends behind `seq`, or the tail. */
  find(seq: Seq): number {
    this.unroll()
    let low = this.head
    let high = this.#tail
    while (low < high) {
      const middle = (low + high) >>> 1
      if (seqLeq(this.at(middle).end, seq)) low = middle + 1
      else high = middle
    }
    return low
  }

  /** Adds a segment sent for the first time. */
  push(seq: Seq, end: Seq, flags: number, now: number): SentSegment {
    if (this.#tail - this.head === this.#ring.length) this.#grow()
    const segment = takeRecord()
    this.#ring[this.#tail & (this.#ring.length - 1)] = segment
    this.#tail++
    segment.seq = seq
    segment.end = end
    segment.state = 0
    segment.flags = flags
    segment.xmitTs = now
    segment.firstXmitTs = now
    segment.retransmissions = 0
    segment.count = 1
    this.packetsOut += seqDiff(end, seq)
    this.packetsOutSegs++
    this.#watch(segment)
    return segment
  }

  /**
   * Another segment, as long as the newest one, follows it in the same go: one record serves for both, as long as nothing but a cumulative
   * acknowledgement meets them (linux: one skb for all that is cut by TSO). Only where nothing is selectively acknowledged or lost: `unroll` moves
   * the positions of what follows, and nobody may hold one.
   */
  extend(): void {
    const segment = this.#ring[(this.#tail - 1) & (this.#ring.length - 1)] as SentSegment
    if (segment.count === 1) {
      segment.size = segment.length
      this.#runs++
    }
    segment.count++
    segment.end = ((segment.end + segment.size) | 0) as Seq
    this.packetsOut += segment.size
    this.packetsOutSegs++
  }

  /** Gives each segment a record of its own: whoever is to tell one from another needs that. */
  unroll(): void {
    if (this.#runs === 0) return
    const all: SentSegment[] = []
    for (let position = this.head; position < this.#tail; position++) {
      const segment = this.#ring[position & (this.#ring.length - 1)] as SentSegment
      all.push(segment)
      for (let last = segment; last.count > 1; ) {
        last = this.#cutOff(last)
        all.push(last)
      }
    }
    let capacity = this.#ring.length
    while (capacity < all.length) capacity *= 2
    const ring: SentSegment[] = new Array(capacity).fill(NOBODY)
    for (let i = 0; i < all.length; i++) ring[(this.head + i) & (capacity - 1)] = all[i] as SentSegment
    this.#ring = ring
    this.#tail = this.head + all.length
    this.#firstLost = this.head
    this.#runs = 0
  }

  /** Takes the oldest `count` of a run off, acknowledged in full. */
  popRun(count: number): void {
    const run = this.oldest
    const bytes = count * run.size
    if (count === run.count) {
      this.#runs--
      this.#popRecord(run)
    } else {
      run.seq = ((run.seq + bytes) | 0) as Seq
      run.txInFlight += bytes
      run.count -= count
      if (run.count === 1) this.#runs--
    }
    this.packetsOut -= bytes
    this.packetsOutSegs -= count
  }

  /** Takes the oldest segment off, acknowledged in full. */
  pop(): void {
    const segment = this.oldest
    const length = segment.length
    this.#uncount(segment, length, 1)
    this.packetsOut -= length
    this.packetsOutSegs--
    this.#popRecord(segment)
  }

  #popRecord(segment: SentSegment): void {
    this.#unwatch(segment)
    this.#ring[this.head & (this.#ring.length - 1)] = NOBODY
    giveBack(segment)
    this.head++
    if (this.#firstLost < this.head) this.#firstLost = this.head
    if (this.highestSacked < this.head) this.highestSacked = -1
    // The SYN is the first, and for many connections the last.
    if (this.head === this.#tail && (this.#ring.length > LARGE_RING || this.head === 1)) this.#ring = NO_RING
  }

  /** The oldest segment is acknowledged up to `una`: what remains keeps its marks. */
  trimHead(una: Seq): void {
    const segment = this.at(this.head)
    const bytes = seqDiff(una, segment.seq)
    this.#uncount(segment, bytes, 0)
    this.packetsOut -= bytes
    segment.seq = una
  }

  markLost(position: number): boolean {
    const segment = this.at(position)
    if ((segment.state & (Sent.Lost | Sent.Sacked)) !== 0) return false
    if ((segment.state & Sent.Retrans) === 0) this.#unwatch(segment)
    segment.state |= Sent.Lost
    this.lostOut += segment.length
    this.lostOutSegs++
    if (position < this.#firstLost) this.#firstLost = position
    return true
  }

  markSacked(position: number): boolean {
    const segment = this.at(position)
    if ((segment.state & Sent.Sacked) !== 0) return false
    this.#unwatch(segment)
    this.#uncount(segment, segment.length, 1)
    segment.state = (segment.state & Sent.EverRetrans) | Sent.Sacked
    if (position > this.highestSacked) this.highestSacked = position
    this.sackedOut += segment.length
    this.sackedOutSegs++
    return true
  }

  /** The segment was sent again. */
  markRetransmitted(position: number, now: number): void {
    const segment = this.at(position)
    if ((segment.state & Sent.Retrans) === 0) {
      this.retransOut += segment.length
      this.retransOutSegs++
    }
    segment.state |= Sent.Retrans | Sent.EverRetrans
    segment.xmitTs = now
    segment.retransmissions++
    this.#unwatch(segment)
    this.#watch(segment)
  }

  /** The blocks of an acknowledgement have been applied: what they cover need not be looked at again when they come again. */
  keepBlocks(
    segment: { readonly sack: ArrayLike<number>; readonly sackCount: number },
    sndUna: Seq,
    sndNxt: Seq,
  ): void {
    if (this.#known === NONE) this.#known = []
    const known = this.#known
    known.length = 0
    for (let i = 0; i < segment.sackCount; i++) {
      const [start, end] = [segment.sack[i * 2] as Seq, segment.sack[i * 2 + 1] as Seq]
      if (seqLt(start, end) && seqLeq(end, sndNxt) && seqLeq(sndUna, start)) known.push(start, end)
    }
  }

  /** Position behind `position`, which is selectively acknowledged, and behind all that the last blocks are known to cover from it on. */
  skipKnown(position: number): number {
    const known = this.#known
    const { seq, end } = this.at(position)
    for (let i = 0; i < known.length; i += 2) {
      if (seqLeq(known[i] as Seq, seq) && seqLeq(end, known[i + 1] as Seq)) return this.find(known[i + 1] as Seq)
    }
    return position + 1
  }

  /** A retransmission is believed lost too: it waits for another. */
  clearRetransmitted(position: number): void {
    const segment = this.at(position)
    if ((segment.state & Sent.Retrans) === 0) return
    if ((segment.state & Sent.Lost) !== 0) this.#unwatch(segment)
    segment.state &= ~Sent.Retrans
    this.retransOut -= segment.length
    this.retransOutSegs--
    if (position < this.#firstLost) this.#firstLost = position
  }

  /**
   * Everything not selectively acknowledged is lost, and no retransmission is in flight (rfc5681#3.1, linux:
   * tcp_timeout_mark_lost). After `reneged` the selective acknowledgements are worth nothing (rfc2018#8).
   */
  markAllLost(reneged: boolean): void {
    this.unroll()
    this.resetRenoSacks()
    for (let position = this.head; position < this.#tail; position++) {
      if (reneged) this.#clearSacked(position)
      this.clearRetransmitted(position)
      this.markLost(position)
    }
    this.#firstLost = this.head
    if (reneged) {
      this.highestSacked = -1
      this.#known = NONE
    }
  }

  /** Nothing is lost after all. */
  clearLost(): void {
    let cleared = false
    for (let position = this.head; position < this.#tail; position++) {
      const segment = this.at(position)
      if ((segment.state & Sent.Lost) !== 0) {
        cleared = true
        segment.state &= ~Sent.Lost
        this.lostOut -= segment.length
        this.lostOutSegs--
      }
    }
    if (cleared) this.#watchAnew()
  }

  /** Position of the next segment that is lost and not yet sent again, or −1. */
  nextLost(): number {
    if (this.lostOutSegs === 0) return -1
    for (let position = Math.max(this.#firstLost, this.head); position < this.#tail; position++) {
      const state = this.at(position).state
      if ((state & (Sent.Lost | Sent.Retrans)) === Sent.Lost) {
        this.#firstLost = position
        return position
      }
    }
    this.#firstLost = this.#tail
    return -1
  }

  /**
   * Cuts a segment in two at `length` bytes, when the segment size has fallen since it was sent. Both halves keep the marks.
   */
  split(position: number, length: number): void {
    this.unroll()
    if (this.#tail - this.head === this.#ring.length) this.#grow()
    const mask = this.#ring.length - 1
    const first = this.at(position)
    for (let p = this.#tail; p > position + 1; p--) this.#ring[p & mask] = this.#ring[(p - 1) & mask] as SentSegment
    this.#tail++
    const second = this.#copyOf(first)
    this.#ring[(position + 1) & mask] = second
    second.seq = ((first.seq + length) | 0) as Seq
    first.end = second.seq
    first.flags = 0
    this.packetsOutSegs++
    if ((first.state & Sent.Sacked) !== 0) this.sackedOutSegs++
    if ((first.state & Sent.Lost) !== 0) this.lostOutSegs++
    if ((first.state & Sent.Retrans) !== 0) this.retransOutSegs++
    if (this.#firstLost > position) this.#firstLost = position
    if (this.highestSacked >= position) this.highestSacked++
  }

  /** The first of a run gets a record of its own; returns that of the others. */
  #cutOff(run: SentSegment): SentSegment {
    const rest = this.#copyOf(run)
    rest.seq = ((run.seq + run.size) | 0) as Seq
    rest.txInFlight += run.size
    rest.size = run.size
    rest.count = run.count - 1
    run.end = rest.seq
    run.count = 1
    return rest
  }

  /** The same again, sent at the same time. */
  #copyOf(segment: SentSegment): SentSegment {
    const copy = takeRecord()
    copy.seq = segment.seq
    copy.end = segment.end
    copy.state = segment.state
    copy.flags = segment.flags
    copy.xmitTs = segment.xmitTs
    copy.firstXmitTs = segment.firstXmitTs
    copy.retransmissions = segment.retransmissions
    copy.delivered = segment.delivered
    copy.deliveredTs = segment.deliveredTs
    copy.firstSentTs = segment.firstSentTs
    copy.appLimited = segment.appLimited
    copy.txInFlight = segment.txInFlight
    copy.lost = segment.lost
    copy.count = 1
    copy.isWatched = false
    if (segment.isWatched) this.#watchAfter(segment, copy)
    return copy
  }

  /**
   * Without SACK each duplicate ACK tells that one segment arrived, not which (rfc5681#3.2; linux: tcp_add_reno_sack). Never more than
   * are outstanding beside the one that is missing; returns whether there were more.
   */
  addRenoSacks(count: number, mss: number): boolean {
    const most = Math.max(this.packetsOutSegs - Math.max(1, this.lostOutSegs), 0)
    const limited = this.sackedOutSegs + count > most
    this.sackedOutSegs = Math.min(this.sackedOutSegs + count, most)
    this.sackedOut = Math.min(this.sackedOutSegs * mss, Math.max(this.packetsOut - Math.max(this.lostOut, 1), 0))
    return limited
  }

  /** A new acknowledgement covers `segments` of them (linux: tcp_remove_reno_sacks): all but the one that filled the hole had been counted. */
  removeRenoSacks(segments: number, mss: number): void {
    if (segments > 1) this.sackedOutSegs = Math.max(this.sackedOutSegs - (segments - 1), 0)
    this.addRenoSacks(0, mss)
  }

  resetRenoSacks(): void {
    if (!this.reno) return
    this.sackedOut = 0
    this.sackedOutSegs = 0
  }

  /** Drops everything: the connection is gone. */
  clear(): void {
    this.#ring = NO_RING
    this.head = this.#tail
    this.#runs = 0
    this.#firstLost = this.#tail
    this.highestSacked = -1
    this.#eldest = this.#youngest = null
    this.#known = NONE
    this.packetsOut = this.sackedOut = this.lostOut = this.retransOut = 0
    this.packetsOutSegs = this.sackedOutSegs = this.lostOutSegs = this.retransOutSegs = 0
  }

  /** Compares the counts with the marks, for the tests: null, or what differs. */
  recount(): string | null {
    let [out, sacked, lost, retrans, outSegs, sackedSegs, lostSegs, retransSegs] = [0, 0, 0, 0, 0, 0, 0, 0]
    let previous: SentSegment | null = null
    let highest = -1
    let watched = 0
    let runs = 0
    for (let position = this.head; position < this.#tail; position++) {
      const segment = this.#ring[position & (this.#ring.length - 1)] as SentSegment
      if (!seqLt(segment.seq, segment.end)) return `segment ${position} is empty`
      if (previous !== null && previous.end !== segment.seq) return `a gap before segment ${position}`
      if ((segment.state & Sent.Sacked) !== 0 && (segment.state & (Sent.Lost | Sent.Retrans)) !== 0)
        return `segment ${position} is sacked and lost or retransmitted`
      if (segment.isWatched !== inNetwork(segment)) return `segment ${position} is watched: ${segment.isWatched}`
      if (segment.isWatched) watched++
      out += segment.length
      outSegs += segment.count
      if (segment.count > 1) {
        runs++
        if (segment.length !== segment.count * segment.size || segment.state !== 0) return `run ${position} is none`
      }
      if ((segment.state & Sent.Sacked) !== 0) {
        sacked += segment.length
        sackedSegs++
        highest = position
      }
      if ((segment.state & Sent.Lost) !== 0) {
        lost += segment.length
        lostSegs++
      }
      if ((segment.state & Sent.Retrans) !== 0) {
        retrans += segment.length
        retransSegs++
      }
      previous = segment
    }
    let last: SentSegment | null = null
    for (let segment = this.#eldest; segment !== null; segment = segment.younger) {
      if (segment.older !== last || (last !== null && last.xmitTs > segment.xmitTs)) return 'watched out of order'
      last = segment
      watched--
    }
    if (runs !== this.#runs) return `${runs} runs, and ${this.#runs} counted`
    if (watched !== 0 || last !== this.#youngest) return 'not all of those in the network are watched'
    const counted = [out, outSegs, lost, lostSegs, retrans, retransSegs]
    const kept = [
      this.packetsOut,
      this.packetsOutSegs,
      this.lostOut,
      this.lostOutSegs,
      this.retransOut,
      this.retransOutSegs,
    ]
    if (!this.reno) {
      counted.push(sacked, sackedSegs, highest)
      kept.push(this.sackedOut, this.sackedOutSegs, this.highestSacked)
    }
    // linux: tcp_verify_left_out
    if (this.sackedOut + this.lostOut > this.packetsOut) return 'more has left the network than was sent'
    return counted.every((n, i) => n === kept[i]) ? null : `counted ${counted.join()} but kept ${kept.join()}`
  }

  /** Whether every byte from `una` to `nxt` is covered, for the tests. */
  covers(una: Seq, nxt: Seq): boolean {
    if (this.isEmpty) return una === nxt
    const newest = this.#ring[(this.#tail - 1) & (this.#ring.length - 1)] as SentSegment
    return seqLeq(this.oldest.seq, una) && newest.end === nxt
  }

  /** It was sent just now. */
  #watch(segment: SentSegment): void {
    const last = this.#youngest
    segment.isWatched = true
    segment.older = last
    segment.younger = null
    if (last === null) this.#eldest = segment
    else last.younger = segment
    this.#youngest = segment
  }

  #watchAfter(segment: SentSegment, added: SentSegment): void {
    const { younger } = segment
    added.isWatched = true
    added.older = segment
    added.younger = younger
    segment.younger = added
    if (younger === null) this.#youngest = added
    else younger.older = added
  }

  #unwatch(segment: SentSegment): void {
    if (!segment.isWatched) return
    const { older, younger } = segment
    if (older === null) this.#eldest = younger
    else older.younger = younger
    if (younger === null) this.#youngest = older
    else younger.older = older
    segment.isWatched = false
    segment.older = null
    segment.younger = null
  }

  /** Marks were taken back: whatever is in the network, in its order. */
  #watchAnew(): void {
    const found: SentSegment[] = []
    for (let position = this.head; position < this.#tail; position++) {
      const segment = this.at(position)
      this.#unwatch(segment)
      if (inNetwork(segment)) found.push(segment)
    }
    found.sort((a, b) => a.xmitTs - b.xmitTs)
    for (const segment of found) this.#watch(segment)
  }

  #clearSacked(position: number): void {
    const segment = this.at(position)
    if ((segment.state & Sent.Sacked) === 0) return
    segment.state &= ~Sent.Sacked
    this.sackedOut -= segment.length
    this.sackedOutSegs--
  }

  #uncount(segment: SentSegment, bytes: number, segments: number): void {
    if ((segment.state & Sent.Sacked) !== 0) {
      this.sackedOut -= bytes
      this.sackedOutSegs -= segments
    }
    if ((segment.state & Sent.Lost) !== 0) {
      this.lostOut -= bytes
      this.lostOutSegs -= segments
    }
    if ((segment.state & Sent.Retrans) !== 0) {
      this.retransOut -= bytes
      this.retransOutSegs -= segments
    }
  }

  #grow(): void {
    const old = this.#ring
    const capacity = Math.max(INITIAL_CAPACITY, old.length * 2)
    const ring: SentSegment[] = new Array(capacity).fill(NOBODY)
    // It grows when it is full: all the old records are in use.
    for (let i = 0; i < old.length; i++) {
      const position = this.head + i
      ring[position & (capacity - 1)] = old[position & (old.length - 1)] as SentSegment
    }
    this.#ring = ring
  }
}
