import type { Connection } from './connection.ts'
import { CloseReason, Event, isSynchronized, State } from './state.ts'

// Closing: rfc9293#3.6, #3.10.4 (CLOSE), #3.10.5 (ABORT).

/** CLOSE: the FIN follows what is queued. */
export function end(c: Connection, now: number): void {
  const { sender } = c
  if (sender.finQueued) return
  switch (c.state) {
    case State.SYN_SENT:
      sender.finQueued = true
      break
    case State.SYN_RECV:
    case State.ESTABLISHED:
      sender.finQueued = true
      if (c.state === State.ESTABLISHED) c.setState(State.FIN_WAIT1, now)
      break
    case State.CLOSE_WAIT:
      sender.finQueued = true
      c.setState(State.LAST_ACK, now)
      break
    default:
  }
}

/** The application lets go: nobody will read, nobody listens for events. */
export function close(c: Connection, now: number): void {
  if (c.orphan || c.state === State.CLOSE) return
  c.orphan = true
  // Both have finished, and the peer was told so: whatever is unread, there is nobody left to tell.
  if (c.state === State.TIME_WAIT) return
  if (c.receiver.unread > 0 || c.receiver.reassembly.length > 0) {
    // rfc9293#3.6.1 SHLD-3, rfc2525#2.17: the peer must learn that its data was not read, even if it has its FIN.
    c.host.mib.TCPAbortOnClose++
    finish(c, CloseReason.Aborted, now)
    c.resetDue = true
    return
  }
  if (c.state === State.SYN_SENT) {
    finish(c, CloseReason.Aborted, now)
    return
  }
  end(c, now)
  if (c.state === State.FIN_WAIT2) startFinWait2(c, now)
}

/** An orphan does not wait for ever for a peer that keeps its side open (linux: tcp_fin_timeout, TCP_LINGER2). */
export function startFinWait2(c: Connection, now: number): void {
  const seconds = c.finTimeout ?? c.host.sysctl.tcp_fin_timeout
  if (seconds >= 0) {
    c.timers.finWait2 = now + seconds * 1_000_000
    return
  }
  c.host.mib.TCPAbortOnLinger++
  finish(c, CloseReason.Aborted, now)
  c.resetDue = true
}

export function abort(c: Connection, now: number): void {
  if (c.state === State.CLOSE) return
  const reset = needsReset(c)
  finish(c, CloseReason.Aborted, now)
  c.resetDue = reset
}

/** rfc9293#3.10.5: a RST where the peer still waits for something, silence where both had finished or nothing had begun. */
function needsReset({ state, sender }: Connection): boolean {
  if (state === State.CLOSING || state === State.LAST_ACK) {
    // linux: tcp_disconnect; these states are entered when the FIN is queued, not when it is sent.
    return sender.hasUnsent
  }
  return state === State.SYN_RECV || (isSynchronized(state) && state !== State.TIME_WAIT)
}

/** The connection is over, for whatever reason; its memory but for unread data is given back. */
export function finish(c: Connection, reason: CloseReason, now: number): void {
  if (c.state === State.CLOSE) return
  const { mib } = c.host
  if (c.state === State.SYN_SENT || c.state === State.SYN_RECV) mib.AttemptFails++
  else if (reason !== CloseReason.Normal && (c.state === State.ESTABLISHED || c.state === State.CLOSE_WAIT))
    mib.EstabResets++
  c.closeReason = reason
  c.setState(State.CLOSE, now)
  c.timers.clear()
  c.ackPolicy.clear()
  c.sender.board.clear()
  c.sender.queue.clear()
  c.receiver.reassembly.clear()
  c.sender.wantsRoom = false
  c.synDue = false
  c.probeDue = false
  c.lossProbeDue = false
  c.forceRetransmit = false
  c.resetReplySeq = null
  c.post(Event.Closed)
}

/** Both sides have finished and ours was acknowledged last by them: what is left is TIME_WAIT, kept by the stack as a record. */
export function enterTimeWait(c: Connection, now: number): void {
  c.setState(State.TIME_WAIT, now)
  c.closeReason = CloseReason.Normal
  c.timers.clear()
  c.sender.board.clear()
  c.sender.queue.clear()
  c.post(Event.Closed)
}
