/** A timer that does not run. No number: each field would keep one of its own for each connection, armed or not. */
export const OFF = null

/** When a timer fires, µs. */
export type Deadline = number | typeof OFF

export const isDue = (deadline: Deadline, now: number): boolean => deadline !== OFF && now >= deadline

/**
 * The deadlines of one connection. Arming is an assignment: the stack's wheel asks for the earliest when it must, and looks again when it fires, so
 * moving a deadline later costs nothing.
 */
export class Timers {
  /** Retransmission (rfc6298#5), SYN and SYN-ACK included. */
  rexmit: Deadline = OFF
  /** Window probe (rfc9293#3.8.6.1). */
  persist: Deadline = OFF
  /** Delayed ACK (rfc9293#3.8.6.3). */
  delack: Deadline = OFF
  /** Keepalive (rfc9293#3.8.4). */
  keepalive: Deadline = OFF
  /** An orphan's longest FIN_WAIT_2 (tcp_fin_timeout). */
  finWait2: Deadline = OFF
  /** Tail loss probe (rfc8985#7). */
  probe: Deadline = OFF
  /** RACK looks again for what is late (rfc8985#6.2). */
  reo: Deadline = OFF
  /** The next probe of a path that refuses. */
  refusal: Deadline = OFF
  /** What is held back to keep the pace may leave. */
  pacing: Deadline = OFF

  /** `Infinity`: none runs. */
  earliest(): number {
    let at = Number.POSITIVE_INFINITY
    if (this.rexmit !== OFF && this.rexmit < at) at = this.rexmit
    if (this.persist !== OFF && this.persist < at) at = this.persist
    if (this.delack !== OFF && this.delack < at) at = this.delack
    if (this.keepalive !== OFF && this.keepalive < at) at = this.keepalive
    if (this.finWait2 !== OFF && this.finWait2 < at) at = this.finWait2
    if (this.probe !== OFF && this.probe < at) at = this.probe
    if (this.reo !== OFF && this.reo < at) at = this.reo
    if (this.refusal !== OFF && this.refusal < at) at = this.refusal
    if (this.pacing !== OFF && this.pacing < at) at = this.pacing
    return at
  }

  clear(): void {
    this.rexmit = OFF
    this.persist = OFF
    this.delack = OFF
    this.keepalive = OFF
    this.finWait2 = OFF
    this.probe = OFF
    this.reo = OFF
    this.refusal = OFF
    this.pacing = OFF
  }
}
