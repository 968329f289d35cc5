import { describe, expect, it } from 'vitest'
import type { PathFlows } from '../../src/stack/flows.ts'
import { Flag, FrameKind, FrameResult, FrameView, nextFrame } from '../../src/wire/index.ts'
import { CloseReason, type Ear, SECOND, SimPair } from '../support/sim-pair.ts'

describe('many connections on one path', () => {
  it('[rfc9293#3.3.1] all five hundred of them carry data at once, in few datagrams, over one UDP socket', () => {
    const pair = new SimPair({ link: { delay: 10 } })
    const clients = Array.from({ length: 500 }, () => pair.connect())
    pair.until(() => pair.accepted.length === 500 && clients.every((client) => client.isConnected))
    expect(pair.clientHost.sockets.length).toBe(1)
    const before = pair.client.mib.UdpOutDatagrams
    for (const [i, client] of clients.entries()) client.endpoint.write(Buffer.alloc(i + 1, i))
    pair.until(() => pair.accepted.every((server) => server.received > 0))
    // 500 small segments share datagrams of 1,472 bytes: 126,000 bytes of data and 28,000 of headers and shims.
    expect(pair.client.mib.UdpOutDatagrams - before).toBeLessThan(130)
    // Each byte tells to which connection it belongs.
    const bySize = new Map(pair.accepted.map((server) => [server.received, server]))
    expect(bySize.size).toBe(500)
    for (const client of clients) client.endpoint.end()
    pair.until(() => pair.accepted.every((server) => server.hasEnded))
    for (const server of pair.accepted) server.endpoint.end()
    const isOver = ({ reason }: Ear): boolean => reason === CloseReason.Normal
    pair.until(() => clients.every(isOver) && pair.accepted.every(isOver))
    // TIME_WAIT keeps the path, and lets it go.
    pair.pass(61)
    expect(pair.clientHost.sockets.length).toBe(0)
    expect(pair.clientHost.alive).toBe(false)
  })

  it('are counted while something of theirs is under way, and no longer when they are acknowledged or gone', () => {
    const pair = new SimPair({ link: { delay: 10 } })
    const clients = Array.from({ length: 4 }, () => pair.establish()[0])
    const flows = clients[0].endpoint.path.user as PathFlows
    expect(flows.outstanding).toBe(0)
    for (const { endpoint } of clients.slice(0, 3)) endpoint.write(Buffer.alloc(100))
    pair.pass(0.005)
    expect(flows.outstanding).toBe(3)
    clients[0].endpoint.abort()
    pair.pass(0.005)
    expect(flows.outstanding).toBe(2)
    pair.pass(0.1)
    expect(flows.outstanding).toBe(0)
    // Answers acknowledge what they answer, before anybody is told of them.
    const told: number[] = []
    for (const server of pair.accepted) server.onData = (data) => server.endpoint.write(data)
    for (const client of clients.slice(1)) {
      client.onData = () => told.push(flows.outstanding)
      client.endpoint.write(Buffer.alloc(100))
    }
    pair.pass(0.1)
    expect(told).toEqual([0, 0, 0])
  })

  it('they share the receive buffer: their windows shrink as others come, and nothing overflows', () => {
    const pair = new SimPair({ link: { delay: 1 } })
    const ends = Array.from({ length: 10 }, () => pair.establish())
    const size = 500_000
    for (const [client] of ends) {
      let left = size
      client.writable = () => {
        left -= client.endpoint.write(Buffer.alloc(left))
        if (left === 0) client.endpoint.end()
      }
      client.writable()
    }
    const { path } = ends[0][1].endpoint
    const most = path.receiveBudget.windowLimit(path.maxSegment - 32)
    expect(path.receiveBudget.users).toBe(10)
    pair.until(() => ends.every(([, server]) => server.received > size / 2))
    for (const [, server] of ends) {
      // What was promised to the first ones is used up by now.
      expect(server.endpoint.info().rcv_wnd).toBeLessThanOrEqual(most + 128)
    }
    pair.until(() => ends.every(([, server]) => server.hasEnded))
    for (const [, server] of ends) expect(server.received).toBe(size)
    expect(pair.serverHost.overflowed).toBe(0)
    expect(pair.client.mib.RetransSegs).toBe(0)
  })
})

describe('a server whose process is killed', () => {
  it('and replaced: the first segment of a client draws a reset, and a new connection succeeds', () => {
    const pair = new SimPair()
    const [client] = pair.establish()
    pair.restartServer()
    client.endpoint.write(Buffer.from('hello'))
    pair.until(() => client.reason !== null)
    expect(client.reason).toBe(CloseReason.Reset)
    expect(pair.server.mib.OutRsts).toBe(1)
    const [again, server] = pair.establish()
    again.endpoint.write(Buffer.from('hello'))
    pair.until(() => server.received === 5)
  })

  it('and replaced: so it is for a segment whose checksum was left to UDP', () => {
    const pair = new SimPair({ client: { checksum: 'offload' }, server: { checksum: 'offload' } })
    const [client] = pair.establish()
    expect(client.endpoint.connection.checksumOffload).toBe(true)
    pair.restartServer()
    client.endpoint.write(Buffer.from('hello'))
    pair.until(() => client.reason !== null)
    expect(client.reason).toBe(CloseReason.Reset)
    expect(pair.server.mib.InCsumErrors).toBe(0)
  })

  it('and not replaced: refusals are believed after a second, and within five', () => {
    const pair = new SimPair()
    const [client] = pair.establish()
    pair.pass(5)
    pair.serverHost.kill()
    const began = pair.world.nowUs
    client.endpoint.write(Buffer.from('hello'))
    pair.until(() => client.reason !== null)
    expect(client.reason).toBe(CloseReason.Reset)
    expect(pair.world.nowUs - began).toBeGreaterThanOrEqual(SECOND)
    expect(pair.world.nowUs - began).toBeLessThan(5 * SECOND)
  })

  it('and comes back within the second: nothing is lost but the connection that it does not know', () => {
    const pair = new SimPair()
    const [client] = pair.establish()
    pair.serverHost.kill()
    client.endpoint.write(Buffer.from('hello'))
    pair.pass(0.5)
    expect(client.reason).toBeNull()
    pair.restartServer()
    pair.until(() => client.reason !== null)
    expect(client.reason).toBe(CloseReason.Reset)
    expect(pair.server.mib.OutRsts).toBeGreaterThan(0)
  })
})

describe('an idle path', () => {
  const count = (pair: SimPair, kind: FrameKind): { n: number } => {
    const counted = { n: 0 }
    const view = new FrameView()
    pair.net.tap((datagram) => {
      for (let at = 0; nextFrame(datagram, at, datagram.length, view) === FrameResult.Frame; at = view.next) {
        if (view.kind === kind) counted.n++
      }
      return true
    })
    return counted
  }

  it('[rfc8085#3.5] is probed every 20 seconds by the side that opened it, and only by that', () => {
    const pair = new SimPair()
    pair.establish()
    const probes = count(pair, FrameKind.Probe)
    // Each round trip and each look at the clock puts the next one off a little.
    pair.pass(106)
    expect(probes.n).toBe(5)
    expect(pair.client.mib.PathProbesSent).toBe(5)
    expect(pair.server.mib.PathProbesSent).toBe(0)
    expect(pair.server.mib.PathProbesAnswered).toBe(5)
  })

  it('is left alone with `path_keepalive` 0', () => {
    const pair = new SimPair({ client: { sysctl: { path_keepalive: 0 } } })
    pair.establish()
    const probes = count(pair, FrameKind.Probe)
    pair.pass(101)
    expect(probes.n).toBe(0)
  })

  it('is not probed once it carries TIME_WAIT only', () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    client.endpoint.close()
    pair.until(() => server.hasEnded)
    server.endpoint.close()
    pair.pass(1)
    const probes = count(pair, FrameKind.Probe)
    pair.pass(50)
    expect(probes.n).toBe(0)
  })
})

describe('an event loop that stands still', () => {
  it('retransmits nothing that was acknowledged meanwhile', () => {
    const pair = new SimPair({ link: { delay: 5 } })
    const [client, server] = pair.establish()
    for (let i = 0; i < 20; i++) {
      client.endpoint.write(Buffer.alloc(5000))
      pair.pass(0.002)
      // Longer than the retransmission timeout; the ACKs lie in the socket when it goes on.
      pair.clientHost.stall(2 * SECOND)
      pair.pass(3)
    }
    expect(server.received).toBe(100_000)
    expect(pair.client.mib.RetransSegs).toBe(0)
    expect(pair.client.mib.TCPTimeouts).toBe(0)
  })

  it('goes on with what was lost meanwhile', () => {
    const pair = new SimPair({ link: { delay: 5 } })
    const [client, server] = pair.establish()
    pair.net.partition(pair.clientHost, pair.serverHost)
    client.endpoint.write(Buffer.alloc(5000))
    pair.pass(0.002)
    pair.clientHost.stall(2 * SECOND)
    pair.net.partition(pair.clientHost, pair.serverHost, false)
    pair.until(() => server.received === 5000)
    // rfc8985#7: the probe, late as it is, draws the SACK that tells of the rest.
    expect(pair.client.mib).toMatchObject({ TCPLossProbes: 1, TCPTimeouts: 0 })
  })

  it('of the receiver holds the sender up, and loses nothing', () => {
    const pair = new SimPair({ link: { delay: 5 }, host: { rmemMax: 4 << 20 } })
    const [client, server] = pair.establish()
    let left = 2_000_000
    const write = (): void => {
      left -= client.endpoint.write(Buffer.alloc(left))
    }
    client.writable = write
    write()
    for (let i = 0; i < 5; i++) {
      pair.serverHost.stall(0.15 * SECOND)
      pair.pass(0.3)
    }
    pair.until(() => server.received === 2_000_000)
    expect(pair.serverHost.overflowed).toBe(0)
  })
})

describe('damage on a connection whose checksum is left to UDP', () => {
  it('is dropped and counted, each single segment of it', () => {
    const pair = new SimPair({ client: { seed: 1 }, server: { seed: 2 } })
    const ends = Array.from({ length: 100 }, () => pair.establish())
    for (const [client] of ends) expect(client.endpoint.connection.checksumOffload).toBe(true)
    pair.client.impair = { out: { corrupt: 1 } }
    const before = { ...pair.server.mib }
    for (const [client] of ends) client.endpoint.write(Buffer.alloc(200, 'x'))
    pair.pass(3)
    const segments = pair.server.mib.InSegs - before.InSegs
    expect(segments).toBeGreaterThan(300)
    // A flipped bit shows in the checksum, or in a header that cannot be (a data offset, the length of an option).
    expect(pair.server.mib.InErrs - before.InErrs).toBe(segments)
    expect(pair.server.mib.InCsumErrors - before.InCsumErrors).toBeGreaterThan(segments * 0.8)
    expect(pair.server.mib.OutRsts).toBe(0)
    for (const [, server] of ends) expect(server.received).toBe(0)
    pair.client.impair = null
    pair.until(() => ends.every(([, server]) => server.received === 200))
  })

  it('does no harm to what arrives, in whichever segments of a transfer it is', () => {
    const pair = new SimPair({
      client: { seed: 1, impair: { out: { corrupt: 0.2 } } },
      server: { seed: 2, impair: { out: { corrupt: 0.2 } } },
    })
    const [client, server] = pair.establish()
    const seen: Buffer[] = []
    server.onData = (data) => seen.push(data)
    client.endpoint.write(Buffer.alloc(16_000, 'ab'))
    pair.until(() => server.received === 16_000)
    expect(Buffer.concat(seen)).toEqual(Buffer.alloc(16_000, 'ab'))
    expect(pair.server.mib.InErrs + pair.client.mib.InErrs).toBeGreaterThan(0)
  })
})

describe('answers to strangers', () => {
  /** What a half-open connection answers to segments of all kinds that lack the timestamps of its SYN. */
  it('none is longer than what drew it, while the handshake is not done', () => {
    const pair = new SimPair()
    let sent = 0
    let synAcks = 0
    pair.net.tap((datagram, flow) => {
      const toServer = flow.address === pair.serverHost.addresses[0]
      if (!toServer) {
        if ((datagram[4 + 13] & Flag.SYN) !== 0) synAcks++
        else sent += datagram.length
        return false
      }
      return true
    })
    pair.connect()
    pair.pass(0.01)
    expect(synAcks).toBe(1)
    const [socket] = pair.clientHost.sockets
    const frame = Buffer.from('0a100014'.padEnd(48, '0'), 'hex')
    frame.writeUInt16BE(socket.localPort, 4)
    frame.writeUInt16BE(7000, 6)
    frame[4 + 12] = 0x50
    let thrown = 0
    for (const flags of [Flag.ACK, Flag.SYN, Flag.RST, Flag.ACK | Flag.PSH, Flag.FIN | Flag.ACK]) {
      for (const seq of [0, 0x1000_0000, 0x7000_0000, 0xf000_0000]) {
        frame[4 + 13] = flags
        frame.writeUInt32BE(seq, 8)
        socket.send(frame)
        thrown += frame.length
        const before = sent
        pair.pass(0.6)
        expect(sent - before).toBeLessThanOrEqual(frame.length)
      }
    }
    expect(thrown).toBeGreaterThan(0)
  })
})

describe('a tail loss probe for nothing', () => {
  it('[rfc8985#7.4.2] costs no window: its D-SACK comes when all is acknowledged, and is understood', () => {
    const pair = new SimPair({ link: { delay: 10 } })
    const { clientHost, serverHost } = pair
    const [client, server] = pair.establish()
    const send = (bytes: number): void => {
      const before = server.received
      client.endpoint.write(Buffer.alloc(bytes))
      pair.until(() => server.received === before + bytes)
      pair.pass(1)
    }
    for (let i = 0; i < 10; i++) send(20_000)
    const { snd_cwnd } = client.endpoint.info()
    // The ACKs take longer than they ever did: the probe is sent, and then they come.
    pair.net.connect(clientHost, serverHost, { delay: 10 }, { delay: 100 })
    send(3000)
    expect(pair.client.mib.TCPLossProbes).toBe(1)
    expect(pair.client.mib.TCPDSACKRecv).toBe(1)
    pair.net.connect(clientHost, serverHost, { delay: 10 })
    send(3000)
    expect(pair.client.mib.TCPLossProbeRecovery).toBe(0)
    expect(client.endpoint.info().snd_cwnd).toBeGreaterThanOrEqual(Math.min(10, snd_cwnd))
    expect(client.endpoint.info().snd_ssthresh).toBe(0x7fffffff)
  })
})
