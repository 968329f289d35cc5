// One small message to and fro, the next one after the answer: what a request costs where nothing waits for bandwidth.

import { percentile } from '../stats.ts'
import { ignoreErrors, type Measurement } from './measurement.ts'

export const ping: Measurement = {
  name: 'ping',
  group: 'ping',
  figures: [
    { name: 'p50', title: 'ping-pong, 64 bytes, p50', unit: 'µs', better: 'less' },
    { name: 'p99', title: 'ping-pong, 64 bytes, p99', unit: 'µs', better: 'less' },
  ],
  settings: (quick) => ({ warmup: quick ? 500 : 10_000, count: quick ? 2000 : 50_000, size: 64 }),
  seconds: ({ count }) => count * 50e-6,

  async serve(transport) {
    const address = await transport.listen((connection) => {
      ignoreErrors(connection)
      connection.on('data', (chunk) => void connection.write(chunk))
    })
    return { addresses: [address], finish: () => ({}) }
  },

  async drive(transport, [address], { warmup, count, size }) {
    const connection = await transport.connect(address)
    const message = Buffer.alloc(size, 'ping')
    const times = new Float64Array(count)
    let round = -warmup
    let missing = size
    let began = 0
    return new Promise((resolve, reject) => {
      const send = (): void => {
        missing = size
        began = performance.now()
        connection.write(message)
      }
      connection.on('error', reject)
      connection.on('close', () => reject(new Error('the connection was closed')))
      connection.on('data', (chunk) => {
        missing -= chunk.length
        if (missing > 0) return
        if (round >= 0) times[round] = (performance.now() - began) * 1000
        if (++round < count) return send()
        times.sort()
        resolve({ p50: percentile(times, 0.5), p99: percentile(times, 0.99) })
      })
      send()
    })
  },
}
