import v8 from 'node:v8'
import vm from 'node:vm'
import { describe, expect, it } from 'vitest'
import { type Endpoint, Stack, type StackOptions } from '../../src/stack/index.ts'
import { seqDiff, toSeq } from '../../src/wire/index.ts'
import { Flag, ListenRig, type ListenRigOptions, type RawPeer } from '../support/listen-rig.ts'
import type { Flow } from '../support/sim-link.ts'
import { CloseReason, Ear, PORT, SECOND, SimPair, type SimPairOptions } from '../support/sim-pair.ts'
import { SimNet } from '../support/simnet.ts'
import { World } from '../support/world.ts'

v8.setFlagsFromString('--expose-gc')
const collect = vm.runInNewContext('gc') as () => void

function memory(): number {
  collect()
  collect()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

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

  it('weighs 200 bytes at most: 50,000 of them over four ports of a server', () => {
    const count = 50_000
    const pair = new SimPair({ link: { delay: 0.01 } })
    const ports = [7001, 7002, 7003, 7004]
    const [address] = pair.serverHost.addresses
    for (const port of ports) {
      pair.server.listen(
        { address, port, backlog: 4096, ipv6Only: false, reusePort: false, exclusive: false },
        {
          accepted: (endpoint) => ({ ...deaf, peerFinished: () => endpoint.close() }),
        },
      )
    }
    const round = (each: number): void => {
      for (let done = 0; done < each; done += 500) {
        for (let i = 0; i < 500; i++) {
          const connected = (): void => (endpoint as Endpoint).close()
          const endpoint = pair.client.connect({ address, port: ports[i & 3] }, { ...deaf, connected })
          if (typeof endpoint === 'string') throw new Error(endpoint)
        }
        pair.pass(0.01)
      }
    }
    round(2000)
    pair.pass(61)
    expect(states(pair)).toEqual([])
    const before = memory()
    round(count)
    const held = memory() - before
    expect(pair.client.sockets().filter(({ state }) => state === 'TIME_WAIT').length).toBe(count)
    expect(held / count).toBeLessThan(200)
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

  it('[rfc6191#4] but only where both sides used timestamps', () => {
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

  it('100,000 connections to one port with tcp_tw_reuse=1, and none in want of a port', () => {
    const pair = new SimPair({ ...withSysctl({ tcp_tw_reuse: 1 }), link: { delay: 0.01 } })
    const [address] = pair.serverHost.addresses
    pair.server.listen(
      { address, port: 7001, backlog: 4096, ipv6Only: false, reusePort: false, exclusive: false },
      { accepted: (endpoint) => ({ ...deaf, peerFinished: () => endpoint.close() }) },
    )
    let done = 0
    for (let i = 0; i < 100_000; i++) {
      const connected = (): void => {
        done++
        ;(endpoint as Endpoint).close()
      }
      const endpoint = pair.client.connect({ address, port: 7001 }, { ...deaf, connected })
      if (typeof endpoint === 'string') throw new Error(`${endpoint} at connection ${i}`)
      if (i % 200 === 199) pair.pass(0.01)
    }
    pair.pass(1)
    expect(done).toBe(100_000)
    expect(pair.client.mib.TWRecycled).toBeGreaterThan(50_000)
  })
})

describe('an old duplicate', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8, 9, 10])(
    'of a dead incarnation never enters a later one on the same tuple: thousand %i of 10 seeds',
    (thousand) => {
      let replayed = 0
      for (let seed = thousand * 1000 - 999; seed <= thousand * 1000; seed++) {
        const timestamps = seed % 2
        const pair = new SimPair({
          seed,
          client: { sysctl: { tcp_timestamps: timestamps, tcp_tw_reuse: timestamps, tcp_timewait_len: 5 } },
          server: { sysctl: { tcp_timestamps: timestamps, tcp_timewait_len: 5 } },
        })
        const [address] = pair.serverHost.addresses
        const old: [Buffer, Flow][] = []
        let recording = true
        pair.net.tap((datagram, flow) => {
          if (recording && datagram.length > 100)
            old.push([Buffer.from(datagram), { ...flow, sink: null, sinkVersion: -1 }])
          return true
        })
        const connect = (): Ear => {
          const ear = new Ear()
          const endpoint = pair.client.connect({ address, port: PORT, localPort: 5555 }, ear)
          if (typeof endpoint === 'string') throw new Error(`seed ${seed}: ${endpoint}`)
          ear.endpoint = endpoint
          pair.until(() => ear.isConnected)
          return ear
        }
        const first = connect()
        first.endpoint.write(Buffer.alloc(3000, 'old'))
        pair.until(() => pair.accepted[0]?.received === 3000)
        pair.accepted[0].endpoint.write(Buffer.alloc(3000, 'old'))
        pair.until(() => first.received === 3000)
        recording = false
        // Either side may be the one that waits.
        const [a, b] = seed % 3 === 0 ? [pair.accepted[0], first] : [first, pair.accepted[0]]
        a.endpoint.close()
        pair.until(() => b.hasEnded)
        b.endpoint.close()
        const replay = (): void => {
          for (const [datagram, flow] of old) {
            replayed++
            const host = flow.address === address ? pair.serverHost : pair.clientHost
            host.arrive(datagram, flow)
          }
        }
        // With timestamps at once or after a second, without them when TIME_WAIT is over.
        pair.pass(a === first ? (timestamps === 1 ? 1.1 : 5.1) : timestamps === 1 ? 0.1 : 5.1)
        replay()
        const second = connect()
        replay()
        pair.pass(0.1)
        second.endpoint.write(Buffer.alloc(3000, 'new'))
        replay()
        const wrong: string[] = []
        for (const ear of [second, pair.accepted[1]]) {
          ear.onData = (data) => {
            if (data.includes('old')) wrong.push(`seed ${seed}`)
          }
        }
        pair.until(() => pair.accepted[1].received === 3000)
        pair.accepted[1].endpoint.write(Buffer.alloc(3000, 'new'))
        replay()
        pair.until(() => second.received === 3000)
        pair.pass(0.5)
        expect([pair.accepted[1].received, second.received, wrong]).toEqual([3000, 3000, []])
      }
      expect(replayed).toBeGreaterThan(1000)
    },
  )
})
