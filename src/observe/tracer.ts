import type { Segment } from '../wire/segment.ts'

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
  /** An error that does not end the connection: the path's refusal, or R1 passed (rfc9293#3.8.3 SHLD-9). `reason` is a `CloseReason`. */
  softError?(id: number, now: number, reason: number): void
  /** The peer has urgent data, or more of it; `bytes` until its end are still to be read (rfc9293#3.8.5 MUST-32). */
  urgentData?(id: number, now: number, bytes: number): void
}
