import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Net } from '../../src/index.ts'
import type { Transport } from './transport.ts'

/** A transport from anything that has the API of `net`. `options`: of each `connect`. */
export function netLike(net: Pick<Net, 'connect' | 'createServer'>, options: object = {}): Transport {
  const socket = ({ port }: { port: number }) => net.connect({ ...options, port, host: '127.0.0.1', noDelay: true })
  return {
    async listen(accept) {
      const server = net.createServer({ noDelay: true }, accept)
      server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 })
      await once(server, 'listening')
      return { port: (server.address() as AddressInfo).port }
    },
    connect(address) {
      return new Promise((resolve, reject) => {
        const connecting = socket(address)
        connecting.once('error', reject)
        connecting.once('connect', () => {
          connecting.off('error', reject)
          resolve(connecting)
        })
      })
    },
    socket,
  }
}
