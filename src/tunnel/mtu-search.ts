/** rfc8899#5.1.2: BASE_PLPMTU, which is 1,200 bytes of payload; as the packet that every IPv6 link takes. Bytes of the IP packet, as all sizes here. */
const BASE_MTU = 1280
/** rfc8899#5.1.2: MAX_PROBES. */
const MOST_PROBES = 3
/** rfc8899#5.1.1: PROBE_TIMER, no less than a second. µs. */
const PROBE_US = 1_000_000
/** ours: after which it is tried again for the first time, where not even the base came through. µs. */
const ERROR_US = 10_000_000
/** rfc8899#5.3.2: sizes of packet that links and tunnels have; what lies between two of them is not worth the probes that would find it. */
const SIZES = [
  1006,
  BASE_MTU,
  1340,
  1400,
  1420,
  1440,
  1460,
  1480,
  1492,
  1500,
  2002,
  4352,
  9000,
  17_914,
  32_000,
  65_535,
] as const
/** What nearly all links have: looked for before anything else. */
const ETHERNET = 1500

export interface MtuSearchOptions {
  /** Bytes that every path takes. */
  least: number
  /** Bytes that the link takes. */
  most: number
}

/**
 * The search for the largest packet that one path takes, by packets that may be lost (rfc8899, DPLPMTUD). Sans-IO: it says when to send a probe of
 * what size, and is told what became of it.
 */
export class MtuSearch {
  readonly #least: number
  #most: number
  /** Packets of this size are sent: they go through, as far as is known. */
  size: number
  /** Something as large as the base has come through, or it is known not to: so often in a row. */
  #confirmed = false
  #errors = 0
  /** Nothing is left to ask for. */
  #over = false
  /** The smallest that did not go through. */
  #tooLarge: number
  /** The size that is being asked for, how often it has been, and when that is given up. */
  #probing = 0
  #sent = 0
  /** When to call `next`, µs; `Infinity`: never. */
  deadline = 0

  constructor({ least, most }: MtuSearchOptions) {
    this.#least = least
    this.#most = Math.max(most, least)
    this.#tooLarge = this.#most + 1
    this.size = Math.min(BASE_MTU, this.#most)
  }

  /** The size of the probe to send now; 0: none. `raiseUs`: when to look for more again, after the search is over. */
  next(nowUs: number, raiseUs: number): number {
    if (nowUs < this.deadline) return 0
    if (this.#over) {
      this.#tooLarge = this.#most + 1
      this.#confirmed = this.#errors === 0
    }
    if (this.#sent >= MOST_PROBES) this.#failed(this.#probing)
    if (this.#probing === 0) {
      this.#probing = this.#candidate()
      this.#sent = 0
    }
    this.#over = this.#probing === 0
    if (this.#over) {
      // rfc8899#5.1.1: PMTU_RAISE_TIMER. ours: where nothing came through at all, it may be that nobody was there.
      const pause = raiseUs > 0 ? raiseUs : Infinity
      this.deadline = nowUs + (this.#errors > 0 ? Math.min(pause, ERROR_US * 2 ** (this.#errors - 1)) : pause)
      return 0
    }
    this.#sent++
    this.deadline = nowUs + PROBE_US
    return this.#probing
  }

  /** The probe of so many bytes was answered. True: larger packets may be sent than before. */
  answered(size: number): boolean {
    if (size >= BASE_MTU) {
      this.#confirmed = true
      this.#errors = 0
    }
    if (size === this.#probing) this.#forget()
    const grows = size > this.size && size < this.#tooLarge
    if (grows) this.size = size
    return grows
  }

  /** The system does not send packets of this size: the link is too small. True: what is sent has to become smaller. */
  refused(size: number): boolean {
    // How much smaller nobody says.
    const below = SIZES.findLast((usual) => usual < size) ?? this.#least
    this.#most = Math.max(this.#least, Math.min(this.#most, below))
    this.#tooLarge = Math.min(this.#tooLarge, size)
    if (this.#probing >= size) this.#forget()
    if (size > this.size) return false
    return this.#begin(Math.min(BASE_MTU, this.#most))
  }

  /** The way told the system of something too large (ICMP), and not of what: of the probe that is out, if there is one. True: less may be sent. */
  told(): boolean {
    if (this.#probing <= this.size) return this.blackHole()
    this.#failed(this.#probing)
    this.#forget()
    return false
  }

  /** Packets of the size that is used seem to vanish (rfc8899#4.3): everything from the beginning. True: what is sent has to become smaller. */
  blackHole(): boolean {
    return this.#begin(Math.min(BASE_MTU, this.size))
  }

  #begin(size: number): boolean {
    const shrinks = size < this.size
    this.size = size
    this.#tooLarge = this.#most + 1
    this.#confirmed = false
    this.#over = false
    this.#forget()
    return shrinks
  }

  #forget(): void {
    this.#probing = 0
    this.#sent = 0
    this.deadline = 0
  }

  #failed(size: number): void {
    this.#probing = 0
    if (size > this.size) {
      this.#tooLarge = Math.min(this.#tooLarge, size)
      return
    }
    // rfc8899#5.2, Error: not even the base comes through.
    this.size = this.#least
    this.#tooLarge = Math.min(this.#tooLarge, size)
    this.#confirmed = true
    this.#errors++
  }

  /** What to ask for next: the usual, then the most that there can be, then the middle of what is left; at last the base, where nothing came through. */
  #candidate(): number {
    const isOpen = (size: number): boolean => size > this.size && size < this.#tooLarge
    if (isOpen(ETHERNET) && this.#tooLarge > this.#most) return ETHERNET
    if (isOpen(this.#most)) return this.#most
    const left = SIZES.filter(isOpen)
    if (left.length > 0) return left[left.length >> 1] as number
    return this.#confirmed ? 0 : this.size
  }
}
