import { finish } from './close.ts'
import type { Connection } from './connection.ts'
import { reportSoftError } from './soft-errors.ts'
import { CloseReason, State } from './state.ts'

/** Refusals must go on for so long before they are believed. */
const REFUSED_FOR_US = 1_000_000
/** How far apart the probes are that ask again. */
const PROBE_INTERVAL_US = 500_000

/**
 * What "port unreachable" on the path means to a connection. On a SYN it is the answer. On an established connection it is a soft error, for
 * anybody can forge one (rfc5927, rfc9293#3.9.2.2 MUST-56): ask again, and believe `icmp_refused_limit` of them in a row over a second with
 * nothing heard in between. Then the peer's process is gone.
 */
export class Refusals {
  #count = 0
  #firstAt = 0

  onRefused(c: Connection, now: number): void {
    switch (c.state) {
      case State.SYN_SENT:
        finish(c, CloseReason.Refused, now)
        return
      case State.CLOSE:
      case State.TIME_WAIT:
      case State.SYN_RECV:
        return
      case State.LAST_ACK:
      case State.CLOSING:
        // Whoever was to send the last ACK is gone, and has all our data or never will.
        finish(c, CloseReason.Normal, now)
        return
      default:
    }
    if (this.#count === 0) this.#firstAt = now
    this.#count++
    reportSoftError(c, CloseReason.Refused, now)
    if (this.#count >= c.host.sysctl.icmp_refused_limit && now - this.#firstAt >= REFUSED_FOR_US) {
      finish(c, CloseReason.Reset, now)
      return
    }
    if (this.#count === 1) c.probeDue = true
    else c.timers.refusal ??= now + PROBE_INTERVAL_US
  }
}
