import { Flag, seqAdd, seqDiff } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { ecnFlags } from './ecn.ts'
import type { SegmentSink } from './host.ts'
import { scheduleProbe } from './loss-timers.ts'
import { currentPace, isPaced } from './pacing.ts'
import { CaState } from './state.ts'
import { reserveRun, writeRun } from './write.ts'

/**
 * More full segments of new data behind the one just sent, whose header `outSegment` still holds. Nothing that decides about a segment changes while
 * they leave, so it is not asked again for each: most of what a segment costs. The last of the data, or of what a window takes, is left to the
 * caller, for it may differ.
 */
export function sendRun(c: Connection, sink: SegmentSink, limit: number, now: number): void {
  const { sender, cc, host, pacer, ackPolicy } = c
  const { outSegment: out, mib } = host
  let left = runLength(c, limit)
  if (left <= 0) return
  const ect = c.ecn !== null
  out.flags = Flag.ACK | ecnFlags(c, false)
  const pace = currentPace(c)
  for (let follows = false; left > 0 && !isPaced(c, now); ) {
    out.seq = sender.sndNxt
    const room = reserveRun(c, sink, out, limit, left)
    if (room === 0) break
    let count = 0
    // Who is shown segments is shown them one by one, before they count; several count first, for the pace decides how many there are.
    if (room === 1) writeRun(c, sink, out, limit, 1, now, ect)
    do {
      sender.onRunSent(limit, follows, now)
      follows = true
      cc.onSent?.(now, limit, sender.board.inFlight, sender.sampler.isAppLimited)
      pacer.onSent(now, limit, pace)
      ackPolicy.onDataSent(now)
    } while (++count < room && !isPaced(c, now))
    if (room > 1) writeRun(c, sink, out, limit, count, now, ect)
    left -= count
    c.dataSegsOut += count
    mib.TCPOrigDataSent += count
  }
  scheduleProbe(c, now)
}

/** Full segments that may leave now, the last of them left out. */
function runLength({ sender, recovery, host, mtuProbe, cc }: Connection, limit: number): number {
  const { board } = sender
  if (recovery.caState !== CaState.Open || recovery.frto || board.lostOutSegs > 0) return 0
  if (board.reno || board.sackedOutSegs > 0) return 0
  if (mtuProbe.isOn || host.outSegment.sackCount > 0) return 0
  const usable = seqDiff(seqAdd(sender.sndUna, sender.sndWnd), sender.sndNxt)
  return Math.floor(Math.min(sender.notSent, usable, cc.cwnd - board.inFlight) / limit) - 1
}
