// http requests: Node's own server over accepted connections, autocannon as the client.

import { createServer } from 'node:http'
import net from 'node:net'
import { Duplex } from 'node:stream'
import { bridge } from '../transports/bridge.ts'
import { ignoreErrors, type Measurement } from './measurement.ts'

const BODY = 'hello world\n'.repeat(10)

export const http: Measurement = {
  name: 'http',
  group: 'http',
  figures: [
    { name: 'requests', title: 'http, 10 connections', unit: 'requests/s', better: 'more' },
    { name: 'p99', title: 'http, 10 connections, p99', unit: 'ms', better: 'less' },
  ],
  settings: (quick) => ({ connections: 10, warmup: quick ? 1000 : 6000, duration: quick ? 1000 : 3000 }),
  seconds: ({ warmup, duration }) => (warmup + duration) / 1000,

  async serve(transport) {
    const server = createServer((_request, response) => {
      response.end(BODY)
    })
    const address = await transport.listen((connection) => {
      ignoreErrors(connection)
      const socket = connection instanceof Duplex ? connection : bridge(Promise.resolve(connection))
      server.emit('connection', socket)
    })
    return { addresses: [address], finish: () => ({}) }
  },

  async drive(transport, [address], { connections, warmup, duration }) {
    const { default: autocannon } = await import('autocannon')
    // It connects by `net.connect`, whatever the transport.
    net.connect = (() =>
      transport.socket?.(address) ?? bridge(transport.connect(address))) as unknown as typeof net.connect
    const url = `http://127.0.0.1:${address.port}`
    await autocannon({ url, connections, duration: warmup / 1000 })
    const result = await autocannon({ url, connections, duration: duration / 1000 })
    const failed = result.errors + result.timeouts + result.non2xx
    if (failed > 0) throw new Error(`${failed} requests failed`)
    return { requests: result['2xx'] / result.duration, p99: result.latency.p99 }
  },
}
