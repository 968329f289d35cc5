import { readFileSync } from 'node:fs'
import { release } from 'node:os'
import type { ReceiveBudget } from './datagrams.ts'

// linux: what the kernel charges to a receive buffer for one datagram, measured over loopback on 6.18 by filling an unread
// socket, IPv4 and IPv6. The bytes lie in a block whose size is a power of two, with 320 bytes of bookkeeping behind them, and
// the descriptor takes 256 more; above 16,000 bytes they lie in pages, and about 1,000 bytes are added:
//
//     UDP payload       ≤ 160   ≤ 600  ≤ 1,632  ≤ 3,648  ≤ 7,744  ≤ 15,936   26,000   32,256   65,000
//     charged             832   1,280    2,304    4,352    8,450    16,650   26,930   33,220   66,300
//
// Before 5.14 all of a large one lay in one block too, of the next power of two, which had to be found first. A network card's driver takes a
// 2,304-byte block for anything up to 1,500. What is counted here is the larger of all these.
const SMALLEST_CHARGE = 2304
const DESCRIPTOR = 256
/** Headers, alignment and bookkeeping that share the block with the payload. */
const BLOCK_OVERHEAD = 448
/** The same for payload in pages. */
const PAGES_OVERHEAD = 1600
/** Shim, TCP header with every option, for a segment that carries a full MSS. */
const FRAME_OVERHEAD = 64

/**
 * Payload sizes that fill a block: 32, 16, 8 and 4 KB with the overhead taken off. One byte more would double the charge on old
 * kernels, and halve what a receive buffer holds.
 */
export const BLOCK_FILLING = [32_256, 15_872, 7_680, 3_584] as const

/** The usual size of a page; what is said here of larger ones was not measured. */
const PAGE = 4096
/** linux: AT_PAGESZ. */
const AUXV_PAGE_SIZE = 6n

/** Whether this kernel puts large datagrams in pages, so that they may be as long as datagrams can be. */
export const hasPagedDatagrams = process.platform === 'linux' && isSince(release(), 5, 14) && pageSize() === PAGE

/** Whether a kernel of this `version` is `major.minor` or later; not where that cannot be told. */
export function isSince(version: string, major: number, minor: number): boolean {
  const [theirMajor = 0, theirMinor = 0] = version.split('.').map((part) => Number.parseInt(part, 10))
  return theirMajor > major || (theirMajor === major && theirMinor >= minor)
}

/** linux: of a system of 64 bits, little-endian; 0 where it cannot be told. */
function pageSize(): number {
  try {
    const auxv = readFileSync('/proc/self/auxv')
    for (let at = 0; at + 16 <= auxv.length; at += 16) {
      if (auxv.readBigUInt64LE(at) === AUXV_PAGE_SIZE) return Number(auxv.readBigUInt64LE(at + 8))
    }
  } catch {
    // No /proc here.
  }
  return 0
}

/** Bytes that a datagram with `size` bytes of payload takes of the receive buffer. Never less than the kernel's own count. */
export function datagramCharge(size: number, paged: boolean = hasPagedDatagrams): number {
  if (paged && size > BLOCK_FILLING[1]) return size + PAGES_OVERHEAD
  // The next power of two.
  const block = 1 << (32 - Math.clz32(Math.ceil(size + BLOCK_OVERHEAD) - 1))
  return Math.max(SMALLEST_CHARGE, block + DESCRIPTOR, size > BLOCK_FILLING[1] ? size + PAGES_OVERHEAD : 0)
}

/** One UDP socket's share-out. */
export class SocketBudget implements ReceiveBudget {
  readonly granted: number
  users = 0
  // The last answer's question: the same few sizes are asked about again and again.
  #mss = 0
  #promise = 0

  constructor(granted: number) {
    this.granted = granted
  }

  windowLimit(mss: number): number {
    if (mss !== this.#mss) {
      this.#mss = mss
      // linux: udp_rmem_release; what was read is given back to the buffer a quarter of it at a time, as long as more is waiting. That
      // quarter also has room for what no window governs: acknowledgements, handshakes, probes, segments sent twice.
      this.#promise = Math.floor((this.granted - (this.granted >> 2)) / datagramCharge(mss + FRAME_OVERHEAD)) * mss
    }
    // Two segments keep the acknowledgement clock going; less would stall (rfc9293#3.8.6.2.1).
    return Math.max(2 * mss, this.users > 1 ? Math.floor(this.#promise / this.users) : this.#promise)
  }
}
