/** What became of one frame, told when it is settled: on dropping it, or when it leaves. */
export interface Verdict {
  readonly fate: 'passed' | 'dropped'
  /** What dropped it, as the spec would have it (`loss=5%`); empty where nothing did. */
  readonly by: string
  /** Which frame of its connection and direction, from 0, and which copy of it. */
  readonly index: number
  readonly copy: number
  /** Which connection of its path, from 0. */
  readonly connection: number
  /** Microseconds between its coming and its leaving. */
  readonly delayedUs: number
  /** A bit was flipped. */
  readonly corrupted: boolean
  /** Marked with Congestion Experienced. */
  readonly marked: boolean
  /** It overtook, or was overtaken, by choice. */
  readonly reordered: boolean
  /** Made by the impairment itself: a reset, a window update. */
  readonly injected: boolean
}

/** Hears of every frame's verdict. The bytes are borrowed until return, as they were when it was settled. */
export type Observer = (verdict: Verdict, buffer: Buffer, start: number, end: number, nowUs: number) => void
