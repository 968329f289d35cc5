// What a byte costs where few or many connections are busy: each sends a message, waits for a byte in answer, and sends the next.

import { kindsForMany, whyTooMany } from './descriptors.ts'
import { ignoreErrors, type Measurement, openMany } from './measurement.ts'
import { Steady } from './steady.ts'

const CROWDS = [10, 100, 1000, 10_000]
const GO_ON = Buffer.of(1)
const STOP = Buffer.of(2)

function crowdOf(connections: number): Measurement {
  const what = `${connections.toLocaleString('en-US')} busy connections`
  return {
    name: `crowd:${connections}`,
    group: 'crowd',
    at: connections,
    kinds: kindsForMany(connections),
    slow: connections > 1000,
    figures: [
      { name: 'cost', title: `${what}, processors`, unit: 's/GB', better: 'less' },
      { name: 'throughput', title: what, unit: 'MB/s', better: 'more' },
    ],
    settings: (quick) => ({ connections, size: 16_384, warmup: quick ? 500 : 3000, duration: quick ? 500 : 2000 }),
    seconds: ({ warmup, duration }) => (warmup + duration + connections) / 1000,
    whyNot: (kind) => whyTooMany(kind, connections),

    async serve(transport, { size, warmup, duration }) {
      const sample: Record<string, number> = {}
      const steady = new Steady(warmup, duration)
      const address = await transport.listen((connection) => {
        let missing = size
        ignoreErrors(connection)
        connection.on('data', ({ length }) => {
          if (steady.add(length)) {
            sample.throughput = steady.bytes / steady.seconds / 1e6
            if (steady.cost !== null) sample.cost = steady.cost
          }
          missing -= length
          if (missing > 0) return
          missing = size
          connection.write(steady.isOver ? STOP : GO_ON)
        })
      })
      return { addresses: [address], finish: () => sample }
    },

    async drive(transport, addresses, { connections, size }) {
      const all = await openMany(transport, addresses, connections, 64)
      const message = Buffer.alloc(size, 'sluice ')
      return new Promise((resolve, reject) => {
        let stopped = false
        for (const connection of all) {
          connection.on('error', reject)
          connection.on('close', () => reject(new Error('a connection was closed')))
          connection.on('data', (answer) => {
            if (answer[0] === STOP[0]) {
              stopped = true
              resolve({})
            } else if (!stopped) connection.write(message)
          })
          connection.write(message)
        }
      })
    },
  }
}

export const crowd: readonly Measurement[] = CROWDS.map(crowdOf)
