// What Linux charges a UDP socket's receive buffer for a datagram: measured on 6.18 over loopback, to the byte where its size
// classes show.

/** struct sk_buff. */
const SKB = 256
/** Headers and struct skb_shared_info, which share the allocation with the data. */
const OVERHEAD = 380
/** The slab for small heads. */
const SMALL_HEAD = 576
/** With more data than fits this the head stays small, and the data in its pages is charged as it is. */
const LARGEST_HEAD = 16_384

/** Bytes of receive buffer that a datagram of so many bytes takes. */
export function truesize(length: number): number {
  const head = length + OVERHEAD
  if (head <= SMALL_HEAD) return SKB + SMALL_HEAD
  if (head > LARGEST_HEAD) return SKB + SMALL_HEAD + length
  return SKB + 2 ** (32 - Math.clz32(head - 1))
}
