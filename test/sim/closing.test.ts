import { describe, expect, it } from 'vitest'
import { type Endpoint, Stack, type StackOptions } from '../../src/stack/index.ts'
import { SimNet } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import { seqDiff, toSeq } from '../../src/wire/index.ts'
import { oldDuplicates, reuse, timeWaitWeight } from '../support/crowds.ts'
import { Flag, ListenRig, type ListenRigOptions, type RawPeer } from '../support/listen-rig.ts'
import { CloseReason, Ear, PORT, SECOND, SimPair, type SimPairOptions } from '../support/sim-pair.ts'

// How connections end and what stays of them: rfc9293#3.6, linux: tcp_close, tcp_fin_timeout, inet_timewait_sock.

const withSysctl = (client: Record<string, unknown>, server: StackOptions = {}): SimPairOptions => ({
  client: { sysctl: client },
  server,
})

const deaf = { connected() {}, readable() {}, peerFinished() {}, writable() {}, closed() {} }

/** States of the connections of a stack. */
const states = (pair: SimPair, end: 'client' | 'server' = 'client'): string[] =>
  pair[end].sockets().flatMap(({ state }) => (state === 'LISTEN' ? [] : [state]))

/** Closes a connection from the client's side; it is then in TIME_WAIT there. */
function closeBoth(pair: SimPair, [client, server]: [Ear, Ear]): void {
  client.endpoint.close()
  pair.until(() => server.hasEnded)
  server.endpoint.close()
  pair.pass(0.01)
}

describe('FIN_WAIT_2', () => {
  it('of an orphan ends after tcp_fin_timeout', () => {
    for (const tcp_fin_timeout of [60, 5]) {
      const pair = new SimPair(withSysctl({ tcp_fin_timeout }))
      const [client] = pair.establish()
      client.endpoint.close()
      pair.pass(tcp_fin_timeout - 0.5)
      expect(states(pair)).toEqual(['FIN_WAIT2'])
      pair.pass(1)
      expect(states(pair)).toEqual([])
      expect(states(pair, 'server')).toEqual(['CLOSE_WAIT'])
    }
  })

  it('[rfc9293#3.6] of a half-closed socket it does not end', () => {
    const pair = new SimPair(withSysctl({ tcp_fin_timeout: 5 }))
    const [client, server] = pair.establish()
    client.endpoint.end()
    pair.pass(3600)
    expect(states(pair)).toEqual(['FIN_WAIT2'])
    server.endpoint.write(Buffer.from('still here'))
    pair.pass(0.1)
    expect(client.received).toBe(10)
  })
})

describe('orphans', () => {
  /** Connections with data that the server does not read, closed by the client. */
  function stuck(pair: SimPair, count: number): void {
    for (let i = 0; i < count; i++) {
      const [client, server] = pair.establish()
      server.reading = false
      let left = 500_000
      client.writable = () => {
        left -= client.endpoint.write(Buffer.alloc(left))
      }
      client.writable()
      pair.pass(3)
      expect(client.endpoint.info().snd_wnd).toBeLessThan(1000)
      client.endpoint.close()
      pair.pass(0.1)
    }
  }

  it('more than tcp_max_orphans are reset at once', () => {
    const pair = new SimPair(withSysctl({ tcp_max_orphans: 4 }))
    stuck(pair, 6)
    expect(states(pair)).toEqual(['FIN_WAIT1', 'FIN_WAIT1', 'FIN_WAIT1', 'FIN_WAIT1'])
    expect(pair.client.mib.TCPAbortOnMemory).toBe(2)
    pair.pass(1)
    expect(pair.accepted.map(({ reason }) => reason)).toEqual([
      null,
      null,
      null,
      null,
      CloseReason.Reset,
      CloseReason.Reset,
    ])
  })

  it('those that wait for the FIN of their peer only do not count', () => {
    const pair = new SimPair(withSysctl({ tcp_max_orphans: 2 }))
    const ends = Array.from({ length: 5 }, () => pair.establish())
    for (const [client] of ends) {
      client.endpoint.close()
      pair.pass(0.1)
    }
    expect(states(pair)).toEqual(Array(5).fill('FIN_WAIT2'))
    expect(pair.client.mib.TCPAbortOnMemory).toBe(0)
  })

  it.each([
    // linux: the time that so many doublings of 200 ms take, looked at when a timer expires.
    [0, 102.2],
    [3, 3],
  ])('tcp_orphan_retries=%i gives a silent peer up after that', (tcp_orphan_retries, least) => {
    const pair = new SimPair(withSysctl({ tcp_orphan_retries }))
    const [client] = pair.establish()
    pair.net.partition(pair.clientHost, pair.serverHost)
    client.endpoint.write(Buffer.alloc(10))
    client.endpoint.close()
    const start = pair.world.nowUs
    expect(states(pair)).toEqual(['FIN_WAIT1'])
    pair.until(() => states(pair).length === 0)
    const took = (pair.world.nowUs - start) / SECOND
    expect(took).toBeGreaterThan(least)
    expect(took).toBeLessThan(2.2 * least + 1)
    expect(pair.client.mib.TCPAbortOnTimeout).toBe(1)
  })

  it('tcp_orphan_retries also counts the probes of a window that never opens, answered or not', () => {
    for (const silent of [true, false]) {
      const pair = new SimPair(withSysctl({ tcp_orphan_retries: 2, tcp_rto_max_ms: 2000 }))
      stuck(pair, 1)
      if (silent) pair.net.partition(pair.clientHost, pair.serverHost)
      pair.pass(20)
      expect(states(pair)).toEqual([])
      expect(pair.client.mib.TCPAbortOnTimeout).toBe(1)
    }
  })
})

describe('linger', () => {
  it('0: close is a reset, and nothing waits', () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    client.endpoint.linger = 0
    client.endpoint.close()
    pair.pass(0.1)
    expect(states(pair)).toEqual([])
    expect(server.reason).toBe(CloseReason.Reset)
  })

  it('seconds: so long a closed socket holds the process for what is not acknowledged, in place of exit_linger', () => {
    for (const [linger, expected] of [
      [-1, 30],
      [3, 3],
      [100, 100],
    ]) {
      const pair = new SimPair()
      const [client] = pair.establish()
      pair.net.partition(pair.clientHost, pair.serverHost)
      client.endpoint.write(Buffer.alloc(10))
      client.endpoint.linger = linger
      client.endpoint.close()
      pair.pass(expected - 0.5)
      expect(pair.client.isHeld).toBe(true)
      pair.pass(1)
      expect(pair.client.isHeld).toBe(false)
    }
  })
})

describe('TIME_WAIT', () => {
  it('[rfc9293#3.6.1 MUST-13] linux: lasts tcp_timewait_len, is listed, and holds neither process nor more than its UDP socket', () => {
    for (const tcp_timewait_len of [60, 2]) {
      const pair = new SimPair(withSysctl({ tcp_timewait_len }))
      closeBoth(pair, pair.establish())
      expect(states(pair)).toEqual(['TIME_WAIT'])
      expect(pair.client.isHeld).toBe(false)
      expect(pair.clientHost.alive).toBe(false)
      pair.pass(tcp_timewait_len - 0.1)
      expect(states(pair)).toEqual(['TIME_WAIT'])
      expect(pair.clientHost.sockets.length).toBe(1)
      pair.pass(0.2)
      expect(states(pair)).toEqual([])
      expect(pair.clientHost.sockets.length).toBe(0)
      expect(pair.client.mib.TW).toBe(1)
    }
  })

  it('[rfc9293#3.6.1] answers the FIN that comes again, and begins anew', () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    client.endpoint.close()
    pair.until(() => server.hasEnded)
    // The last ACK is lost.
    pair.net.link(pair.clientHost, pair.serverHost).down = true
    server.endpoint.close()
    pair.pass(0.1)
    expect(states(pair)).toEqual(['TIME_WAIT'])
    expect(states(pair, 'server')).toEqual(['LAST_ACK'])
    pair.net.link(pair.clientHost, pair.serverHost).down = false
    pair.pass(2)
    expect(states(pair, 'server')).toEqual([])
    pair.pass(58)
    expect(states(pair)).toEqual(['TIME_WAIT'])
    pair.pass(2)
    expect(states(pair)).toEqual([])
  })

  it('tcp_max_tw_buckets: beyond it a connection skips TIME_WAIT', () => {
    const pair = new SimPair(withSysctl({ tcp_max_tw_buckets: 3 }))
    for (let i = 0; i < 5; i++) closeBoth(pair, pair.establish())
    expect(states(pair)).toEqual(['TIME_WAIT', 'TIME_WAIT', 'TIME_WAIT'])
    expect(pair.client.mib.TCPTimeWaitOverflow).toBe(2)
  })

  it('gives its UDP socket up where sockets are scarce (max_paths), and is forgotten with it', () => {
    const pair = new SimPair(withSysctl({ max_paths: 1 }))
    const [address] = pair.serverHost.addresses
    pair.server.listen(
      { address, port: 7001, backlog: 8, ipv6Only: false, reusePort: false, exclusive: false },
      { accepted: () => deaf },
    )
    closeBoth(pair, pair.establish())
    expect(states(pair)).toEqual(['TIME_WAIT'])
    pair.connect({ port: 7001 })
    pair.pass(1)
    expect(states(pair)).toEqual(['ESTABLISHED'])
    expect(pair.client.mib).toMatchObject({ TWKilled: 1, TW: 0 })
  })

  // `scripts/shows.ts time-wait` does the same with 50,000.
  it('weighs 200 bytes at most, over four ports of a server', () => {
    const { waiting, bytesEach } = timeWaitWeight(15_000)
    expect(waiting).toBe(15_000)
    expect(bytesEach).toBeLessThan(200)
  })
})

describe('TIME_WAIT at a server', () => {
  /** A connection that the server has closed first, and its peer after it. */
  function waiting(options: ListenRigOptions = {}, ts = true): [ListenRig, RawPeer] {
    const rig = new ListenRig(options)
    const peer = rig.peer().syn(ts ? {} : { ts: null })
    rig.pass(0.1)
    peer.ack()
    rig.pass(0.1)
    rig.accepted[0].endpoint.close()
    rig.pass(0.1)
    peer.ack({ ack: peer.synAck.seq + 2, flags: Flag.ACK | Flag.FIN })
    rig.pass(0.1)
    expect(rig.stack.sockets().map(({ state }) => state)).toEqual(['LISTEN', 'TIME_WAIT'])
    expect(peer.last?.flags).toBe(Flag.ACK)
    return [rig, peer]
  }
  const waits = (rig: ListenRig): boolean => rig.stack.sockets().some(({ state }) => state === 'TIME_WAIT')

  it.each([0, 1])('[rfc1337#3] tcp_rfc1337=%i: a RST does or does not end it', (tcp_rfc1337) => {
    const [rig, peer] = waiting({ server: { sysctl: { tcp_rfc1337 } } })
    peer.send({ flags: Flag.RST, seq: 1002 })
    rig.pass(0.1)
    expect(waits(rig)).toBe(tcp_rfc1337 === 1)
  })

  it('keeps no UDP socket open, and is in force again when the port is', () => {
    const [rig, peer] = waiting()
    rig.listener.close()
    rig.pass(0.1)
    expect(rig.host.sockets.length).toBe(0)
    expect(waits(rig)).toBe(true)
    rig.pass(5)
    rig.listen()
    const before = peer.answers.length
    // An old segment, and the FIN that the peer thinks was lost.
    peer.ack({ data: 'old', ack: peer.synAck.seq + 2 })
    rig.pass(0.1)
    peer.ack({ ack: peer.synAck.seq + 2, flags: Flag.ACK | Flag.FIN })
    rig.pass(0.1)
    expect(peer.answers.slice(before).map(({ flags, ack }) => [flags, ack])).toEqual([
      [Flag.ACK, 1002],
      [Flag.ACK, 1002],
    ])
    rig.pass(59)
    expect(waits(rig)).toBe(true)
    rig.pass(2)
    expect(waits(rig)).toBe(false)
  })

  it('[rfc6191#2] [rfc9293#3.6.1 MAY-2] lets a new incarnation begin, beyond its numbers', () => {
    const [rig, peer] = waiting({}, false)
    const { seq } = peer.synAck
    peer.iss = toSeq(100_000)
    peer.syn({ ts: null })
    rig.pass(0.1)
    // linux: 65,537 beyond what was sent.
    expect(seqDiff(peer.synAck.seq, seq)).toBe(2 + 65_537)
    peer.ack({ data: 'new' })
    rig.pass(0.1)
    expect(rig.accepted[1].received).toBe(3)
    expect(waits(rig)).toBe(false)
  })

  it('a new incarnation is let in though the SYN queue is full', () => {
    const [rig, peer] = waiting({ backlog: 1, server: { sysctl: { tcp_syncookies: 0 } } })
    rig.peer(2).syn()
    rig.pass(0.1)
    peer.iss = toSeq(100_000)
    peer.syn({ ts: [9000, 0] })
    rig.pass(0.1)
    expect(peer.synAck.ack).toBe(100_001)
    expect(rig.mib.TCPReqQFullDrop).toBe(0)
  })

  it('repeats itself to old segments now and then only (tcp_invalid_ratelimit)', () => {
    const [rig, peer] = waiting()
    const before = peer.answers.length
    for (let i = 0; i < 10; i++) peer.ack({ data: 'old', ack: peer.synAck.seq + 2 })
    rig.pass(0.1)
    expect(peer.answers.length - before).toBe(1)
    expect(rig.mib.TCPACKSkippedTimeWait).toBe(9)
  })

  it('does not take a segment without a checksum where none may lack it', () => {
    const [rig, peer] = waiting({ server: { checksum: 'always' } })
    peer.send({ flags: Flag.RST, seq: 1002, unsummed: true })
    rig.pass(0.1)
    expect(waits(rig)).toBe(true)
    expect(rig.mib.InCsumErrors).toBe(1)
  })
})

describe('ports of a client', () => {
  const range = [40_000, 40_009]

  /** Connects and closes; the code where there was no port. */
  function visit(pair: SimPair): string | null {
    const known = pair.accepted.length
    const ear = pair.tryConnect()
    if (typeof ear === 'string') return ear
    pair.until(() => ear.isConnected && pair.accepted.length > known)
    ear.endpoint.close()
    pair.until(() => pair.accepted.at(-1)?.hasEnded === true)
    pair.accepted.at(-1)?.endpoint.close()
    pair.pass(0.01)
    return null
  }

  it('tcp_tw_reuse=0: those in TIME_WAIT are taken, and then there are none', () => {
    const pair = new SimPair(withSysctl({ tcp_tw_reuse: 0, ip_local_port_range: range }))
    const codes = Array.from({ length: 12 }, () => visit(pair))
    expect(codes).toEqual([...Array(10).fill(null), 'EADDRNOTAVAIL', 'EADDRNOTAVAIL'])
    const ports = pair.client.sockets().map(({ localPort }) => localPort)
    expect(ports.sort()).toEqual(Array.from({ length: 10 }, (_, i) => 40_000 + i))
    pair.pass(61)
    expect(visit(pair)).toBe(null)
  })

  it('tcp_tw_reuse=1: they are taken over after a second', () => {
    const pair = new SimPair(withSysctl({ tcp_tw_reuse: 1, ip_local_port_range: range }))
    for (let i = 0; i < 10; i++) expect(visit(pair)).toBe(null)
    expect(visit(pair)).toBe('EADDRNOTAVAIL')
    pair.pass(1.1)
    for (let i = 0; i < 10; i++) expect(visit(pair)).toBe(null)
    expect(pair.client.mib.TWRecycled).toBe(10)
  })

  it('[rfc6191#2] but only where both sides used timestamps', () => {
    const pair = new SimPair({
      client: { sysctl: { tcp_tw_reuse: 1, ip_local_port_range: range } },
      server: { sysctl: { tcp_timestamps: 0 } },
    })
    for (let i = 0; i < 10; i++) expect(visit(pair)).toBe(null)
    pair.pass(2)
    expect(visit(pair)).toBe('EADDRNOTAVAIL')
  })

  it('tcp_tw_reuse=2, the default: on loopback only', () => {
    const pair = new SimPair(withSysctl({ ip_local_port_range: range }))
    for (let i = 0; i < 10; i++) expect(visit(pair)).toBe(null)
    pair.pass(2)
    expect(visit(pair)).toBe('EADDRNOTAVAIL')

    const world = new World()
    const stack = new Stack({ ...new SimNet(world).host('only').seams(), sysctl: { ip_local_port_range: range } })
    const where = { address: '127.0.0.1', port: 7000 }
    stack.listen(
      { ...where, backlog: 9, ipv6Only: false, reusePort: false, exclusive: false },
      { accepted: (endpoint) => ({ ...deaf, peerFinished: () => endpoint.close() }) },
    )
    const once = (): string | null => {
      const connected = (): void => (endpoint as Endpoint).close()
      const endpoint = stack.connect(where, { ...deaf, connected })
      world.run(world.nowUs + 10_000)
      return typeof endpoint === 'string' ? endpoint : null
    }
    for (let i = 0; i < 10; i++) expect(once()).toBe(null)
    expect(once()).toBe('EADDRNOTAVAIL')
    world.run(world.nowUs + 1_100_000)
    for (let i = 0; i < 10; i++) expect(once()).toBe(null)
    expect(stack.mib.TWRecycled).toBe(10)
  })

  it('ip_local_port_range holds for the UDP port too, and ends with EADDRNOTAVAIL', () => {
    const world = new World()
    const net = new SimNet(world)
    const stack = new Stack({ ...net.host('client').seams(), sysctl: { ip_local_port_range: [40_000, 40_002] } })
    const connect = (i: number): Endpoint | string => stack.connect({ address: `10.7.0.${i}`, port: 80 }, deaf)
    const endpoints = [1, 2, 3].map(connect)
    const paths = endpoints.map((endpoint) => (endpoint as Endpoint).path.localPort)
    expect(paths.sort()).toEqual([40_000, 40_001, 40_002])
    expect(connect(4)).toBe('EADDRNOTAVAIL')
  })

  it('a port of one’s own choice in TIME_WAIT is not available either', () => {
    const pair = new SimPair(withSysctl({ tcp_tw_reuse: 0 }))
    const [address] = pair.serverHost.addresses
    const connect = (): Endpoint | string => pair.client.connect({ address, port: PORT, localPort: 5555 }, new Ear())
    const endpoint = connect() as Endpoint
    pair.pass(0.1)
    endpoint.close()
    pair.pass(0.1)
    pair.accepted[0].endpoint.close()
    pair.pass(0.1)
    expect(states(pair)).toEqual(['TIME_WAIT'])
    expect(connect()).toBe('EADDRNOTAVAIL')
  })

  // `scripts/shows.ts ports` does the same with 100,000.
  it('tcp_tw_reuse=1: 40,000 connections to one port, and none in want of a port', () => {
    const { opened, recycled } = reuse(40_000, { tcp_tw_reuse: 1 })
    expect(opened).toBe(40_000)
    expect(recycled).toBeGreaterThan(5000)
  })
})

// `scripts/shows.ts old-duplicates` does the same with 10,000.
describe('an old duplicate', () => {
  it.each([1, 101])(
    'of a dead incarnation never enters a later one on the same tuple: hundred seeds from %i on',
    (first) => {
      const { replayed, wrong } = oldDuplicates(first, 100)
      expect(wrong).toEqual([])
      expect(replayed).toBeGreaterThan(1000)
    },
  )
})
