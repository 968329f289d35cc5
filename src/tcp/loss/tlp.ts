import { type Seq, seqGt, seqLt } from '../../wire/index.ts'
import type { AckResult } from './ack-result.ts'

/** linux: TCP_RTO_MIN stands for the peer's longest delayed ACK. */
const MAX_ACK_DELAY_US = 200_000
/** linux: TCP_TIMEOUT_MIN */
const TIMER_MIN_US = 2000
/** rfc8985#7.2: without a round-trip time. */
const PTO_INITIAL_US = 1_000_000

/** What an ACK says of the probe. */
export const TlpVerdict = {
  /** Nothing yet. */
  None: 0,
  /** Probe and original both arrived: nothing was lost. */
  NoLoss: 1,
  /** The probe filled a hole: the loss it repaired counts as one. */
  Repaired: 2,
} as const
export type TlpVerdict = (typeof TlpVerdict)[keyof typeof TlpVerdict]

/** rfc8985#7.2 TLP_calc_PTO, as Linux rounds it, µs from now. */
export function probeDelay(srtt: number, segmentsOut: number): number {
  if (srtt === 0) return PTO_INITIAL_US
  return 2 * srtt + (segmentsOut === 1 ? MAX_ACK_DELAY_US : TIMER_MIN_US)
}

/**
 * The tail loss probe that is out (rfc8985#7): when the end of a flight is lost nothing comes after it that could tell; so something is sent.
 */
export class Tlp {
  /** TLP.end_seq: SND.NXT when the probe was sent. */
  readonly endSeq: Seq
  /** TLP.is_retrans: the probe was old data. */
  readonly isRetrans: boolean

  constructor(endSeq: Seq, isRetrans: boolean) {
    this.endSeq = endSeq
    this.isRetrans = isRetrans
  }

  /** rfc8985#7.4.2 TLP_process_ack */
  onAck(una: Seq, ack: AckResult): TlpVerdict {
    if (seqLt(una, this.endSeq)) return TlpVerdict.None
    if (!this.isRetrans || ack.dsackOfProbe) return TlpVerdict.NoLoss
    if (seqGt(una, this.endSeq)) return TlpVerdict.Repaired
    if (!ack.advanced && !ack.notDuplicate && ack.sacked === 0) return TlpVerdict.NoLoss
    return TlpVerdict.None
  }
}
