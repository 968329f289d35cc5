import { expect } from 'vitest'
import { createCongestionControl } from '../../src/congestion/index.ts'
import type { Tracer } from '../../src/observe/tracer.ts'
import { Mib } from '../../src/stack/mib.ts'
import { SeededRandom } from '../../src/stack/random.ts'
import { Sysctl } from '../../src/stack/sysctl.ts'
import type { SysctlValues } from '../../src/stack/sysctl-table.ts'
import { openPassive } from '../../src/tcp/handshake.ts'
import {
  Connection,
  type ConnectionOptions,
  type SegmentSink,
  type State,
  stateName,
  type TcpHost,
} from '../../src/tcp/index.ts'
import { Segment } from '../../src/wire/index.ts'
import {
  type Arrival,
  type Departure,
  ISS,
  LOCAL_PORT,
  must,
  type PeerOptions,
  pattern,
  REMOTE_PORT,
  ScriptPeer,
} from './script-peer.ts'

export type { Arrival, Departure } from './script-peer.ts'

// Drives one `Connection` in virtual time, as packetdrill drives a kernel: a segment arrives at a given time, exactly these segments leave at
// exactly these times, and nothing else. Times are milliseconds since the script began; sequence numbers are relative: each side's SYN is 0, its
// first byte 1. After every step the connection's own invariants are checked, and every byte that leaves is compared with what was written.

export interface ScriptOptions extends PeerOptions {
  sysctl?: Partial<SysctlValues>
  connection?: Partial<ConnectionOptions>
  tracer?: Tracer
  /** Milliseconds from SYN to SYN-ACK. */
  rtt?: number
}

const MS = 1000
const START_US = 1_000_000
const EVENTS = ['connected', 'readable', 'writable', 'finished', 'closed'] as const

/** Loss is detected by RFC 5681, 6582 and 6675 alone: no RACK, no loss probes, no F-RTO. */
export const CLASSIC: Partial<SysctlValues> = { tcp_recovery: 0, tcp_early_retrans: 0, tcp_frto: 0 }

export class Script {
  readonly c: Connection
  readonly peer: ScriptPeer
  readonly mib: Mib = new Mib()
  readonly sysctl: Sysctl
  readonly random: SeededRandom = new SeededRandom(1)
  /** The stack has challenge ACKs left to send. */
  mayChallenge = true
  /** The path takes nothing while this is set. */
  blocked = false
  /** So many segments does it take until the script looks at them. */
  room = Number.POSITIVE_INFINITY
  /** What the stack's connections hold. */
  readonly memory = { pressure: false, isFull: false }
  /** What was sent before still waits below. */
  corked = false
  #now = START_US
  #origin = START_US
  #sent: Departure[] = []
  #events = 0
  #written = 0
  #read = 0
  readonly #sink: SegmentSink

  constructor(options: ScriptOptions = {}) {
    this.peer = new ScriptPeer(options)
    this.sysctl = new Sysctl()
    // These tests reckon with Reno, and with what a segment that comes lets out at once.
    this.sysctl.assign({ tcp_congestion_control: 'reno', tcp_pacing: 0, ...options.sysctl })
    const host: TcpHost = {
      sysctl: this.sysctl.values,
      mib: this.mib,
      tracer: options.tracer ?? null,
      outSegment: new Segment(),
      memory: this.memory,
      mayChallenge: () => this.mayChallenge,
      random: () => this.random.public(),
      createCongestionControl,
    }
    this.#sink = this.#makeSink()
    this.c = new Connection(
      host,
      {
        id: 1,
        family: 'IPv4',
        localPort: LOCAL_PORT,
        remotePort: REMOTE_PORT,
        iss: ISS,
        tsOffset: 0,
        maxSegment: 1480,
        receiveLimit: () => Number.POSITIVE_INFINITY,
        checksumOffload: false,
        ...options.connection,
      },
      this.#now,
    )
  }

  // ---- Time ----------------------------------------------------------------------------------------------------------------------

  /** Now, ms. */
  get t(): number {
    return (this.#now - this.#origin) / MS
  }

  get nowUs(): number {
    return this.#now
  }

  /** Now becomes 0, and what has happened so far is forgotten. */
  restart(): this {
    this.#origin = this.#now
    this.#sent = []
    this.#events = 0
    return this
  }

  /** When the connection wants to be woken next, ms; `Infinity`: never. */
  get deadline(): number {
    return (this.c.deadline - this.#origin) / MS
  }

  /** Lets time pass until `t`, in which nothing may be sent. */
  at(t: number): this {
    this.#expectNothing(`before ${t} ms`)
    const until = this.#origin + Math.round(t * MS)
    expect(until, 'time goes forward').toBeGreaterThanOrEqual(this.#now)
    while (this.c.deadline <= until) {
      this.#fire()
      this.#expectNothing(`until ${t} ms`)
    }
    this.#now = until
    return this
  }

  /** Lets `ms` pass, in which nothing may be sent. */
  after(ms: number): this {
    return this.at(this.t + ms)
  }

  /** Goes on to the first deadline at which something is sent: it must be at `t`, and it must be this. */
  expectAt(t: number, ...expected: Partial<Departure>[]): this {
    this.wait(t)
    expect(this.t, 'time of departure').toBeCloseTo(t, 3)
    return this.expectSent(...expected)
  }

  /** Goes on to the first deadline at which something is sent, `until` at the latest. */
  wait(until: number): this {
    this.#expectNothing(`before ${until} ms`)
    while (this.#sent.length === 0) {
      expect(this.deadline, `something is due at ${until} ms`).toBeLessThanOrEqual(until)
      this.#fire()
    }
    return this
  }

  /** Lets time pass until `t`, whatever is sent in it; see `drain`. */
  elapse(t: number): this {
    // Deadlines may lie between two microseconds.
    const until = this.#origin + Math.ceil(t * MS - 1e-3)
    while (this.c.deadline <= until) this.#fire()
    this.#now = Math.max(this.#now, until)
    return this
  }

  /** No timer runs, nothing waits to be sent. */
  expectQuiet(): this {
    this.#expectNothing('at rest')
    expect(this.deadline).toBe(Number.POSITIVE_INFINITY)
    return this
  }

  // ---- What happens to the connection --------------------------------------------------------------------------------------------

  /** A segment of the peer arrives now. */
  inject(arrival: Arrival = {}): this {
    return this.burst(arrival)
  }

  /** Segments arrive together: all are processed before anything is sent. */
  burst(...arrivals: Arrival[]): this {
    this.#expectNothing('before a segment arrives')
    for (const arrival of arrivals) {
      this.c.segmentArrives(this.peer.fill(this.c, arrival, this.#now), this.#now)
      this.#check()
    }
    return this.pull()
  }

  /** The same segment arrives so many times, one after the other; what is sent in between is expected afterwards. */
  repeat(count: number, arrival: Arrival): this {
    this.#expectNothing('before a segment arrives')
    for (let i = 0; i < count; i++) {
      this.c.segmentArrives(this.peer.fill(this.c, arrival, this.#now), this.#now)
      this.#check()
      this.pull()
    }
    return this
  }

  openActive(): this {
    this.c.openActive(this.#now)
    return this.pull()
  }

  openPassive(arrival: Arrival = {}): this {
    openPassive(
      this.c,
      this.peer.fill(this.c, { flags: 'S', seq: 0, ...this.offers, ...arrival }, this.#now),
      this.#now,
    )
    return this.pull()
  }

  /** The application writes `bytes`; returns how many were taken. */
  tryWrite(bytes: number): number {
    const taken = this.c.write(pattern(this.#written, bytes))
    this.#written += taken
    this.pull()
    return taken
  }

  write(bytes: number): this {
    expect(this.tryWrite(bytes), 'bytes written').toBe(bytes)
    return this
  }

  /** The application reads all there is; what came is compared with what was sent. Returns how much it was. */
  readAll(): number {
    const before = this.#read
    for (let data = this.c.read(this.#now); data !== null; data = this.c.read(this.#now)) {
      if (!data.equals(pattern(this.#read, data.length))) throw new Error(`wrong data at ${this.#read}`)
      this.#read += data.length
    }
    this.pull()
    return this.#read - before
  }

  end(): this {
    this.c.end(this.#now)
    return this.pull()
  }

  close(): this {
    this.c.close(this.#now)
    return this.pull()
  }

  abort(): this {
    this.c.abort(this.#now)
    return this.pull()
  }

  refuse(): this {
    this.c.pathRefused(this.#now)
    return this.pull()
  }

  /** Anything else that is done to the connection. */
  do(action: (connection: Connection, nowUs: number) => void): this {
    action(this.c, this.#now)
    return this.pull()
  }

  /** Takes what the connection wants to send. */
  pull(): this {
    for (let count = 0; this.c.fill(this.#sink, this.#now); count++) {
      if (count > 10_000) throw new Error('the connection does not stop sending')
      this.#check()
    }
    this.#check()
    this.#events |= this.c.takeEvents()
    return this
  }

  // ---- What is expected of it ----------------------------------------------------------------------------------------------------

  /** Exactly these have been sent since the last expectation, in this order; of each, what is named is compared. */
  expectSent(...expected: Partial<Departure>[]): this {
    expect(this.drain()).toMatchObject(expected)
    return this
  }

  /** What was sent since the last expectation. */
  drain(): Departure[] {
    const sent = this.#sent
    this.#sent = []
    return sent
  }

  expectState(state: State): this {
    expect(stateName(this.c.state)).toBe(stateName(state))
    return this
  }

  /** Exactly these events have been posted since the last expectation. */
  expectEvents(...names: (typeof EVENTS)[number][]): this {
    expect(EVENTS.filter((_, bit) => (this.#events >> bit) & 1)).toEqual(names)
    this.#events = 0
    return this
  }

  /** Congestion window in segments of `mss`. */
  get cwndSegs(): number {
    return this.c.cc.cwnd / this.c.sender.mss
  }

  get inFlight(): number {
    return this.c.sender.board.inFlight
  }

  // ---- Inside --------------------------------------------------------------------------------------------------------------------

  #fire(): void {
    const { deadline } = this.c
    must(deadline >= this.#now, 'a deadline that lies ahead')
    // Called too early it does nothing.
    if (deadline - 1 >= this.#now) {
      const { length } = this.#sent
      this.#now = deadline - 1
      this.c.deadlinePassed(this.#now)
      this.pull()
      must(this.#sent.length === length, 'nothing sent before its time')
      must(this.c.deadline === deadline, 'the same deadline after a call too early')
    }
    this.#now = deadline
    this.c.deadlinePassed(deadline)
    this.pull()
    must(this.c.deadline > deadline, `a deadline that moves on at ${this.t} ms`)
  }

  #expectNothing(when: string): void {
    if (this.#sent.length > 0) expect(this.drain(), `sent ${when}, and not expected`).toEqual([])
  }

  #check(): void {
    const wrong = this.c.check()
    if (wrong !== null) throw new Error(`at ${this.t} ms: ${wrong}`)
  }

  /** What the peer's SYN or SYN-ACK offers, by the options of the script. */
  get offers(): Arrival {
    return this.peer.offers(this.#now)
  }

  #makeSink(): SegmentSink {
    const script = this
    const buffer = Buffer.alloc(70_000)
    const offset = 8
    let reserved = 0
    return {
      buffer,
      offset,
      batch: 1,
      isWaiting: () => script.corked,
      reserve(size: number): boolean {
        must(size <= buffer.length - offset, `room for ${size} bytes`)
        reserved = size
        return !script.blocked && script.#sent.length < script.room
      },
      commit(size: number, ect = false): void {
        must(size <= reserved, 'no more than was reserved')
        script.#sent.push({ ...script.peer.read(script.c, buffer, offset, offset + size, script.t), ect })
      },
    }
  }
}

// ---- What is expected, in short -----------------------------------------------------------------------------------------------

/** A segment with the bytes from `from` up to, not including, `to`. */
export const data = (from: number, to: number, more: Partial<Departure> = {}): Partial<Departure> => ({
  seq: from,
  len: to - from,
  ...more,
})

/** A run of full segments from `from` on. */
export const segments = (count: number, from: number, size = 1000): Partial<Departure>[] =>
  Array.from({ length: count }, (_, i) => data(from + i * size, from + (i + 1) * size))

/** A bare ACK. */
export const ack = (number: number, more: Partial<Departure> = {}): Partial<Departure> => ({
  flags: '.',
  len: 0,
  ack: number,
  ...more,
})

// ---- Scripts that begin in a state --------------------------------------------------------------------------------------------

/** The SYN has been sent at 0. */
export function synSent(options: ScriptOptions = {}): Script {
  const script = new Script(options).openActive()
  script.expectSent({ flags: 'S', seq: 0, len: 0 })
  return script
}

/** A SYN has come and the SYN-ACK was sent, both at 0. */
export function synReceived(options: ScriptOptions = {}): Script {
  const script = new Script(options).openPassive()
  script.expectSent({ flags: 'S.', seq: 0, ack: 1, len: 0 })
  return script
}

/**
 * An open connection, actively opened, at time 0. By default the peer takes segments of 1000 bytes, a window of 65,535, no SACK and no
 * timestamps; the handshake took 100 ms, which makes an RTO of 300 ms.
 */
export function established(options: ScriptOptions = {}): Script {
  const script = synSent(options)
  const { rtt = 100 } = options
  script.at(rtt).inject({ flags: 'S.', seq: 0, ack: 1, ...script.offers })
  script
    .expectSent(ack(1, { seq: 1 }))
    .expectEvents('connected')
    .expectState(1)
  return script.restart()
}

/** `count` segments of 1000 bytes have been written at 0, the first ten of them sent; SACK is in use, and it is 100 ms, when their ACKs come. */
export function flight(count = 10, options: ScriptOptions = {}): Script {
  const script = established({ sack: true, ...options, connection: { sndbuf: 1_000_000, ...options.connection } })
  return script
    .write(count * 1000)
    .expectSent(...segments(Math.min(count, 10), 1))
    .at(100)
}

/** The same, passively opened. */
export function accepted(options: ScriptOptions = {}): Script {
  const script = synReceived(options)
  const { rtt = 100 } = options
  script.at(rtt).inject({ ack: 1 }).expectSent().expectEvents('connected').expectState(1)
  return script.restart()
}

/** The application has ended, the peer has not acknowledged. */
export function finWait1(options: ScriptOptions = {}): Script {
  const script = established(options).end()
  return script.expectSent({ flags: 'F.', seq: 1 }).expectState(4).restart()
}

export function finWait2(options: ScriptOptions = {}): Script {
  return finWait1(options).inject({ ack: 2 }).expectSent().expectState(5).restart()
}

/** Both sides have ended at once. */
export function closing(options: ScriptOptions = {}): Script {
  return finWait1(options).inject({ flags: 'F.' }).expectSent(ack(2)).expectState(11).restart()
}

/** The peer has ended. */
export function closeWait(options: ScriptOptions = {}): Script {
  return established(options).inject({ flags: 'F.' }).expectSent(ack(2)).expectState(8).restart()
}

export function lastAck(options: ScriptOptions = {}): Script {
  return closeWait(options).end().expectSent({ flags: 'F.', seq: 1, ack: 2 }).expectState(9).restart()
}

/** Closed by both, this side first. */
export function timeWait(options: ScriptOptions = {}): Script {
  return finWait2(options).inject({ flags: 'F.' }).expectSent(ack(2)).expectState(6).restart()
}
