import type { TcpSysctl } from './host.ts'

/** linux: TCP_MAX_QUICKACKS. */
const MAX_QUICKACKS = 16
/** linux: the delayed-ACK timer is never armed for longer when no round-trip time is known. */
const DELACK_UNKNOWN_US = 500_000

/**
 * When to acknowledge (rfc9293#3.8.6.3, rfc5681#4.2), as Linux decides it: at once while the peer is in slow start, when a second full
 * segment has come, or when something is out of order; else after `ato`, which follows the gaps between segments.
 */
export class AckPolicy {
  /** An ACK is to leave at the end of the turn. */
  now = false
  /** An ACK is owed, now or when the timer fires. */
  scheduled = false
  /** Duplicate ACKs to send before it: without SACK each out-of-order segment must be told singly (rfc5681#4.2). */
  duplicates = 0
  /** How long an ACK may be held back, µs; 0 before any data. */
  ato = 0
  /** ACKs still to be sent without delay. */
  quick = 0
  /** Turns of conversation seen; from `tcp_pingpong_thresh` on, ACKs wait for an answer to ride on. */
  pingpong = 0
  /** Ends of what the peer sent at once, seen since the last ACK: 1, or 2 for more (linux: ICSK_ACK_PUSHED, ICSK_ACK_PUSHED2). */
  pushed = 0
  #lastDataTs = 0

  isPingpong(sysctl: TcpSysctl): boolean {
    return this.pingpong >= sysctl.tcp_pingpong_thresh
  }

  /** Segments with data have come (linux: tcp_event_data_recv). */
  onData(now: number, rcvWnd: number, rcvMss: number, rto: number, sysctl: TcpSysctl): void {
    this.scheduled = true
    const atoMin = sysctl.tcp_delack_min_ms * 1000
    if (this.ato === 0) {
      this.enterQuick(rcvWnd, rcvMss, MAX_QUICKACKS)
      this.ato = atoMin
    } else {
      const gap = now - this.#lastDataTs
      if (gap <= atoMin / 2) this.ato = this.ato / 2 + atoMin / 2
      else if (gap < this.ato) this.ato = Math.min(this.ato / 2 + gap, rto)
      // The sender went to sleep and will begin again with slow start.
      else if (gap > rto) this.enterQuick(rcvWnd, rcvMss, MAX_QUICKACKS)
    }
    this.#lastDataTs = now
  }

  /**
   * A segment of `length` bytes was taken, with PSH or not. Less than a full one ends something; so does PSH on a full one, for it stands on the
   * last of several that left together, and the next wait for their ACK (linux: tcp_measure_rcv_mss).
   */
  onEnd(length: number, rcvMss: number, psh: boolean): void {
    if (length < rcvMss) this.pushed = this.pushed === 0 ? 1 : 2
    else if (psh && this.pushed === 0) this.pushed = 1
  }

  /** The application has read all there was: nothing is gained by holding the ACK back (linux: tcp_cleanup_rbuf). */
  onAllRead(sysctl: TcpSysctl): void {
    if (this.scheduled && (this.pushed === 2 || (this.pushed === 1 && !this.isPingpong(sysctl)))) this.now = true
  }

  /** linux: tcp_incr_quickack; half a window of segments is acknowledged one by one. */
  enterQuick(rcvWnd: number, rcvMss: number, most: number): void {
    const wanted = Math.max(2, Math.floor(rcvWnd / (2 * rcvMss)))
    this.quick = Math.max(this.quick, Math.min(wanted, most))
  }

  /** Out-of-order data: the sender wants to know (linux: tcp_enter_quickack_mode). */
  enterQuickMode(rcvWnd: number, rcvMss: number, most: number, sysctl: TcpSysctl): void {
    this.enterQuick(rcvWnd, rcvMss, most)
    this.pingpong = 0
    this.ato = sysctl.tcp_delack_min_ms * 1000
  }

  isQuick(sysctl: TcpSysctl): boolean {
    return this.quick > 0 && !this.isPingpong(sysctl)
  }

  /** Data was sent: soon after data came, it is a conversation (linux: tcp_event_data_sent). */
  onDataSent(now: number): void {
    if (this.ato !== 0 && now - this.#lastDataTs < this.ato && this.pingpong < 255) this.pingpong++
  }

  /** An ACK left (linux: tcp_event_ack_sent, which counts ACKs of new data, not the segments that they acknowledge, since 6.6). */
  onAckSent(sysctl: TcpSysctl): void {
    if (this.quick > 0 && this.scheduled) {
      this.quick--
      // Out of quick mode: the least patience.
      if (this.quick === 0) this.ato = sysctl.tcp_delack_min_ms * 1000
    }
    this.now = false
    this.scheduled = false
    this.pushed = 0
  }

  /** When the ACK now owed must leave (linux: tcp_send_delayed_ack). */
  deadline(now: number, srtt: number, sysctl: TcpSysctl): number {
    const atoMin = sysctl.tcp_delack_min_ms * 1000
    let most = this.isPingpong(sysctl) ? sysctl.tcp_delack_max_ms * 1000 : DELACK_UNKNOWN_US
    if (srtt > 0) most = Math.min(most, Math.max(srtt, atoMin))
    return now + Math.min(this.ato, most, sysctl.tcp_delack_max_ms * 1000)
  }

  /** The timer went off (linux: tcp_delack_timer_handler). */
  onTimer(rto: number, sysctl: TcpSysctl): void {
    if (!this.scheduled) return
    if (this.isPingpong(sysctl)) {
      // The answer did not come: no conversation after all.
      this.pingpong = 0
      this.ato = sysctl.tcp_delack_min_ms * 1000
    } else {
      this.ato = Math.min(this.ato * 2, rto)
    }
    this.now = true
  }

  /** For `info`: when data came last. */
  get lastDataTs(): number {
    return this.#lastDataTs
  }

  clear(): void {
    this.now = false
    this.scheduled = false
    this.duplicates = 0
  }
}
