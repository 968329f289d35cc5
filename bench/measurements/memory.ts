// Connections that stand and say nothing: what each costs in either process, and how much the processes work meanwhile. What the kernel
// holds for its own TCP is not in it.

import type { Connection } from '../transports/index.ts'
import { kindsForMany, whyTooMany } from './descriptors.ts'
import { drain, type Measurement, openMany, type Sample } from './measurement.ts'

const COUNTS = [1000, 10_000, 100_000]
const SIDES = ['server', 'client'] as const
/** Connections to one port: an address has 28,232 ports for its ends of them. */
const PER_PORT = 25_000
/** Until what was under way has settled: the server's side of the last handshakes, timers of acknowledgements, what Nagle left. */
const SETTLE_MS = 500

function memoryOf(count: number): Measurement {
  const what = `${count.toLocaleString('en-US')} idle connections`
  return {
    name: `memory:${count}`,
    group: 'memory',
    at: count,
    kinds: kindsForMany(count),
    slow: count > 10_000,
    figures: SIDES.flatMap((side) => [
      { name: `${side}Rss`, title: `${what}, ${side}, resident, each`, unit: 'KB', better: 'less' as const },
      { name: `${side}Heap`, title: `${what}, ${side}, heap and buffers, each`, unit: 'KB', better: 'less' as const },
      { name: `${side}Idle`, title: `${what}, ${side}, processor`, unit: '%', better: 'less' as const },
    ]),
    settings: (quick) => ({
      warmup: 100,
      count,
      flight: 32,
      ports: Math.ceil(count / PER_PORT),
      idle: quick ? 500 : 3000,
    }),
    seconds: ({ idle }) => (2 * idle + 6 * SETTLE_MS) / 1000 + count * 250e-6,
    whyNot: (kind) => whyTooMany(kind, count),

    async serve(transport, { warmup, count, ports, idle }) {
      const connections: Connection[] = []
      let before: Usage | null = null
      const accept = (connection: Connection): void => {
        drain(connection)
        connections.push(connection)
        // What the first ones bring with them, code above all, belongs to no connection.
        if (connections.length === warmup) {
          collect()
          before = usage()
        }
      }
      const addresses = []
      for (let i = 0; i < ports; i++) addresses.push(await transport.listen(accept))
      return {
        addresses,
        finish: async () => {
          if (connections.length < warmup + count || before === null) throw new Error('connections are missing')
          return { ...perConnection('server', before, await settledUsage(), count), serverIdle: await share(idle) }
        },
      }
    },

    async drive(transport, addresses, { warmup, count, flight, idle }) {
      const connections: Connection[] = []
      const open = async (number: number): Promise<void> => {
        for (const connection of await openMany(transport, addresses, number, flight)) {
          drain(connection)
          connections.push(connection)
        }
        await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
      }
      await open(warmup)
      const before = await settledUsage()
      await open(count)
      const sample = perConnection('client', before, await settledUsage(), count)
      return { ...sample, clientIdle: await share(idle) }
    },
  }
}

export const memory: readonly Measurement[] = COUNTS.map(memoryOf)

interface Usage {
  rss: number
  heap: number
}

function collect(): void {
  if (globalThis.gc === undefined) throw new Error('memory is measured with --expose-gc only')
  globalThis.gc()
  globalThis.gc()
}

/** What remains: the collector gives pages back to the system from another thread, and takes its time. */
async function settledUsage(): Promise<Usage> {
  collect()
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  return usage()
}

function usage(): Usage {
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

function perConnection(side: (typeof SIDES)[number], before: Usage, after: Usage, count: number): Sample {
  return {
    [`${side}Rss`]: (after.rss - before.rss) / count / 1000,
    [`${side}Heap`]: (after.heap - before.heap) / count / 1000,
  }
}

/** How much of one processor this process takes in the `ms` to come, %. */
async function share(ms: number): Promise<number> {
  // The collection of what came before would be in it.
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const [before, began] = [process.cpuUsage(), performance.now()]
  await new Promise((resolve) => setTimeout(resolve, ms))
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 10 / (performance.now() - began)
}
