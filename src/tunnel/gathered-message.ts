import type { Loans } from './loans.ts'
import type { Koffi } from './native-io.ts'

/** linux: struct msghdr and struct iovec, where pointers have eight bytes. Both of 32-bit words here, the lower one first. */
const NAME = 0
const NAME_LENGTH = 2
const IOV = 4
const IOV_LENGTH = 6
const MSGHDR_BYTES = 56
const IOVEC_WORDS = 4
/** linux: UIO_MAXIOV. A send has 350 at most, as a loan has 512 bytes or more, or is the rest of one. */
const MOST_PIECES = 1024
const WORD = 2 ** 32

/** What `sendmsg` sends: parts of a batch and of what was lent to it. Made once, and filled for each call. */
export class GatheredMessage {
  readonly #koffi: Koffi
  readonly #bytes = Buffer.alloc(MSGHDR_BYTES)
  readonly #header = new Uint32Array(this.#bytes.buffer, this.#bytes.byteOffset, MSGHDR_BYTES / 4)
  readonly #pieces = new Uint32Array(MOST_PIECES * IOVEC_WORDS)
  #words = 0
  /** Where the buffers named last are: it takes a call to learn that. Memory of buffers never moves. */
  readonly #batch = new KnownAddress()
  readonly #source = new KnownAddress()
  readonly #name = new KnownAddress()

  constructor(koffi: Koffi) {
    this.#koffi = koffi
    const { buffer, byteOffset } = this.#pieces
    putAddress(this.#header, IOV, Number(koffi.address(Buffer.from(buffer, byteOffset))))
  }

  /** `buffer[start … end)` with its holes filled, for `to`, or for the socket's peer. The loans in it are counted as sent. */
  gather(buffer: Buffer, start: number, end: number, to: Buffer | null, loans: Loans): Buffer {
    const base = this.#batch.of(buffer, this.#koffi)
    let at = start
    let { first } = loans
    this.#words = 0
    for (; first < loans.count && loans.at[first] < end; first++) {
      const hole = loans.at[first]
      if (hole > at) this.#put(base + at, hole - at)
      const size = loans.sizes[first]
      this.#put(this.#source.of(loans.sources[first], this.#koffi) + loans.starts[first], size)
      at = hole + size
    }
    if (at < end) this.#put(base + at, end - at)
    loans.first = first
    putAddress(this.#header, NAME, to === null ? 0 : this.#name.of(to, this.#koffi))
    this.#header[NAME_LENGTH] = to === null ? 0 : to.length
    this.#header[IOV_LENGTH] = this.#words / IOVEC_WORDS
    return this.#bytes
  }

  #put(address: number, length: number): void {
    putAddress(this.#pieces, this.#words, address)
    this.#pieces[this.#words + 2] = length
    this.#words += IOVEC_WORDS
  }
}

class KnownAddress {
  #buffer: Buffer | null = null
  #address = 0

  of(buffer: Buffer, koffi: Koffi): number {
    if (buffer !== this.#buffer) {
      this.#buffer = buffer
      this.#address = Number(koffi.address(buffer))
    }
    return this.#address
  }
}

/** `LinuxIo` has made sure that numbers hold an address. */
function putAddress(words: Uint32Array, at: number, address: number): void {
  words[at] = address % WORD
  words[at + 1] = Math.floor(address / WORD)
}
