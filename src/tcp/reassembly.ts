import { type Seq, seqAdd, seqDiff, seqGeq, seqGt, seqLeq, seqLt } from '../wire/index.ts'

/** Out-of-order pieces kept at most: each costs a record, however few bytes it holds. */
const MAX_PIECES = 4096
/** SACK blocks that fit an option (rfc2018#3). */
const MAX_BLOCKS = 4
/** Blocks that wait for an ACK of their own. */
const MAX_OWED = 64

interface Piece {
  seq: Seq
  end: Seq
  data: Buffer
}

/** A contiguous range received above RCV.NXT. */
export interface Block {
  start: Seq
  end: Seq
  /** An ACK has named it. */
  told?: boolean
}

/** What `insert` did with a piece. */
export const Insert = { Queued: 0, Duplicate: 1, Dropped: 2 } as const
export type Insert = (typeof Insert)[keyof typeof Insert]

/**
 * Data above RCV.NXT that waits for the gap below it to fill (rfc9293#3.10.7.4 SHLD-31). Pieces are sorted and do not overlap; what comes
 * first stays, for the sender may have promised something else in a copy, and the receiver must not change its mind.
 */
export class Reassembly {
  #pieces: Piece[] = []
  /** Contiguous ranges, the most recently changed first (rfc2018#4). */
  readonly blocks: Block[] = []
  /**
   * Blocks that no ACK has named, and that the next one has no room for: what arrives in one read is acknowledged at once, and may have more holes
   * than an option has blocks. What a peer does not hear of it sends again.
   */
  readonly owed: Block[] = []
  /** Bytes held. */
  length = 0
  /** There may be ranges that are not among the blocks. */
  #hasUntold = false

  get isEmpty(): boolean {
    return this.#pieces.length === 0
  }

  /** How far it reaches beyond `seq`, bytes. */
  reach(seq: Seq): number {
    const last = this.#pieces.at(-1)
    return last === undefined ? 0 : seqDiff(last.end, seq)
  }

  /** Number of pieces, for bounds and tests. */
  get count(): number {
    return this.#pieces.length
  }

  /** Takes `data` at `[seq, end)`, all of it above RCV.NXT and inside the window. `data` becomes the queue's own. */
  insert(seq: Seq, end: Seq, data: Buffer): Insert {
    const pieces = this.#pieces
    if (pieces.length >= MAX_PIECES) return Insert.Dropped
    // Most pieces come behind the last: the scan begins there.
    let index = pieces.length
    while (index > 0 && seqGt((pieces[index - 1] as Piece).seq, seq)) index--
    // The piece before may cover the beginning, those behind the rest.
    const before = pieces[index - 1]
    let from = seq
    if (before !== undefined && seqGt(before.end, from)) from = before.end
    let added = 0
    while (seqLt(from, end)) {
      const next = pieces[index]
      const to = next !== undefined && seqLt(next.seq, end) ? next.seq : end
      if (seqLt(from, to)) {
        pieces.splice(index, 0, { seq: from, end: to, data: data.subarray(seqDiff(from, seq), seqDiff(to, seq)) })
        added += seqDiff(to, from)
        index++
      }
      if (next === undefined || to === end) break
      from = next.end
      index++
    }
    if (added === 0) {
      this.#touch(seq, end)
      return Insert.Duplicate
    }
    this.length += added
    this.#addBlock(seq, end)
    return Insert.Queued
  }

  /** The FIN at `seq` came, and what lies before it did not: it takes up a number, and is told of like a byte (linux: tcp_data_queue_ofo). */
  markFin(seq: Seq): void {
    this.#addBlock(seq, seqAdd(seq, 1))
  }

  /** Takes off the piece that begins at or before `rcvNxt`, cut to begin there; null where a gap remains. */
  take(rcvNxt: Seq): Buffer | null {
    for (;;) {
      const piece = this.#pieces[0]
      if (piece === undefined || seqGt(piece.seq, rcvNxt)) return null
      this.#pieces.shift()
      if (this.isEmpty) this.#hasUntold = false
      this.length -= seqDiff(piece.end, piece.seq)
      if (seqLeq(piece.end, rcvNxt)) continue
      return piece.data.subarray(seqDiff(rcvNxt, piece.seq))
    }
  }

  /** RCV.NXT has moved: blocks below it are no longer worth telling. */
  advance(rcvNxt: Seq): void {
    for (const blocks of [this.blocks, this.owed]) {
      for (let i = blocks.length - 1; i >= 0; i--) {
        const block = blocks[i] as Block
        if (seqLeq(block.end, rcvNxt)) blocks.splice(i, 1)
        else if (seqLt(block.start, rcvNxt)) block.start = rcvNxt
      }
    }
  }

  /**
   * Names the blocks that an ACK with room for `most` is to tell of, the newest first; `put` takes each. What none has told of comes before what
   * was told already; where not all of it fits, what came earlier goes first, as if each segment had been acknowledged by itself: a sender that
   * hears of the later one first takes that for reordering, and waits longer with all that it sends again.
   */
  tell(most: number, put: (block: Block) => void): void {
    const { owed, blocks } = this
    for (let i = blocks.length - 1; i >= 0; i--) this.#owe(blocks[i] as Block)
    const fresh = owed.splice(0, Math.min(most, owed.length))
    for (let i = fresh.length - 1; i >= 0; i--) put(fresh[i] as Block)
    if (owed.length > 0) return
    let room = most - fresh.length
    for (const block of blocks) {
      if (room === 0) return
      if (fresh.some(({ start, end }) => start === block.start && end === block.end)) continue
      room--
      put(block)
    }
  }

  clear(): void {
    this.#pieces = []
    this.blocks.length = 0
    this.owed.length = 0
    this.length = 0
    this.#hasUntold = false
  }

  /** For the tests: null, or what is wrong. */
  recount(): string | null {
    let length = 0
    let previous: Piece | null = null
    for (const piece of this.#pieces) {
      if (seqDiff(piece.end, piece.seq) !== piece.data.length || piece.data.length === 0)
        return 'a piece has a wrong length'
      if (previous !== null && seqLt(piece.seq, previous.end)) return 'pieces overlap'
      length += piece.data.length
      previous = piece
    }
    return length === this.length ? null : `pieces have ${length} bytes, ${this.length} were counted`
  }

  /** `[seq, end)` was there already: the block that holds it is the newest. */
  #touch(seq: Seq, end: Seq): void {
    const index = this.blocks.findIndex((block) => seqLeq(block.start, seq) && seqGeq(block.end, end))
    if (index > 0) this.blocks.unshift(...this.blocks.splice(index, 1))
    else if (index < 0) this.#addBlock(seq, end)
  }

  /** Merges `[start, end)` with the ranges that it meets; the result is the newest. */
  #addBlock(start: Seq, end: Seq): void {
    const { blocks } = this
    for (let i = blocks.length - 1; i >= 0; i--) {
      const block = blocks[i] as Block
      if (seqGt(block.start, end) || seqLt(block.end, start)) continue
      if (seqLt(block.start, start)) start = block.start
      if (seqGt(block.end, end)) end = block.end
      blocks.splice(i, 1)
    }
    const block: Block = { start, end, told: false }
    if (this.#hasUntold) this.#widen(block)
    blocks.unshift(block)
    // It tells of what it holds.
    const { owed } = this
    for (let i = owed.length - 1; i >= 0; i--) {
      const other = owed[i] as Block
      if (seqGeq(other.start, block.start) && seqLeq(other.end, block.end)) owed.splice(i, 1)
    }
    if (blocks.length > MAX_BLOCKS) {
      this.#owe(blocks.pop() as Block)
      this.#hasUntold = true
    }
  }

  #owe(block: Block): void {
    if (block.told || this.owed.length >= MAX_OWED) return
    block.told = true
    this.owed.push({ start: block.start, end: block.end })
  }

  /** rfc2018#4: the first block is the whole range that holds the segment, though part of it be no longer among the blocks. */
  #widen(block: Block): void {
    const pieces = this.#pieces
    let low = 0
    let high = pieces.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (seqLeq((pieces[middle] as Piece).seq, block.start)) low = middle + 1
      else high = middle
    }
    for (let i = low - 1; i >= 0 && seqGeq((pieces[i] as Piece).end, block.start); i--) {
      const { seq } = pieces[i] as Piece
      if (seqLt(seq, block.start)) block.start = seq
    }
    for (let i = Math.max(0, low - 1); i < pieces.length && seqLeq((pieces[i] as Piece).seq, block.end); i++) {
      const { end } = pieces[i] as Piece
      if (seqGt(end, block.end)) block.end = end
    }
  }
}
