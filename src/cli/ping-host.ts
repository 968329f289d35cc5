import { randomBytes } from 'node:crypto'
import dgram from 'node:dgram'
import {
  encodeHeader,
  Flag,
  FrameKind,
  FrameResult,
  FrameView,
  HEADER_LENGTH,
  nextFrame,
  optionsLength,
  ParseResult,
  parseSegment,
  readProbeToken,
  Segment,
  SHIM_LENGTH,
  SHIM_MAGIC,
  SHIM_VERSION,
  seqAdd,
  toSeq,
  writeChecksum,
  writeProbe,
  writeShim,
} from '../wire/index.ts'

/** What there is at a UDP port. */
export type Verdict =
  /** It speaks sluice. */
  | 'sluice'
  /** It answers, with something else. */
  | 'not-sluice'
  /** Its host says that nobody has the port. */
  | 'refused'
  /** Nothing came back. */
  | 'silent'

export interface PingReport {
  verdict: Verdict
  /** Of the shim, as the answers bear it. */
  version: number | null
  /** Whether the TCP port accepts connections; null: it did not say. */
  open: boolean | null
  sent: number
  /** Round trips, in milliseconds, in the order of the probes; null: not answered. */
  rtts: (number | null)[]
  /** The largest segment that the peer takes, and the packet that this makes, IP header included. */
  mss: number | null
  mtu: number | null
  /** What it offers for connections. */
  timestamps: boolean
  sack: boolean
  windowScale: number | null
  /** Segments may be left to the UDP checksum. */
  checksumOffload: boolean
}

export interface PingTarget {
  address: string
  family: 4 | 6
  port: number
  udpPort: number
}

interface Sent {
  token: bigint
  at: number
}

const { SYN, ACK, RST } = Flag
/** More than any datagram of ours. */
const WINDOW = 65_535

/**
 * Asks a UDP port what it is, and leaves nothing behind there: probes, which are answered without a record, and one SYN until that is
 * answered, whose half-open connection is reset on the spot.
 */
export class PingHost {
  readonly report: PingReport = {
    verdict: 'silent',
    version: null,
    open: null,
    sent: 0,
    rtts: [],
    mss: null,
    mtu: null,
    timestamps: false,
    sack: false,
    windowScale: null,
    checksumOffload: false,
  }
  readonly #target: PingTarget
  readonly #socket: dgram.Socket
  readonly #probes: Sent[] = []
  readonly #iss = toSeq(randomBytes(4).readInt32BE())
  readonly #answered: (probe: number, rtt: number) => void
  #settle: (error: Error | null) => void = () => {}

  /** `answered` is told of each probe that comes back, counted from 0. */
  constructor(target: PingTarget, answered: (probe: number, rtt: number) => void) {
    this.#target = target
    this.#answered = answered
    this.#socket = dgram.createSocket(target.family === 4 ? 'udp4' : 'udp6')
  }

  /** Sends `count` probes, `interval` milliseconds apart, and waits for `wait` milliseconds after the last. */
  async run(count: number, interval: number, wait: number): Promise<PingReport> {
    let timer: NodeJS.Timeout | undefined
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = (error) => (error === null ? resolve() : reject(error))
        const socket = this.#socket
        socket.on('message', (message) => this.#received(message))
        socket.on('error', (error) => this.#failed(error))
        const round = (): void => {
          this.#send()
          const isLast = this.report.sent === count
          timer = setTimeout(isLast ? () => resolve() : round, isLast ? wait : interval)
        }
        socket.connect(this.#target.udpPort, this.#target.address, round)
        this.#isDone = () => this.report.sent === count && this.report.open !== null && !this.report.rtts.includes(null)
      })
    } finally {
      clearTimeout(timer)
      this.#socket.close()
    }
    return this.report
  }

  #isDone: () => boolean = () => false

  #send(): void {
    const token = randomBytes(8).readBigUInt64BE()
    const probe = Buffer.alloc(SHIM_LENGTH + 8)
    writeProbe(probe, 0, FrameKind.Probe, token)
    this.report.rtts.push(null)
    this.report.sent++
    this.#probes.push({ token, at: performance.now() })
    this.#sendDatagram(probe)
    if (this.report.open === null) this.#sendSegment(SYN)
  }

  #sendSegment(flags: number, seq = this.#iss): void {
    const segment = new Segment()
    segment.srcPort = this.#socket.address().port
    segment.dstPort = this.#target.port
    segment.seq = seq
    segment.flags = flags
    if (flags === SYN) {
      segment.wnd = WINDOW
      segment.mss = 1448
      segment.wscale = 7
      segment.sackPermitted = true
      segment.hasTimestamps = true
      segment.tsVal = toSeq(Math.trunc(performance.now()))
      segment.checksumOffload = true
    }
    const length = HEADER_LENGTH + optionsLength(segment)
    const datagram = Buffer.alloc(SHIM_LENGTH + length)
    writeShim(datagram, 0, FrameKind.Segment, length)
    encodeHeader(segment, datagram, SHIM_LENGTH)
    writeChecksum(datagram, SHIM_LENGTH, datagram.length)
    this.#sendDatagram(datagram)
  }

  #sendDatagram(datagram: Buffer): void {
    this.#socket.send(datagram, (error) => {
      if (error !== null) this.#failed(error)
    })
  }

  #failed(error: NodeJS.ErrnoException): void {
    // Who has answered before has closed since: what it said counts.
    if (error.code !== 'ECONNREFUSED') this.#settle(error)
    else if (this.report.verdict === 'silent') {
      this.report.verdict = 'refused'
      this.#settle(null)
    }
  }

  #received(message: Buffer): void {
    const { report } = this
    const now = performance.now()
    const view = new FrameView()
    let result = nextFrame(message, 0, message.length, view)
    if (result !== FrameResult.Frame) {
      if (result === FrameResult.BadVersion && message[0] === SHIM_MAGIC) {
        report.version = message[1] >> 4
        report.verdict = 'sluice'
      } else if (report.verdict === 'silent') report.verdict = 'not-sluice'
      return
    }
    report.verdict = 'sluice'
    report.version = SHIM_VERSION
    for (; result === FrameResult.Frame; result = nextFrame(message, view.next, message.length, view)) {
      if (view.kind === FrameKind.ProbeReply) this.#probeAnswered(readProbeToken(message, view.start, view.end), now)
      else if (view.kind === FrameKind.Segment) this.#segmentArrived(message, view.start, view.end)
    }
    if (this.#isDone()) this.#settle(null)
  }

  #probeAnswered(token: bigint | null, now: number): void {
    const index = this.#probes.findIndex((probe) => probe.token === token)
    if (index < 0 || this.report.rtts[index] !== null) return
    const rtt = now - (this.#probes[index] as Sent).at
    this.report.rtts[index] = rtt
    this.#answered(index, rtt)
  }

  #segmentArrived(message: Buffer, start: number, end: number): void {
    const segment = new Segment()
    if (parseSegment(message, start, end, segment) !== ParseResult.Ok) return
    if (segment.srcPort !== this.#target.port || segment.ack !== seqAdd(this.#iss, 1)) return
    const { report } = this
    if ((segment.flags & RST) !== 0) {
      report.open ??= false
    } else if ((segment.flags & (SYN | ACK)) === (SYN | ACK)) {
      this.#sendSegment(RST, segment.ack)
      report.open = true
      report.mss = segment.mss < 0 ? null : segment.mss
      const headers = HEADER_LENGTH + SHIM_LENGTH + 8 + (this.#target.family === 4 ? 20 : 40)
      report.mtu = report.mss === null ? null : report.mss + headers
      report.timestamps = segment.hasTimestamps
      report.sack = segment.sackPermitted
      report.windowScale = segment.wscale < 0 ? null : segment.wscale
      report.checksumOffload = segment.checksumOffload
    }
  }
}
