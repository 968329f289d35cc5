import { seqAdd, seqGt } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { CaState, isSynchronized, State } from './state.ts'
import { OFF } from './timers.ts'

/** What must hold of a connection between any two calls: what does not, or null. For the tests of every step. */
export function problemOf(c: Connection): string | null {
  const { sender, receiver } = c
  const { board } = sender
  const counts = board.recount() ?? receiver.reassembly.recount()
  if (counts !== null) return counts
  const { caState, recoveryPoint, reneging } = c.recovery
  if (board.lostOut > 0 && caState < CaState.Recovery) return 'something is lost and nothing recovers it'
  const recovers = caState >= CaState.Recovery && c.state !== State.CLOSE
  if (recovers && seqGt(sender.sndUna, recoveryPoint) && !reneging) return 'a recovery goes on beyond its end'
  if (isSynchronized(c.state) && c.state !== State.TIME_WAIT && !board.covers(sender.sndUna, sender.sndNxt))
    return 'the scoreboard does not cover SND.UNA to SND.NXT'
  if (seqGt(sender.sndNxt, seqAdd(sender.writeSeq, 1))) return 'SND.NXT is beyond what was written'
  if (!board.isEmpty && !c.isDone && c.state !== State.TIME_WAIT && c.timers.rexmit === OFF)
    return 'data is outstanding and no retransmission timer runs'
  if (receiver.reassembly.length > receiver.rcvWnd) return 'more out of order than the window allows'
  if (c.isDone && c.deadline !== Number.POSITIVE_INFINITY) return 'a closed connection has a deadline'
  if (c.hasController && !(c.cc.cwnd >= 1)) return `cwnd is ${c.cc.cwnd}`
  if (!Number.isInteger(sender.sndBuf) || !Number.isInteger(receiver.window.rcvBuf)) return 'a buffer has half a byte'
  return null
}
