import { Loans } from './loans.ts'
import type { UdpPath } from './path.ts'

const SIZES = [2 << 10, 16 << 10, 64 << 10] as const
/** How many idle buffers of each size are kept for reuse: 5.5 MiB at most, reached only by a host that sends at full speed. */
const KEPT = [256, 64, 64] as const
/** No batch is larger than this; what a path sends beyond it in one turn goes in several. */
export const LARGEST_BATCH = SIZES[2]

/** The datagrams that a path sends in one go: back to back in one buffer, so that a datagram is a pair of offsets. */
export class Batch {
  buffer: Buffer
  readonly size: number
  path: UdpPath | null = null
  /** Bytes written; where the next frame begins. */
  used = 0
  /** Datagrams. */
  count = 0
  /** Where the last datagram begins. */
  lastStart = 0
  /** Where each datagram ends; the next one begins there. Never shortened. */
  readonly ends: number[] = []
  /** For each call to send: the datagrams that it leaves behind it, itself included. Never shortened, as its memory would go with it. */
  readonly sends: number[] = []
  /** So many calls. */
  calls = 0
  /** Calls, and datagrams, that the kernel has taken or refused. When all are done the buffer is free. */
  sendsDone = 0
  done = 0
  /** Of these, how many the kernel refused. */
  failed = 0
  /** Which of its path's it is; 0: one that nobody waits for. */
  number = 0
  /** Holds one datagram that was refused once: no third attempt. */
  again = false
  /** What of it is elsewhere still. */
  loans = new Loans()

  constructor(buffer: Buffer, size: number) {
    this.buffer = buffer
    this.size = size
  }

  startOf(index: number): number {
    return index === 0 ? 0 : this.ends[index - 1]
  }

  /** Appends what lies at `buffer[used … end)`: to the last datagram while that stays within `limit`, else as a new one. */
  append(end: number, limit: number): void {
    if (this.count > 0 && end - this.lastStart <= limit) {
      this.ends[this.count - 1] = end
    } else {
      this.lastStart = this.used
      this.ends[this.count++] = end
    }
    this.used = end
  }
}

/**
 * Batch buffers of a tunnel, in three sizes: a thousand paths with an acknowledgement each must not take a thousand large ones.
 * A batch that outgrows its buffer moves to the next size, which costs a copy of what it has.
 */
export class BatchPool {
  readonly #idle: Batch[][] = [[], [], []]

  take(path: UdpPath, bytes: number): Batch {
    const size = bytes <= SIZES[0] ? 0 : bytes <= SIZES[1] ? 1 : 2
    const batch = this.#idle[size].pop() ?? new Batch(Buffer.allocUnsafeSlow(SIZES[size]), size)
    batch.path = path
    return batch
  }

  /** `batch` with room for `bytes` more, or a first one where there is none. Null: it has to be sent before. */
  room(path: UdpPath, batch: Batch | null, bytes: number): Batch | null {
    if (batch === null) return this.take(path, bytes)
    return batch.used + bytes <= batch.buffer.length ? batch : this.grow(batch, bytes)
  }

  /** The same batch with room for `bytes` more, in a larger buffer. Null: it cannot grow so far, and stays as it is. */
  grow(batch: Batch, bytes: number): Batch | null {
    const needed = batch.used + bytes
    if (needed > LARGEST_BATCH) return null
    const larger = this.take(batch.path!, needed)
    batch.buffer.copy(larger.buffer, 0, 0, batch.used)
    for (let i = 0; i < batch.count; i++) larger.ends[i] = batch.ends[i]
    larger.used = batch.used
    larger.count = batch.count
    larger.lastStart = batch.lastStart
    const { loans } = larger
    larger.loans = batch.loans
    batch.loans = loans
    this.put(batch)
    return larger
  }

  put(batch: Batch): void {
    batch.path = null
    batch.used = 0
    batch.count = 0
    batch.lastStart = 0
    batch.calls = 0
    batch.sendsDone = 0
    batch.done = 0
    batch.failed = 0
    batch.number = 0
    batch.again = false
    if (batch.loans.count > 0) batch.loans.clear()
    if (batch.ends.length > 1024) batch.ends.length = 0
    if (batch.sends.length > 1024) batch.sends.length = 0
    const idle = this.#idle[batch.size]
    if (idle.length < KEPT[batch.size]) idle.push(batch)
  }

  /** Buffers that wait to be used again, for tests. */
  get idle(): number {
    return this.#idle.reduce((sum, list) => sum + list.length, 0)
  }

  clear(): void {
    for (const list of this.#idle) list.length = 0
  }
}
