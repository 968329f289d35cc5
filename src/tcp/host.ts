import type { CongestionController, ControllerEnvironment } from '../congestion/index.ts'
import type { Tracer } from '../observe/tracer.ts'
import type { Segment } from '../wire/index.ts'

/**
 * Where a connection writes its segments: a slot of the batch that leaves at the end of the turn. `reserve` first, then write
 * at `buffer[offset …]`, then `commit` what was written.
 */
export interface SegmentSink {
  /** Makes room for a segment of `size` bytes. False: the path takes no more now, and calls back when it does. */
  reserve(size: number): boolean
  /** Valid after `reserve` returned true, until `commit`. */
  readonly buffer: Buffer
  readonly offset: number
  /** `ect`: the segment is ECN-capable. */
  commit(size: number, ect?: boolean): void
  /** Number of the batch that is being written, from 1 on. */
  readonly batch: number
  /** That batch has been sent off, and waits below for the system to take it. True: the owner pulls again when it no longer does. */
  isWaiting(batch: number): boolean
  /** Payload need not be copied into the slot of `reserve`: `lend` says where it is. Absent: it must. */
  readonly lends?: boolean
  /** `size` bytes for `buffer[at …)`, within the slot, are at `source[start …)`, and stay there until the batch is sent off. */
  lend?(at: number, source: Buffer, start: number, size: number): void
  /** `reserve` for as many as `count` segments of `size` bytes, whose slots begin `stride` apart; returns for how many. Absent: one by one. */
  reserveRun?(size: number, count: number): number
  readonly stride?: number
  /** `commit` for the first `count` of them. */
  commitRun?(size: number, count: number, ect: boolean): void
}

/** The parameters that a connection obeys, by Linux's names, units and defaults; read anew each time they matter. */
export interface TcpSysctl {
  readonly tcp_syn_retries: number
  readonly tcp_syn_linear_timeouts: number
  readonly tcp_synack_retries: number
  readonly tcp_orphan_retries: number
  /** Seconds. */
  readonly tcp_fin_timeout: number
  readonly tcp_retries1: number
  readonly tcp_retries2: number
  readonly tcp_rto_min_us: number
  readonly tcp_rto_max_ms: number
  readonly rto_algorithm: string
  readonly tcp_thin_linear_timeouts: number
  readonly tcp_mtu_probing: number
  readonly tcp_base_mss: number
  /** Seconds. */
  readonly tcp_probe_interval: number
  readonly tcp_reordering: number
  readonly tcp_max_reordering: number
  readonly tcp_sack: number
  readonly tcp_dsack: number
  readonly tcp_fack: number
  readonly tcp_recovery: number
  readonly tcp_early_retrans: number
  readonly tcp_ecn: number
  readonly tcp_frto: number
  readonly cwnd_reduction: string
  readonly tcp_timestamps: number
  readonly tcp_window_scaling: number
  /** min, default, max. */
  readonly tcp_rmem: readonly [number, number, number]
  readonly tcp_wmem: readonly [number, number, number]
  readonly tcp_moderate_rcvbuf: number
  readonly tcp_adv_win_scale: number
  readonly tcp_app_win: number
  readonly tcp_notsent_lowat: number
  readonly tcp_autocorking: number
  readonly tcp_delack_min_ms: number
  readonly tcp_delack_max_ms: number
  readonly tcp_pingpong_thresh: number
  /** Seconds. */
  readonly tcp_keepalive_time: number
  readonly tcp_keepalive_intvl: number
  readonly tcp_keepalive_probes: number
  readonly tcp_congestion_control: string
  readonly tcp_init_cwnd: number | 'rfc3390'
  readonly tcp_pacing: number
  readonly tcp_pacing_ss_ratio: number
  readonly tcp_pacing_ca_ratio: number
  readonly tcp_cubic_hystart: string
  readonly tcp_slow_start_after_idle: number
  readonly tcp_invalid_ratelimit: number
  readonly newreno_exit: number
  readonly icmp_refused_limit: number
  readonly tcp_max_ooo: number | 'rcvbuf'
}

/** The counters that a connection moves, by the kernel's names; plain fields of the stack's MIB. */
export interface TcpMib {
  ActiveOpens: number
  PassiveOpens: number
  AttemptFails: number
  EstabResets: number
  CurrEstab: number
  OutSegs: number
  RetransSegs: number
  InErrs: number
  OutRsts: number
  DelayedACKs: number
  DelayedACKLost: number
  TCPPureAcks: number
  TCPTimeouts: number
  TCPFastRetrans: number
  TCPSlowStartRetrans: number
  TCPRenoRecovery: number
  TCPSackRecovery: number
  TCPSackFailures: number
  TCPSACKReneging: number
  TCPSACKReorder: number
  TCPRenoReorder: number
  TCPTSReorder: number
  TCPFullUndo: number
  TCPPartialUndo: number
  TCPDSACKUndo: number
  TCPLostRetransmit: number
  TCPLossProbes: number
  TCPLossProbeRecovery: number
  TCPRenoRecoveryFail: number
  TCPSackRecoveryFail: number
  TCPDSACKOldSent: number
  TCPDSACKOfoSent: number
  TCPDSACKRecv: number
  TCPDSACKOfoRecv: number
  TCPDSACKIgnoredNoUndo: number
  TCPDSACKRecvSegs: number
  TCPSpuriousRTOs: number
  TCPRenoFailures: number
  TCPLossFailures: number
  TCPLossUndo: number
  TCPAbortOnData: number
  TCPAbortOnClose: number
  TCPAbortOnTimeout: number
  TCPAbortOnLinger: number
  TCPFastOpenActive: number
  TCPFastOpenActiveFail: number
  TCPRetransFail: number
  TCPRcvCoalesce: number
  TCPOFOQueue: number
  TCPOFODrop: number
  TCPOFOMerge: number
  TCPChallengeACK: number
  TCPSYNChallenge: number
  TCPWinProbe: number
  TCPKeepAlive: number
  TCPMTUPFail: number
  TCPMTUPSuccess: number
  TCPAutoCorking: number
  TCPFromZeroWindowAdv: number
  TCPToZeroWindowAdv: number
  TCPWantZeroWindowAdv: number
  TCPZeroWindowDrop: number
  TCPRcvQDrop: number
  TCPOrigDataSent: number
  TCPHystartTrainDetect: number
  TCPHystartTrainCwnd: number
  TCPHystartDelayDetect: number
  TCPHystartDelayCwnd: number
  TCPDelivered: number
  TCPDeliveredCE: number
  TCPSynRetrans: number
  TCPACKSkippedSeq: number
  TCPACKSkippedSynRecv: number
  TCPACKSkippedPAWS: number
  TCPACKSkippedFinWait2: number
  TCPACKSkippedChallenge: number
  PAWSEstab: number
  PAWSActive: number
}

/** What the stack's connections hold together, against `tcp_mem`. */
export interface TcpMemory {
  /** It is short: buffers do not grow. */
  readonly pressure: boolean
  /** There is none left: what comes is taken only where nothing else waits to be read. */
  readonly isFull: boolean
}

/** What a connection needs from the stack that it lives in. */
export interface TcpHost {
  readonly sysctl: TcpSysctl
  readonly mib: TcpMib
  readonly tracer: Tracer | null
  /** Filled by the connection for each segment that it writes. */
  readonly outSegment: Segment
  readonly memory: TcpMemory
  /** Whether the stack may send one more challenge ACK in this second (`tcp_challenge_ack_limit`); counts it. */
  mayChallenge(now: number): boolean
  /** Uniform in [0, 1); never used for what must not be guessed. */
  random(): number
  createCongestionControl(name: string, environment: ControllerEnvironment): CongestionController
}
