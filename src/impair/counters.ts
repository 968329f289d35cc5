/** What a pipeline has done since it was made. At any time `in + duplicated + injected === out + dropped + held`. */
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
  /** Frames that were marked (Congestion Experienced) instead of being dropped. */
  marked: number
  /** Frames of our own making: resets, window updates of a slow reader. */
  injected: number
  /** Bytes of the frames that came, and of those that left. */
  inBytes: number
  outBytes: number
  /** Of `dropped`, how many each member of the spec took. */
  droppedBy: Record<string, number>
}

type CounterName = Exclude<keyof ImpairCounters, 'droppedBy'>

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
    marked: 0,
    injected: 0,
    inBytes: 0,
    outBytes: 0,
    droppedBy: {},
  }
}

/** Adds `some` to `sum`. */
export function addCounters(sum: ImpairCounters, some: ImpairCounters): void {
  for (const name of Object.keys(sum) as (keyof ImpairCounters)[]) {
    if (name !== 'droppedBy') sum[name as CounterName] += some[name as CounterName]
  }
  for (const [rule, count] of Object.entries(some.droppedBy)) {
    sum.droppedBy[rule] = (sum.droppedBy[rule] ?? 0) + count
  }
}
