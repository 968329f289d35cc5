/**
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash whose results cannot be foretold without the key, fast for messages
 * of a few words. 64-bit words are kept as two halves, for BigInt would cost ten times as much.
 */
export class SipHash {
  /** The last result. */
  lo = 0
  hi = 0
  readonly #k0lo: number
  readonly #k0hi: number
  readonly #k1lo: number
  readonly #k1hi: number
  #scratch = new Int32Array(32)

  /** `key` is 16 bytes. */
  constructor(key: Uint8Array) {
    if (key.length !== 16) throw new RangeError('a SipHash key is 16 bytes')
    const view = new DataView(key.buffer, key.byteOffset, 16)
    this.#k0lo = view.getInt32(0, true)
    this.#k0hi = view.getInt32(4, true)
    this.#k1lo = view.getInt32(8, true)
    this.#k1hi = view.getInt32(12, true)
  }

  /** The hash of `data[start … end)`, in `lo` and `hi`. */
  bytes(data: Uint8Array, start = 0, end = data.length): void {
    const length = end - start
    const pairs = (length >> 3) + 1
    if (this.#scratch.length < pairs * 2) this.#scratch = new Int32Array(pairs * 4)
    const words = this.#scratch
    words.fill(0, 0, pairs * 2)
    for (let i = 0; i < length; i++) words[i >> 2] |= data[start + i] << ((i & 3) << 3)
    words[pairs * 2 - 1] |= length << 24
    this.words(words, pairs)
  }

  /**
   * The hash of `pairs` 64-bit words, each the lower half first, in `lo` and `hi`. The message must be one that no other can be
   * mistaken for: the padding and length that `bytes` appends are the caller's affair here.
   */
  words(words: Int32Array, pairs: number): void {
    let v0l = this.#k0lo ^ 0x70736575
    let v0h = this.#k0hi ^ 0x736f6d65
    let v1l = this.#k1lo ^ 0x6e646f6d
    let v1h = this.#k1hi ^ 0x646f7261
    let v2l = this.#k0lo ^ 0x6e657261
    let v2h = this.#k0hi ^ 0x6c796765
    let v3l = this.#k1lo ^ 0x79746573
    let v3h = this.#k1hi ^ 0x74656462
    let t = 0
    const compressing = pairs * 2
    // Two rounds for each word of the message, then four: one loop, so that the round stands here once.
    for (let round = 0; round < compressing + 4; round++) {
      if (round < compressing) {
        if ((round & 1) === 0) {
          v3l ^= words[round]
          v3h ^= words[round + 1]
        }
      } else if (round === compressing) v2l ^= 0xff

      t = (v0l + v1l) | 0
      v0h = (v0h + v1h + (t >>> 0 < v0l >>> 0 ? 1 : 0)) | 0
      v0l = t
      t = (v1l << 13) | (v1h >>> 19)
      v1h = ((v1h << 13) | (v1l >>> 19)) ^ v0h
      v1l = t ^ v0l
      t = v0l
      v0l = v0h
      v0h = t

      t = (v2l + v3l) | 0
      v2h = (v2h + v3h + (t >>> 0 < v2l >>> 0 ? 1 : 0)) | 0
      v2l = t
      t = (v3l << 16) | (v3h >>> 16)
      v3h = ((v3h << 16) | (v3l >>> 16)) ^ v2h
      v3l = t ^ v2l

      t = (v0l + v3l) | 0
      v0h = (v0h + v3h + (t >>> 0 < v0l >>> 0 ? 1 : 0)) | 0
      v0l = t
      t = (v3l << 21) | (v3h >>> 11)
      v3h = ((v3h << 21) | (v3l >>> 11)) ^ v0h
      v3l = t ^ v0l

      t = (v2l + v1l) | 0
      v2h = (v2h + v1h + (t >>> 0 < v2l >>> 0 ? 1 : 0)) | 0
      v2l = t
      t = (v1l << 17) | (v1h >>> 15)
      v1h = ((v1h << 17) | (v1l >>> 15)) ^ v2h
      v1l = t ^ v2l
      t = v2l
      v2l = v2h
      v2h = t

      if (round < compressing && (round & 1) === 1) {
        v0l ^= words[round - 1]
        v0h ^= words[round]
      }
    }
    this.lo = v0l ^ v1l ^ v2l ^ v3l
    this.hi = v0h ^ v1h ^ v2h ^ v3h
  }
}
