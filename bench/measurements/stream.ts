// Connections that carry as much as they can from the driving to the serving process: what an application reads in a second, and what the
// machine worked for it.

import type { Connection } from '../transports/index.ts'
import { ignoreErrors, type Measurement, openMany } from './measurement.ts'
import { Steady } from './steady.ts'

/** Bytes after which the event loop turns: a kernel that takes all at once would never let it, and what is received would never be heard. */
const MOST_OF_A_TURN = 1 << 20

/**
 * Settings: `connections`; `chunk`, bytes of a write; `warmup` and `duration`. The sample has `throughput` in MB/s, `messages` (writes) a
 * second, and `cost`: seconds of work of all processors together for a GB, sent and received.
 */
export const stream: Pick<Measurement, 'serve' | 'drive' | 'seconds'> = {
  seconds: ({ warmup, duration, connections }) => (warmup + duration + connections * 2) / 1000,

  async serve(transport, { warmup, duration, connections, chunk }) {
    const sample: Record<string, number> = {}
    const steady = new Steady(warmup, duration)
    let open = 0
    const address = await transport.listen((connection) => {
      open++
      ignoreErrors(connection)
      connection.on('data', ({ length }) => {
        if (open < connections || !steady.add(length)) return
        const { bytes, seconds, cost } = steady
        sample.throughput = bytes / seconds / 1e6
        sample.messages = bytes / chunk / seconds
        if (cost !== null) sample.cost = cost
        connection.write(Buffer.of(1))
      })
    })
    return { addresses: [address], finish: () => sample }
  },

  async drive(transport, addresses, { chunk, connections }) {
    const all = await openMany(transport, addresses, connections, 32)
    const data = Buffer.alloc(chunk, 'sluice ')
    let stopped = false
    return new Promise((resolve, reject) => {
      const begin = (connection: Connection): void => {
        let sinceTurn = 0
        const turn = (): void => {
          sinceTurn = 0
          pump()
        }
        const pump = (): void => {
          while (!stopped && sinceTurn < MOST_OF_A_TURN) {
            sinceTurn += chunk
            if (sinceTurn >= MOST_OF_A_TURN) setImmediate(turn)
            if (!connection.write(data)) return
          }
        }
        connection.on('error', reject)
        connection.on('drain', pump)
        connection.on('data', () => {
          stopped = true
          resolve({})
        })
        connection.on('close', () => reject(new Error('a connection was closed')))
        pump()
      }
      all.forEach(begin)
    })
  },
}
