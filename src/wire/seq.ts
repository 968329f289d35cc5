// Sequence numbers live on a circle of 2^32 (rfc9293#3.4). They are kept as int32, which V8 holds as small integers, and
// every comparison is the sign of a difference. Nothing outside this file does arithmetic on them.

declare const seqBrand: unique symbol

/** A TCP sequence number as int32. Printed with {@link seqPrint}, made and compared only by the functions of this file. */
export type Seq = number & { readonly [seqBrand]: true }

/** Any number, taken modulo 2^32. */
export const toSeq = (n: number): Seq => (n | 0) as Seq

/** The number that people and packets show: 0 … 2^32 − 1. */
export const seqPrint = (a: Seq): number => a >>> 0

/** `n` may be any whole number, also beyond 2^32. */
export const seqAdd = (a: Seq, n: number): Seq => ((a + n) | 0) as Seq

/** How far `a` lies ahead of `b`; negative when it lies behind. Meaningful up to 2^31 − 1 either way. */
export const seqDiff = (a: Seq, b: Seq): number => (a - b) | 0

export const seqLt = (a: Seq, b: Seq): boolean => ((a - b) | 0) < 0
export const seqLeq = (a: Seq, b: Seq): boolean => ((a - b) | 0) <= 0
export const seqGt = (a: Seq, b: Seq): boolean => ((a - b) | 0) > 0
export const seqGeq = (a: Seq, b: Seq): boolean => ((a - b) | 0) >= 0
export const seqMax = (a: Seq, b: Seq): Seq => (((a - b) | 0) >= 0 ? a : b)
export const seqMin = (a: Seq, b: Seq): Seq => (((a - b) | 0) <= 0 ? a : b)

/** Whether `x` lies in the half-open range `[low, high)`. */
export const seqIn = (low: Seq, x: Seq, high: Seq): boolean => (x - low) >>> 0 < (high - low) >>> 0
