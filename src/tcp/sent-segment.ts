import { type Seq, seqDiff } from '../wire/index.ts'

/** What became of a segment sent, as bits of `SentSegment.state` (linux: TCPCB_*). */
export const Sent = {
  /** Selectively acknowledged. */
  Sacked: 1,
  /** Believed lost. */
  Lost: 2,
  /** A retransmission of it is in flight. */
  Retrans: 4,
  /** It was retransmitted at least once: Karn's rule forbids to time it. */
  EverRetrans: 8,
} as const

/** One segment in flight, or several of one size that left together. Records are used again: a reference is good until the segment is acknowledged. */
export class SentSegment {
  seq: Seq = 0 as Seq
  /** Sequence number behind the segment; `end - seq` counts SYN and FIN. */
  end: Seq = 0 as Seq
  state = 0
  /** SYN or FIN, of `Flag`. */
  flags = 0
  /** When it was sent last, µs. */
  xmitTs = 0
  /** When it was sent first. */
  firstXmitTs = 0
  /** Times it was retransmitted. */
  retransmissions = 0
  /** State of the rate sample when it was sent last (draft-cheng-iccrg-delivery-rate-estimation#3.1). */
  delivered = -0
  deliveredTs = 0
  firstSentTs = 0
  appLimited = false
  txInFlight = 0
  lost = 0
  /** Neighbours in the order of transmission, while it may be found late; see `Scoreboard.eldest`. */
  older: SentSegment | null = null
  younger: SentSegment | null = null
  isWatched = false
  /** So many segments, each of `size` bytes. */
  count = 1
  size = 0

  get length(): number {
    return seqDiff(this.end, this.seq)
  }
}

/** Sent, and neither delivered nor, since it was sent last, believed lost. */
export const inNetwork = ({ state }: SentSegment): boolean =>
  (state & Sent.Sacked) === 0 && (state & (Sent.Lost | Sent.Retrans)) !== Sent.Lost

/** Records that nobody uses, for whoever needs some next: so many at most, 4 MB. */
const MOST_SPARE_RECORDS = 32_768

const spareRecords: SentSegment[] = []

export function takeRecord(): SentSegment {
  return spareRecords.pop() ?? new SentSegment()
}

export function giveBack(segment: SentSegment): void {
  if (spareRecords.length < MOST_SPARE_RECORDS) spareRecords.push(segment)
}
