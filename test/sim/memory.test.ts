import { describe, expect, it } from 'vitest'
import { Flag, ListenRig } from '../support/listen-rig.ts'
import { Ear, PORT, SimPair } from '../support/sim-pair.ts'

// Buffers, memory and what is kept of paths: linux: tcp_memory_allocated, tcp_rcv_space_adjust, net/ipv4/tcp_metrics.c.

/** Writes ever on. */
function pour(ear: Ear): () => number {
  let written = 0
  ear.writable = () => {
    for (let taken = 1; taken > 0; written += taken) taken = ear.endpoint.write(Buffer.alloc(20_000))
  }
  ear.writable()
  return () => written
}

describe('tcp_wmem and tcp_rmem', () => {
  it('say how much a new connection takes from its application, and how much from its peer', () => {
    for (const [send, receive] of [
      [8192, 20_000],
      [16_384, 131_072],
    ]) {
      const pair = new SimPair({
        client: { sysctl: { tcp_wmem: [4096, send, 4_194_304] } },
        server: { sysctl: { tcp_rmem: [4096, receive, 6_291_456] } },
      })
      const client = pair.connect()
      expect(client.endpoint.write(Buffer.alloc(100_000))).toBe(send)
      pair.pass(1)
      expect(client.endpoint.info().snd_wnd).toBeLessThanOrEqual(receive / 2)
      expect(client.endpoint.info().snd_wnd).toBeGreaterThan(receive / 2 - 1500)
    }
  })

  it('and how far its buffers grow', () => {
    const most = 100_000
    const size = (sysctl: Record<string, unknown>): [number, number] => {
      const pair = new SimPair({ link: { delay: 20 }, client: { sysctl }, server: { sysctl } })
      const [client, server] = pair.establish()
      pour(client)
      pair.pass(10)
      const { connection } = client.endpoint
      return [connection.sender.sndBuf, server.endpoint.connection.receiver.window.rcvBuf]
    }
    const [sndBuf, rcvBuf] = size({ tcp_wmem: [4096, 16_384, most], tcp_rmem: [4096, 50_000, most] })
    expect(sndBuf).toBe(most)
    expect(rcvBuf).toBe(most)
    const [, fixed] = size({ tcp_rmem: [4096, 50_000, most], tcp_moderate_rcvbuf: 0 })
    expect(fixed).toBe(50_000)
  })
})

describe('what of a buffer is window', () => {
  const window = (sysctl: Record<string, unknown>): number => {
    const rig = new ListenRig({ server: { sysctl: { tcp_rmem: [4096, 40_000, 6_291_456], ...sysctl } } })
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack()
    rig.pass(0.1)
    expect(rig.accepted[0].endpoint.connection.receiver.window.capacity).toBe(peer.synAck.wnd)
    return peer.synAck.wnd
  }

  it('tcp_adv_win_scale=n: all but the 2^-n part; −n: the 2^-n part', () => {
    expect([1, 2, 3, 0, -1, -2].map((tcp_adv_win_scale) => window({ tcp_adv_win_scale }))).toEqual([
      20_000, 30_000, 35_000, 40_000, 20_000, 10_000,
    ])
  })

  it('tcp_app_win=n keeps the 2^-n part of that', () => {
    expect([31, 0, 1, 2].map((tcp_app_win) => window({ tcp_app_win }))).toEqual([20_000, 20_000, 10_000, 15_000])
  })
})

describe('tcp_notsent_lowat', () => {
  it.each([
    ['of the stack', { tcp_notsent_lowat: 5000 }, {}],
    ['of the connection', {}, { notsentLowat: 5000 }],
  ])('what is written and not sent stays below it, and what is sent does not count, %s', (_, sysctl, request) => {
    const pair = new SimPair({ link: { delay: 50 }, client: { sysctl } })
    const [address] = pair.serverHost.addresses
    const ear = new Ear()
    const endpoint = pair.client.connect({ address, port: PORT, ...request }, ear)
    if (typeof endpoint === 'string') throw new Error(endpoint)
    ear.endpoint = endpoint
    expect(endpoint.write(Buffer.alloc(100_000))).toBe(5000)
    pair.until(() => pair.accepted.length === 1)
    const written = pour(ear)
    let [most, flight] = [0, 0]
    pair.world.afterEvent(() => {
      const { notsent_bytes, unacked } = endpoint.info()
      most = Math.max(most, notsent_bytes)
      flight = Math.max(flight, unacked)
    })
    pair.pass(5)
    expect(most).toBeLessThanOrEqual(5000)
    expect(written()).toBeGreaterThan(200_000)
    expect(flight).toBeGreaterThan(10)
  })
})

describe('tcp_mem', () => {
  it('beyond the second mark nothing grows, until it is below the first again', () => {
    const pair = new SimPair({ link: { delay: 20 }, client: { sysctl: { tcp_mem: [10, 20, 1000] } } })
    const [slow, deaf] = pair.establish()
    deaf.reading = false
    pour(slow)
    pair.pass(5)
    expect(pair.client.mib.TCPMemoryPressures).toBe(1)
    // What the peer does not read fills the send buffer: as large as it was when pressure began.
    const { sndBuf } = slow.endpoint.connection.sender
    expect(sndBuf).toBeLessThan(30 * 4096)
    const [other, reader] = pair.establish()
    pour(other)
    pair.pass(5)
    expect(other.endpoint.connection.sender.sndBuf).toBe(16_384)
    expect(reader.received).toBeGreaterThan(100_000)
    slow.endpoint.abort()
    pair.pass(5)
    expect(other.endpoint.connection.sender.sndBuf).toBeGreaterThan(16_384)
  })

  it('beyond the third nobody new is let in, and what came out of order goes', () => {
    const rig = new ListenRig({ server: { sysctl: { tcp_mem: [1, 2, 3] } } })
    const peer = rig.peer().syn()
    rig.pass(0.1)
    peer.ack()
    rig.pass(0.1)
    // The application reads nothing.
    rig.accepted[0].reading = false
    for (let i = 0; i < 10; i++) {
      peer.ack({ seq: 1001 + i * 1000, data: 'x'.repeat(1000) })
      rig.pass(0.05)
    }
    // Behind a hole.
    peer.ack({ seq: 1001 + 12_000, data: 'y'.repeat(2000) })
    rig.pass(0.1)
    peer.ack({ seq: 1001 + 10_000, data: 'x'.repeat(1000) })
    rig.pass(0.1)
    expect(rig.mib.OfoPruned).toBeGreaterThan(0)
    peer.ack({ seq: 1001 + 11_000, data: 'x'.repeat(1400) })
    rig.pass(0.1)
    const other = rig.peer(2).syn()
    rig.pass(0.1)
    expect(other.answers).toEqual([])
    expect(rig.mib.ListenDrops).toBe(1)
    rig.accepted[0].reading = true
    rig.accepted[0].readable()
    rig.pass(0.1)
    other.syn()
    rig.pass(0.1)
    expect(other.last?.flags).toBe(Flag.SYN | Flag.ACK)
  })

  it('an orphan that then still holds data is reset', () => {
    const pair = new SimPair({ link: { delay: 20 }, client: { sysctl: { tcp_mem: [1, 2, 3] } } })
    const [client, server] = pair.establish()
    server.reading = false
    pour(client)
    pair.pass(1)
    client.endpoint.close()
    pair.pass(1)
    expect(pair.client.mib.TCPAbortOnMemory).toBe(1)
    expect(pair.client.sockets()).toEqual([])
  })
})

describe('skmem', () => {
  it('says of each socket what it holds and may hold, as ss -m does', () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    server.reading = false
    client.endpoint.write(Buffer.alloc(10_000))
    pair.pass(0.001)
    pair.net.partition(pair.clientHost, pair.serverHost)
    client.endpoint.write(Buffer.alloc(3000))
    pair.pass(0.01)
    const skmem = (stack: SimPair['client']): unknown =>
      stack.sockets().find(({ state }) => state === 'ESTABLISHED')?.skmem
    expect(skmem(pair.client)).toMatchObject({ r: 0, rb: 131_072, t: 0, f: 0, w: 3000, o: 0, bl: 0, d: 0 })
    expect(skmem(pair.server)).toMatchObject({ r: 10_000, rb: 131_072, w: 0 })
  })
})

describe('what is kept of the paths', () => {
  it('tcp_no_metrics_save=1 forgets it', () => {
    for (const tcp_no_metrics_save of [0, 1]) {
      const pair = new SimPair({ link: { delay: 300 }, client: { sysctl: { tcp_no_metrics_save } } })
      const [client, server] = pair.establish()
      client.endpoint.write(Buffer.alloc(100_000))
      pair.pass(10)
      client.endpoint.close()
      pair.pass(2)
      server.endpoint.close()
      pair.pass(2)
      const next = pair.connect()
      // The round trip of 600 ms is remembered in the first timeout.
      expect(next.endpoint.info().rto > 1_100_000).toBe(tcp_no_metrics_save === 0)
    }
  })

  it('tcp_no_ssthresh_metrics_save=0 keeps the slow start threshold too', () => {
    for (const tcp_no_ssthresh_metrics_save of [0, 1]) {
      const pair = new SimPair({
        link: { delay: 10, rate: '10mbit', queue: 20 },
        client: { sysctl: { tcp_no_ssthresh_metrics_save } },
      })
      const [client, server] = pair.establish()
      const stop = pour(client)
      pair.pass(10)
      expect(stop()).toBeGreaterThan(1_000_000)
      expect(client.endpoint.info().snd_ssthresh).toBeLessThan(1000)
      client.writable = () => {}
      client.endpoint.end()
      pair.until(() => server.hasEnded)
      server.endpoint.close()
      pair.pass(2)
      const [next] = pair.establish()
      expect(next.endpoint.info().snd_ssthresh < 1000).toBe(tcp_no_ssthresh_metrics_save === 0)
    }
  })
})

describe('tcp_challenge_ack_limit', () => {
  it('bounds the answers of the whole stack in a second, give or take half', () => {
    const answers = (tcp_challenge_ack_limit: number): number => {
      const rig = new ListenRig({ server: { sysctl: { tcp_challenge_ack_limit } } })
      const peers = Array.from({ length: 60 }, (_, i) => rig.peer(i).syn())
      rig.pass(0.1)
      for (const peer of peers) peer.ack()
      rig.pass(1.1)
      for (const peer of peers) peer.send({ flags: Flag.RST, seq: 1500 })
      rig.pass(0.5)
      return rig.mib.TCPChallengeACK
    }
    expect(answers(1000)).toBe(60)
    const few = answers(10)
    expect(few).toBeGreaterThanOrEqual(5)
    expect(few).toBeLessThanOrEqual(15)
  })
})
