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
