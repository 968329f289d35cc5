import type { Tracer } from '../../src/observe/tracer.ts'
import { CaState, type Connection, State } from '../../src/tcp/index.ts'
import { Sent } from '../../src/tcp/sent-segment.ts'
import type { VirtualClock } from '../../src/testing/sim/virtual-clock.ts'
import { Flag, type Segment, type Seq, seqAdd, seqDiff, seqGt, seqLt, seqPrint } from '../../src/wire/index.ts'

/** The wheel turns in milliseconds, so a deadline may be met that much late. */
const TICK_US = 1000

/**
 * Looks over the shoulder of one connection: what it sends is held against what it may send, by what the other side has said, and after each
 * event its state against itself. `problem` is the first thing that was wrong.
 */
export class Watch implements Tracer {
  problem: string | null = null
  /** Of the other end of the connection. */
  peer: Watch | null = null
  connection: Connection | null = null
  /** The most that `inFlight` was above the window with a segment that was allowed to be. */
  forced = 0
  readonly #clock: VirtualClock
  /** µs that a round trip takes at least. */
  readonly #leastRtt: number
  readonly #next: Tracer | null
  /** Something has happened to the connection since the last look. */
  #touched = false
  /** The furthest right edge that it has promised. */
  #edge: Seq | null = null
  #una: Seq | null = null
  #rcvNxt: Seq | null = null
  #rcvAcc: Seq | null = null
  /** The largest congestion window so far, and what had been delivered then. */
  #mostCwnd = 0
  #delivered = 0
  /** Retransmissions that may leave whatever the window says: one for each episode. */
  #exempt = 0

  constructor(clock: VirtualClock, leastRtt: number, next: Tracer | null = null) {
    this.#clock = clock
    this.#leastRtt = leastRtt
    this.#next = next
  }

  touch(): void {
    this.#touched = true
  }

  /** After an event of the world. */
  look(): string | null {
    const { connection: c } = this
    if (this.problem !== null || c === null) return this.problem
    if (this.#touched) {
      this.problem = c.check() ?? this.#regress(c)
      if (!this.#clock.turnDue) {
        this.#touched = false
        this.problem ??= this.#waits(c)
      }
    }
    return this.problem
  }

  /** Numbers that only ever grow, and times that cannot be. */
  #regress(c: Connection): string | null {
    const { sndUna } = c.sender
    const { rcvNxt } = c.receiver
    if (this.#una !== null && seqLt(sndUna, this.#una)) return 'SND.UNA went back'
    if (this.#rcvNxt !== null && seqLt(rcvNxt, this.#rcvNxt)) return 'RCV.NXT went back'
    this.#una = sndUna
    if (c.state !== State.SYN_SENT) {
      const { rcvAcc } = c.receiver.window
      if (this.#rcvAcc !== null && seqLt(rcvAcc, this.#rcvAcc)) return 'the window was taken back'
      this.#rcvNxt = rcvNxt
      this.#rcvAcc = rcvAcc
    }
    if (c.rtt.minRtt < this.#leastRtt) return `a round trip of ${c.rtt.minRtt} µs, where ${this.#leastRtt} is the least`
    if (c.rtt.srtt !== 0 && !(c.rto >= 1)) return `a retransmission timeout of ${c.rto}`
    return null
  }

  /** The turn is over: whatever is undone has a time at which it will be looked at. */
  #waits(c: Connection): string | null {
    const { timers, sender } = c
    // What is due already is looked at in the next tick.
    if (Math.max(c.deadline, this.#clock.nowUs()) < this.#clock.nextWakeUs - TICK_US)
      return `a deadline at ${c.deadline}, a wake-up at ${this.#clock.nextWakeUs}`
    if (c.isDone || c.state === State.TIME_WAIT || c.blocked) return null
    if (sender.hasUnsent && timers.rexmit === null && timers.persist === null)
      return 'something waits to be sent, and nothing will wake it'
    if (c.ackPolicy.scheduled && !c.ackPolicy.now && timers.delack === null) return 'an ACK is owed and no timer runs'
    return null
  }

  segmentSent(id: number, now: number, seg: Segment, retransmission: boolean): void {
    this.#next?.segmentSent(id, now, seg, retransmission)
    const { connection: c } = this
    this.#touched = true
    if (c !== null && c.id === id && this.problem === null && (seg.flags & Flag.RST) === 0)
      this.problem = this.#judge(c, seg, retransmission)
  }

  #judge(c: Connection, seg: Segment, retransmission: boolean): string | null {
    const { sender, cc } = c
    const { board } = sender
    const name = `segment ${seqPrint(seg.seq)}:${seqPrint(seqAdd(seg.seq, seg.len))}`
    if ((seg.flags & Flag.ACK) !== 0) {
      const unit = (seg.flags & Flag.SYN) !== 0 ? 1 : 2 ** c.receiver.window.shift
      const edge = seqAdd(seg.ack, seg.wnd * unit)
      // rfc7323#2.4: by less than a unit of the field it may seem to go back.
      const back = this.#edge === null ? 0 : seqDiff(this.#edge, edge)
      if (back >= unit) return `${name} pulls the window's edge back by ${back}`
      if (this.#edge === null || back < 0) this.#edge = edge
    }
    if ((seg.flags & Flag.SYN) !== 0 || seg.len === 0) return null

    const end = seqAdd(seg.seq, seg.len)
    const edge = this.peer?.edge ?? null
    if (edge !== null && seqGt(end, edge)) return `${name} ends ${seqDiff(end, edge)} beyond the window`
    const isProbe = !retransmission && seg.payloadLength === c.mtuProbe.size - c.headerLength
    if (seg.payloadLength > sender.mss && !isProbe) return `${name} is longer than the segment size ${sender.mss}`
    if (retransmission) {
      if (seqLt(seg.seq, sender.sndUna)) return `${name} is sent again and was acknowledged`
      const sent = board.at(board.find(seg.seq))
      if ((sent.state & Sent.Sacked) !== 0) return `${name} is sent again and was selectively acknowledged`
    } else if (seg.seq !== sender.sndNxt) return `${name} is new and does not begin at SND.NXT`

    // rfc5681#3.1: never more in flight than the window; a tail loss probe (rfc8985#7.3) and the first retransmission of an episode
    // (rfc5681#3.2 step 3) are exempt, and so is a single segment, and a FIN alone.
    const { inFlight } = board
    if (inFlight === 0 || seg.payloadLength === 0 || inFlight + seg.payloadLength <= cc.cwnd || c.lossProbeDue)
      return null
    const excess = inFlight + seg.payloadLength - cc.cwnd
    if (retransmission && this.#exempt > 0) {
      this.#exempt--
      this.forced = Math.max(this.forced, excess)
      return null
    }
    return `${name} makes ${inFlight + seg.payloadLength} in flight of ${cc.cwnd}`
  }

  get edge(): Seq | null {
    return this.#edge
  }

  segmentReceived(id: number, now: number, seg: Segment): void {
    this.#touched = true
    this.#next?.segmentReceived(id, now, seg)
  }

  stateChanged(id: number, now: number, from: number, to: number): void {
    this.#touched = true
    this.#next?.stateChanged(id, now, from, to)
  }

  caStateChanged(id: number, now: number, from: number, to: number, reason: string): void {
    if (to === CaState.Recovery) this.#exempt++
    this.#next?.caStateChanged(id, now, from, to, reason)
  }

  cwndChanged(id: number, now: number, cwnd: number, ssthresh: number, reason: string): void {
    this.#next?.cwndChanged(id, now, cwnd, ssthresh, reason)
    const { connection: c } = this
    if (c === null || c.cc.ownsRecovery) return
    // No faster than slow start, whatever was given back; but proportional rate reduction counts from what is in flight.
    const { board, sampler, mss } = c.sender
    const news = sampler.delivered - this.#delivered + mss
    const most = Math.max(this.#mostCwnd, c.initialWindow, board.inFlight) + news
    // Without SACK that is an estimate, and what was delivered and not made use of counts too.
    const estimated = !c.sackOk && c.recovery.caState === CaState.Recovery
    if (cwnd > most && !estimated) this.problem ??= `a window of ${cwnd}, where ${most} is the most`
    this.#mostCwnd = Math.max(this.#mostCwnd, cwnd)
    this.#delivered = c.sender.sampler.delivered
  }

  timerFired(id: number, now: number, timer: string): void {
    this.#touched = true
    if (timer === 'retransmit') this.#exempt++
    this.#next?.timerFired(id, now, timer)
  }
}
