import { RateSampler } from '../congestion/index.ts'
import { Flag, type Seq, seqAdd, seqDiff, seqGeq, seqGt, seqLeq, seqLt } from '../wire/index.ts'
import type { AckResult } from './loss/ack-result.ts'
import { Scoreboard } from './scoreboard.ts'
import { SendQueue } from './send-queue.ts'
import { Sent, type SentSegment } from './sent-segment.ts'

/** rfc9293#3.7.1: what to assume where the peer names no MSS. */
export const DEFAULT_MSS_IPV4 = 536
export const DEFAULT_MSS_IPV6 = 1220
/** linux: TCP_MIN_SND_MSS less options: a peer that asks for less wants to be expensive (CVE-2019-11479). */
export const MIN_MSS = 48

/** Of those that have written nothing yet. */
const NOTHING_QUEUED = new SendQueue()

/** What the sender would send next. */
export const Next = {
  Nothing: 0,
  /** A new segment: `length` bytes, `fin`. */
  New: 1,
  /** The window of the peer is too small. */
  WindowLimited: 2,
  /** The congestion window is full. */
  CwndLimited: 3,
  /** Nagle or silly-window avoidance waits for more. */
  Held: 4,
} as const
export type Next = (typeof Next)[keyof typeof Next]

/**
 * The sending half: sequence numbers, what is queued, what is in flight and how much more may be.
 *
 *       sndUna        sndNxt           writeSeq
 *     ────┼──────────────┼────────────────┼──▶
 *         in flight       queued           (FIN)
 */
export class Sender {
  iss: Seq = 0 as Seq
  sndUna: Seq = 0 as Seq
  sndNxt: Seq = 0 as Seq
  /** The peer's window, unscaled. */
  sndWnd = 0
  sndWl1: Seq = 0 as Seq
  sndWl2: Seq = 0 as Seq
  /** Largest window ever offered (rfc9293#3.8.6.2.1, rfc5961#5.2). */
  maxWindow = 0
  sndWindShift = 0
  /** End of the last segment sent below full size (linux: snd_sml). */
  sndSml: Seq = 0 as Seq
  /** Payload of a full segment without options. */
  mss: number = DEFAULT_MSS_IPV4
  noDelay = false
  cork = false
  finQueued = false
  finSent = false
  /** Most bytes that may be queued. */
  sndBuf: number
  /** Most bytes that may be queued and not sent yet (`tcp_notsent_lowat`). */
  notSentLowat: number = Number.POSITIVE_INFINITY
  /** A write was refused or taken in part: the application waits for room. */
  wantsRoom = false
  queue: SendQueue = NOTHING_QUEUED
  readonly board: Scoreboard = new Scoreboard()
  /** Counts what was delivered and what was lost, and measures how fast. */
  readonly sampler: RateSampler = new RateSampler()
  /** Length of the segment that `next` found. */
  length = 0
  /** It takes the FIN. */
  fin = false

  /** rfc2861: the window was full since `usageEnd` was set; only then does it grow. */
  cwndLimited = false
  /** When the window was last put to full use, and the most that was in use since. */
  usedSince = 0
  mostUsed = 0
  /** New data was sent, and how much of the window it used was not looked at yet. */
  isUnvalidated = false
  #maxInFlight = 0
  #usageEnd: Seq = 0 as Seq

  // −0: see `SendQueue`.
  bytesSent = -0
  bytesRetrans = 0
  bytesAcked = -0
  totalRetrans = 0
  deliveredSegs = 0
  /** When data was sent last, for the first time or again, µs; −1 never. */
  lastSentTs = -1

  constructor(sndBuf: number) {
    this.sndBuf = sndBuf
  }

  start(iss: Seq): void {
    this.iss = iss
    this.sndUna = iss
    this.sndNxt = iss
    this.sndSml = iss
    this.#usageEnd = iss
  }

  /** Sequence number behind everything that the application wrote, its FIN not counted. */
  get writeSeq(): Seq {
    return seqAdd(this.iss, 1 + this.queue.end)
  }

  /** Position in the stream of a sequence number between SND.UNA and the end. */
  position(seq: Seq): number {
    return this.queue.base + seqDiff(seq, this.#baseSeq())
  }

  /** Bytes queued and not yet sent once. */
  get notSent(): number {
    const unsent = seqDiff(this.writeSeq, this.sndNxt)
    return unsent > 0 ? unsent : 0
  }

  /** Data or the FIN waits to be sent for the first time. */
  get hasUnsent(): boolean {
    return (this.finQueued && !this.finSent) || this.notSent > 0
  }

  /** Takes as much of `chunk` as there is room for; returns how much. */
  write(chunk: Buffer): number {
    // The SYN is no data.
    const notSent = this.sndNxt === this.iss ? this.queue.length : this.notSent
    const room = Math.min(this.sndBuf - this.queue.length, this.notSentLowat - notSent)
    const count = Math.min(chunk.length, Math.max(room, 0))
    if (count > 0) {
      if (this.queue === NOTHING_QUEUED) this.queue = new SendQueue()
      this.queue.append(chunk, 0, count)
    }
    if (count < chunk.length) this.wantsRoom = true
    return count
  }

  /** Whether the application is to be told of room: a third of the buffer is free (linux: sk_stream_is_writeable). */
  takeRoom(): boolean {
    if (!this.hasRoom) return false
    this.wantsRoom = false
    return true
  }

  get hasRoom(): boolean {
    if (!this.wantsRoom || this.queue.length * 3 > this.sndBuf * 2) return false
    // linux: tcp_stream_memory_free; woken when half of what may be unsent is gone.
    return this.notSent === 0 || this.notSent * 2 < this.notSentLowat
  }

  /**
   * Looks for new data that may be sent now, of at most `limit` bytes a segment.
   *
   * @param override the persist timer ran out: silly or not, send what the window takes (rfc9293#3.8.6.2.1)
   */
  next(cwnd: number, limit: number, override: boolean): Next {
    const unsent = this.notSent
    const finDue = this.finQueued && !this.finSent
    if (unsent === 0 && !finDue) return Next.Nothing
    const usable = seqDiff(seqAdd(this.sndUna, this.sndWnd), this.sndNxt)
    let length = Math.min(unsent, usable, limit)
    if (length < 0) length = 0
    const fin = finDue && length === unsent && length < usable
    if (length === 0 && !fin) {
      // A bare FIN needs a window too, but a full window must not keep it from ever being sent: see Connection.persist.
      return Next.WindowLimited
    }
    if (length < limit && !fin && !override) {
      const hold = length === unsent ? this.#nagleHolds() : this.#sillyWindow(length)
      if (hold) return length === unsent ? Next.Held : Next.WindowLimited
    }
    const { inFlight } = this.board
    // A FIN alone does not load the network.
    if (length > 0 && inFlight + length > cwnd && inFlight > 0) return Next.CwndLimited
    this.length = length
    this.fin = fin
    return Next.New
  }

  /** `length` bytes, and the FIN if `fin`, are sent for the first time at SND.NXT. */
  onSent(length: number, flags: number, limit: number, now: number): void {
    const seq = this.sndNxt
    const end = seqAdd(seq, length + ((flags & Flag.FIN) !== 0 ? 1 : 0) + ((flags & Flag.SYN) !== 0 ? 1 : 0))
    const segment = this.board.push(seq, end, flags & (Flag.SYN | Flag.FIN), now)
    this.sampler.onSent(segment, now, this.board.packetsOut - segment.length, this.board.inFlight)
    this.sndNxt = end
    if (length > 0) {
      this.bytesSent += length
      this.lastSentTs = now
      if (length < limit) this.sndSml = end
    }
    if ((flags & Flag.FIN) !== 0) this.finSent = true
  }

  /** The same for one of several full segments that leave in one go; `follows`: it is not the first. */
  onRunSent(length: number, follows: boolean, now: number): void {
    const { board } = this
    const end = seqAdd(this.sndNxt, length)
    if (follows) board.extend()
    else {
      const segment = board.push(this.sndNxt, end, 0, now)
      this.sampler.onSent(segment, now, board.packetsOut - length, board.inFlight)
    }
    this.sndNxt = end
    this.bytesSent += length
    this.lastSentTs = now
  }

  /** What was sent and not acknowledged counts as not sent: the peer has shown that it threw it away. */
  takeBack(): void {
    this.board.clear()
    this.sndNxt = this.sndUna
    this.sndSml = this.sndUna
    this.finSent = false
  }

  /** Takes the acknowledged segments off and fills `ack`. `una` lies in (SND.UNA, SND.NXT]. */
  onAck(una: Seq, recoveryPoint: Seq, ack: AckResult): void {
    const { board } = this
    let data = seqDiff(una, this.sndUna)
    const sackedBefore = board.sackedOut
    while (!board.isEmpty) {
      const segment = board.oldest
      if (seqGeq(segment.seq, una)) break
      if (segment.count > 1) {
        const count = Math.min(segment.count, Math.floor(seqDiff(una, segment.seq) / segment.size))
        if (count === 0) board.unroll()
        else this.#onRunAcked(segment, count, recoveryPoint, ack)
        continue
      }
      if (seqGt(segment.end, una)) {
        // Part of a segment: the receiver's window ended in it, or it was sent as one of another size.
        ack.acked += seqDiff(una, segment.seq)
        board.trimHead(una)
        break
      }
      if ((segment.flags & Flag.SYN) !== 0) {
        ack.synAcked = true
        data--
      }
      if ((segment.flags & Flag.FIN) !== 0) data--
      if ((segment.state & Sent.EverRetrans) !== 0) ack.retransAcked = true
      if ((segment.state & Sent.Sacked) === 0) ack.onDelivered(segment, false, recoveryPoint)
      ack.acked += segment.length
      ack.ackedSegs++
      if (!board.reno && (segment.state & Sent.Sacked) === 0) ack.delivered += segment.length
      board.pop()
    }
    // linux: tcp_remove_reno_sacks; duplicate ACKs had told of all but the segment that filled the hole.
    if (board.reno) {
      ack.delivered += Math.max(ack.acked - sackedBefore, Math.min(ack.acked, this.mss))
      board.removeRenoSacks(ack.ackedSegs, this.mss)
    }
    this.sndUna = una
    if (seqLt(this.sndSml, una)) this.sndSml = una
    this.bytesAcked += data
    if (data > 0) this.queue.release(this.queue.base + data)
  }

  #onRunAcked(run: SentSegment, count: number, recoveryPoint: Seq, ack: AckResult): void {
    const bytes = count * run.size
    ack.onRunDelivered(run, count, recoveryPoint)
    ack.acked += bytes
    ack.ackedSegs += count
    ack.delivered += bytes
    this.board.popRun(count)
  }

  /**
   * rfc9293#3.10.7.4: the window of a segment that is not older than the one the last window came from. Returns whether it changed.
   *
   * linux: tcp_may_update_window; what acknowledges something new is newer, whatever its number, for a retransmission of the peer's carries
   * what it has received since. Otherwise the old window would count from the new SND.UNA, and reach further than was ever promised.
   */
  updateWindow(seq: Seq, ack: Seq, window: number): boolean {
    const newer =
      seqGt(ack, this.sndUna) || seqLt(this.sndWl1, seq) || (this.sndWl1 === seq && seqLeq(this.sndWl2, ack))
    if (!newer) return false
    this.sndWl1 = seq
    this.sndWl2 = ack
    if (window > this.maxWindow) this.maxWindow = window
    if (window === this.sndWnd) return false
    this.sndWnd = window
    return true
  }

  /** The turn's sending is over; `limited`: the congestion window ended it (linux: tcp_cwnd_validate). */
  noteFlight(limited: boolean): void {
    const { inFlight } = this.board
    if (seqGeq(this.sndUna, this.#usageEnd) || limited || (!this.cwndLimited && inFlight > this.#maxInFlight)) {
      this.cwndLimited = limited
      this.#maxInFlight = inFlight
      this.#usageEnd = this.sndNxt
    }
  }

  /** The application leaves the window unused, if it does: to be asked before it writes (linux: tcp_sendmsg_locked). */
  checkAppLimited(cwnd: number): void {
    const { board } = this
    this.sampler.checkAppLimited(this.notSent, this.mss, board.inFlight, cwnd, board.lostOut, board.retransOut)
  }

  /** Whether the window was put to use: in slow start, if half of it was (linux: tcp_is_cwnd_limited). */
  isCwndLimited(cwnd: number, slowStart: boolean): boolean {
    return this.cwndLimited || (slowStart && cwnd < 2 * this.#maxInFlight)
  }

  /** rfc9293#3.7.4, Minshall's form: wait while an earlier small segment is unacknowledged. */
  #nagleHolds(): boolean {
    if (this.cork) return true
    return !this.noDelay && !this.board.isEmpty && seqGt(this.sndSml, this.sndUna) && seqLeq(this.sndSml, this.sndNxt)
  }

  /** rfc9293#3.8.6.2.1: the window takes less than is queued; send only if it is worth it. */
  #sillyWindow(length: number): boolean {
    return length < this.maxWindow / 2 || !this.board.isEmpty
  }

  #baseSeq(): Seq {
    return seqAdd(this.iss, 1 + this.queue.base)
  }
}
