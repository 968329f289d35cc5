import type { SegmentSink } from './host.ts'

const MAX_BLOCK = 65_536
const MIN_BLOCK = 1024
/** Bytes of free blocks of each size that the process keeps for the next queue that needs one: as much as was once under way, and no more than this. */
const MOST_SPARE = 4 << 20
const MOST_SPARE_LARGEST = 16 << 20

/** By powers of two from the smallest size on. */
const spare: Buffer[][] = Array.from({ length: sizeClass(MAX_BLOCK) + 1 }, () => [])

function sizeClass(size: number): number {
  return Math.clz32(MIN_BLOCK) - Math.clz32(size)
}

interface Block {
  readonly buffer: Buffer
  /** Position of the block's first byte in the stream. */
  readonly start: number
  /** Bytes filled. */
  used: number
}

const NO_BLOCKS: Block[] = []

/**
 * What the application wrote and the peer has not acknowledged, copied once into blocks. Positions count bytes of the stream
 * from 0; the sender maps sequence numbers onto them.
 *
 *      base              end
 *       │ unacknowledged  │
 *     ──┼─────────────────┼──▶ position
 */
export class SendQueue {
  #blocks: Block[] = NO_BLOCKS
  /** Blocks before this index are released; compacted now and then, for shifting an array costs its length. */
  #first = 0
  /** Where the last copy ended: sending goes forward, so the next one begins in this block or the one behind it. */
  #cursor = 0
  #base = -0
  // A position outgrows the integers that V8 has a short form of: −0 has the long form from the start, or all that touches it would be compiled anew.
  #end = -0

  /** Position of the first byte kept. */
  get base(): number {
    return this.#base + 0
  }

  /** Position behind the last byte. */
  get end(): number {
    return this.#end + 0
  }

  get length(): number {
    return this.#end - this.#base + 0
  }

  /** Copies `chunk[from … to)` to the end. `chunk` is borrowed until return. */
  append(chunk: Buffer, from: number, to: number): void {
    while (from < to) {
      let block = this.#blocks[this.#blocks.length - 1]
      if (block === undefined || block.used === block.buffer.length) block = this.#addBlock(to - from)
      const count = Math.min(to - from, block.buffer.length - block.used)
      chunk.copy(block.buffer, block.used, from, from + count)
      block.used += count
      from += count
      this.#end += count
    }
  }

  /**
   * Hands `sink` the bytes from `position` on, all of which are in the queue, for `count` segments of `length` bytes whose places in its buffer begin
   * at `at` and are `stride` apart. Lent, they are not copied: it learns where they are, and there they stay until `release`.
   */
  place(
    position: number,
    length: number,
    count: number,
    sink: SegmentSink,
    at: number,
    stride: number,
    lent: boolean,
  ): void {
    const target = sink.buffer
    let index = this.#find(position)
    let block = this.#blocks[index] as Block
    let offset = position - block.start
    for (let i = 0; i < count; i++) {
      let to = at + i * stride
      for (const end = to + length; to < end; ) {
        if (offset === block.used) {
          block = this.#blocks[++index] as Block
          offset = 0
        }
        const size = Math.min(end - to, block.used - offset)
        if (lent) sink.lend?.(to, block.buffer, offset, size)
        else block.buffer.copy(target, to, offset, offset + size)
        to += size
        offset += size
      }
    }
    this.#cursor = index
  }

  /** Forgets everything before `position`. */
  release(position: number): void {
    this.#base = position
    while (this.#first < this.#blocks.length) {
      const block = this.#blocks[this.#first] as Block
      const end = block.start + block.used
      if (end > position) break
      // The last block is written on, unless it is full.
      if (this.#first === this.#blocks.length - 1 && block.used < block.buffer.length) {
        if (this.#end === position) this.#returnLast(block)
        break
      }
      this.#blocks[this.#first] = RELEASED
      this.#first++
      recycle(block.buffer)
    }
    if (this.#first > 32 && this.#first * 2 > this.#blocks.length) {
      this.#blocks.splice(0, this.#first)
      this.#cursor = Math.max(0, this.#cursor - this.#first)
      this.#first = 0
    }
  }

  /** Lets go of all memory. */
  clear(): void {
    for (let i = this.#first; i < this.#blocks.length; i++) recycle((this.#blocks[i] as Block).buffer)
    this.#blocks = NO_BLOCKS
    this.#first = 0
    this.#cursor = 0
    this.#base = this.#end
  }

  /** All is acknowledged: the block goes back, for a connection that has nothing to send needs none. */
  #returnLast(block: Block): void {
    this.#blocks = NO_BLOCKS
    this.#first = 0
    this.#cursor = 0
    recycle(block.buffer)
  }

  #addBlock(wanted: number): Block {
    let size = MIN_BLOCK
    // A connection that has filled a block is likely to fill a larger one.
    const least = Math.max(wanted, this.length)
    while (size < least && size < MAX_BLOCK) size *= 2
    const buffer = (spare[sizeClass(size)] as Buffer[]).pop() ?? Buffer.allocUnsafeSlow(size)
    const block = { buffer, start: this.#end, used: 0 }
    if (this.#blocks === NO_BLOCKS) this.#blocks = [block]
    else this.#blocks.push(block)
    return block
  }

  #find(position: number): number {
    const blocks = this.#blocks
    let index = Math.max(this.#cursor, this.#first)
    const block = blocks[index]
    if (block !== undefined && position >= block.start) {
      if (position < block.start + block.used) return index
      const next = blocks[index + 1]
      if (next !== undefined && position < next.start + next.used) return index + 1
    }
    let low = this.#first
    let high = blocks.length - 1
    while (low < high) {
      index = (low + high + 1) >> 1
      if ((blocks[index] as Block).start <= position) low = index
      else high = index - 1
    }
    return low
  }
}

const RELEASED: Block = { buffer: Buffer.alloc(0), start: -1, used: 0 }

function recycle(buffer: Buffer): void {
  const { length: size } = buffer
  const free = spare[sizeClass(size)] as Buffer[]
  if (free.length * size < (size === MAX_BLOCK ? MOST_SPARE_LARGEST : MOST_SPARE)) free.push(buffer)
}
