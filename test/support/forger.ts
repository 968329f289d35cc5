import type { Rng } from '../../src/impair/index.ts'
import type { Connection } from '../../src/tcp/index.ts'
import {
  encodeHeader,
  Flag,
  FrameKind,
  HEADER_LENGTH,
  Segment,
  type Seq,
  seqAdd,
  seqDiff,
  toSeq,
  writeChecksum,
  writeShim,
} from '../../src/wire/index.ts'

/** What a forged segment is to look like to a connection. */
export interface Aim {
  srcPort: number
  dstPort: number
  /** Sequence number and acknowledgement are to lie in its windows, timestamps to be such as its peer would send; null: anywhere. */
  connection: Connection | null
  /** Nor may it be a replay of what was seen. */
  blind?: boolean
}

const FLAGS = [
  Flag.ACK,
  Flag.ACK,
  Flag.ACK,
  Flag.ACK | Flag.PSH,
  Flag.ACK | Flag.PSH,
  Flag.ACK | Flag.FIN,
  Flag.ACK | Flag.URG,
  Flag.SYN,
  Flag.SYN,
  Flag.SYN | Flag.ACK,
  Flag.SYN | Flag.FIN,
  Flag.RST,
  Flag.RST | Flag.ACK,
  Flag.FIN,
  0,
] as const
/** Kinds that mean something, and some that mean nothing. */
const KINDS = [0, 1, 2, 3, 4, 5, 8, 14, 19, 28, 29, 30, 34, 69, 253, 254, 255]
const LONGEST_PAYLOAD = 120

/** Makes segments and datagrams that no peer would send. The same `Rng` makes the same ones. */
export class Forger {
  readonly #rng: Rng
  readonly #framed: boolean
  readonly #segment = new Segment()
  /** Segments that were seen on the wire: mutants of these come further than what is made of nothing. */
  readonly #seen: Buffer[] = []

  constructor(rng: Rng, framed: boolean) {
    this.#rng = rng
    this.#framed = framed
  }

  /** Keeps a segment that really was sent. */
  learn(segment: Buffer): void {
    if (this.#seen.length < 512) this.#seen.push(Buffer.from(segment))
    else this.#seen[this.#rng.nextInt(512)] = Buffer.from(segment)
  }

  /** A datagram of noise: bytes of no meaning, or a shim before them, or a probe, or frames that overrun. */
  noise(): Buffer {
    const size = this.#chance(0.05) ? this.#rng.nextInt(1400) : this.#rng.nextInt(80)
    const bytes = this.#bytes(size)
    if (!this.#framed || this.#chance(0.3)) return bytes
    const head = Buffer.alloc(4)
    const kind = this.#rng.nextInt(4)
    writeShim(head, 0, kind as FrameKind, this.#chance(0.8) ? size : this.#rng.nextInt(70_000) & 0xffff)
    if (this.#chance(0.1)) head[1] ^= 0x20
    return Buffer.concat([head, bytes])
  }

  /** A datagram with one segment, sometimes with several. */
  datagram(aim: Aim): Buffer {
    if (!this.#framed) return this.segment(aim)
    const frames: Buffer[] = []
    const count = this.#chance(0.05) ? 2 + this.#rng.nextInt(6) : 1
    for (let i = 0; i < count; i++) frames.push(this.#frame(this.segment(aim)))
    return count === 1 ? frames[0] : Buffer.concat(frames)
  }

  /** One byte, `offset` beyond what the connection has. */
  morsel({ srcPort, dstPort }: Aim, { receiver, sender, timestamps, lastHeard }: Connection, offset: number): Buffer {
    const out = this.#segment
    out.reset()
    out.srcPort = srcPort
    out.dstPort = dstPort
    out.flags = Flag.ACK
    out.seq = seqAdd(receiver.rcvNxt, offset)
    out.ack = sender.sndUna
    out.wnd = 1000
    out.hasTimestamps = true
    out.tsVal = timestamps.recent
    out.tsEcr = timestamps.value(lastHeard)
    const bytes = Buffer.alloc(33)
    encodeHeader(out, bytes, 0)
    writeChecksum(bytes, 0, bytes.length)
    return this.#framed ? this.#frame(bytes) : bytes
  }

  /** A segment, its checksum right (where it is long enough to have one). */
  segment(aim: Aim): Buffer {
    const bytes = this.#seen.length > 0 && this.#chance(0.4) ? this.#mutant(aim) : this.#invention(aim)
    if (bytes.length >= HEADER_LENGTH) {
      bytes.writeUInt16BE(0, 16)
      writeChecksum(bytes, 0, bytes.length)
    }
    return bytes
  }

  /** One that was seen, with a few bytes changed, cut or grown. */
  #mutant(aim: Aim): Buffer {
    const rng = this.#rng
    const original = this.#seen[rng.nextInt(this.#seen.length)]
    let bytes: Buffer = Buffer.from(original)
    for (let i = rng.nextInt(4); i >= 0; i--) bytes[rng.nextInt(bytes.length)] = rng.nextInt(256)
    const dice = rng.next()
    if (dice < 0.1) bytes = bytes.subarray(0, rng.nextInt(bytes.length + 1))
    else if (dice < 0.2) bytes = Buffer.concat([bytes, this.#bytes(rng.nextInt(60))])
    if (bytes.length < HEADER_LENGTH) return bytes
    bytes.writeUInt16BE(aim.srcPort, 0)
    bytes.writeUInt16BE(aim.dstPort, 2)
    if (aim.connection !== null) {
      bytes.writeInt32BE(this.#seqFor(aim.connection), 4)
      bytes.writeInt32BE(this.#ackFor(aim.connection), 8)
    } else if (aim.blind) {
      bytes.writeInt32BE(this.#anySeq(), 4)
      bytes.writeInt32BE(this.#anySeq(), 8)
    }
    return bytes
  }

  #invention({ srcPort, dstPort, connection }: Aim): Buffer {
    const rng = this.#rng
    const out = this.#segment
    out.reset()
    out.srcPort = srcPort
    out.dstPort = dstPort
    out.flags = this.#chance(0.1) ? rng.nextInt(512) : FLAGS[rng.nextInt(FLAGS.length)]
    // The dead tell nothing: mostly what does not end it at once.
    if (connection !== null && this.#chance(0.9)) out.flags &= ~Flag.RST
    out.seq = connection === null ? this.#anySeq() : this.#seqFor(connection)
    out.ack = connection === null ? this.#anySeq() : this.#ackFor(connection)
    out.wnd = this.#chance(0.2) ? 0 : rng.nextInt(65_536)
    out.urgentPointer = rng.nextInt(65_536)
    this.#options(out, connection)
    const payload = this.#chance(0.4) ? rng.nextInt(LONGEST_PAYLOAD) : 0
    const bytes = Buffer.alloc(60 + payload)
    let length = encodeHeader(out, bytes, 0)
    if (this.#chance(0.2)) length = this.#wildOptions(bytes)
    for (let i = 0; i < payload; i++) bytes[length + i] = rng.nextInt(256)
    if (this.#chance(0.02)) bytes[12] = rng.nextInt(256)
    return bytes.subarray(0, length + payload)
  }

  #options(out: Segment, connection: Connection | null): void {
    const rng = this.#rng
    if ((out.flags & Flag.SYN) !== 0) {
      if (this.#chance(0.7)) out.mss = rng.nextInt(65_536)
      if (this.#chance(0.5)) out.wscale = rng.nextInt(16)
      out.sackPermitted = this.#chance(0.5)
      out.checksumOffload = this.#chance(0.3)
    }
    if (this.#chance(connection === null ? 0.5 : 0.9)) {
      out.hasTimestamps = true
      if (connection === null || this.#chance(0.1)) {
        out.tsVal = this.#anySeq()
        out.tsEcr = this.#anySeq()
      } else {
        out.tsVal = seqAdd(connection.timestamps.recent, rng.nextInt(10))
        out.tsEcr = seqAdd(connection.timestamps.value(connection.lastHeard), -rng.nextInt(10))
      }
    }
    if (this.#chance(0.2)) {
      out.sackCount = 1 + rng.nextInt(3)
      for (let i = 0; i < out.sackCount * 2; i++) {
        out.sack[i] =
          connection === null ? this.#anySeq() : seqAdd(connection.sender.sndUna, rng.nextInt(100_000) - 2000)
      }
    }
  }

  /** Options whose kinds and lengths are chance; returns the header's length. */
  #wildOptions(bytes: Buffer): number {
    const rng = this.#rng
    const length = rng.nextInt(11) * 4
    for (let at = 20; at < 20 + length; ) {
      bytes[at++] = KINDS[rng.nextInt(KINDS.length)]
      if (at < 20 + length && this.#chance(0.9))
        bytes[at++] = this.#chance(0.8) ? 2 + rng.nextInt(12) : rng.nextInt(256)
      for (let i = rng.nextInt(10); i > 0 && at < 20 + length; i--) bytes[at++] = rng.nextInt(256)
    }
    bytes[12] = ((20 + length) << 2) | (bytes[12] & 1)
    return 20 + length
  }

  /** Most of all the numbers at which something happens. */
  #seqFor({ receiver }: Connection): Seq {
    const rng = this.#rng
    if (this.#chance(0.3)) return receiver.rcvNxt
    if (this.#chance(0.1)) return seqAdd(receiver.rcvNxt, -1)
    if (this.#chance(0.1)) return receiver.window.rcvAcc
    return seqAdd(receiver.rcvNxt, rng.nextInt(Math.max(1, receiver.rcvWnd)))
  }

  #ackFor({ sender }: Connection): Seq {
    const rng = this.#rng
    if (this.#chance(0.4)) return sender.sndUna
    if (this.#chance(0.2)) return sender.sndNxt
    return seqAdd(sender.sndUna, rng.nextInt(seqDiff(sender.sndNxt, sender.sndUna) + 1))
  }

  #anySeq(): Seq {
    return toSeq(Math.floor(this.#rng.next() * 2 ** 32))
  }

  #frame(segment: Buffer): Buffer {
    const bytes = Buffer.alloc(4 + segment.length)
    writeShim(bytes, 0, FrameKind.Segment, segment.length)
    segment.copy(bytes, 4)
    return bytes
  }

  #bytes(size: number): Buffer {
    const bytes = Buffer.alloc(size)
    for (let i = 0; i < size; i++) bytes[i] = this.#rng.nextInt(256)
    return bytes
  }

  #chance(p: number): boolean {
    return this.#rng.next() < p
  }
}
