import { Flag, type Segment, type Seq, seqAdd, seqGt, seqLt } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { acceptsEcn, Ecn } from './ecn.ts'
import type { TcpSysctl } from './host.ts'
import { MIN_MSS } from './sender.ts'
import { State } from './state.ts'
import { MAX_UNSCALED_WINDOW, MAX_WINDOW_SHIFT, promisedOf, windowOfBuffer } from './window.ts'

// A handshake that a listener takes part in, before there is a connection: SYN-RECEIVED of rfc9293#3.10.7.4, for a record that holds no more
// than the numbers of the two SYNs (linux: request_sock, tcp_check_req).

/** What both sides' SYNs agreed on. */
export interface SynOptions {
  /** MSS option of the peer; −1: none. */
  readonly mss: number
  /** Shift of the peer's windows; −1: no scaling. */
  readonly wscale: number
  readonly sackPermitted: boolean
  readonly hasTimestamps: boolean
  readonly tsVal: Seq
  readonly checksumOffload: boolean
  /** Explicit congestion notification. */
  readonly ecn: boolean
}

/** A handshake under way. */
export interface SynRecord extends SynOptions {
  readonly iss: Seq
  readonly irs: Seq
  /** Window of our SYN-ACK. */
  readonly wnd: number
  /** SYN-ACK retransmissions made. */
  readonly retries: number
  /** When the first SYN-ACK was sent, µs; −1: not known (a cookie). */
  readonly sentAt: number
}

/** What a listener would answer to a SYN. */
export interface SynPolicy {
  /** As for SO_RCVBUF, doubled; undefined follows `tcp_rmem`. */
  readonly rcvbuf?: number | undefined
  readonly mss?: number | undefined
}

/** The options of `seg` that we go along with (rfc9293#3.10.7.2, rfc7323#2.2, rfc2018#2). */
export function agree(seg: Segment, sysctl: TcpSysctl, offload: boolean, ecn: boolean): SynOptions {
  const hasTimestamps = seg.hasTimestamps && sysctl.tcp_timestamps !== 0
  return {
    mss: seg.mss < 0 ? -1 : Math.max(seg.mss, MIN_MSS),
    wscale: seg.wscale >= 0 && sysctl.tcp_window_scaling === 1 ? Math.min(seg.wscale, MAX_WINDOW_SHIFT) : -1,
    sackPermitted: seg.sackPermitted && sysctl.tcp_sack === 1,
    hasTimestamps,
    tsVal: hasTimestamps ? seg.tsVal : (0 as Seq),
    checksumOffload: seg.checksumOffload && offload,
    ecn: acceptsEcn(seg, sysctl.tcp_ecn, ecn),
  }
}

/** The window of a SYN-ACK, which is never scaled. */
export function synWindow(policy: SynPolicy, sysctl: TcpSysctl, receiveLimit: number): number {
  const buffer = policy.rcvbuf === undefined ? sysctl.tcp_rmem[1] : policy.rcvbuf * 2
  const own = promisedOf(windowOfBuffer(buffer, sysctl.tcp_adv_win_scale), sysctl.tcp_app_win)
  return Math.floor(Math.min(own, receiveLimit, MAX_UNSCALED_WINDOW))
}

/**
 * Fills `out`, ports left out, with the SYN-ACK of a record (linux: tcp_make_synack).
 *
 * @param mss what to announce
 * @param shift of our windows, where scaling was agreed on
 */
export function fillSynAck(record: SynRecord, out: Segment, mss: number, shift: number, tsVal: Seq): true {
  out.reset()
  out.seq = record.iss
  out.ack = seqAdd(record.irs, 1)
  out.flags = Flag.SYN | Flag.ACK | (record.ecn ? Flag.ECE : 0)
  out.wnd = record.wnd
  out.mss = mss
  out.sackPermitted = record.sackPermitted
  if (record.wscale >= 0) out.wscale = shift
  if (record.hasTimestamps) {
    out.hasTimestamps = true
    out.tsVal = tsVal
    out.tsEcr = record.tsVal
  }
  out.checksumOffload = record.checksumOffload
  return true
}

/** Fills `out` with an ACK that says where a handshake stands. */
export function fillSynRecvAck(record: SynRecord, out: Segment, shift: number, tsVal: Seq): true {
  out.reset()
  out.seq = seqAdd(record.iss, 1)
  out.ack = seqAdd(record.irs, 1)
  out.flags = Flag.ACK
  out.wnd = record.wscale >= 0 ? record.wnd >> shift : record.wnd
  if (record.hasTimestamps) {
    out.hasTimestamps = true
    out.tsVal = tsVal
    out.tsEcr = record.tsVal
  }
  return true
}

/** What a segment means to a handshake under way. */
export const SynVerdict = {
  Ignore: 0,
  /** The SYN once more: so is our answer. */
  SynAck: 1,
  /** Out of its window, or too old: tell where we stand, not too often. */
  Ack: 2,
  /** The same, for it is older than what came before in time. */
  Old: 3,
  /** A RST or SYN that only somebody off the path would send so: challenge it (rfc5961). */
  Challenge: 4,
  /** The peer will have none of it. */
  Refused: 5,
  /** It acknowledges what was never sent. */
  Reset: 6,
  /** The handshake's last. */
  Complete: 7,
} as const
export type SynVerdict = (typeof SynVerdict)[keyof typeof SynVerdict]

export function synRecvArrives(record: SynRecord, seg: Segment): SynVerdict {
  const { flags } = seg
  const rst = (flags & Flag.RST) !== 0
  const old = record.hasTimestamps && seg.hasTimestamps && !rst && seqLt(seg.tsVal, record.tsVal)
  if ((flags & (Flag.SYN | Flag.ACK | Flag.RST)) === Flag.SYN && seg.seq === record.irs && !old)
    return SynVerdict.SynAck
  const rcvNxt = seqAdd(record.irs, 1)
  // linux: before the window is looked at, so that an ACK of another life finds nobody here.
  if (!rst && (flags & Flag.ACK) !== 0 && seg.ack !== seqAdd(record.iss, 1)) return SynVerdict.Reset
  if (old) return SynVerdict.Old
  const end = seqAdd(seg.seq, seg.len)
  if (seqLt(end, rcvNxt) || seqGt(seg.seq, seqAdd(rcvNxt, record.wnd))) return rst ? SynVerdict.Ignore : SynVerdict.Ack
  if (rst) return seg.seq === rcvNxt ? SynVerdict.Refused : SynVerdict.Challenge
  if ((flags & Flag.SYN) !== 0) return SynVerdict.Challenge
  return (flags & Flag.ACK) === 0 ? SynVerdict.Ignore : SynVerdict.Complete
}

/** Makes of a new connection the one that a record stands for, in SYN_RECV: the segment that completes the handshake comes next. */
export function openFromSynRecv(c: Connection, record: SynRecord, now: number): void {
  const { sender, receiver, timestamps } = c
  c.passive = true
  receiver.start(record.irs)
  if (record.mss >= 0) c.peerMss = record.mss
  if (record.wscale >= 0) {
    c.windowScaling = true
    sender.sndWindShift = record.wscale
    receiver.window.shift = c.offeredShift
  }
  c.sackOk = record.sackPermitted
  sender.board.reno = !c.sackOk
  timestamps.on = record.hasTimestamps
  if (timestamps.on) {
    timestamps.start(record.tsVal, now)
    timestamps.lastAckSent = receiver.rcvNxt
  }
  c.checksumOffload = record.checksumOffload
  c.ecn = record.ecn ? new Ecn() : null
  c.updateMss()
  // What our SYN-ACK promised, whatever could be promised by now.
  receiver.window.rcvAcc = seqAdd(receiver.rcvNxt, record.wnd)
  sender.sndWl1 = record.irs
  sender.onSent(0, Flag.SYN, 1, record.sentAt < 0 ? now : record.sentAt)
  c.synRetries = record.retries
  // Karn: no telling which of them is answered; and nobody knows when a cookie left.
  if (record.retries > 0 || record.sentAt < 0) sender.board.markRetransmitted(sender.board.head, now)
  c.setState(State.SYN_RECV, now)
}
