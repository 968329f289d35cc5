/** Connection states (rfc9293#3.3.2) under Linux's numbers, as `info().state` shows them. */
export const State = {
  ESTABLISHED: 1,
  SYN_SENT: 2,
  SYN_RECV: 3,
  FIN_WAIT1: 4,
  FIN_WAIT2: 5,
  TIME_WAIT: 6,
  CLOSE: 7,
  CLOSE_WAIT: 8,
  LAST_ACK: 9,
  LISTEN: 10,
  CLOSING: 11,
} as const
export type State = (typeof State)[keyof typeof State]

/** Congestion states (linux: enum tcp_ca_state). */
export const CaState = {
  /** All is well. */
  Open: 0,
  /** Duplicate ACKs or SACKs have been seen; nothing is believed lost yet. */
  Disorder: 1,
  /** The window is being reduced for another reason than loss. */
  CWR: 2,
  /** Fast retransmission is under way. */
  Recovery: 3,
  /** The retransmission timer went off. */
  Loss: 4,
} as const
export type CaState = (typeof CaState)[keyof typeof CaState]

/** What a connection has to tell its owner, as a set of bits; taken once a turn. */
export const Event = {
  Connected: 1,
  Readable: 2,
  Writable: 4,
  /** All data of the peer was received and its FIN with it. */
  PeerFinished: 8,
  Closed: 16,
} as const

/** Why a connection ended. Only the `net` layer makes errors of these. */
export const CloseReason = {
  None: 0,
  /** Both sides finished. */
  Normal: 1,
  Reset: 2,
  /** A RST or a refused path answered the SYN. */
  Refused: 3,
  /** Retransmission or keepalive gave up on an established connection. */
  TimedOut: 4,
  NetUnreachable: 5,
  HostUnreachable: 6,
  /** By the application itself. */
  Aborted: 7,
  /** The SYN was never answered. */
  ConnectTimedOut: 8,
} as const
export type CloseReason = (typeof CloseReason)[keyof typeof CloseReason]

const bit = (...states: State[]): number => states.reduce((set, state) => set | (1 << state), 0)

const SYNCHRONIZED = bit(
  State.ESTABLISHED,
  State.FIN_WAIT1,
  State.FIN_WAIT2,
  State.CLOSE_WAIT,
  State.LAST_ACK,
  State.CLOSING,
  State.TIME_WAIT,
)
const MAY_RECEIVE = bit(State.ESTABLISHED, State.FIN_WAIT1, State.FIN_WAIT2)
const MAY_SEND = bit(State.ESTABLISHED, State.CLOSE_WAIT)
const HAS_SEND_QUEUE = bit(State.ESTABLISHED, State.CLOSE_WAIT, State.FIN_WAIT1, State.CLOSING, State.LAST_ACK)

/** rfc9293#3.5.2: the states in which both sides have agreed on sequence numbers. */
export const isSynchronized = (state: State): boolean => ((SYNCHRONIZED >> state) & 1) === 1
/** The peer may still send data. */
export const mayReceive = (state: State): boolean => ((MAY_RECEIVE >> state) & 1) === 1
/** The application may still queue data. */
export const maySend = (state: State): boolean => ((MAY_SEND >> state) & 1) === 1
/** Queued data or the FIN may have to be sent, for the first time or again. */
export const maySendQueued = (state: State): boolean => ((HAS_SEND_QUEUE >> state) & 1) === 1

const NAMES: Record<State, string> = {
  1: 'ESTABLISHED',
  2: 'SYN_SENT',
  3: 'SYN_RECV',
  4: 'FIN_WAIT1',
  5: 'FIN_WAIT2',
  6: 'TIME_WAIT',
  7: 'CLOSE',
  8: 'CLOSE_WAIT',
  9: 'LAST_ACK',
  10: 'LISTEN',
  11: 'CLOSING',
}
export const stateName = (state: State): string => NAMES[state]
