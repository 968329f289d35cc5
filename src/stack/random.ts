import { randomFillSync } from 'node:crypto'

/** Chance, in two streams: nothing that the network sees of the one tells anything of the other. */
export interface Random {
  /** Uniform in [0, 1), 53 bits: for choices that may be seen and need not be kept. */
  public(): number
  /** `size` bytes, the caller's to keep, that cannot be guessed: for keys and tokens. */
  secret(size: number): Buffer
}

const POOL = 4096

/** Chance from the operating system, fetched in pools, since each fetch costs some microseconds however small. */
export class CryptoRandom implements Random {
  readonly #numbers = new Uint32Array(POOL / 4)
  #nextNumber = this.#numbers.length
  readonly #secrets = Buffer.alloc(POOL)
  #nextSecret = POOL

  public(): number {
    if (this.#nextNumber === this.#numbers.length) {
      randomFillSync(this.#numbers)
      this.#nextNumber = 0
    }
    const high = this.#numbers[this.#nextNumber] >>> 5
    const low = this.#numbers[this.#nextNumber + 1] >>> 6
    this.#nextNumber += 2
    return (high * 2 ** 26 + low) / 2 ** 53
  }

  secret(size: number): Buffer {
    const bytes = Buffer.alloc(size)
    if (size > POOL / 4) return randomFillSync(bytes)
    if (this.#nextSecret + size > POOL) {
      randomFillSync(this.#secrets)
      this.#nextSecret = 0
    }
    const end = this.#nextSecret + size
    this.#secrets.copy(bytes, 0, this.#nextSecret, end)
    // What was handed out must not be found here later.
    this.#secrets.fill(0, this.#nextSecret, end)
    this.#nextSecret = end
    return bytes
  }
}

/** The same choices from the same seed: for virtual time only, never for a stack on real sockets. */
export class SeededRandom implements Random {
  readonly #public: Generator
  readonly #secret: Generator

  /** Any finite number; its fraction does not count. */
  constructor(seed: number) {
    this.#public = new Generator(seed, 0x5075_626c)
    this.#secret = new Generator(seed, 0x5365_6372)
  }

  public(): number {
    const high = this.#public.next() >>> 5
    return (high * 2 ** 26 + (this.#public.next() >>> 6)) / 2 ** 53
  }

  secret(size: number): Buffer {
    const bytes = Buffer.alloc(size)
    let word = 0
    for (let i = 0; i < size; i++) {
      if ((i & 3) === 0) word = this.#secret.next()
      bytes[i] = word >>> ((i & 3) << 3)
    }
    return bytes
  }
}

/** sfc32 of PractRand: 128 bits of state, a period of 2^32 at least. */
class Generator {
  #a: number
  #b: number
  #c = 0
  #counter = 1

  constructor(seed: number, stream: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 2 ** 32) | 0
    this.#c = stream | 0
    // Neighbouring seeds begin with neighbouring states.
    for (let i = 0; i < 16; i++) this.next()
  }

  /** 32 bits, as int32. */
  next(): number {
    const result = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + result) | 0
    return result
  }
}
