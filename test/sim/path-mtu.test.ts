import { describe, expect, it } from 'vitest'
import { Stack, type StackOptions } from '../../src/stack/index.ts'
import { type Ear, SECOND, SimPair, type SimPairOptions } from '../support/sim-pair.ts'

// `mtu: 'probe'`: the search of mtu-search.test.ts at work between stacks.

const HEADERS = 28
/** IPv4 and UDP, the shim, TCP with timestamps: what a packet holds beside payload. */
const OVERHEAD = HEADERS + 4 + 32

const probing = (link = 1500): StackOptions => ({ mtu: 'probe', linkMtu: () => link })

class Scene extends SimPair {
  /** Sizes of packet that crossed the link to the server, or were lost in it. */
  readonly packets: number[] = []

  constructor(mtu: number, options: SimPairOptions = {}) {
    super({ client: probing(), server: probing(), ...options })
    this.narrow(mtu)
    this.net.tap((datagram, { link }) => {
      if (link.to === this.serverHost) this.packets.push(datagram.length + HEADERS)
      return true
    })
  }

  /** From now on both ways swallow what is larger. */
  narrow(mtu: number): void {
    for (const [a, b] of [
      [this.clientHost, this.serverHost],
      [this.serverHost, this.clientHost],
    ]) {
      this.net.link(a, b).set({ delay: 10, mtu: mtu - HEADERS })
    }
  }

  send(ear: Ear, other: Ear, size: number): void {
    const before = other.received
    let left = size
    const write = (): void => {
      left -= ear.endpoint.write(Buffer.alloc(left))
    }
    ear.writable = write
    write()
    this.until(() => other.received === before + size)
  }

  /** Bytes of packet that the segments of this end make. */
  packetOf({ endpoint }: Ear): number {
    return endpoint.connection.sender.mss + OVERHEAD
  }
}

describe("mtu: 'probe'", () => {
  it.each([
    [1500, 1500, 1500],
    [1400, 1500, 1400],
    [1300, 1500, 1280],
    [9000, 9000, 9000],
    [9000, 65_535, 9000],
  ])('over a link of %i, behind interfaces of %i: segments of %i, and none of them is lost', (mtu, link, found) => {
    const scene = new Scene(mtu, { client: probing(link), server: probing(link) })
    const [client, server] = scene.establish()
    scene.send(client, server, 200_000)
    scene.pass(30)
    expect([client, server].map((ear) => scene.packetOf(ear))).toEqual([found, found])
    scene.packets.length = 0
    scene.send(client, server, 200_000)
    scene.send(server, client, 200_000)
    expect(Math.max(...scene.packets)).toBe(found)
    for (const { mib } of [scene.client, scene.server]) {
      expect(mib).toMatchObject({ TCPTimeouts: 0, RetransSegs: 0, PathMtuLowered: 0, UdpTooLarge: 0 })
      expect(mib.PathMtuRaised).toBe(found > 1280 ? (found === 9000 ? 2 : 1) : 0)
    }
  })

  it('begins with 1280, and announces what the interface takes', () => {
    const scene = new Scene(1500, { client: probing(9000), server: {} })
    const client = scene.connect()
    expect(client.endpoint.path.maxSegment).toBe(1280 - HEADERS - 4)
    scene.until(() => scene.accepted.length === 1)
    const [server] = scene.accepted
    // rfc6691#2: without timestamps and other options.
    expect(server.endpoint.connection.peerMss).toBe(9000 - HEADERS - 4 - 20)
    // Who does not search sends what Ethernet takes.
    expect(scene.packetOf(server)).toBe(1500)
    scene.pass(1)
    expect(scene.packetOf(client)).toBe(1500)
  })

  it('over IPv6', () => {
    const scene = new Scene(1400)
    const stack = new Stack({ ...probing(), ...scene.serverHost.seams() })
    const listener = stack.listen(
      {
        address: scene.serverHost.addresses[1],
        port: 80,
        backlog: 1,
        ipv6Only: false,
        reusePort: false,
        exclusive: false,
      },
      {
        accepted: (endpoint) => ({
          endpoint,
          connected() {},
          readable() {},
          peerFinished() {},
          writable() {},
          closed() {},
        }),
      },
    )
    expect(typeof listener).toBe('object')
    const six = scene.connect({ address: scene.serverHost.addresses[1], port: 80 })
    scene.pass(30)
    // The link takes 1,372 bytes of UDP, and headers are longer by 20.
    expect(six.endpoint.path.maxSegment).toBe(1420 - 48 - 4)
  })

  it('asks nothing while there is no connection, and again after tcp_probe_interval', () => {
    const scene = new Scene(1400, { client: { ...probing(), sysctl: { tcp_probe_interval: 60, path_keepalive: 0 } } })
    const [client, server] = scene.establish()
    const { mib } = scene.client
    scene.pass(30)
    const first = mib.PathMtuProbesSent
    expect(scene.packetOf(client)).toBe(1400)
    scene.narrow(1500)
    scene.pass(45)
    expect(mib.PathMtuProbesSent).toBe(first + 1)
    expect(scene.packetOf(client)).toBe(1500)
    client.endpoint.close()
    scene.until(() => server.hasEnded)
    server.endpoint.close()
    scene.pass(200)
    expect(mib.PathMtuProbesSent).toBe(first + 1)
  })

  it('[rfc8899#4.3] a link that becomes narrower in the middle: the path falls to the base, for all its connections, and grows again', () => {
    const scene = new Scene(1500)
    const [client, server] = scene.establish()
    const [other, far] = scene.establish()
    expect(client.endpoint.path).toBe(other.endpoint.path)
    scene.send(client, server, 100_000)
    expect(scene.packetOf(client)).toBe(1500)
    scene.narrow(1400)
    scene.send(client, server, 100_000)
    expect(scene.client.mib.PathMtuLowered).toBe(1)
    // Small enough already: it need not find out by timeouts of its own.
    const { TCPTimeouts } = scene.client.mib
    scene.send(other, far, 100_000)
    expect(scene.client.mib.TCPTimeouts).toBe(TCPTimeouts)
    scene.pass(30)
    expect([client, other].map((ear) => scene.packetOf(ear))).toEqual([1400, 1400])
  })

  it('narrower than the base: what every path takes', () => {
    const scene = new Scene(1500)
    const [client, server] = scene.establish()
    scene.send(client, server, 10_000)
    scene.narrow(700)
    scene.client.sysctl.tcp_base_mss = 500
    scene.send(client, server, 100_000)
    scene.pass(60)
    expect(scene.packetOf(client)).toBe(576)
    scene.send(client, server, 100_000)
  })

  it('an interface that takes less than it says, or less than before: EMSGSIZE', () => {
    const scene = new Scene(9000, { client: probing(9000), server: probing(9000) })
    scene.clientHost.mtu = 1500
    const [client, server] = scene.establish()
    scene.pass(1)
    expect(scene.packetOf(client)).toBe(1500)
    expect(scene.client.mib.UdpTooLarge).toBeGreaterThan(0)
    expect(scene.client.mib.PathMtuLowered).toBe(0)
    scene.clientHost.mtu = 1400
    scene.send(client, server, 100_000)
    expect(scene.client.mib.PathMtuLowered).toBe(1)
    expect(scene.client.mib.TCPTimeouts).toBe(0)
    scene.pass(1)
    expect(scene.packetOf(client)).toBe(1400)
  })

  it('obeys the impairment that drops what is too large, and never exceeds 1500 while there is any', () => {
    const scene = new Scene(9000, { client: { ...probing(9000), impair: { mtu: 1420 } }, server: probing(9000) })
    const [client, server] = scene.establish()
    scene.send(client, server, 100_000)
    scene.pass(30)
    expect(scene.packetOf(client)).toBe(1420)
    expect(scene.client.mib).toMatchObject({ RetransSegs: 0 })
    scene.client.impair = { loss: 0, delay: 1 }
    scene.pass(700)
    expect(scene.packetOf(client)).toBe(1500)
    scene.client.impair = null
    scene.pass(1)
    expect(scene.packetOf(client)).toBe(9000)
  })

  it('a forged answer raises nothing', () => {
    const scene = new Scene(1400)
    const [client] = scene.establish()
    const reply = Buffer.alloc(12)
    reply.set([0x0a, 0x12, 0, 8])
    const socket = scene.serverHost.sockets.find(({ localPort }) => localPort === client.endpoint.path.remotePort)
    for (let i = 0; i < 20; i++) {
      reply.writeUInt32BE(i, 8)
      socket?.send(reply, client.endpoint.path.localPort, scene.clientHost.addresses[0])
      scene.pass(0.1)
    }
    expect(scene.packetOf(client)).toBe(1280)
    expect(scene.client.mib.PathProbesIgnored).toBe(20)
  })

  it('is refused where it cannot be', () => {
    const { clientHost } = new SimPair()
    expect(() => new Stack({ mtu: 'probe', encapsulation: 'bare', ...clientHost.seams() })).toThrow(
      "mtu: 'probe' needs framed encapsulation: a bare stack has no probes",
    )
    expect(() => new Stack({ mtu: 'search' as 'auto', ...clientHost.seams() })).toThrow(
      `mtu is "search": 'auto', 'probe' or a number is wanted`,
    )
  })

  it('takes as long as its probes, and no longer', () => {
    const scene = new Scene(1400)
    const [client] = scene.establish()
    const began = scene.world.nowUs
    scene.until(() => scene.packetOf(client) === 1400)
    // 1500 and 1440 fail, three seconds each.
    expect(scene.world.nowUs - began).toBeLessThan(6.1 * SECOND)
  })
})
