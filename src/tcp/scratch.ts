import { newRateSample, type RateSample } from '../congestion/index.ts'
import { seqAdd, seqGt } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { AckResult } from './loss/ack-result.ts'
import type { RecoveryInput } from './loss/recovery.ts'

// ours: what is filled anew for each acknowledgement and each timer, and of which nothing is kept, is there once for all connections: it would
// be a kilobyte of each that does nothing.

export const ack: AckResult = new AckResult()
export const sample: RateSample = newRateSample()
let input: RecoveryInput | null = null

/** Begins a sample: where the connection stands, and nothing of an acknowledgement. */
export function describeDelivery(c: Connection, now: number): void {
  const { sender, rtt } = c
  sender.sampler.describe(sample)
  sample.now = now
  sample.inFlightBefore = sender.board.inFlight
  sample.inFlight = sender.board.inFlight
  sample.minRtt = rtt.minRtt
  sample.srtt = rtt.srtt
  sample.nextSendAt = c.pacer.nextSendAt
  sample.cwndLimited = false
  sample.inRecovery = c.recovery.isReducing
  sample.mss = sender.mss
}

/** What the recovery is to know at this moment. */
export function recoveryInput(c: Connection): RecoveryInput {
  const { sender, rtt, cc, mtuProbe } = c
  const { board, sndUna, sndNxt, mss } = sender
  input ??= {
    board,
    controller: cc,
    sample,
    sndUna,
    sndNxt,
    mss,
    mtuProbe,
    canSendNew: false,
    minRtt: 0,
    srtt: 0,
  }
  input.board = board
  input.controller = cc
  input.sndUna = sndUna
  input.sndNxt = sndNxt
  input.mss = mss
  input.mtuProbe = mtuProbe
  input.canSendNew = sender.notSent > 0 && seqGt(seqAdd(sndUna, sender.sndWnd), sndNxt)
  input.minRtt = rtt.minRtt
  input.srtt = rtt.srtt
  return input
}
