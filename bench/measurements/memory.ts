// Connections that stand and say nothing: what each costs in either process. What the kernel holds for its own TCP is not in it.

import type { Connection } from '../transports/index.ts'
import { drain, type Measurement, type Sample } from './measurement.ts'

const SIDES = ['server', 'client'] as const

export const memory: Measurement = {
  name: 'memory',
  figures: SIDES.flatMap((side) => [
    { name: `${side}Rss`, title: `idle connection, ${side}, resident`, unit: 'KB', better: 'less' },
    { name: `${side}Heap`, title: `idle connection, ${side}, heap and buffers`, unit: 'KB', better: 'less' },
  ]),
  settings: (quick) => ({ warmup: 100, count: quick ? 200 : 2000, flight: 16 }),

  async serve(transport, { warmup, count }) {
    const connections: Connection[] = []
    let before: Usage | null = null
    const address = await transport.listen((connection) => {
      drain(connection)
      connections.push(connection)
      // What the first ones bring with them, code above all, belongs to no connection.
      if (connections.length === warmup) before = usage()
    })
    return {
      address,
      finish: () => {
        if (connections.length < warmup + count || before === null) throw new Error('connections are missing')
        return perConnection('server', before, usage(), count)
      },
    }
  },

  async drive(transport, address, { warmup, count, flight }) {
    const connections: Connection[] = []
    const open = async (number: number): Promise<void> => {
      let left = number
      const some = async (): Promise<void> => {
        while (left-- > 0) {
          const connection = await transport.connect(address)
          drain(connection)
          connections.push(connection)
        }
      }
      await Promise.all(Array.from({ length: flight }, some))
      // Until what was under way has settled: the server's side of the last handshakes, and timers of acknowledgements.
      await new Promise((resolve) => setTimeout(resolve, 300))
    }
    await open(warmup)
    const before = usage()
    await open(count)
    const sample = perConnection('client', before, usage(), count)
    if (connections.length !== warmup + count) throw new Error('connections are missing')
    return sample
  },
}

interface Usage {
  rss: number
  heap: number
}

function usage(): Usage {
  if (globalThis.gc === undefined) throw new Error('memory is measured with --expose-gc only')
  globalThis.gc()
  globalThis.gc()
  const { rss, heapUsed, external } = process.memoryUsage()
  return { rss, heap: heapUsed + external }
}

function perConnection(side: (typeof SIDES)[number], before: Usage, after: Usage, count: number): Sample {
  return {
    [`${side}Rss`]: (after.rss - before.rss) / count / 1000,
    [`${side}Heap`]: (after.heap - before.heap) / count / 1000,
  }
}
