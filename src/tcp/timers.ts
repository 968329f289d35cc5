/**
 * The deadlines of one connection, in microseconds; `Infinity` is off. Arming is an assignment: the stack's wheel asks for the
 * earliest when it must, and looks again when it fires, so moving a deadline later costs nothing.
 */
export class Timers {
  /** Retransmission (rfc6298#5), SYN and SYN-ACK included. */
  rexmit = Number.POSITIVE_INFINITY
  /** Window probe (rfc9293#3.8.6.1). */
  persist = Number.POSITIVE_INFINITY
  /** Delayed ACK (rfc9293#3.8.6.3). */
  delack = Number.POSITIVE_INFINITY
  /** Keepalive (rfc9293#3.8.4). */
  keepalive = Number.POSITIVE_INFINITY
  /** An orphan's longest FIN_WAIT_2 (tcp_fin_timeout). */
  finWait2 = Number.POSITIVE_INFINITY
  /** Tail loss probe (rfc8985#7). */
  probe = Number.POSITIVE_INFINITY
  /** RACK looks again for what is late (rfc8985#6.2). */
  reo = Number.POSITIVE_INFINITY
  /** The next probe of a path that refuses. */
  refusal = Number.POSITIVE_INFINITY
  /** What is held back to keep the pace may leave. */
  pacing = Number.POSITIVE_INFINITY

  earliest(): number {
    let at = this.rexmit
    if (this.persist < at) at = this.persist
    if (this.delack < at) at = this.delack
    if (this.keepalive < at) at = this.keepalive
    if (this.finWait2 < at) at = this.finWait2
    if (this.probe < at) at = this.probe
    if (this.reo < at) at = this.reo
    if (this.refusal < at) at = this.refusal
    if (this.pacing < at) at = this.pacing
    return at
  }

  clear(): void {
    this.rexmit = Number.POSITIVE_INFINITY
    this.persist = Number.POSITIVE_INFINITY
    this.delack = Number.POSITIVE_INFINITY
    this.keepalive = Number.POSITIVE_INFINITY
    this.finWait2 = Number.POSITIVE_INFINITY
    this.probe = Number.POSITIVE_INFINITY
    this.reo = Number.POSITIVE_INFINITY
    this.refusal = Number.POSITIVE_INFINITY
    this.pacing = Number.POSITIVE_INFINITY
  }
}

export const OFF: number = Number.POSITIVE_INFINITY
