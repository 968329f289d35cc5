import type dgram from 'node:dgram'
import { describe, expect, it } from 'vitest'
import type { TraceEvent } from '../../src/observe/index.ts'
import type { ConnectRequest, Endpoint, StackOptions } from '../../src/stack/index.ts'
import type { SimHost } from '../../src/testing/sim/sim-host.ts'
import {
  encodeHeader,
  FrameKind,
  FrameResult,
  FrameView,
  HEADER_LENGTH,
  nextFrame,
  Segment,
  type Seq,
  seqAdd,
  writeChecksum,
} from '../../src/wire/index.ts'
import { Nat } from '../support/nat.ts'
import { type Ear, PORT, SECOND, SimPair, type SimPairOptions } from '../support/sim-pair.ts'

const TUNNEL = 9898
const MIB = 1 << 20

/** A client behind a NAT that has two addresses, a server in tunnel mode, and somebody else. */
class Scene extends SimPair {
  readonly nat: Nat
  readonly natHost: SimHost
  readonly attacker: SimHost
  /** What the server's stack says of paths. */
  readonly events: Extract<TraceEvent, { type: 'path' }>[] = []
  /** The last datagram of the client's as it left the NAT, and what went from the server to the attacker. */
  sent: Buffer = Buffer.alloc(0)
  answers = 0
  answered = 0
  probes = 0

  constructor({ server, ...options }: SimPairOptions = {}) {
    super({ link: { delay: 10 }, server: { tunnel: { port: TUNNEL }, ...server }, ...options })
    this.natHost = this.net.host('nat', ['10.0.1.1', '10.0.1.2'])
    this.attacker = this.net.host('attacker', ['10.0.2.1'])
    this.nat = new Nat(this.natHost, TUNNEL, { address: this.serverHost.addresses[0], port: TUNNEL })
    this.server.trace((event) => {
      if (event.type === 'path') this.events.push(event)
    })
    const view = new FrameView()
    this.net.tap((datagram, { link }) => {
      if (link.from === this.natHost && link.to === this.serverHost) this.sent = Buffer.from(datagram)
      if (link.from !== this.serverHost || link.to !== this.attacker) return true
      this.answers++
      this.answered += datagram.length
      if (nextFrame(datagram, 0, datagram.length, view) === FrameResult.Frame && view.kind === FrameKind.Probe)
        this.probes++
      return true
    })
  }

  /** Both ends, through the NAT. */
  open(more: Partial<ConnectRequest> = {}): [Ear, Ear] {
    const known = this.accepted.length
    const client = this.connect({ address: this.natHost.addresses[0], tunnelPort: TUNNEL, ...more })
    this.until(() => client.isConnected && this.accepted.length > known)
    return [client, this.accepted[known]]
  }

  /** Sockets of the attacker's, which hear nothing. */
  sockets(count: number): dgram.Socket[] {
    return Array.from({ length: count }, () => {
      const socket = this.attacker.dgram.createSocket('udp4')
      socket.bind(0)
      return socket
    })
  }

  send(socket: dgram.Socket, datagram: Buffer): void {
    socket.send(datagram, TUNNEL, this.serverHost.addresses[0])
    this.pass(0.05)
  }

  get counts(): { asked: number; ignored: number; moved: number } {
    const { PathCandidates: asked, PathCandidatesIgnored: ignored, PathMoves: moved } = this.server.mib
    return { asked, ignored, moved }
  }
}

/** Writes until so much has been taken, as fast as it is. */
function pour(ear: Ear, size: number): void {
  let left = size
  const write = (): void => {
    while (left > 0) {
      const taken = ear.endpoint.write(Buffer.alloc(Math.min(left, 65_536), 1))
      left -= taken
      if (taken === 0) return
    }
  }
  ear.writable = write
  write()
}

/** A segment as the peer of `endpoint` would send it now, changed by `change`. */
function forged({ connection }: Endpoint, change: (segment: Segment) => void = () => {}): Buffer {
  const { sender, receiver, timestamps } = connection
  const out = new Segment()
  out.srcPort = connection.remotePort
  out.dstPort = connection.localPort
  out.flags = 0x10
  out.seq = receiver.rcvNxt
  out.ack = sender.sndUna
  out.wnd = 1000
  out.hasTimestamps = true
  out.tsVal = seqAdd(timestamps.recent, 1)
  out.tsEcr = timestamps.sent
  change(out)
  const bytes = Buffer.alloc(4 + HEADER_LENGTH + 40)
  const length = encodeHeader(out, bytes, 4)
  writeChecksum(bytes, 4, 4 + length)
  bytes.set([0x0a, 0x10, length >> 8, length & 0xff])
  return bytes.subarray(0, 4 + length)
}

describe('a NAT that forgets its mapping in the middle of a transfer', () => {
  it.each<[string, StackOptions]>([
    ['', {}],
    ['with SACK off', { sysctl: { tcp_sack: 0 } }],
    ['by BBR', { sysctl: { tcp_congestion_control: 'bbr' } }],
  ])('the connection moves to the new port and goes on: upload %s', (_, options) => {
    const scene = new Scene({ client: options })
    const [client, server] = scene.open()
    pour(client, MIB)
    scene.until(() => server.received > MIB / 4)
    const before = server.endpoint.path.remotePort
    scene.nat.rebind()
    const at = scene.world.nowUs
    scene.until(() => scene.counts.moved === 1)
    // A segment there, a probe back, its answer there: two round trips of 40 ms at most.
    expect(scene.world.nowUs - at).toBeLessThan(0.1 * SECOND)
    expect(server.endpoint.path.remotePort).not.toBe(before)
    expect(server.endpoint.path.remotePort).toBe(scene.nat.port)
    scene.until(() => server.received === MIB)
    expect(scene.world.nowUs - at).toBeLessThan(15 * SECOND)
    expect(scene.counts).toEqual({ asked: 1, ignored: 0, moved: 1 })
    expect(scene.events).toMatchObject([
      { what: 'asked', address: '10.0.1.1', port: scene.nat.port, reason: 'its peer seems to be there' },
      { what: 'moved', address: '10.0.1.1', port: scene.nat.port, reason: 'the probe was answered' },
    ])
  })

  it('download: as soon as the client says something', () => {
    const scene = new Scene({ client: { sysctl: { path_keepalive: 2 } } })
    const [client, server] = scene.open()
    pour(server, MIB)
    scene.until(() => client.received > MIB / 4)
    scene.nat.rebind()
    const at = scene.world.nowUs
    scene.until(() => scene.counts.moved === 1)
    // It has nothing to say: its path is idle, and kept alive.
    expect(scene.world.nowUs - at).toBeLessThan(4.2 * SECOND)
    const moved = scene.world.nowUs
    scene.until(() => client.received === MIB)
    expect(scene.world.nowUs - moved).toBeLessThan(15 * SECOND)
  })

  it('an idle connection is found by its keepalive', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    client.endpoint.connection.setKeepalive(true, 0, 3)
    scene.pass(1)
    scene.nat.rebind()
    scene.pass(10)
    expect(scene.counts.moved).toBe(1)
    pour(server, 1000)
    scene.pass(1)
    expect(client.received).toBe(1000)
  })

  it('every connection of the path moves when it speaks, and one probe asks for all', () => {
    const scene = new Scene()
    const ends = Array.from({ length: 20 }, () => scene.open())
    scene.nat.rebind()
    const before = scene.server.mib.PathProbesSent
    for (const [client] of ends) pour(client, 1000)
    scene.pass(2)
    for (const [, server] of ends) {
      expect(server.received).toBe(1000)
      expect(server.endpoint.path.remotePort).toBe(scene.nat.port)
    }
    expect(scene.counts).toEqual({ asked: 20, ignored: 0, moved: 20 })
    expect(scene.server.mib.PathProbesSent - before).toBe(1)
    // The old path has gone with its last connection.
    for (const [client, server] of ends) {
      client.endpoint.close()
      scene.until(() => server.hasEnded)
      server.endpoint.close()
    }
    scene.pass(1)
    expect(scene.server.sockets().map(({ state }) => state)).toEqual(['LISTEN'])
  })

  it('twice and more often', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(client, 2 * MIB)
    for (let i = 1; i <= 5; i++) {
      scene.until(() => server.received > (i * MIB) / 4)
      scene.nat.rebind()
      scene.until(() => scene.counts.moved === i)
    }
    scene.until(() => server.received === 2 * MIB)
  })

  it('as impairment makes it: twice in one transfer', () => {
    const scene = new Scene({ client: { impair: { schedule: 'after 300kb rebind & after 600kb rebind' } } })
    const [client, server] = scene.open({ address: scene.serverHost.addresses[0] })
    const ports = new Set([server.endpoint.path.remotePort])
    pour(client, MIB)
    scene.until(() => {
      ports.add(server.endpoint.path.remotePort)
      return server.received === MIB
    })
    expect(ports.size).toBe(3)
    expect(scene.counts).toEqual({ asked: 2, ignored: 0, moved: 2 })
  })

  it('a probe that is lost is sent again with the next segment', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(client, MIB)
    scene.until(() => server.received > MIB / 4)
    scene.nat.rebind()
    scene.net.link(scene.serverHost, scene.natHost).down = true
    scene.until(() => scene.counts.asked === 1)
    scene.pass(0.1)
    scene.net.link(scene.serverHost, scene.natHost).down = false
    scene.until(() => server.received === MIB)
    expect(scene.counts.moved).toBe(1)
  })
})

describe('what is kept', () => {
  const settled = (): [Scene, Ear, Ear] => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(server, MIB)
    scene.until(() => client.received > MIB / 4)
    return [scene, client, server]
  }

  it('[rfc9000#9.4] behind another port of the same address: window and round-trip time', () => {
    const [scene, , { endpoint }] = settled()
    const { cwnd } = endpoint.connection.cc
    const { srtt, minRtt } = endpoint.connection.rtt
    scene.nat.rebind()
    const client = forged(endpoint)
    expect(cwnd).toBeGreaterThan(50_000)
    // The client speaks once, as if it had just acknowledged something.
    scene.nat.passOn(client)
    scene.until(() => scene.counts.moved === 1)
    expect(endpoint.connection.cc.cwnd).toBe(cwnd)
    expect(endpoint.connection.rtt).toMatchObject({ srtt, minRtt })
  })

  it('[rfc9000#9.4] at another address: neither', () => {
    const [scene, client, { endpoint }] = settled()
    const { connection } = endpoint
    const before = connection.cc.cwnd
    scene.nat.rebind('10.0.1.2')
    scene.nat.passOn(forged(endpoint))
    scene.until(() => scene.counts.moved === 1)
    expect(before).toBeGreaterThan(50_000)
    expect(connection.cc.cwnd).toBe(connection.initialWindow)
    expect(connection.rtt.hasSample).toBe(false)
    expect(endpoint.remoteAddress).toBe('10.0.1.2')
    scene.until(() => client.received === MIB)
    expect(connection.rtt.minRtt).toBeGreaterThan(39_000)
  })
})

describe('nothing moves', () => {
  it('without timestamps: the peer is told that nobody knows it', () => {
    const scene = new Scene({ client: { sysctl: { tcp_timestamps: 0 } } })
    const [client, server] = scene.open()
    pour(client, MIB)
    scene.until(() => server.received > MIB / 4)
    scene.nat.rebind()
    scene.until(() => client.reason !== null)
    expect(scene.counts).toEqual({ asked: 0, ignored: 0, moved: 0 })
  })

  it.each<[string, (segment: Segment) => void]>([
    ['an echo of what was not sent yet', (s) => (s.tsEcr = seqAdd(s.tsEcr, 1))],
    ['an echo from long ago', (s) => (s.tsEcr = seqAdd(s.tsEcr, -60_000))],
    ['no echo', (s) => (s.tsEcr = 0 as Seq)],
    ['a timestamp from before', (s) => (s.tsVal = seqAdd(s.tsVal, -100_000))],
    ['no timestamps', (s) => (s.hasTimestamps = false)],
    ['a sequence number beyond the window', (s) => (s.seq = seqAdd(s.seq, 100_000_000))],
    ['a sequence number of long ago', (s) => (s.seq = seqAdd(s.seq, -100_000_000))],
    ['an acknowledgement of what was not sent', (s) => (s.ack = seqAdd(s.ack, 100_000_000))],
    ['an acknowledgement of long ago', (s) => (s.ack = seqAdd(s.ack, -1))],
    ['a RST', (s) => (s.flags |= 4)],
    ['a SYN', (s) => (s.flags |= 2)],
    ['no ACK', (s) => (s.flags = 8)],
    ['other ports', (s) => (s.srcPort ^= 1)],
  ])('for a segment from elsewhere with %s', (_, change) => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(client, 100_000)
    scene.pass(2)
    const [socket] = scene.sockets(1)
    scene.send(socket, forged(server.endpoint, change))
    expect(scene.counts).toEqual({ asked: 0, ignored: 0, moved: 0 })
    expect(scene.probes).toBe(0)
    // And as the peer itself would send it, it is worth a probe.
    scene.send(socket, forged(server.endpoint))
    expect(scene.counts).toEqual({ asked: 1, ignored: 0, moved: 0 })
    expect(scene.probes).toBe(1)
    pour(client, 100_000)
    scene.pass(2)
    expect(server.received).toBe(200_000)
  })

  it('for a replayed segment: it draws a probe, and without an answer nothing more', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(client, MIB)
    scene.until(() => server.received > MIB / 4)
    const path = server.endpoint.path
    const [socket] = scene.sockets(1)
    const [asked, ignored] = [1, 0]
    scene.send(socket, scene.sent)
    scene.until(() => server.received === MIB)
    expect(scene.counts).toEqual({ asked, ignored, moved: 0 })
    expect(scene.answers).toBe(1)
    expect(server.endpoint.path).toBe(path)
    // Forgotten after five seconds: then the same would be asked again.
    scene.pass(5)
    expect(scene.events.at(-1)).toMatchObject({
      what: 'forgotten',
      address: '10.0.2.1',
      reason: 'no probe was answered',
    })
    scene.send(socket, forged(server.endpoint))
    expect(scene.counts.asked).toBe(2)
  })

  it('for an answer to a probe of long ago, or to none', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    const [socket] = scene.sockets(1)
    let probe: Buffer | null = null
    socket.on('message', (message) => {
      probe = message
    })
    scene.send(socket, forged(server.endpoint))
    expect(probe).toHaveLength(12)
    const reply = Buffer.from(probe as unknown as Buffer)
    reply[1] = 0x12
    reply[11] ^= 1
    scene.send(socket, reply)
    expect(scene.counts.moved).toBe(0)
    reply[11] ^= 1
    scene.pass(6)
    scene.send(socket, reply)
    expect(scene.counts.moved).toBe(0)
    pour(client, 1000)
    scene.pass(1)
    expect(server.received).toBe(1000)
  })

  it('to a fourth place while three are asked', () => {
    const scene = new Scene()
    const [, server] = scene.open()
    for (const socket of scene.sockets(5)) scene.send(socket, forged(server.endpoint))
    expect(scene.counts).toEqual({ asked: 3, ignored: 2, moved: 0 })
    expect(scene.probes).toBe(3)
    expect(scene.events.at(-1)).toMatchObject({ what: 'ignored', reason: '3 others are being asked' })
    scene.pass(6)
    for (const socket of scene.sockets(2)) scene.send(socket, forged(server.endpoint))
    expect(scene.counts.asked).toBe(5)
  })

  it('where several connections may be meant', () => {
    const numbers = { isn: () => 1000 as Seq, timestampOffset: () => 5000 as Seq }
    const scene = new Scene({ client: { numbers }, server: { numbers } })
    // From two ports of the NAT, with the same TCP ports.
    const [, first] = scene.open({ localPort: 4000 })
    const other = scene.net.host('other nat', ['10.0.3.1'])
    new Nat(other, TUNNEL, { address: scene.serverHost.addresses[0], port: TUNNEL })
    const [, second] = scene.open({ localPort: 4000, address: '10.0.3.1' })
    expect(first.endpoint.connection.remotePort).toBe(second.endpoint.connection.remotePort)
    for (const ear of [first, second]) pour(ear, 10)
    scene.pass(1)
    const [socket] = scene.sockets(1)
    scene.send(
      socket,
      forged(second.endpoint, (s) => (s.tsVal = seqAdd(s.tsVal, 1000))),
    )
    expect(scene.counts).toEqual({ asked: 0, ignored: 1, moved: 0 })
    expect(scene.answers).toBe(0)
    expect(scene.events).toMatchObject([{ what: 'ignored', reason: 'several connections may be meant' }])
  })

  it('in direct mode', () => {
    const scene = new Scene({ server: { tunnel: undefined } })
    const nat = new Nat(scene.net.host('direct nat', ['10.0.3.1']), PORT, {
      address: scene.serverHost.addresses[0],
      port: PORT,
    })
    const client = scene.connect({ address: '10.0.3.1' })
    scene.until(() => scene.accepted.length === 1)
    pour(client, MIB)
    scene.until(() => scene.accepted[0].received > MIB / 4)
    nat.rebind()
    scene.until(() => client.reason !== null)
    expect(scene.counts).toEqual({ asked: 0, ignored: 0, moved: 0 })
  })
})

describe('a flood from made-up places', () => {
  it('is answered by less than it brings, and leaves the connection alone', () => {
    const scene = new Scene()
    const [client, server] = scene.open()
    pour(client, 1000)
    scene.pass(1)
    const guess = scene.sent
    let brought = 0
    for (const [i, socket] of scene.sockets(500).entries()) {
      // Replays, and segments that are right but for the echo.
      const datagram = i % 2 === 0 ? guess : forged(server.endpoint, (s) => (s.tsEcr = seqAdd(s.tsEcr, 1 + i)))
      brought += datagram.length
      scene.send(socket, datagram)
    }
    expect(scene.answered).toBeLessThanOrEqual(brought)
    expect(scene.probes).toBeLessThan(20)
    expect(scene.counts.moved).toBe(0)
    pour(client, 100_000)
    scene.pass(2)
    expect(server.received).toBe(101_000)
  })
})
