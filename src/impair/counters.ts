/** What a pipeline has done since it was made. At any time `in + duplicated === out + dropped + held`. */
export interface ImpairCounters {
  /** Frames that came. */
  in: number
  /** Frames that left. */
  out: number
  /** Frames now kept. */
  held: number
  /** Frames dropped, for whatever reason. */
  dropped: number
  /** Of those, for want of room in the queue of a rate limit. */
  overflowed: number
  duplicated: number
  corrupted: number
  /** Frames chosen to be out of order; jitter reorders without being counted here. */
  reordered: number
  /** Frames that did not pass at once. */
  delayed: number
}

export function makeCounters(): ImpairCounters {
  return {
    in: 0,
    out: 0,
    held: 0,
    dropped: 0,
    overflowed: 0,
    duplicated: 0,
    corrupted: 0,
    reordered: 0,
    delayed: 0,
  }
}
