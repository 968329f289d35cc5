// What Linux charges a UDP socket's receive buffer for, measured on 6.18 over loopback with the default of 212,992 bytes, which
// holds 256 datagrams of 100 bytes, 166 of 400, 92 of 1,400, 48 of 3,000, 25 of 6,000, 12 of 16,000, 6 of 32,000, 3 of 65,000.

/** struct sk_buff. */
const SKB = 256
/** struct skb_shared_info, headers and alignment, which share the data's allocation. */
const OVERHEAD = 380
/** The slab for small heads. */
const SMALL_HEAD = 576
/** Data beyond this lies in pages and is charged about as it is. */
const LARGEST_HEAD = 16_384

/** Bytes of receive buffer that a datagram of so many bytes takes. */
export function truesize(length: number): number {
  const head = length + OVERHEAD
  if (head <= SMALL_HEAD) return SKB + SMALL_HEAD
  if (head > LARGEST_HEAD) return SKB + length + 512
  return SKB + 2 ** (32 - Math.clz32(head - 1))
}
