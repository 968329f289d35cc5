import { createCongestionControl } from '../../src/congestion/index.ts'
import { Mib } from '../../src/stack/mib.ts'
import { SeededRandom } from '../../src/stack/random.ts'
import { Sysctl } from '../../src/stack/sysctl.ts'
import { openPassive } from '../../src/tcp/handshake.ts'
import { Connection, type SegmentSink, State } from '../../src/tcp/index.ts'
import { parseSegment, Segment, toSeq } from '../../src/wire/index.ts'

const SHIM = 4
/** Bytes that one end sends in a turn. */
const ROOM = 65_536

/** One of two connections that face each other: what it writes in a turn is one read of the other's, as UDP GRO makes it. */
class End implements SegmentSink {
  readonly c: Connection
  segments = 0
  buffer: Buffer = Buffer.allocUnsafeSlow(ROOM)
  offset = 0
  batch = 1
  readonly #starts: number[] = []
  readonly #in = new Segment()

  constructor(port: number, peerPort: number) {
    const { values: sysctl } = new Sysctl()
    const random = new SeededRandom(1)
    const host = {
      sysctl,
      mib: new Mib(),
      tracer: null,
      outSegment: new Segment(),
      memory: { pressure: false, isFull: false },
      mayChallenge: () => true,
      random: () => random.public(),
      createCongestionControl,
    }
    const options = {
      id: port,
      family: 'IPv4',
      localPort: port,
      remotePort: peerPort,
      iss: toSeq(port),
      tsOffset: 0,
      maxSegment: 1468,
      receiveLimit: () => Number.POSITIVE_INFINITY,
      checksumOffload: true,
    } as const
    this.c = new Connection(host, options, 0)
  }

  reserve(size: number): boolean {
    if (this.offset + SHIM + size > ROOM) return false
    this.offset += SHIM
    return true
  }

  commit(size: number): void {
    this.#starts.push(this.offset)
    this.offset += size
    this.segments++
  }

  isWaiting(): boolean {
    return false
  }

  /** Sends what may be sent, and has `peer` read it. */
  turn(peer: End, now: number): void {
    while (this.c.fill(this, now));
    const starts = this.#starts
    for (let i = 0; i < starts.length; i++) {
      const end = i + 1 < starts.length ? starts[i + 1] - SHIM : this.offset
      parseSegment(this.buffer, starts[i], end, this.#in)
      if (peer.c.state === State.CLOSE) openPassive(peer.c, this.#in, now)
      else peer.c.segmentArrives(this.#in, now)
    }
    starts.length = 0
    this.offset = 0
    while (peer.c.read(now) !== null);
  }
}

/** Two connections without a network or a stack: what a segment costs is theirs alone. */
export class TcpPair {
  readonly sender: End = new End(1, 2)
  readonly receiver: End = new End(2, 1)
  /** Bytes that the sender has been given. */
  written = 0
  #now = 1_000_000

  constructor() {
    this.sender.c.openActive(this.#now)
    for (let i = 0; i < 3; i++) this.turn()
  }

  turn(): void {
    this.#now += 1000
    for (const { c } of [this.sender, this.receiver]) if (c.deadline <= this.#now) c.deadlinePassed(this.#now)
    this.sender.turn(this.receiver, this.#now)
    this.receiver.turn(this.sender, this.#now)
  }

  /** Moves data until `segments` more have carried it. */
  transfer(chunk: Buffer, segments: number): void {
    const until = this.sender.segments + segments
    while (this.sender.segments < until) {
      this.written += this.sender.c.write(chunk)
      this.turn()
    }
  }
}
