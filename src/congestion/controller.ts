/**
 * What an acknowledgement tells a controller. One record for all connections, filled anew for each call: copy what you keep.
 * Sizes are bytes, times microseconds since the stack began, rates bytes a second.
 */
export interface RateSample {
  now: number
  /** Newly acknowledged in sequence. */
  acked: number
  /** Newly acknowledged by SACK. */
  sacked: number
  /** Newly marked lost. */
  lost: number
  /** Newly delivered in either way: what was selectively acknowledged before does not count again when SND.UNA passes it. */
  delivered: number
  inFlightBefore: number
  inFlight: number
  /** Round-trip time of this acknowledgement, −1 where it gave none. */
  rtt: number
  /** The smallest seen; `Infinity` before the first. */
  minRtt: number
  /** 0 before the first sample. */
  srtt: number
  /** All bytes delivered so far on this connection (C.delivered). */
  totalDelivered: number
  /** `totalDelivered` when the segment now acknowledged was sent. Valid if `interval` is. */
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
  /** In flight, itself included, when the segment now acknowledged was sent (RS.tx_in_flight); 0 unknown. */
  txInFlight: number
  /** Lost since the segment now acknowledged was sent (RS.lost). */
  lostSinceSent: number
  /** All bytes marked lost so far, by timeouts too (C.lost). */
  totalLost: number
  /** Newly reported as marked with Congestion Experienced. */
  ecnMarked: number
  /** When the pacer lets the next segment out; not later than `now` where nothing is held back. */
  nextSendAt: number
}

/** A sample of which nothing is known yet. */
export const newRateSample = (): RateSample => ({
  now: 0,
  acked: 0,
  sacked: 0,
  lost: 0,
  delivered: 0,
  inFlightBefore: 0,
  inFlight: 0,
  rtt: -1,
  minRtt: Number.POSITIVE_INFINITY,
  srtt: 0,
  totalDelivered: 0,
  priorDelivered: 0,
  interval: 0,
  rate: -1,
  appLimited: false,
  cwndLimited: false,
  roundStart: false,
  inRecovery: false,
  mss: 0,
  txInFlight: 0,
  lostSinceSent: 0,
  totalLost: 0,
  ecnMarked: 0,
  nextSendAt: 0,
})

/** Which evidence showed that a reduction had been needless. */
export const UndoKind = { Eifel: 1, DSack: 2, FRto: 3 } as const
export type UndoKind = (typeof UndoKind)[keyof typeof UndoKind]

/**
 * Decides how much may be in flight, and how fast it leaves. Loss recovery decides *what* is sent and never asks.
 *
 * The sender reads `cwnd`, `ssthresh`, `pacingBps` and `ownsRecovery` after each call; all calls but `onAck` are optional. It writes
 * `cwnd` too: in a reduction (unless `ownsRecovery`), when it undoes one, and after idling. A controller imports nothing of a
 * connection, starts no timer and reads no clock, so that a test builds one and nothing else.
 */
export interface CongestionController {
  readonly name: string
  /** Congestion window, bytes; at least one `mss`. */
  cwnd: number
  /** Slow start threshold, bytes; `Infinity` before the first loss. */
  ssthresh: number
  /** Bytes a second; 0 derives the pace from `cwnd` and the smoothed RTT (`tcp_pacing_ss_ratio`, `tcp_pacing_ca_ratio`). */
  pacingBps: number
  /** The controller sets `cwnd` in Recovery and Loss itself, as BBR does; proportional rate reduction and undo stay out. */
  readonly ownsRecovery: boolean
  /** In a word, where it stands (`STARTUP`, `slow start` …), so that a trace can tell of each change. */
  readonly state?: string

  /** `bytes` left; `inFlight` counts them. `appLimited`: samples are, for the application has left gaps. */
  onSent?(now: number, bytes: number, inFlight: number, appLimited?: boolean): void
  onAck(sample: RateSample): void
  /** A loss episode begins. Sets `ssthresh`; called once an episode. */
  onEnterRecovery?(sample: RateSample): void
  /** More loss within the episode. */
  onLost?(sample: RateSample): void
  /** All that was outstanding when the episode began is acknowledged. */
  onExitRecovery?(now: number): void
  /**
   * The retransmission timer expired. Sets `ssthresh` and `cwnd`.
   *
   * @param inFlight before everything outstanding was marked lost
   * @param repeated it had expired already for the same data (rfc5681#3.1)
   */
  onTimeout?(now: number, inFlight: number, repeated: boolean): void
  /** The last reduction was needless: the sender has restored `cwnd` and `ssthresh`; restore the rest. */
  onUndo?(kind: UndoKind): void
  /**
   * The peer reported Congestion Experienced, and no reduction was made for this window of data yet (rfc3168#6.1.2): sets `ssthresh`, as
   * `onEnterRecovery` does, which is called instead where this is missing. `bytes` is what was reported now; `RateSample.ecnMarked`
   * tells of each mark. `sample` is that of the acknowledgement, as far as it is known by then.
   */
  onEcn?(now: number, bytes: number, sample: RateSample): void
  /** Sending resumes after `idleUs` of silence, more than a retransmission timeout. */
  onIdleRestart?(now: number, idleUs: number): void
  /**
   * The segment size changed: windows stand for as many segments as before. `keepBytes`: for as many bytes, since a larger segment only proved to
   * pass, which says nothing of how much may be in flight (rfc4821#6.4, linux: tcp_mtup_probe_success).
   */
  onMss?(mss: number, keepBytes?: boolean): void
  /** What `info().cc` shows. */
  info?(): Record<string, number | string | boolean>
}

/** What a controller is made from. */
export interface ControllerEnvironment {
  mss: number
  now: number
  /** Window to begin with, bytes: `tcp_init_cwnd`, or that of the controller it takes over from. */
  initialWindow: number
  /** Uniform in [0, 1). */
  random: () => number
  /** Settings of this controller; each names its own and refuses bad values by throwing a `TypeError`. */
  options: Readonly<Record<string, unknown>>
  /** Smoothed and smallest round-trip time where already known: of the handshake, or of a connection that runs. */
  srtt?: number
  minRtt?: number
  /** Where to count how slow start ended; absent: nowhere. */
  counters?: SlowStartCounters
}

/** How often slow start ended by a train of ACKs and by a rise of the round trip, and the sum of the windows then, segments (linux: hystart_update). */
export interface SlowStartCounters {
  TCPHystartTrainDetect: number
  TCPHystartTrainCwnd: number
  TCPHystartDelayDetect: number
  TCPHystartDelayCwnd: number
}

export type ControllerFactory = (environment: ControllerEnvironment) => CongestionController
