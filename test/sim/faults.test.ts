import { describe, expect, it } from 'vitest'
import { BaseTracer } from '../../src/observe/base-tracer.ts'
import type { FrameVerdict, Tracer } from '../../src/observe/tracer.ts'
import type { ImpairSpec, SegmentView } from '../../src/stack/index.ts'
import { CloseReason, type Ear, SECOND, SimPair } from '../support/sim-pair.ts'

// What impairment aims at single segments, and what two stacks make of it.

const pairWith = (impair: ImpairSpec, options: object = {}): SimPair =>
  new SimPair({ client: { seed: 1, impair, ...options }, server: { seed: 2 }, link: { delay: 10 } })

/** Writes all of it, however long that takes. */
function send(ear: Ear, size: number): void {
  let left = size
  const write = (): void => {
    left -= ear.endpoint.write(Buffer.alloc(left, 'x'))
  }
  ear.writable = write
  write()
}

describe('handshake faults', () => {
  it('lose the first SYN: the second opens the connection after a second', () => {
    const pair = pairWith({ handshake: 'syn 1' })
    const ear = pair.connect()
    pair.until(() => ear.isConnected)
    expect(pair.client.mib.TCPSynRetrans).toBe(1)
    expect(pair.world.nowUs).toBeGreaterThan(SECOND)
    expect(pair.world.nowUs).toBeLessThan(1.1 * SECOND)
  })

  it('lose SYN-ACKs as they arrive: two by number', () => {
    const pair = pairWith({ in: { handshake: { synack: '1-2' } } })
    const ear = pair.connect()
    pair.until(() => ear.isConnected)
    const [entry] = pair.client.impair.report().filter(({ direction }) => direction === 'in')
    expect(entry.counters.droppedBy).toEqual({ handshake: 2 })
  })

  it('lose every final ACK: data complete the handshake', () => {
    const pair = pairWith({ out: { handshake: { ack: 'all' } } })
    const ear = pair.connect()
    pair.until(() => ear.isConnected)
    pair.pass(0.5)
    expect(pair.accepted.length).toBe(0)
    send(ear, 100)
    pair.until(() => pair.accepted[0]?.received === 100)
  })

  it('hold SYN-ACKs', () => {
    const pair = pairWith({ in: { handshake: { hold: 500 } } })
    const ear = pair.connect()
    pair.until(() => ear.isConnected)
    expect(pair.world.nowUs).toBe(520_000)
  })
})

describe('a predicate on the decoded segment', () => {
  it('loses what it says, and sees what it must', () => {
    const seen: SegmentView[] = []
    const pair = pairWith({
      drop: (seg) => {
        seen.push(seg)
        return seg.syn && seg.ack && seg.attempt === 1
      },
    })
    const [client] = pair.establish()
    expect(pair.world.nowUs).toBeGreaterThan(0.9 * SECOND)
    send(client, 3000)
    pair.until(() => pair.accepted[0].received === 3000)
    const answers = seen.filter(({ syn, ack }) => syn && ack).map(({ attempt, direction }) => [attempt, direction])
    expect(answers.slice(0, 2)).toEqual([
      [1, 'in'],
      [2, 'in'],
    ])
    const data = seen.filter(({ length }) => length > 0)
    expect(data.reduce((sum, { length }) => sum + length, 0)).toBe(3000)
    expect(data[0]).toMatchObject({ offset: 0, attempt: 1, direction: 'out', dstPort: 7000, ack: true, syn: false })
    expect(data[1].offset).toBe(data[0].length)
    expect(seen[0]).toMatchObject({ syn: true, ack: false, index: 0, connection: 0, mss: 1448 })
  })

  it('counts attempts of data', () => {
    const attempts: number[] = []
    const pair = pairWith({
      out: {
        drop: (seg) => {
          if (seg.offset !== 0 || seg.length === 0) return false
          attempts.push(seg.attempt)
          return seg.attempt <= 3
        },
      },
    })
    const [client, server] = pair.establish()
    send(client, 100)
    pair.until(() => server.received === 100)
    expect(attempts).toEqual([1, 2, 3, 4])
  })
})

describe('resets', () => {
  it.each([
    ['out', 'a member', { out: { reset: '64kb' } }],
    ['out', 'an event', { out: { schedule: 'after 64kb reset' } }],
  ])('at an offset of what leaves (%s, %s) reach both ends, and not a byte goes beyond', (_, __, impair) => {
    const pair = pairWith(impair)
    const [client, server] = pair.establish()
    send(client, 200_000)
    pair.until(() => client.reason !== null && server.reason !== null)
    expect([client.reason, server.reason]).toEqual([CloseReason.Reset, CloseReason.Reset])
    expect(server.received).toBeLessThanOrEqual(65_536)
    expect(server.received).toBeGreaterThan(65_536 - 1448)
  })

  it('at an offset of what arrives', () => {
    const pair = pairWith({ in: { reset: 10_000 } })
    const [client, server] = pair.establish()
    send(server, 50_000)
    pair.until(() => client.reason !== null && server.reason !== null)
    expect([client.reason, server.reason]).toEqual([CloseReason.Reset, CloseReason.Reset])
    expect(client.received).toBeLessThanOrEqual(10_000)
  })

  it('reach both ends too where both impair, and what arrives was impaired by its sender', () => {
    const pair = new SimPair({
      client: { seed: 1, impair: { out: { reset: 20_000 } } },
      server: { seed: 2, impair: { delay: 20 } },
    })
    const [client, server] = pair.establish()
    send(client, 50_000)
    pair.until(() => client.reason !== null && server.reason !== null)
    expect([client.reason, server.reason]).toEqual([CloseReason.Reset, CloseReason.Reset])
    expect(server.received).toBeLessThanOrEqual(20_000)
  })

  it('end one connection; the next on the path lives', () => {
    const pair = pairWith({ out: { reset: 5000 } })
    const [first] = pair.establish()
    send(first, 8000)
    pair.until(() => first.reason !== null)
    const [second, server] = pair.establish()
    send(second, 5000)
    pair.until(() => server.received === 5000)
    expect(second.reason).toBeNull()
  })

  it('[rfc5961#3.2] at a time end what is open, also where nothing moves', () => {
    const pair = pairWith({ schedule: 'at 2s reset' })
    const [client, server] = pair.establish()
    pair.until(() => client.reason !== null && server.reason !== null)
    expect([client.reason, server.reason]).toEqual([CloseReason.Reset, CloseReason.Reset])
    expect(pair.world.nowUs).toBeLessThan(2.1 * SECOND)
    const [next, peer] = pair.establish()
    send(next, 100)
    pair.until(() => peer.received === 100)
  })
})

describe('a slow reader', () => {
  it('[rfc9293#3.8.6.2.2] [rfc7323#2.2] lets through no more than it reads, though the true one takes everything at once', () => {
    const pair = pairWith({ in: { reader: { rate: '20kbps', buffer: '8kb' } } })
    const [client, server] = pair.establish()
    const from = pair.world.nowUs
    send(client, 100_000)
    const samples: number[] = []
    for (let i = 0; i < 4; i++) {
      pair.pass(1)
      samples.push(server.received)
    }
    for (const [i, received] of samples.entries()) {
      // What fits the buffer, and what was read since.
      expect(received).toBeLessThanOrEqual(8192 + 20_000 * (i + 1) + 1448)
      expect(received).toBeGreaterThan(20_000 * (i + 1) - 4000)
    }
    pair.until(() => server.received === 100_000)
    expect((pair.world.nowUs - from) / SECOND).toBeGreaterThan(4.3)
    expect((pair.world.nowUs - from) / SECOND).toBeLessThan(5.2)
    expect(pair.client.mib.RetransSegs).toBeLessThan(3)
  })

  it('at this end slows the peer', () => {
    const pair = pairWith({ out: { reader: '80kbit 4096' } })
    const [client, server] = pair.establish()
    send(server, 30_000)
    pair.pass(1)
    expect(client.received).toBeLessThan(4096 + 10_000 + 1448)
    pair.until(() => client.received === 30_000)
  })
})

describe('a slow reader at both ends', () => {
  it('has windows announced again by segments without data, whatever came before', () => {
    const pair = pairWith('reader=20kbps 8kb')
    const injected: number[] = []
    const watcher = new BaseTracer()
    watcher.frameImpaired = (_now, _ends, _outgoing, buffer, start, end, verdict) => {
      if (verdict.injected) injected.push(end - start - (buffer[start + 12] >> 4) * 4)
    }
    pair.client.tracer = watcher
    const [client, server] = pair.establish()
    send(client, 40_000)
    send(server, 40_000)
    pair.until(() => client.received === 40_000 && server.received === 40_000)
    expect(injected.length).toBeGreaterThan(5)
    expect(new Set(injected)).toEqual(new Set([0]))
  })
})

describe('black holes', () => {
  it('one way: what is sent is lost, what comes is heard', () => {
    const pair = pairWith({})
    const [client, server] = pair.establish()
    pair.client.impair = { out: { blackhole: true } }
    send(client, 100)
    send(server, 100)
    pair.pass(1)
    expect([client.received, server.received]).toEqual([100, 0])
    pair.client.impair = null
    pair.until(() => server.received === 100)
  })

  it('by the clock: half a second of nothing two seconds after the first packet', () => {
    const pair = pairWith('at 2s blackhole 500ms')
    const [client, server] = pair.establish()
    pair.pass(1.9)
    send(client, 100)
    pair.pass(0.05)
    expect(server.received).toBe(100)
    pair.world.run(2.01 * SECOND)
    send(client, 100)
    pair.world.run(2.49 * SECOND)
    expect(server.received).toBe(100)
    pair.until(() => server.received === 200)
    expect(pair.world.nowUs).toBeLessThan(3 * SECOND)
  })

  it('for large packets only: path-MTU black hole', () => {
    const pair = pairWith({ out: { mtu: 1000 } })
    const [client, server] = pair.establish()
    send(client, 500)
    pair.until(() => server.received === 500)
    send(client, 3000)
    pair.pass(2)
    expect(server.received).toBeLessThan(3500)
    const [entry] = pair.client.impair.report().filter(({ direction }) => direction === 'out')
    expect(entry.counters.droppedBy.mtu).toBeGreaterThan(1)
  })
})

describe('NAT rebinding', () => {
  it('changes the address that the peer sees', () => {
    const pair = pairWith({ schedule: 'at 1s rebind' })
    const [client] = pair.establish()
    const ports = new Set<number>()
    pair.net.tap((_datagram, flow) => {
      if (flow.sourceAddress === pair.clientHost.addresses[0]) ports.add(flow.sourcePort)
      return true
    })
    send(client, 100)
    pair.pass(0.5)
    expect(ports.size).toBe(1)
    pair.pass(1)
    send(client, 100)
    pair.pass(1)
    expect(ports.size).toBe(2)
  })
})

describe('ECN', () => {
  it('marks what would be lost, and the peer hears of it: nothing is sent again', () => {
    const ecn = { sysctl: { tcp_ecn: 1 } }
    const pair = new SimPair({
      client: { seed: 1, impair: { out: { loss: 'every 20', ecn: true } }, ...ecn },
      server: { seed: 2, ...ecn },
      link: { delay: 10 },
    })
    const [client, server] = pair.establish()
    send(client, 200_000)
    pair.until(() => server.received === 200_000)
    const [{ counters }] = pair.client.impair.report()
    expect(counters.marked).toBeGreaterThan(5)
    expect(counters.dropped).toBeLessThan(3)
    expect(client.endpoint.connection.info(pair.world.nowUs).delivered_ce).toBeGreaterThan(0)
  })
})

describe('several rules', () => {
  it('are told apart in the report', () => {
    const pair = pairWith('loss=10%,to=10.0.0.2;delay=5')
    const [client, server] = pair.establish()
    send(client, 50_000)
    pair.until(() => server.received === 50_000)
    expect(pair.client.impair.report()).toMatchObject([
      { rule: 0, to: '10.0.0.2', destination: '10.0.0.2:7000', direction: 'out', spec: 'loss=10%' },
      { rule: 0, to: '10.0.0.2', destination: '10.0.0.2:7000', direction: 'in', spec: 'loss=10%' },
    ])
    pair.client.impair = 'loss=10%,to=10.9.9.9;delay=5'
    send(client, 1000)
    pair.until(() => server.received === 51_000)
    expect(pair.client.impair.report().filter(({ rule }) => rule === 1)).toMatchObject([
      { to: null, spec: 'delay=5ms', direction: 'out' },
      { to: null, spec: 'delay=5ms', direction: 'in' },
    ])
  })
})

describe('verdicts', () => {
  it('come for every segment of both directions, with rule and seed', () => {
    const verdicts: [boolean, FrameVerdict, number][] = []
    const drops: string[] = []
    class Watcher extends BaseTracer implements Tracer {
      override frameImpaired(
        ...[, , outgoing, , , , verdict, seed]: Parameters<NonNullable<Tracer['frameImpaired']>>
      ): void {
        verdicts.push([outgoing, verdict, seed])
      }
      override frameDropped(...[, , , , , , rule]: Parameters<NonNullable<Tracer['frameDropped']>>): void {
        drops.push(rule)
      }
    }
    const pair = pairWith({ loss: '10%', duplicate: '10%', delay: '20ms 5ms', seed: 5 })
    pair.client.tracer = new Watcher()
    const [client, server] = pair.establish()
    send(client, 100_000)
    pair.until(() => server.received === 100_000)
    const report = pair.client.impair.report()
    for (const outgoing of [true, false]) {
      const { counters } = report.filter(({ direction }) => direction === (outgoing ? 'out' : 'in'))[0]
      const mine = verdicts.filter(([out]) => out === outgoing).map(([, verdict]) => verdict)
      expect(mine.filter(({ fate }) => fate === 'dropped').length).toBe(counters.dropped)
      expect(mine.filter(({ fate }) => fate === 'passed').length).toBe(counters.out)
      expect(mine.filter(({ copy, fate }) => copy > 0 && fate === 'passed').length).toBeGreaterThan(0)
      expect(mine.filter(({ by }) => by !== '').every(({ by }) => by === 'loss=10%')).toBe(true)
      for (const { fate, delayedUs } of mine) {
        if (fate === 'passed') expect(Math.abs(delayedUs - 20_000)).toBeLessThanOrEqual(5000)
      }
    }
    expect(new Set(verdicts.map(([, , seed]) => seed))).toEqual(new Set([5]))
    expect(new Set(drops)).toEqual(new Set(['loss=10%']))
  })
})

describe('while it runs', () => {
  it('members are read and set, the seed is known, and what was done is told', () => {
    const pair = pairWith({ loss: '1%' })
    expect(pair.client.impair.seed).toBe(pair.client.seed)
    const [client, server] = pair.establish()
    pair.client.impair.delay = '50ms'
    expect(pair.client.impair.spec).toEqual([{ loss: '1%', delay: '50ms' }])
    const from = pair.world.nowUs
    send(client, 10)
    pair.until(() => server.received === 10)
    expect(pair.world.nowUs - from).toBe(60_000)
    expect(() => (pair.client.impair.loss = 7)).toThrow("Impairment 'loss'")
    expect(pair.client.impair.loss).toBe('1%')
    pair.client.impair.loss = 1
    send(client, 10)
    pair.pass(5)
    expect(server.received).toBe(10)
    const told = pair.client.impair.report().filter(({ direction }) => direction === 'out')
    expect(told.map(({ spec }) => spec)).toContain('loss=100%,delay=50ms')
    expect(told.at(-1)).toMatchObject({ rule: 0, to: null, destination: '10.0.0.2:7000', seed: 1 })
    expect(told.at(-1)?.counters.droppedBy.loss).toBeGreaterThan(2)
    pair.client.impair = null
    expect(pair.client.impair.isOn).toBe(false)
    pair.until(() => server.received === 20)
  })

  it('another seed decides anew, the same one the same', () => {
    const losses = (seed: number): number[] => {
      const lost: number[] = []
      const pair = pairWith({ out: { loss: '20%' } })
      const watcher = new BaseTracer()
      watcher.frameImpaired = (...[, , outgoing, , , , { fate, index, connection }]) => {
        if (outgoing && fate === 'dropped') lost.push(connection * 10_000 + index)
      }
      pair.client.tracer = watcher
      pair.client.impair.seed = seed
      expect(pair.client.impair.seed).toBe(seed)
      const ends = [pair.establish(), pair.establish()]
      for (const [client] of ends) send(client, 50_000)
      pair.until(() => ends.every(([, server]) => server.received === 50_000))
      return lost
    }
    const first = losses(7)
    expect(first.length).toBeGreaterThan(10)
    expect(losses(7)).toEqual(first)
    expect(losses(8)).not.toEqual(first)
  })

  it('every connection of a path has decisions of its own', () => {
    const lost = new Map<number, number[]>()
    const pair = pairWith({ out: { loss: '20%' } })
    const watcher = new BaseTracer()
    watcher.frameImpaired = (...[, , outgoing, , , , { fate, index, connection }]) => {
      if (!outgoing || index > 20) return
      const list = lost.get(connection) ?? []
      lost.set(connection, list)
      if (fate === 'dropped') list.push(index)
    }
    pair.client.tracer = watcher
    const ends = [pair.establish(), pair.establish(), pair.establish()]
    for (const [client] of ends) send(client, 60_000)
    pair.until(() => ends.every(([, server]) => server.received === 60_000))
    const fates = [...lost.values()].map((list) => list.join())
    expect([...lost.keys()]).toEqual([0, 1, 2])
    expect(new Set(fates).size).toBe(3)
  })
})
