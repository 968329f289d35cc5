import { describe, expect, it } from 'vitest'
import { Stack, type StackOptions } from '../../src/stack/index.ts'
import type { Flow } from '../../src/testing/sim/sim-link.ts'
import { SimNet } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import {
  Flag,
  FrameKind,
  FrameResult,
  FrameView,
  hasChecksum,
  nextFrame,
  parseSegment,
  Segment,
  verifyChecksum,
} from '../../src/wire/index.ts'
import { ListenRig, type RawPeer } from '../support/listen-rig.ts'
import { CloseReason, Ear, PORT, SECOND, SimPair } from '../support/sim-pair.ts'

// What lies under TCP, and what it says: rfc9293#3.7.1, #3.7.3, #3.9.2.

describe('errors of the network', () => {
  /** A client of two servers. */
  function trio() {
    const world = new World()
    const net = new SimNet(world)
    const host = net.host('client')
    const client = new Stack(host.seams())
    const servers = ['left', 'right'].map((name) => {
      const server = net.host(name)
      const stack = new Stack(server.seams())
      const listening = {
        address: undefined,
        port: PORT,
        backlog: 9,
        ipv6Only: false,
        reusePort: false,
        exclusive: false,
      }
      stack.listen(listening, { accepted: (endpoint) => Object.assign(new Ear(), { endpoint }) })
      return server
    })
    const pass = (seconds: number): void => {
      world.run(world.nowUs + seconds * SECOND)
    }
    const clients = servers.map(({ addresses: [address] }) => {
      const ear = new Ear()
      const endpoint = client.connect({ address, port: PORT }, ear)
      if (typeof endpoint === 'string') throw new Error(endpoint)
      ear.endpoint = endpoint
      return ear
    })
    pass(1)
    expect(clients.map(({ isConnected }) => isConnected)).toEqual([true, true])
    return { net, host, servers, clients, pass }
  }

  it('[rfc9293#3.9.2.2 MUST-54] reach the connections of their path, and no others', () => {
    const { host, servers, clients, pass } = trio()
    const [left, right] = clients
    const soft = (): string[] => clients.map(({ endpoint }) => endpoint.info().soft_error)
    // No way to the left one any more.
    host.unreachable.set(servers[0].addresses[0], 'EHOSTUNREACH')
    for (const { endpoint } of clients) endpoint.write(Buffer.alloc(10))
    pass(0.1)
    expect(soft()).toEqual(['EHOSTUNREACH', ''])
    host.unreachable.clear()
    pass(5)
    // Its process is gone: port unreachable, for the left one only.
    servers[0].kill()
    for (const { endpoint } of clients) endpoint.write(Buffer.alloc(10))
    pass(20)
    expect([left.reason, right.reason]).toEqual([CloseReason.Reset, null])
    expect(right.endpoint.unsent).toBe(0)
  })

  it('[rfc9293#3.9.2.2 SHLD-26] linux: port unreachable ends a SYN at once, and a connection when it goes on for a second', () => {
    const pair = new SimPair()
    const [client] = pair.establish()
    pair.serverHost.kill()
    const began = pair.world.nowUs
    const refused = pair.connect()
    client.endpoint.write(Buffer.alloc(10))
    pair.until(() => refused.reason !== null)
    expect(refused.reason).toBe(CloseReason.Refused)
    expect(pair.world.nowUs - began).toBeLessThan(0.01 * SECOND)
    expect(client.reason).toBeNull()
    pair.until(() => client.reason !== null)
    expect(client.reason).toBe(CloseReason.Reset)
    expect(pair.world.nowUs - began).toBeGreaterThanOrEqual(SECOND)
  })
})

describe('whom nobody may be', () => {
  /** A SYN from an address to an address, as it may lie on the wire; what the stack says to it. */
  function knock(rig: ListenRig, from: string, to: string): RawPeer {
    const peer = rig.peerAt(from)
    rig.throw(peer, { flags: Flag.SYN, seq: 1000, mss: 1448 }, to)
    rig.pass(0.5)
    return peer
  }

  it.each([
    ['the limited broadcast', '255.255.255.255'],
    ['the broadcast of its network', '10.0.0.255'],
    ['multicast', '224.0.0.251'],
  ])('[rfc9293#3.9.2.3 MUST-57] a SYN to %s is dropped without a word', (_, address) => {
    for (const wildcard of [false, true]) {
      const rig = new ListenRig({ wildcard })
      expect(knock(rig, '10.9.0.1', address).answers).toEqual([])
      expect([rig.mib.InSegs, rig.mib.OutSegs, rig.listener.halfOpen]).toEqual([0, 0, 0])
      expect(knock(rig, '10.9.0.1', rig.host.addresses[0]).answers.length).toBe(1)
    }
  })

  it.each([
    ['the limited broadcast', '255.255.255.255'],
    ['the broadcast of our network', '10.0.0.255'],
    ['multicast', '224.0.0.251'],
    ['the unspecified address', '0.0.0.0'],
    ['what is reserved', '250.1.2.3'],
  ])('[rfc9293#3.9.2.3 MUST-63] [rfc1122#3.2.1.3] a SYN from %s is ignored', (_, address) => {
    const rig = new ListenRig()
    expect(knock(rig, address, rig.host.addresses[0]).answers).toEqual([])
    expect([rig.mib.OutSegs, rig.listener.halfOpen, rig.mib.UdpInErrors]).toEqual([0, 0, 1])
    expect(knock(rig, '10.9.0.1', rig.host.addresses[0]).answers.length).toBe(1)
  })
})

describe('time to live', () => {
  it('[rfc9293#3.9.2 MUST-49] is what ip_default_ttl says, on every UDP socket', () => {
    const pair = new SimPair({ client: { sysctl: { ip_default_ttl: 7 } }, server: { sysctl: { ip_default_ttl: 200 } } })
    pair.establish()
    const ttls = [pair.clientHost, pair.serverHost].map(({ sockets }) => sockets.map(({ ttl }) => ttl))
    expect(ttls).toEqual([[7], [200]])
  })
})

describe('the checksum', () => {
  it('[rfc9293#3.1 MUST-2] is in every segment, unless both sides leave it to UDP', () => {
    for (const [client, server] of [
      ['always', 'always'],
      ['always', 'offload'],
      ['offload', 'always'],
    ] as const) {
      const pair = new SimPair({ client: { checksum: client }, server: { checksum: server } })
      const view = new FrameView()
      let [segments, without] = [0, 0]
      pair.net.tap((datagram: Buffer) => {
        for (let at = 0; nextFrame(datagram, at, datagram.length, view) === FrameResult.Frame; at = view.next) {
          segments++
          if (!hasChecksum(datagram, view.start) || !verifyChecksum(datagram, view.start, view.end)) without++
        }
        return true
      })
      const [here, there] = pair.establish()
      here.endpoint.write(Buffer.alloc(20_000, 'x'))
      pair.until(() => there.received === 20_000)
      here.endpoint.end()
      pair.until(() => there.hasEnded)
      there.endpoint.abort()
      pair.pass(1)
      expect(segments).toBeGreaterThan(15)
      expect(without).toBe(0)
    }
  })

  it('[rfc9293#3.1 MUST-3] is looked at in every segment: what lacks it or has a wrong one is dropped and counted', () => {
    const rig = new ListenRig()
    const peer = rig.peer()
    const seen = (): number[] => [rig.mib.InCsumErrors, peer.answers.length]
    peer.syn({ unsummed: true })
    rig.pass(0.1)
    expect(seen()).toEqual([1, 0])
    peer.syn({ checksumOffload: false })
    rig.pass(0.1)
    expect(seen()).toEqual([1, 1])
    peer.ack({ unsummed: true, data: 'lost' })
    rig.pass(0.1)
    expect([rig.accepted.length, ...seen()]).toEqual([0, 2, 1])
    peer.ack()
    rig.pass(0.1)
    peer.ack({ data: 'lost', unsummed: true })
    peer.ack({ data: 'wrong', badChecksum: true })
    rig.pass(0.1)
    expect([rig.accepted[0].received, rig.mib.InCsumErrors]).toEqual([0, 4])
    peer.ack({ data: 'right' })
    rig.pass(0.1)
    expect(rig.accepted[0].received).toBe(5)
  })
})

describe('the MSS that is announced', () => {
  /** What the SYNs of a client say, one after the other. */
  function announced(options: StackOptions = {}) {
    const pair = new SimPair({ client: options })
    const view = new FrameView()
    const segment = new Segment()
    const sizes: number[] = []
    pair.net.tap((datagram: Buffer, flow: Flow) => {
      for (let at = 0; nextFrame(datagram, at, datagram.length, view) === FrameResult.Frame; at = view.next) {
        if (view.kind !== FrameKind.Segment) continue
        parseSegment(datagram, view.start, view.end, segment)
        const fromClient = pair.clientHost.owns(flow.sourceAddress)
        if (fromClient && (segment.flags & Flag.SYN) !== 0) sizes.push(segment.mss)
      }
      return true
    })
    return { pair, sizes }
  }

  it('[rfc9293#3.7.1 SHLD-5] is the size that the interface takes, which is not the default', () => {
    for (const [mtu, mss] of [
      [1500, 1448],
      [9000, 8948],
      [600, 548],
    ]) {
      const { pair, sizes } = announced({ mtu })
      pair.establish()
      expect(sizes).toEqual([mss])
    }
  })

  it('[rfc9293#3.7.3 SHLD-6] is the smallest that was seen, where what the interface takes varies', () => {
    const { pair, sizes } = announced({ mtu: 9000 })
    const [client, server] = pair.establish()
    // The way takes less for a moment; the largest that is known to pass is what counts from then on.
    pair.clientHost.sendFault = () => 'EMSGSIZE'
    client.endpoint.write(Buffer.alloc(5000))
    pair.pass(0.01)
    pair.clientHost.sendFault = null
    pair.until(() => server.received === 5000)
    const { advmss } = client.endpoint.info()
    expect(advmss).toBeLessThan(5000)
    pair.establish()
    expect(sizes).toEqual([8948, advmss])
  })
})
