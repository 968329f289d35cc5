import { type Seq, seqDiff, seqLt } from '../../wire/index.ts'
import type { TcpMib } from '../host.ts'
import type { AckResult } from './ack-result.ts'

/** How far the network puts segments out of order, as far as it has shown (linux: tcp_check_sack_reordering). */
export class Reordering {
  /** Duplicate ACKs that mean loss: `tcp_reordering` at first, raised up to `tcp_max_reordering`. */
  degree: number
  /** Times that reordering was seen. */
  seen = 0

  constructor(degree: number) {
    this.degree = degree
  }

  /** A segment at `low` arrived after one at `fack`; `byTimestamp`: an echo proved it. */
  check(low: Seq, fack: Seq, mss: number, most: number, byTimestamp: boolean, mib: TcpMib): void {
    if (!seqLt(low, fack)) return
    const degree = Math.ceil(seqDiff(fack, low) / mss)
    if (degree > this.degree) this.degree = Math.min(degree, most)
    this.seen++
    if (byTimestamp) mib.TCPTSReorder++
    else mib.TCPSACKReorder++
  }

  onAck(ack: AckResult, mss: number, most: number, mib: TcpMib): void {
    if (ack.reordered) this.check(ack.reorderedSeq, ack.priorFack, mss, most, false, mib)
  }

  /** Without SACK: more duplicate ACKs than segments could have caused (linux: tcp_check_reno_reordering). */
  renoOverflow(segments: number, most: number, mib: TcpMib): void {
    this.degree = Math.min(Math.max(segments, this.degree), most)
    this.seen++
    mib.TCPRenoReorder++
  }
}
