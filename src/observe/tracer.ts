import type { Segment } from '../wire/segment.ts'

/** Between which UDP addresses a frame goes: a path is such a pair. */
export interface Ends {
  readonly family: 'IPv4' | 'IPv6'
  readonly localAddress: string
  readonly localPort: number
  readonly remoteAddress: string
  readonly remotePort: number
}

/** What impairment did to one frame. */
export interface FrameVerdict {
  readonly fate: 'passed' | 'dropped'
  /** What dropped it, as the spec has it (`loss=5%`); empty where nothing did. */
  readonly by: string
  /** Which frame of its connection and direction, from 0, which copy of it, and which connection of its path. */
  readonly index: number
  readonly copy: number
  readonly connection: number
  /** Microseconds between its coming and its leaving. */
  readonly delayedUs: number
  readonly corrupted: boolean
  readonly marked: boolean
  readonly reordered: boolean
  /** Made by the impairment itself: a reset, a window update. */
  readonly injected: boolean
}

/**
 * Hears of every segment and every decision of a connection. Called as `if (tracer !== null) tracer.x(…)`, with numbers and
 * references only, so that it costs nothing when absent. Nothing passed may be kept past the call.
 */
export interface Tracer {
  /** `id` tells the connections of a stack apart; times are microseconds since the stack began. */
  segmentSent(id: number, now: number, segment: Segment, retransmission: boolean): void
  segmentReceived(id: number, now: number, segment: Segment): void
  stateChanged(id: number, now: number, from: number, to: number): void
  /** The congestion state moved (Open, Disorder, CWR, Recovery, Loss). */
  caStateChanged(id: number, now: number, from: number, to: number, reason: string): void
  cwndChanged(id: number, now: number, cwnd: number, ssthresh: number, reason: string): void
  timerFired(id: number, now: number, timer: string): void
  /** The congestion controller `name` moved between states of its own: `STARTUP`, `slow start` …; '' where it names none. */
  ccStateChanged?(id: number, now: number, from: string, to: string, name: string): void
  /** An error that does not end the connection: the path's refusal, or R1 passed (rfc9293#3.8.3 SHLD-9). `reason` is a `CloseReason`. */
  softError?(id: number, now: number, reason: number): void
  /** The peer has urgent data, or more of it; `bytes` until its end are still to be read (rfc9293#3.8.5 MUST-32). */
  urgentData?(id: number, now: number, bytes: number): void
  /**
   * The peer seems to be heard from another address. `what` became of that: `asked` by a probe, `moved` there, `forgotten`, or `ignored`, and why.
   */
  pathEvent?(id: number, now: number, what: string, ends: Ends, reason: string): void

  // Below the connections, whole segments as bytes, those of no connection (answers of listeners, resets, TIME_WAIT) included. What
  // lies at `buffer[start … end)` is borrowed until return.

  /** A segment leaves the stack; its impairment, if any, may still delay it. Not called for what the impairment drops at once. */
  frameSent?(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void
  /** A segment reaches the stack, past its impairment. */
  frameReceived?(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void
  /** The impairment of this stack dropped a segment; `rule` says by what, `seed` decided it. */
  frameDropped?(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    rule: string,
    seed: number,
  ): void
  /** The verdict of the impairment on every segment that it was shown, and on every copy: `frameDropped` is a part of this. */
  frameImpaired?(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    verdict: FrameVerdict,
    seed: number,
  ): void
}
