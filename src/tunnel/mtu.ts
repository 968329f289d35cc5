import type { Family } from './addresses.ts'
import { BLOCK_FILLING, hasPagedDatagrams } from './budget.ts'

export const ETHERNET = 1500
/** macOS takes no datagram above 9,216 bytes unless told so. */
const MACOS_LOOPBACK = 9000
/** The largest that an IP packet's length field can say. */
const LARGEST = 65_535
/** rfc9293#3.7.1: 576 is what every IPv4 host takes; rfc8200#5: 1280 for IPv6. */
const LEAST_IPV4 = 576
const LEAST_IPV6 = 1280
/** Sizes of packet that occur on links, for when one was too large and nobody says which would fit (rfc1191#7). */
const PLATEAUS = [32_000, 17_914, 9000, 8166, 4352, 2002, ETHERNET, 1400, LEAST_IPV6, 1006, LEAST_IPV4] as const

/** Bytes of IP and UDP header in front of a datagram's payload. */
export function headerBytes(family: Family): number {
  return family === 'IPv4' ? 28 : 48
}

/** Bytes of the packet that every way takes. */
export function leastMtu(family: Family): number {
  return family === 'IPv4' ? LEAST_IPV4 : LEAST_IPV6
}

/** How large the datagrams of a path may be, unless it is searched for (`mtu: 'probe'`, see path-mtu.ts). */
export class MtuRule {
  readonly #mtu: 'auto' | 'probe' | number
  readonly #macos: boolean
  readonly #paged: boolean
  /** While segments are lost on purpose, large ones would falsify every rule about loss. */
  impaired = false

  constructor(mtu: 'auto' | 'probe' | number, platform: string, paged: boolean = hasPagedDatagrams) {
    this.#mtu = mtu
    this.#macos = platform === 'darwin'
    this.#paged = paged
  }

  /** Bytes of UDP payload. `granted` is the receive buffer of our own socket: the peer's segments obey what we announce. */
  datagram(family: Family, loopback: boolean, granted: number): number {
    const headers = headerBytes(family)
    if (typeof this.#mtu === 'number') return Math.max(LEAST_IPV4, Math.min(this.#mtu, LARGEST)) - headers
    const ethernet = ETHERNET - headers
    if (!loopback || this.impaired) return ethernet
    if (this.#macos) return MACOS_LOOPBACK - headers
    // A sixteenth of the buffer, so that a window of some segments fits; of these, sizes that the kernel charges fairly.
    const largest = LARGEST - headers
    if (this.#paged && largest <= granted / 16) return largest
    for (const size of BLOCK_FILLING) {
      if (size <= granted / 16) return size
    }
    return ethernet
  }
}

/** The next smaller datagram to try after one of `size` bytes was too large. */
export function nextLowerDatagram(size: number, family: Family): number {
  const headers = headerBytes(family)
  const least = leastMtu(family) - headers
  for (const plateau of PLATEAUS) {
    if (plateau - headers < size) return Math.max(least, plateau - headers)
  }
  return least
}
