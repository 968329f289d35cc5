/** Bytes that one read may bring. */
export const LARGEST_READ = 65_536
const SLAB = 2 * LARGEST_READ
/** Shorter reads are copied, so that they do not keep a slab alive; receivers copy pieces of less than this share of it too (`MIN_SHARE`). */
const LEAST_SHARED = SLAB / 8

/** Memory that two or more long reads share: half as many buffers for the garbage collector as one for each would be. */
class Slab {
  readonly buffer: Buffer = Buffer.allocUnsafeSlow(SLAB)
  used = 0

  /** The `count` bytes just read behind `used`, the caller's from now on. */
  take(count: number): Buffer {
    const start = this.used
    const read = this.buffer.subarray(start, start + count)
    if (count < LEAST_SHARED) return Buffer.from(read)
    this.used += count
    return read
  }
}

let slab: Slab | null = null

/** The process's slab, with room for a read. */
export function slabWithRoom(): Slab {
  if (slab === null || slab.buffer.length - slab.used < LARGEST_READ) slab = new Slab()
  return slab
}
