import { type Seq, seqAdd, seqDiff, seqGeq } from '../wire/index.ts'
import type { Connection } from './connection.ts'
import { CaState } from './state.ts'

/** linux: tcp_probe_threshold, bytes; the search ends when less is left between what goes through and what does not. */
const THRESHOLD = 8
/** linux: a window of fewer segments has more to lose than a larger segment brings. */
const LEAST_WINDOW_SEGS = 11
/** ours: how often the old size is tried again before the search begins from below. */
const RETRIES = 2
/** The segments behind a probe that show its loss, besides those that `tcp_reordering` asks for. */
const BEHIND = 1

/**
 * The search for the largest segment that a path takes, after smaller ones had to do (rfc4821, linux: tcp_mtu_probe). A probe is a longer segment of
 * ordinary data; its loss alone says nothing of congestion, and its bytes are sent again in short segments.
 *
 * Sizes are those of segments with their headers.
 */
export class MtuProbe {
  /** What goes through, and the most that may. */
  #low = 0
  #high = 0
  /** The search has been asked for. */
  #on = false
  /** The probe that is out: where it begins and ends, and its size. */
  start: Seq | null = null
  end: Seq = 0 as Seq
  size = 0
  /** When the search began last, µs. */
  #began = 0
  /** How often `#high` is still to be tried at once. */
  #retries = 0

  /**
   * Segments of `low` bytes go through, it seems, and those of `high` did not. `suspected`: only timeouts say so, and where a path loses many at
   * random these may be chance.
   */
  begin(low: number, high: number, now: number, suspected = false): void {
    this.#on = true
    this.#retries = suspected ? RETRIES : 0
    this.#low = low
    this.#high = high
    this.#began = now
    this.start = null
  }

  /** The path has become another. */
  stop(): void {
    this.#on = false
    this.start = null
  }

  get isOn(): boolean {
    return this.#on
  }

  /** The payload of the probe that is to be sent now; 0: none. */
  wanted(c: Connection, now: number): number {
    if (!this.#on || this.start !== null) return 0
    const { sender, recovery, cc, receiver } = c
    const { board, mss, notSent } = sender
    if (recovery.caState !== CaState.Open) return 0
    if (this.#retries > 0) return this.#oldSize(c)
    if (cc.cwnd < LEAST_WINDOW_SEGS * mss) return 0
    // An option that comes and goes would spoil the reckoning.
    if (!receiver.reassembly.isEmpty || receiver.duplicate !== null) return 0
    if (this.#high - this.#low < THRESHOLD && !this.#again(c, now)) return 0
    const size = (this.#low + this.#high) >>> 1
    const payload = size - c.headerLength
    const behind = payload + (recovery.reordering.degree + BEHIND) * mss
    const usable = seqDiff(seqAdd(sender.sndUna, sender.sndWnd), sender.sndNxt)
    if (payload <= mss || notSent < behind || usable < behind || board.inFlight + payload > cc.cwnd) return 0
    this.size = size
    return payload
  }

  /**
   * ours: the old size, as soon as something has gone through, in whatever window there is: under random loss it may never be large enough to search,
   * and shorter segments cost what they are shorter by. A path that swallows it costs a timeout each time.
   */
  #oldSize(c: Connection): number {
    const { sender, cc } = c
    const { board, mss, notSent } = sender
    const payload = this.#high - c.headerLength
    const usable = seqDiff(seqAdd(sender.sndUna, sender.sndWnd), sender.sndNxt)
    if (payload <= mss || notSent < payload || usable < payload) return 0
    if (board.inFlight > 0 && board.inFlight + payload > cc.cwnd) return 0
    this.size = this.#high
    return payload
  }

  /** rfc4821#7.7, `tcp_probe_interval`: paths change. */
  #again(c: Connection, now: number): boolean {
    if (now - this.#began < c.host.sysctl.tcp_probe_interval * 1_000_000) return false
    this.#began = now
    this.#low = c.maxSegment
    this.#high = c.largestSegment
    return this.#high - this.#low >= THRESHOLD
  }

  onSent(start: Seq, end: Seq): void {
    this.start = start
    this.end = end
    if (this.#retries > 0) this.#retries--
  }

  /** Something is sent again: whatever becomes of the probe says nothing any more. */
  onRetransmit(): void {
    this.start = null
  }

  onAck(c: Connection): void {
    if (this.start === null || !seqGeq(c.sender.sndUna, this.end)) return
    this.start = null
    this.#retries = 0
    this.#low = this.size
    c.host.mib.TCPMTUPSuccess++
    // linux: tcp_mtup_probe_success; the window stays as many bytes.
    c.useSegments(this.size, c.lastAckTs, true)
  }

  onLost(c: Connection): void {
    this.start = null
    this.#high = this.size - 1
    c.host.mib.TCPMTUPFail++
  }
}
