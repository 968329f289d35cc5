import type { Random } from './random.ts'
import { SipHash } from './siphash.ts'

/** What a hash is for: the same addresses and ports give unrelated results for different purposes. */
export const Purpose = {
  InitialSequence: 1,
  TimestampOffset: 2,
  EphemeralPort: 3,
  Tuple: 4,
  SynCookie: 5,
  FastOpenCookie: 6,
} as const
export type Purpose = (typeof Purpose)[keyof typeof Purpose]

/** Longer than any address with a zone; what is beyond is not hashed, which only a made-up address can notice. */
const MAX_CHARACTERS = 120

/** A keyed hash of two addresses and two ports. */
export class TupleHash {
  /** The last result. */
  lo = 0
  hi = 0
  readonly #hash: SipHash
  readonly #words = new Int32Array(2 + (MAX_CHARACTERS / 4) * 2 + 2)

  /** `secret` is 16 bytes. */
  constructor(secret: Uint8Array) {
    this.#hash = new SipHash(secret)
  }

  /** Addresses as text, in canonical form. The result is in `lo` and `hi`, as int32. */
  hash(purpose: Purpose, localAddress: string, localPort: number, remoteAddress: string, remotePort: number): void {
    const words = this.#words
    // The lengths stand first, so that no two tuples give the same words.
    words[0] = purpose | (localAddress.length << 8) | (remoteAddress.length << 16)
    words[1] = (localPort << 16) | remotePort
    let used = pack(localAddress, words, 2)
    used = pack(remoteAddress, words, used)
    if ((used & 1) === 1) words[used++] = 0
    this.#hash.words(words, used >> 1)
    this.lo = this.#hash.lo
    this.hi = this.#hash.hi
  }
}

/** Writes `text` into `words` from `at` on, four characters to a word; returns where the next goes. */
function pack(text: string, words: Int32Array, at: number): number {
  const length = Math.min(text.length, MAX_CHARACTERS)
  let word = 0
  for (let i = 0; i < length; i++) {
    word |= (text.charCodeAt(i) & 0xff) << ((i & 3) << 3)
    if ((i & 3) === 3) {
      words[at++] = word
      word = 0
    }
  }
  if ((length & 3) !== 0) words[at++] = word
  return at
}

/** Hashes under a secret that changes with the generation; the one before is kept. None is made before a generation comes: most stacks need none. */
export class TurningHash {
  readonly #random: Random
  /** Of even and odd generations. */
  readonly #hashes: [TupleHash | null, TupleHash | null] = [null, null]
  #generation = -1

  constructor(random: Random) {
    this.#random = random
  }

  /** `generation` has come. */
  turn(generation: number): void {
    if (generation === this.#generation) return
    // After a long pause the one before is older than anything that still counts.
    if (generation !== this.#generation + 1) this.#hashes[(generation + 1) & 1] = null
    this.#hashes[generation & 1] = new TupleHash(this.#random.secret(16))
    this.#generation = generation
  }

  /** That of a generation; null where it is forgotten, or was never made. */
  of(generation: number): TupleHash | null {
    if (generation !== this.#generation && generation !== this.#generation - 1) return null
    return this.#hashes[generation & 1] as TupleHash | null
  }
}
