/**
 * What an acknowledgement tells a controller. One record per connection, filled anew for each call: copy what you keep.
 * Sizes are bytes, times microseconds, rates bytes a second.
 */
export interface RateSample {
  now: number
  /** Newly acknowledged in sequence. */
  acked: number
  /** Newly acknowledged by SACK. */
  sacked: number
  /** Newly marked lost. */
  lost: number
  /** Newly delivered in either way. */
  delivered: number
  inFlightBefore: number
  inFlight: number
  /** Round-trip time of this acknowledgement, −1 where it gave none. */
  rtt: number
  minRtt: number
  /** 0 before the first sample. */
  srtt: number
  /** All bytes delivered so far on this connection (C.delivered). */
  totalDelivered: number
  /** `totalDelivered` when the segment now acknowledged was sent. */
  priorDelivered: number
  /** The span over which `rate` was measured; 0 when there is no valid sample. */
  interval: number
  /** Delivery rate, −1 where not known. */
  rate: number
  /** The sample was taken while the application, not the network, set the pace. */
  appLimited: boolean
  /** The window was the limit since the last acknowledgement (rfc2861): only then may it grow. */
  cwndLimited: boolean
  /** A packet-timed round trip began with this acknowledgement. */
  roundStart: boolean
  /** A reduction is under way (CWR or Recovery): the window is not to grow. */
  inRecovery: boolean
  mss: number
}

/** Which evidence showed that a reduction had been needless. */
export const UndoKind = { Eifel: 1, DSack: 2, FRto: 3 } as const
export type UndoKind = (typeof UndoKind)[keyof typeof UndoKind]

/**
 * Decides how much may be in flight, and how fast it leaves. Loss recovery decides *what* is sent and never asks.
 *
 * The sender reads `cwnd`, `ssthresh`, `pacingBps` and `ownsRecovery` after each call; all calls but `onAck` are optional. A
 * controller imports nothing of a connection, starts no timer and reads no clock, so that a test builds one and nothing else.
 */
export interface CongestionController {
  readonly name: string
  /** Congestion window, bytes; at least one `mss`. */
  cwnd: number
  /** Slow start threshold, bytes; `Infinity` before the first loss. */
  ssthresh: number
  /** Bytes a second; 0 derives the pace from `cwnd` and the smoothed RTT (`tcp_pacing_ss_ratio`, `tcp_pacing_ca_ratio`). */
  pacingBps: number
  /** The controller sets `cwnd` in Recovery and Loss itself, as BBR does; proportional rate reduction stays out. */
  readonly ownsRecovery: boolean

  onSent?(now: number, bytes: number, inFlight: number): void
  onAck(sample: RateSample): void
  /** A loss episode begins. Sets `ssthresh`; called once an episode. */
  onEnterRecovery?(sample: RateSample): void
  /** More loss within the episode. */
  onLost?(sample: RateSample): void
  /** All that was outstanding when the episode began is acknowledged. */
  onExitRecovery?(now: number): void
  /** The retransmission timer expired; `repeated` when it had already for the same data (rfc5681#3.1). */
  onTimeout?(now: number, inFlight: number, repeated: boolean): void
  /** The last reduction was needless: the sender has restored `cwnd` and `ssthresh`; restore the rest. */
  onUndo?(kind: UndoKind): void
  /** `bytes` were reported as marked with Congestion Experienced. */
  onEcn?(now: number, bytes: number): void
  /** Sending resumes after `idleUs` of silence. */
  onIdleRestart?(now: number, idleUs: number): void
  /** The segment size changed. */
  onMss?(mss: number): void
  /** What `info().cc` shows. */
  info?(): Record<string, number | string | boolean>
}

/** What a controller is made from. */
export interface ControllerEnvironment {
  mss: number
  now: number
  /** Initial window, bytes (`tcp_init_cwnd`). */
  initialWindow: number
  /** Uniform in [0, 1). */
  random: () => number
  options: Readonly<Record<string, unknown>>
}

export type ControllerFactory = (environment: ControllerEnvironment) => CongestionController
