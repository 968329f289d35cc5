import type { Tracer } from '../../src/observe/tracer.ts'
import { type State, stateName } from '../../src/tcp/index.ts'
import { Flag, formatSegment, type Segment, type Seq, seqAdd } from '../../src/wire/index.ts'

const CA_NAMES = ['Open', 'Disorder', 'CWR', 'Recovery', 'Loss']

/** Prints what a stack does, a line for each segment and decision; sequence numbers count from each side's first. */
export class LineTracer implements Tracer {
  readonly #name: string
  readonly #write: (line: string) => void
  #iss: Seq | undefined
  #irs: Seq | undefined

  constructor(name: string, write: (line: string) => void = console.log) {
    this.#name = name
    this.#write = write
  }

  segmentSent(_id: number, now: number, seg: Segment, retransmission: boolean): void {
    if ((seg.flags & Flag.SYN) !== 0) this.#iss = seg.seq
    // A listener does not trace the SYN that it answers.
    if ((seg.flags & (Flag.SYN | Flag.ACK)) === (Flag.SYN | Flag.ACK)) this.#irs = seqAdd(seg.ack, -1)
    this.#line(
      now,
      `> ${formatSegment(seg, { seqBase: this.#iss, ackBase: this.#irs })}${retransmission ? ' (again)' : ''}`,
    )
  }

  segmentReceived(_id: number, now: number, seg: Segment): void {
    if ((seg.flags & Flag.SYN) !== 0) this.#irs = seg.seq
    this.#line(now, `< ${formatSegment(seg, { seqBase: this.#irs, ackBase: this.#iss })}`)
  }

  stateChanged(_id: number, now: number, from: number, to: number): void {
    this.#line(now, `${stateName(from as State)} → ${stateName(to as State)}`)
  }

  caStateChanged(_id: number, now: number, from: number, to: number, reason: string): void {
    this.#line(now, `${CA_NAMES[from]} → ${CA_NAMES[to]}: ${reason}`)
  }

  cwndChanged(_id: number, now: number, cwnd: number, ssthresh: number, reason: string): void {
    this.#line(now, `cwnd ${Math.round(cwnd)} ssthresh ${Math.round(ssthresh)}: ${reason}`)
  }

  timerFired(_id: number, now: number, timer: string): void {
    this.#line(now, `timer ${timer}`)
  }

  #line(now: number, text: string): void {
    this.#write(`${(now / 1000).toFixed(3).padStart(10)} ${this.#name} ${text}`)
  }
}
