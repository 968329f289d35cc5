// Counts what is done per unit of work, in virtual time, and prints it as JSON. Run by test/sim/operations.test.ts, which says with which flags.

import { OperationCounter } from '../operation-counter.ts'
import type { Ear, SimPair as Pair } from '../sim-pair.ts'

// Before any of our code is there.
const operations = new OperationCounter()
const { SimPair } = await import('../sim-pair.ts')

type Counts = Record<string, number>
const LAYERS = ['wire', 'congestion', 'tcp', 'tunnel', 'stack']

/** What a workload counts, per unit. */
function counted(pair: Pair, units: number, work: () => void): Counts {
  const stacks = [pair.client, pair.server]
  const clocks = [pair.clientHost.clock, pair.serverHost.clock]
  const look = (): Counts => ({
    segments: sum(stacks.map(({ mib }) => mib.OutSegs)),
    'pure acknowledgements': sum(stacks.map(({ mib }) => mib.TCPPureAcks)),
    datagrams: sum(stacks.map(({ mib }) => mib.UdpOutDatagrams)),
    turns: sum(clocks.map(({ turns }) => turns)),
    'timer wake-ups': sum(clocks.map(({ wakes }) => wakes)),
  })
  const before = look()
  const layers = operations.during(work)
  const after = look()
  const counts = Object.entries(after).map(([name, count]) => [name, count - before[name]] as const)
  const all = [...counts, ...LAYERS.map((layer) => [`operations of ${layer}`, layers[layer] ?? 0] as const)]
  return Object.fromEntries(all.map(([name, count]) => [name, Math.round((count / units) * 1000) / 1000]))
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0)

/** Writes `size` bytes, `chunk` at a time, as there is room; tells whether the other end has them. */
function feed(from: Ear, to: Ear, size: number, chunk: number): () => boolean {
  const data = Buffer.alloc(chunk, 'sluice ')
  const until = to.received + size
  let left = size
  const pump = (): void => {
    while (left > 0) {
      const wanted = Math.min(chunk, left)
      const taken = from.endpoint.write(data.subarray(0, wanted))
      left -= taken
      if (taken < wanted) return
    }
  }
  from.writable = pump
  pump()
  return () => to.received >= until
}

const move = (pair: Pair, ...what: Parameters<typeof feed>): void => pair.until(feed(...what))

const SEGMENT = 1436
const FLOWS = 50

/** What is done, and what one unit of it is. */
const WORKLOADS: Readonly<Record<string, () => Counts>> = {
  'bulk, per segment of data': () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    move(pair, client, server, 1000 * SEGMENT, 65_536)
    return counted(pair, 2000, () => move(pair, client, server, 2000 * SEGMENT, 65_536))
  },
  'bulk over 100 Mbit/s, 40 ms and 1 % loss, per segment of data': () => {
    const pair = new SimPair({ link: { delay: 20, rate: '100mbit', loss: '1%' } })
    const [client, server] = pair.establish()
    move(pair, client, server, 1000 * SEGMENT, 65_536)
    return counted(pair, 2000, () => move(pair, client, server, 2000 * SEGMENT, 65_536))
  },
  'writes of 100 bytes, each': () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    move(pair, client, server, 100_000, 100)
    return counted(pair, 5000, () => move(pair, client, server, 500_000, 100))
  },
  'ping-pong of 64 bytes, per round trip': () => {
    const pair = new SimPair()
    const [client, server] = pair.establish()
    const message = Buffer.alloc(64)
    let rounds = 0
    server.onData = (data) => void server.endpoint.write(data)
    client.onData = () => {
      rounds++
      client.endpoint.write(message)
    }
    client.endpoint.write(message)
    pair.until(() => rounds >= 100)
    const from = rounds
    return counted(pair, 1000, () => pair.until(() => rounds >= from + 1000))
  },
  'a connection, opened and closed': () => {
    const pair = new SimPair()
    const connect = (): void => {
      const [client, server] = pair.establish()
      client.endpoint.end()
      pair.until(() => server.hasEnded)
      server.endpoint.end()
      pair.until(() => client.reason !== null && server.reason !== null)
    }
    connect()
    return counted(pair, 200, () => {
      for (let i = 0; i < 200; i++) connect()
    })
  },
  [`bulk of ${FLOWS} connections, per segment of data`]: () => {
    const pair = new SimPair()
    const flows = Array.from({ length: FLOWS }, () => pair.establish())
    const all = (segments: number): void => {
      const done = flows.map(([client, server]) => feed(client, server, segments * SEGMENT, 16_384))
      pair.until(() => done.every((isDone) => isDone()))
    }
    all(20)
    return counted(pair, 40 * FLOWS, () => all(40))
  },
  'an idle connection, per hour': () => {
    const pair = new SimPair()
    for (let i = 0; i < FLOWS; i++) pair.establish()
    pair.pass(60)
    return counted(pair, FLOWS, () => pair.pass(3600))
  },
}

console.log(JSON.stringify(Object.fromEntries(Object.entries(WORKLOADS).map(([name, work]) => [name, work()]))))
