import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Net } from '../../src/index.ts'
import type { Transport } from './transport.ts'

/** A transport from anything that has the API of `net`. */
export function netLike(net: Pick<Net, 'connect' | 'createServer'>): Transport {
  return {
    async listen(accept) {
      const server = net.createServer({ noDelay: true }, accept)
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
      await once(server, 'listening')
      return { port: (server.address() as AddressInfo).port }
    },
    connect({ port }) {
      return new Promise((resolve, reject) => {
        const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.off('error', reject)
          resolve(socket)
        })
      })
    },
  }
}
