import dgram from 'node:dgram'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { bytesOf, failureOf, hasIPv6, listen, newStack, outcomeOf } from '../support/stacks.ts'

/** A UDP port that was free a moment ago. */
async function freePort(type: 'udp4' | 'udp6' = 'udp4'): Promise<number> {
  const socket = dgram.createSocket(type).bind(0)
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

/** `node:dgram` that keeps its sockets. */
function watchedDgram(): { module: typeof dgram; sockets: dgram.Socket[] } {
  const sockets: dgram.Socket[] = []
  const createSocket = (...args: Parameters<typeof dgram.createSocket>): dgram.Socket => {
    const socket = dgram.createSocket(...args)
    sockets.push(socket)
    return socket
  }
  return { module: { ...dgram, createSocket } as typeof dgram, sockets }
}

const PORTS = Array.from({ length: 20 }, (_, i) => 1000 + i)

describe('tunnel mode', () => {
  it('200 connections to 20 TCP ports share one UDP port on each side', async () => {
    const udpPort = await freePort()
    const [there, here] = [watchedDgram(), watchedDgram()]
    const tunnel = { port: udpPort, host: '127.0.0.1' }
    const server = newStack({ tunnel, dgram: there.module })
    const client = newStack({ tunnel, dgram: here.module })
    const seen: [number | undefined, number | undefined][] = []
    await Promise.all(
      PORTS.map((port) =>
        listen(
          server.net,
          async (socket) => {
            seen.push([socket.localPort, socket.remotePort])
            socket.end(`${port}: ${await bytesOf(socket)}`)
          },
          { port, allowHalfOpen: true },
        ),
      ),
    )
    const answers = await Promise.all(
      Array.from({ length: 200 }, async (_, i) => {
        const socket = client.net.connect({ port: PORTS[i % 20], host: '127.0.0.1' })
        socket.end(`number ${i}`)
        return String(await bytesOf(socket))
      }),
    )
    expect(answers).toEqual(Array.from({ length: 200 }, (_, i) => `${PORTS[i % 20]}: number ${i}`))
    expect(seen.length).toBe(200)
    expect(new Set(seen.map(([localPort]) => localPort))).toEqual(new Set(PORTS))
    // Ten connections came from different ports to each of the twenty.
    expect(new Set(seen.map((pair) => pair.join())).size).toBe(200)
    expect(there.sockets.length).toBe(1)
    expect(here.sockets.length).toBe(1)
    expect(there.sockets[0].address().port).toBe(udpPort)
  })

  it('a port that nobody listens on refuses', async () => {
    const tunnel = { port: await freePort(), host: '127.0.0.1' }
    await listen(newStack({ tunnel }).net, undefined, { port: 80 })
    const { net } = newStack({ tunnel })
    expect(await failureOf(net.connect({ port: 81, host: '127.0.0.1' }))).toMatchObject({
      code: 'ECONNREFUSED',
      address: '127.0.0.1',
      port: 81,
    })
    // And where there is no tunnel at all.
    const { net: lonely } = newStack({ tunnel: { port: await freePort() } })
    expect((await failureOf(lonely.connect({ port: 80, host: '127.0.0.1' }))).code).toBe('ECONNREFUSED')
  })

  it('TCP ports belong to the stack: they are taken once, and free again', async () => {
    const tunnel = { port: await freePort(), host: '127.0.0.1' }
    const { net } = newStack({ tunnel })
    const { server } = await listen(net, undefined, { port: 80 })
    expect((await failureOf(net.createServer().listen({ port: 80, host: '127.0.0.1' }))).code).toBe('EADDRINUSE')
    // Another stack cannot have the UDP port.
    const other = newStack({ tunnel })
    expect((await failureOf(other.net.createServer().listen({ port: 81, host: '127.0.0.1' }))).code).toBe('EADDRINUSE')
    server.close()
    await once(server, 'close')
    const { port } = await listen(net, undefined, { port: 80 })
    expect(port).toBe(80)
  })

  it('chooses a TCP port where 0 is asked for, and says which', async () => {
    const tunnel = { port: await freePort(), host: '127.0.0.1' }
    const { server, port } = await listen(newStack({ tunnel }).net, (socket) => socket.end('here'))
    expect(port).toBeGreaterThan(0)
    expect((server.address() as AddressInfo).address).toBe('127.0.0.1')
    const socket = newStack({ tunnel }).net.connect({ port, host: '127.0.0.1' })
    expect(String(await bytesOf(socket))).toBe('here')
  })

  it('two tunnels connect to each other, both ways through the same two UDP ports', async () => {
    const [a, b] = [await freePort(), await freePort()]
    const one = newStack({ tunnel: { port: a, host: '127.0.0.1', peerPort: b } })
    const other = newStack({ tunnel: { port: b, host: '127.0.0.1', peerPort: a } })
    const answer = (name: string) => (socket: Socket) => socket.end(name)
    await listen(one.net, answer('one'), { port: 80 })
    await listen(other.net, answer('other'), { port: 80 })
    const [first, second] = [one, other].map((stack) => stack.net.connect({ port: 80, host: '127.0.0.1' }))
    expect(String(await bytesOf(first))).toBe('other')
    expect(String(await bytesOf(second))).toBe('one')
  })

  it('a stack in direct mode reaches a tunnel by `tunnelPort`', async () => {
    const tunnel = { port: await freePort(), host: '127.0.0.1' }
    await listen(newStack({ tunnel }).net, (socket) => socket.end('through'), { port: 7 })
    const { net } = newStack()
    const socket = net.connect({ port: 7, host: '127.0.0.1', tcp: { tunnelPort: tunnel.port } })
    expect(String(await bytesOf(socket))).toBe('through')
    expect(socket.remotePort).toBe(7)
  })

  it('a transfer across 5 % loss, and a reset, reach whom they are for', async () => {
    const tunnel = { port: await freePort(), host: '127.0.0.1' }
    const server = newStack({ tunnel, impair: { loss: 0.05 }, seed: 1 })
    const sizes: Promise<number>[] = []
    await listen(server.net, (socket) => sizes.push(bytesOf(socket).then((data) => data.length)), { port: 80 })
    await listen(server.net, (socket) => socket.resetAndDestroy(), { port: 81 })
    const client = newStack({ tunnel, impair: { loss: 0.05 }, seed: 2 })
    const reset = client.net.connect({ port: 81, host: '127.0.0.1' })
    const outcome = outcomeOf(reset)
    const socket = client.net.connect({ port: 80, host: '127.0.0.1' })
    socket.resume()
    socket.end(Buffer.alloc(300_000))
    await once(socket, 'close')
    expect(await outcome).toBe('ECONNRESET')
    expect(await Promise.all(sizes)).toEqual([300_000])
  })

  it.each(hasIPv6 ? ['::1', '::'] : [])('over IPv6, bound to %s', async (host) => {
    const tunnel = { port: await freePort('udp6'), host }
    await listen(newStack({ tunnel }).net, (socket) => socket.end(`${socket.localAddress} ${socket.remoteFamily}`), {
      port: 80,
      host: '::',
    })
    const socket = newStack({ tunnel }).net.connect({ port: 80, host: '::1' })
    expect(String(await bytesOf(socket))).toBe('::1 IPv6')
    expect(socket.remoteAddress).toBe('::1')
  })
})
