// One connection, as fast as it goes, from the driving to the serving process: what an application reads in a second.

import { ignoreErrors, type Measurement } from './measurement.ts'

export const bulk: Measurement = {
  name: 'bulk',
  figures: [{ name: 'throughput', title: 'bulk throughput', unit: 'MB/s', better: 'more' }],
  settings: (quick) => ({ warmup: quick ? 200 : 500, duration: quick ? 500 : 2000, chunk: 65_536 }),

  async serve(transport, { warmup, duration }) {
    let throughput = 0
    const address = await transport.listen((connection) => {
      let began = -1
      let from = -1
      let bytes = 0
      let done = false
      ignoreErrors(connection)
      connection.on('data', (chunk) => {
        const now = performance.now()
        if (began < 0) began = now
        // The window opens, code is compiled: from then on it counts.
        if (from < 0) {
          if (now - began >= warmup) from = now
          return
        }
        bytes += chunk.length
        if (now - from < duration || done) return
        done = true
        throughput = bytes / (now - from) / 1000
        connection.write(Buffer.of(1))
      })
    })
    return { address, finish: () => ({ throughput }) }
  },

  async drive(transport, address, { chunk }) {
    const connection = await transport.connect(address)
    const data = Buffer.alloc(chunk, 'sluice ')
    let stopped = false
    const pump = (): void => {
      while (!stopped && connection.write(data));
    }
    return new Promise((resolve, reject) => {
      connection.on('error', reject)
      connection.on('drain', pump)
      connection.on('data', () => {
        stopped = true
        resolve({})
      })
      connection.on('close', () => reject(new Error('the connection was closed')))
      pump()
    })
  },
}
