// Threefry-2x32 with 20 rounds: "Parallel random numbers: as easy as 1, 2, 3" (Salmon et al., 2011). A generator that is a
// function of key and position keeps no state worth sharing: any draw of any stream can be had without those before it, so
// what one stage decides about packet 17 hangs neither on other stages nor on the packets that they dropped.

const PARITY = 0x1bd11bda
/** Bits of the second counter word that say which of the draws at one index this is. */
const LANE_BITS = 8
/** Marks the second counter word of forks; draws stay below it. */
const FORK_NAME = 0xf000_0000
const FORK_NUMBER = 0xe000_0000

const TWO_POW_32 = 0x1_0000_0000
const TWO_POW_MINUS_32 = 2 ** -32
const TWO_POW_MINUS_53 = 2 ** -53

/**
 * A seeded stream of random numbers that can also be read at any position, and from which independent streams fork by name or
 * number. Not for secrets.
 */
export class Rng {
  readonly #k0: number
  readonly #k1: number
  readonly #k2: number
  /** How many draws `next` has made. */
  #drawn = 0
  /** The block that `#mix` made last. */
  #x0 = 0
  #x1 = 0

  /** `seed`: a whole number from 0 to 2^53 − 1. `word` is the second key word, for forks. */
  constructor(seed: number, word: number = Math.floor(seed / TWO_POW_32)) {
    this.#k0 = seed | 0
    this.#k1 = word | 0
    this.#k2 = PARITY ^ this.#k0 ^ this.#k1
  }

  /** The stream of that name or number: the same one each time, whatever was drawn from this one before. */
  fork(name: string | number): Rng {
    if (typeof name === 'number') {
      this.#mix(name | 0, FORK_NUMBER | Math.floor(name / TWO_POW_32))
      return new Rng(this.#x0, this.#x1)
    }
    let rng = this as Rng
    for (let i = 0; i <= name.length; i++) {
      rng.#mix(i < name.length ? name.charCodeAt(i) : -1, FORK_NAME | i)
      rng = new Rng(rng.#x0, rng.#x1)
    }
    return rng
  }

  /** The next number of the stream, uniform in [0, 1). */
  next(): number {
    return this.at(this.#drawn++, (1 << LANE_BITS) - 1)
  }

  /** The next number of the stream, uniform among the whole numbers from 0 to `bound` − 1. */
  nextInt(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  /** The number at a position, uniform in [0, 1); `lane` (0 … 254) tells several draws at one index apart. */
  at(index: number, lane = 0): number {
    this.#mix(index | 0, (Math.floor(index * TWO_POW_MINUS_32) << LANE_BITS) | lane)
    return ((this.#x0 >>> 0) * 0x20_0000 + (this.#x1 >>> 11)) * TWO_POW_MINUS_53
  }

  /** The block at counter (`c0`, `c1`), two words in one number's place: exposed for the known answers of its tests. */
  block(c0: number, c1: number): [number, number] {
    this.#mix(c0 | 0, c1 | 0)
    return [this.#x0 >>> 0, this.#x1 >>> 0]
  }

  #mix(c0: number, c1: number): void {
    const k0 = this.#k0
    const k1 = this.#k1
    const k2 = this.#k2
    let a = (c0 + k0) | 0
    let b = (c1 + k1) | 0
    for (let round = 0; ; ) {
      a = (a + b) | 0
      b = ((b << 13) | (b >>> 19)) ^ a
      a = (a + b) | 0
      b = ((b << 15) | (b >>> 17)) ^ a
      a = (a + b) | 0
      b = ((b << 26) | (b >>> 6)) ^ a
      a = (a + b) | 0
      b = ((b << 6) | (b >>> 26)) ^ a
      // After each four rounds the three key words take turns: (k1, k2), (k2, k0), (k0, k1) …
      if (round === 0) {
        a = (a + k1) | 0
        b = (b + k2 + 1) | 0
      } else if (round === 2) {
        this.#x0 = (a + k2) | 0
        this.#x1 = (b + k0 + 5) | 0
        return
      } else {
        a = (a + k0) | 0
        b = (b + k1 + 3) | 0
      }
      a = (a + b) | 0
      b = ((b << 17) | (b >>> 15)) ^ a
      a = (a + b) | 0
      b = ((b << 29) | (b >>> 3)) ^ a
      a = (a + b) | 0
      b = ((b << 16) | (b >>> 16)) ^ a
      a = (a + b) | 0
      b = ((b << 24) | (b >>> 8)) ^ a
      if (round === 0) {
        a = (a + k2) | 0
        b = (b + k0 + 2) | 0
      } else {
        a = (a + k1) | 0
        b = (b + k2 + 4) | 0
      }
      round++
    }
  }
}
