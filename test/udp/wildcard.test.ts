import { once } from 'node:events'
import nodeNet, { type AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Net, Socket } from '../../src/index.ts'
import { bytesOf, hasIPv6, listen, newStack, outsideAddress } from '../support/stacks.ts'

const linux = process.platform === 'linux'
const IPV4 = ['127.0.0.1', ...(linux ? ['127.0.0.2', '127.9.8.7'] : []), ...(outsideAddress ? [outsideAddress] : [])]
const CASES: [string, string][] = [
  ...IPV4.map((address): [string, string] => ['0.0.0.0', address]),
  ...(hasIPv6 ? [...IPV4, '::1'].map((address): [string, string] => ['::', address]) : []),
]

interface Ends {
  server: unknown[]
  client: unknown[]
}

/** The addresses that both ends of a connection see, ports left out where the system chose them. */
async function ends(net: Net, clientNet: Net, host: string, address: string): Promise<Ends> {
  const names: string[] = []
  const { server, port } = await listen(
    net,
    (socket: Socket) => {
      const { localAddress, localPort, localFamily, remoteAddress, remoteFamily } = socket
      names.push(JSON.stringify([localAddress, localPort === port, localFamily, remoteAddress, remoteFamily]))
      socket.end('heard')
    },
    { host },
  )
  onTestFinished(() => {
    server.close()
  })
  expect((server.address() as AddressInfo).address).toBe(host)
  const socket = clientNet.connect({ port, host: address })
  await once(socket, 'connect')
  const { localAddress, localFamily, remoteAddress, remotePort, remoteFamily } = socket
  expect(String(await bytesOf(socket))).toBe('heard')
  return {
    server: JSON.parse(names[0]),
    client: [localAddress, localFamily, remoteAddress, remotePort === port, remoteFamily],
  }
}

describe('a server on all addresses', () => {
  it.each(CASES)('%s answers who addressed %s, with the addresses that `node:net` shows', async (host, address) => {
    const kernel = nodeNet as unknown as Net
    const expected = await ends(kernel, kernel, host, address)
    expect(await ends(newStack().net, newStack().net, host, address)).toEqual(expected)
  })

  it.each(CASES)('%s serves several clients at once that addressed %s', async (host, address) => {
    const { port } = await listen(newStack().net, (socket) => socket.pipe(socket), { host, allowHalfOpen: true })
    const clients = [newStack(), newStack(), newStack()]
    const answers = clients.flatMap(({ net }, i) =>
      Array.from({ length: 5 }, async (_, j) => {
        const socket = net.connect({ port, host: address })
        socket.end(`${i} ${j}`)
        return String(await bytesOf(socket))
      }),
    )
    expect(await Promise.all(answers)).toEqual(clients.flatMap((_, i) => [0, 1, 2, 3, 4].map((j) => `${i} ${j}`)))
  })
})
