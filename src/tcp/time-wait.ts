import { Flag, type Segment, type Seq, seqAdd, seqGt, seqLt } from '../wire/index.ts'
import type { Connection } from './connection.ts'

/** All that is left of a connection in TIME_WAIT: enough to answer for it, and to know its old duplicates. */
export interface TimeWaitRecord {
  readonly localPort: number
  readonly remotePort: number
  /** Where our next segment would begin, one behind our FIN. */
  sndNxt: Seq
  /** One behind the peer's FIN. */
  rcvNxt: Seq
  /** The window that we had promised. */
  rcvWnd: number
  /** As it stood in the header. */
  windowField: number
  timestamps: boolean
  tsRecent: Seq
  tsOffset: number
}

/** What it takes to judge a segment. */
export type TimeWaitNumbers = Pick<TimeWaitRecord, 'rcvNxt' | 'timestamps' | 'tsRecent'>
/** What it takes to answer one. */
export type TimeWaitAnswer = Omit<TimeWaitRecord, 'localPort' | 'remotePort' | 'rcvWnd'>

export function timeWaitRecord(c: Connection): TimeWaitRecord {
  const { sender, receiver, timestamps } = c
  const rcvWnd = receiver.rcvWnd
  return {
    localPort: c.localPort,
    remotePort: c.remotePort,
    sndNxt: sender.sndNxt,
    rcvNxt: receiver.rcvNxt,
    rcvWnd,
    windowField: Math.min(65_535, Math.floor(rcvWnd / 2 ** receiver.window.shift)),
    timestamps: timestamps.on,
    tsRecent: timestamps.recent,
    tsOffset: timestamps.offset,
  }
}

/** What a segment means to a record. */
export const TimeWaitVerdict = {
  Ignore: 0,
  /** Answer with an ACK. */
  Ack: 1,
  /** Answer, and begin the 2 MSL again: the peer did not get our last ACK. */
  Restart: 2,
  /** The record ends. */
  Kill: 3,
  /** A new incarnation begins: to the listener with it, if there is one (rfc6191#2, rfc9293#3.6.1 MAY-2). */
  Reopen: 4,
} as const
export type TimeWaitVerdict = (typeof TimeWaitVerdict)[keyof typeof TimeWaitVerdict]

/** rfc9293#3.10.7.4 for TIME-WAIT (linux: tcp_timewait_state_process). `rfc1337`: a RST does not end it (rfc1337#3). */
export function timeWaitArrives(record: TimeWaitNumbers, seg: Segment, rfc1337: boolean): TimeWaitVerdict {
  const old = record.timestamps && seg.hasTimestamps && seqLt(seg.tsVal, record.tsRecent)
  const end = seqAdd(seg.seq, seg.len)
  if (!old && seg.seq === record.rcvNxt && (seg.flags & Flag.RST) !== 0)
    return rfc1337 ? TimeWaitVerdict.Ignore : TimeWaitVerdict.Kill
  if ((seg.flags & Flag.RST) !== 0) return TimeWaitVerdict.Ignore
  if (!old && seg.len === 0 && seg.seq === record.rcvNxt) return TimeWaitVerdict.Ignore

  // rfc9293#3.6.1: newer than anything of the old incarnation, by number or by time.
  if ((seg.flags & (Flag.SYN | Flag.ACK)) === Flag.SYN && !old) {
    const newer =
      seqGt(seg.seq, record.rcvNxt) || (record.timestamps && seg.hasTimestamps && seqLt(record.tsRecent, seg.tsVal))
    if (newer) return TimeWaitVerdict.Reopen
  }
  if ((seg.flags & Flag.FIN) !== 0 && end === record.rcvNxt && !old) return TimeWaitVerdict.Restart
  // A SYN that opens nothing is acknowledged too: the ACK is news to whoever sent it, and its RST ends the record.
  return (seg.flags & (Flag.ACK | Flag.SYN)) !== 0 || old ? TimeWaitVerdict.Ack : TimeWaitVerdict.Ignore
}

/** Fills `out`, ports left out, with the ACK that a record answers with. */
export function timeWaitAck(record: TimeWaitAnswer, out: Segment, nowMs: number): true {
  out.reset()
  out.seq = record.sndNxt
  out.ack = record.rcvNxt
  out.flags = Flag.ACK
  out.wnd = record.windowField
  if (record.timestamps) {
    out.hasTimestamps = true
    out.tsVal = seqAdd(Math.floor(nowMs) as Seq, record.tsOffset)
    out.tsEcr = record.tsRecent
  }
  return true
}
