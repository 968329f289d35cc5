// Connections that carry as much as they can from the driving to the serving process: what an application reads in a second, and what the
// machine worked for it.

import { costPerGigabyte, machineBusySeconds } from '../busy.ts'
import type { Connection } from '../transports/index.ts'
import { ignoreErrors, type Measurement, openMany } from './measurement.ts'

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
    let open = 0
    let began = -1
    let from = -1
    let busy: number | null = null
    let bytes = 0
    let done = false
    const address = await transport.listen((connection) => {
      open++
      ignoreErrors(connection)
      connection.on('data', (data) => {
        if (open < connections || done) return
        const now = performance.now()
        if (began < 0) began = now
        // Windows open, code is compiled: from then on it counts.
        if (from < 0) {
          if (now - began < warmup) return
          from = now
          busy = machineBusySeconds()
          return
        }
        bytes += data.length
        if (now - from < duration) return
        done = true
        const seconds = (now - from) / 1000
        const cost = costPerGigabyte(busy, machineBusySeconds(), bytes)
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
