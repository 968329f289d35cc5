import { type Seq, seqAdd, seqDiff, seqLeq, seqLt } from '../wire/index.ts'
import { type Block, Insert, Reassembly } from './reassembly.ts'
import { ReceiveWindow } from './window.ts'

/** Pieces are handed on as they came from this size on: copying them would cost more than pushing each through a stream. */
const SMALL_PIECE = 16_384
/** Smaller ones are gathered up to this size. */
const GATHER = 65_536
/** Pieces that hold less than this share of the memory under them are copied, so that they do not keep the rest alive. */
const MIN_SHARE = 0.125

/** What lies between the payloads of two segments that follow each other in a read: the second one's shim and header, at most. */
const LARGEST_HEADER = 64

/** linux: TCP_MIN_MSS less options and a bit; smaller segments say nothing of the peer's segment size. */
const MIN_RCV_MSS = 536

/** Reports of duplicates that wait for an ACK. */
const MAX_DUPLICATES = 64

// ours: what most connections have nothing in is shared by them until they have.
const NOTHING_HELD = new Reassembly()
const NO_DUPLICATES: Block[] = []
const NO_PIECES: Buffer[] = []

/** What became of a segment's data. */
export const Received = {
  /** It carried nothing that was not there already. */
  Nothing: 0,
  /** In sequence, RCV.NXT moved. */
  InOrder: 1,
  /** In sequence, and a gap closed behind it. */
  FilledGap: 2,
  OutOfOrder: 3,
  Duplicate: 4,
  Dropped: 5,
} as const
export type Received = (typeof Received)[keyof typeof Received]

/** The receiving half: what came, in order and not, and how much more may come. */
export class Receiver {
  irs: Seq = 0 as Seq
  rcvNxt: Seq = 0 as Seq
  /** RCV.NXT when the last ACK was sent (linux: rcv_wup). */
  rcvWup: Seq = 0 as Seq
  readonly window: ReceiveWindow
  reassembly: Reassembly = NOTHING_HELD
  /** The application wants no more: what comes is acknowledged and thrown away. */
  discard = false
  /** Largest payload seen lately, an estimate of the peer's segment size (linux: rcv_mss). */
  rcvMss: number = MIN_RCV_MSS
  /** What we announced, in 16 bits: whoever sends more means nothing by it. */
  mostMss = 65_535
  /** Bytes in order that the application has not taken. */
  unread = 0
  /** Bytes in order received in all. −0: see `SendQueue`. */
  bytesReceived = -0
  /** What came twice: each is told by an ACK of its own (rfc2883#4), the first by the next. */
  duplicates: Block[] = NO_DUPLICATES
  /** Pieces that were handed on together with the one before, since the owner last counted them. */
  coalesced = 0
  /** The peer's FIN was reached: RCV.NXT lies behind it. */
  finished = false
  #lastLength = 0
  #queue: Buffer[] = NO_PIECES
  /** The newest bytes, not in the queue yet: `#run[#runStart … #runEnd)`, of one read. */
  #run: Buffer | null = null
  #runStart = 0
  #runEnd = 0
  /** Where in the read the last of its pieces ended when it came. */
  #cameTo = 0
  /** Where the peer's FIN lies, once it was seen. */
  #finSeq: Seq | null = null

  constructor(rcvBuf: number, advWinScale?: number, appWin?: number) {
    this.window = new ReceiveWindow(rcvBuf, advWinScale, appWin)
  }

  #holding(): Reassembly {
    if (this.reassembly === NOTHING_HELD) this.reassembly = new Reassembly()
    return this.reassembly
  }

  /** The peer's initial sequence number is known. */
  start(irs: Seq): void {
    this.irs = irs
    this.rcvNxt = seqAdd(irs, 1)
    this.rcvWup = this.rcvNxt
    this.window.start(this.rcvNxt)
  }

  /** What the next ACK tells of first; null: nothing. */
  get duplicate(): Block | null {
    return this.duplicates.length === 0 ? null : this.duplicates[0]
  }

  get rcvWnd(): number {
    return this.window.current(this.rcvNxt)
  }

  /** Bytes in order that no ACK has told of. */
  get ackPending(): number {
    return seqDiff(this.rcvNxt, this.rcvWup)
  }

  /** Bytes the application has taken. */
  get taken(): number {
    return this.bytesReceived - this.unread
  }

  /**
   * Takes the data `buffer[start … end)` at `seq`, of which at least a part lies in the window, and the FIN behind it. The buffer is a read of
   * one or more segments. Nobody writes to it again but the receiver, which keeps pieces of it, and may close them up over the headers between
   * them. `mostOutOfOrder`: bytes that may wait for a gap to fill; `unitLength`: of the segments in which the data came, if those were several.
   */
  receive(
    seq: Seq,
    buffer: Buffer,
    start: number,
    end: number,
    fin: boolean,
    mostOutOfOrder = Number.POSITIVE_INFINITY,
    unitLength = end - start,
  ): Received {
    let length = end - start
    // linux: tcp_measure_rcv_mss; a smaller size counts once it has come twice.
    if (unitLength >= this.rcvMss || (unitLength === this.#lastLength && unitLength >= MIN_RCV_MSS))
      this.rcvMss = Math.min(unitLength, this.mostMss)
    this.#lastLength = unitLength
    const segEnd = seqAdd(seq, length)
    if (fin && this.#finSeq === null && seqLeq(segEnd, this.window.rcvAcc)) this.#finSeq = segEnd

    // Cut to the window: what lies before was received already, what lies behind was not allowed.
    const before = seqDiff(this.rcvNxt, seq)
    if (before > 0) {
      if (length > 0) this.cameTwice(seq, before < length ? this.rcvNxt : segEnd)
      start += Math.min(before, length)
      length = end - start
      seq = this.rcvNxt
    }
    const beyond = seqDiff(seqAdd(seq, length), this.window.rcvAcc)
    if (beyond > 0) {
      end -= Math.min(beyond, length)
      length = end - start
    }
    if (length === 0) {
      if (this.#reachFin()) return Received.InOrder
      if (fin && this.#finSeq === segEnd && !this.finished) this.#holding().markFin(segEnd)
      return Received.Nothing
    }

    if (seq !== this.rcvNxt) {
      if (this.discard || this.reassembly.length + length > mostOutOfOrder) return Received.Dropped
      const kept = this.#holding().insert(seq, seqAdd(seq, length), keep(buffer.subarray(start, end)))
      if (fin && kept !== Insert.Dropped && this.#finSeq === segEnd) this.#holding().markFin(segEnd)
      if (kept === Insert.Duplicate) this.cameTwice(seq, seqAdd(seq, length))
      return kept === Insert.Queued
        ? Received.OutOfOrder
        : kept === Insert.Duplicate
          ? Received.Duplicate
          : Received.Dropped
    }
    this.#accept(buffer, start, end)
    let filled = false
    if (!this.reassembly.isEmpty) {
      for (let piece = this.reassembly.take(this.rcvNxt); piece !== null; piece = this.reassembly.take(this.rcvNxt)) {
        this.#accept(piece, 0, piece.length)
        filled = true
      }
      this.reassembly.advance(this.rcvNxt)
      filled ||= this.reassembly.isEmpty
    }
    this.#reachFin()
    return filled ? Received.FilledGap : Received.InOrder
  }

  /** The next data for the application, its own from now on; null when there is none. Small pieces come gathered. */
  take(): Buffer | null {
    this.#endRun()
    const queue = this.#queue
    const first = queue[0]
    if (first === undefined) return null
    if (queue.length === 1) {
      this.#empty()
      return first
    }
    let count = 1
    let { length } = first
    if (length < SMALL_PIECE) {
      for (; count < queue.length; count++) {
        const next = (queue[count] as Buffer).length
        if (next >= SMALL_PIECE || length + next > GATHER) break
        length += next
      }
    }
    if (count === 1) {
      queue.shift()
      this.unread -= length
      return first
    }
    const all = count === queue.length
    const taken = all ? queue : queue.splice(0, count)
    if (all) this.#empty()
    else this.unread -= length
    this.coalesced += count - 1
    return Buffer.concat(taken, length)
  }

  /** Throws away what the application will never take. */
  clear(): void {
    this.#empty()
    this.reassembly.clear()
  }

  /** linux: tcp_dsack_extend; what follows on what was not told yet makes it longer. What comes a third time is told again. */
  cameTwice(start: Seq, end: Seq): void {
    if (this.duplicates === NO_DUPLICATES) this.duplicates = []
    const { duplicates } = this
    const last = duplicates.at(-1)
    if (last !== undefined && last.end === start) last.end = end
    else if (duplicates.length < MAX_DUPLICATES) duplicates.push({ start, end })
  }

  /**
   * The next bytes in order. Those of one read are moved together in place, for that costs neither memory nor a view for each:
   *
   *     read    … header │ piece │ header │ piece │ header │ piece
   *                      └─ run ────────────┘◀── moves up to it
   */
  #accept(buffer: Buffer, start: number, end: number): void {
    const length = end - start
    this.rcvNxt = seqAdd(this.rcvNxt, length)
    this.bytesReceived += length
    if (this.discard) return
    this.unread += length
    // Where more than a header lies between, it may be what another connection has kept.
    if (buffer === this.#run && start >= this.#cameTo && start - this.#cameTo <= LARGEST_HEADER) {
      buffer.copyWithin(this.#runEnd, start, end)
      this.#runEnd += length
      this.coalesced++
    } else {
      this.#endRun()
      this.#run = buffer
      this.#runStart = start
      this.#runEnd = start + length
    }
    this.#cameTo = end
  }

  #endRun(): void {
    const run = this.#run
    if (run === null) return
    this.#run = null
    if (this.#queue === NO_PIECES) this.#queue = []
    this.#queue.push(keep(run.subarray(this.#runStart, this.#runEnd)))
  }

  #empty(): void {
    this.#queue = NO_PIECES
    this.#run = null
    this.unread = 0
  }

  #reachFin(): boolean {
    if (this.finished || this.#finSeq === null || this.#finSeq !== this.rcvNxt) return false
    this.finished = true
    this.rcvNxt = seqAdd(this.rcvNxt, 1)
    if (seqLt(this.window.rcvAcc, this.rcvNxt)) this.window.rcvAcc = this.rcvNxt
    this.reassembly.clear()
    return true
  }
}

function keep(piece: Buffer): Buffer {
  return piece.length < piece.buffer.byteLength * MIN_SHARE ? Buffer.from(piece) : piece
}
