import { type Endpoint, type Listener, type ListenOptions, Stack, type StackOptions } from '../../src/stack/index.ts'
import type { SimHost } from '../../src/testing/sim/sim-host.ts'
import type { Flow } from '../../src/testing/sim/sim-link.ts'
import { SimNet, type SimNetOptions } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import {
  encodeHeader,
  Flag,
  FrameKind,
  FrameResult,
  FrameView,
  nextFrame,
  optionsLength,
  parseSegment,
  Segment,
  type Seq,
  seqAdd,
  toSeq,
  writeChecksum,
  writeShim,
} from '../../src/wire/index.ts'
import { Ear, SECOND } from './sim-pair.ts'

export const PORT = 7000
const SHIM = 4
/** Of a datagram, IPv4 and UDP. */
const OUTER = 28

/** A segment that came back to a raw peer. */
export interface Answer {
  us: number
  flags: number
  seq: Seq
  ack: Seq
  wnd: number
  mss: number
  wscale: number
  sackPermitted: boolean
  checksumOffload: boolean
  /** TSval and TSecr; null: none. */
  ts: [Seq, Seq] | null
  cookie: Buffer | null
  /** The cookie came in the experimental form of the option. */
  experimental: boolean
  data: string
}

export interface RawFields {
  flags?: number
  seq?: number
  ack?: number
  wnd?: number
  mss?: number
  wscale?: number
  sackPermitted?: boolean
  checksumOffload?: boolean
  ts?: [number, number] | null
  cookie?: Buffer | null
  /** The cookie goes in the experimental form of the option. */
  experimental?: boolean
  data?: string
  /** Leave the checksum to UDP. */
  unsummed?: boolean
  /** With one that is wrong. */
  badChecksum?: boolean
}

/** Somebody on the network who sends what he likes, from any address, and answers nothing by himself. */
export class RawPeer {
  readonly answers: Answer[] = []
  readonly address: string
  readonly port: number
  readonly #rig: ListenRig
  iss = toSeq(1000)

  constructor(rig: ListenRig, address: string, port: number) {
    this.#rig = rig
    this.address = address
    this.port = port
  }

  send(fields: RawFields): this {
    this.#rig.throw(this, fields)
    return this
  }

  /** A SYN as a modern host sends it. */
  syn(fields: RawFields = {}): this {
    return this.send({
      flags: Flag.SYN,
      seq: this.iss,
      mss: 1448,
      wscale: 7,
      sackPermitted: true,
      ts: [5000, 0],
      checksumOffload: true,
      ...fields,
    })
  }

  /** What completes the handshake that the last SYN-ACK belongs to. */
  ack(fields: RawFields = {}): this {
    const { seq, ts } = this.synAck
    const stamp: [number, number] | null = ts === null ? null : [5001, ts[0]]
    return this.send({ flags: Flag.ACK, seq: seqAdd(this.iss, 1), ack: seqAdd(seq, 1), ts: stamp, ...fields })
  }

  /** The last SYN-ACK. */
  get synAck(): Answer {
    const found = this.answers.findLast(({ flags }) => flags === (Flag.SYN | Flag.ACK))
    if (found === undefined) throw new Error('no SYN-ACK came')
    return found
  }

  get last(): Answer | undefined {
    return this.answers.at(-1)
  }
}

export interface ListenRigOptions extends SimNetOptions {
  seed?: number
  server?: StackOptions
  backlog?: number
  tcp?: ListenOptions['tcp']
  /** Listens at every address, not just at the first. */
  wildcard?: boolean
}

/** A stack that listens on port 7000, and whoever comes to it. */
export class ListenRig {
  readonly world: World
  readonly net: SimNet
  readonly host: SimHost
  readonly stack: Stack
  listener: Listener
  readonly accepted: Ear[] = []
  /** Bytes of datagrams, headers and all, that raw peers sent and got. */
  bytesIn = 0
  bytesOut = 0
  readonly #backlog: number
  readonly #tcp: ListenOptions['tcp']
  readonly #wildcard: boolean
  readonly #peers = new Map<string, RawPeer>()
  readonly #outside: SimHost
  readonly #segment = new Segment()
  readonly #view = new FrameView()
  #clients = 0

  constructor({ seed = 1, server, backlog = 128, tcp, wildcard = false, ...net }: ListenRigOptions = {}) {
    this.world = new World({ seed })
    this.net = new SimNet(this.world, net)
    this.host = this.net.host('server')
    this.#outside = this.net.host('outside', [])
    this.#backlog = backlog
    this.#tcp = tcp
    this.#wildcard = wildcard
    this.net.tap((datagram, flow) => this.#tap(datagram, flow))
    this.stack = new Stack({ ...server, ...this.host.seams() })
    this.listener = this.listen()
  }

  listen(): Listener {
    const [address] = this.host.addresses
    const listener = this.stack.listen(
      {
        address: this.#wildcard ? undefined : address,
        port: PORT,
        backlog: this.#backlog,
        ipv6Only: false,
        reusePort: false,
        exclusive: false,
        tcp: this.#tcp,
      },
      { accepted: (endpoint) => this.#accept(endpoint) },
    )
    if (typeof listener === 'string') throw new Error(listener)
    this.listener = listener
    return listener
  }

  get mib(): Stack['mib'] {
    return this.stack.mib
  }

  peer(number = 1, port = 5000): RawPeer {
    return this.peerAt(`10.9.${number >> 8}.${number & 255}`, port)
  }

  /** One with an address of his own choice. */
  peerAt(address: string, port = 5000): RawPeer {
    const peer = new RawPeer(this, address, port)
    this.#peers.set(`${address}:${port}`, peer)
    return peer
  }

  /** Another host with a stack. */
  client(options: StackOptions = {}): Stack {
    return new Stack({ ...options, ...this.net.host(`client ${++this.#clients}`).seams() })
  }

  connect(stack: Stack, more: Partial<Parameters<Stack['connect']>[0]> = {}): Ear {
    const ear = new Ear()
    const endpoint = stack.connect({ address: this.host.addresses[0], port: PORT, ...more }, ear)
    if (typeof endpoint === 'string') throw new Error(endpoint)
    ear.endpoint = endpoint
    return ear
  }

  /** Lets seconds pass. */
  pass(seconds: number): void {
    this.world.run(this.world.nowUs + seconds * SECOND)
  }

  until(what: () => boolean, seconds = 600): void {
    if (!this.world.run(what, this.world.nowUs + seconds * SECOND)) throw new Error('it never came to that')
  }

  /** `to`: the address that the datagram is for, by default the first of the host. */
  throw({ address, port }: RawPeer, fields: RawFields, to = this.host.addresses[0]): void {
    const out = this.#segment
    out.reset()
    out.srcPort = port
    out.dstPort = PORT
    out.flags = fields.flags ?? 0
    out.seq = toSeq(fields.seq ?? 0)
    out.ack = toSeq(fields.ack ?? 0)
    out.wnd = fields.wnd ?? 65_535
    out.mss = fields.mss ?? -1
    out.wscale = fields.wscale ?? -1
    out.sackPermitted = fields.sackPermitted ?? false
    out.checksumOffload = fields.checksumOffload ?? false
    out.fastOpenCookie = fields.cookie ?? null
    out.fastOpenExperimental = fields.experimental ?? false
    if (fields.ts) {
      out.hasTimestamps = true
      out.tsVal = toSeq(fields.ts[0])
      out.tsEcr = toSeq(fields.ts[1])
    }
    const data = Buffer.from(fields.data ?? '')
    const header = 20 + optionsLength(out)
    const buffer = Buffer.alloc(SHIM + header + data.length)
    writeShim(buffer, 0, FrameKind.Segment, header + data.length)
    encodeHeader(out, buffer, SHIM)
    data.copy(buffer, SHIM + header)
    if (!fields.unsummed) writeChecksum(buffer, SHIM, buffer.length)
    if (fields.badChecksum) buffer[SHIM + 17] ^= 1
    this.bytesIn += OUTER + buffer.length
    this.host.arrive(buffer, {
      family: 'IPv4',
      sourceAddress: address,
      sourcePort: port,
      address: to,
      port: PORT,
      link: this.net.link(this.#outside, this.host),
      refused: null,
      sink: null,
      sinkVersion: -1,
    })
  }

  #accept(endpoint: Endpoint): Ear {
    const ear = new Ear()
    ear.endpoint = endpoint
    this.accepted.push(ear)
    return ear
  }

  #tap(datagram: Buffer, flow: Flow): boolean {
    const peer = this.#peers.get(`${flow.address}:${flow.port}`)
    if (peer === undefined) return true
    this.bytesOut += OUTER + datagram.length
    const view = this.#view
    const seg = new Segment()
    for (let at = 0; nextFrame(datagram, at, datagram.length, view) === FrameResult.Frame; at = view.next) {
      if (view.kind !== FrameKind.Segment) continue
      parseSegment(datagram, view.start, view.end, seg)
      const { flags, seq, ack, wnd, mss, wscale, sackPermitted, checksumOffload } = seg
      peer.answers.push({
        us: this.world.nowUs,
        ...{ flags, seq, ack, wnd, mss, wscale, sackPermitted, checksumOffload },
        ts: seg.hasTimestamps ? [seg.tsVal, seg.tsEcr] : null,
        experimental: seg.fastOpenExperimental,
        cookie: seg.fastOpenCookie === null ? null : Buffer.from(seg.fastOpenCookie),
        data: datagram.toString('latin1', view.start + (datagram[view.start + 12] >> 4) * 4, view.end),
      })
    }
    return true
  }
}

export { Flag, SECOND }
