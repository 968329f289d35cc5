import dgram from 'node:dgram'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { type Failure, failureOf, hasIPv6, listen, newStack } from '../support/stacks.ts'

/** A UDP port that nobody has. */
async function closedPort(type: 'udp4' | 'udp6' = 'udp4'): Promise<number> {
  const socket = dgram.createSocket(type)
  socket.bind(0, type === 'udp4' ? '127.0.0.1' : '::1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  await once(socket, 'close')
  return port
}

const here = (hosts: readonly string[]): boolean => hasIPv6 || hosts.every((host) => !host.includes(':'))

describe('a closed port', () => {
  it.each(
    (
      [
        ['127.0.0.1', 'udp4'],
        ['::1', 'udp6'],
      ] as const
    ).filter(here),
  )('refuses within 50 ms, and the error says where: %s', async (host, type) => {
    const port = await closedPort(type)
    const { net } = newStack()
    // The first use of everything is not the network's time.
    await failureOf(net.connect({ port, host }))
    const began = performance.now()
    const error = await failureOf(net.connect({ port, host }))
    const took = performance.now() - began
    expect(error).toMatchObject({
      code: 'ECONNREFUSED',
      syscall: 'connect',
      address: host,
      port,
      message: `connect ECONNREFUSED ${host}:${port}`,
    })
    expect(error.errno).toBe(-111)
    expect(took).toBeLessThan(50)
  })

  it('refuses fifty connects at once', async () => {
    const port = await closedPort()
    const { net } = newStack()
    const failures = await Promise.all(
      Array.from({ length: 50 }, () => failureOf(net.connect({ port, host: '127.0.0.1' }))),
    )
    expect(failures.map((error) => error.code)).toEqual(Array(50).fill('ECONNREFUSED'))
  })

  it('is noticed by name, on both of its addresses', async () => {
    const port = await closedPort()
    const error = (await failureOf(newStack().net.connect({ port, host: 'localhost' }))) as Failure & {
      errors?: Failure[]
    }
    expect(error.code).toBe('ECONNREFUSED')
    for (const one of error.errors ?? [error]) expect(one).toMatchObject({ code: 'ECONNREFUSED', port })
  })

  it('becomes open, and closed again', async () => {
    const { net } = newStack()
    const { net: other } = newStack()
    const { server, port } = await listen(net, (socket) => socket.end())
    const client = other.connect({ port, host: '127.0.0.1' })
    client.resume()
    await once(client, 'close')
    server.close()
    await once(server, 'close')
    // The port is bound until its last connection is wholly gone; then it refuses like any other, before by a RST.
    expect((await failureOf(other.connect({ port, host: '127.0.0.1' }))).code).toBe('ECONNREFUSED')
  })
})

describe('a port that is taken', () => {
  it.each(['127.0.0.1', '0.0.0.0', '::', '::1'].filter((host) => here([host])))(
    'cannot be listened on again: %s',
    async (host) => {
      const { port } = await listen(newStack().net, undefined, { host })
      for (const stack of [newStack(), newStack()]) {
        const again = stack.net.createServer().listen({ port, host })
        expect(await failureOf(again)).toMatchObject({
          code: 'EADDRINUSE',
          syscall: 'listen',
          address: host,
          port,
          message: `listen EADDRINUSE: address already in use ${host}:${port}`,
        })
        expect(again.listening).toBe(false)
      }
    },
  )

  it('cannot be listened on again by the same stack', async () => {
    const { net } = newStack()
    const { port } = await listen(net)
    const again = net.createServer().listen({ port, host: '127.0.0.1' })
    expect((await failureOf(again)).code).toBe('EADDRINUSE')
  })

  it.each(
    [
      ['127.0.0.1', '0.0.0.0'],
      ['0.0.0.0', '127.0.0.1'],
      ['127.0.0.1', '::'],
      ['::', '127.0.0.1'],
      ['::1', '::'],
      ['::', '::1'],
      ['::', '0.0.0.0'],
      ['0.0.0.0', '::'],
    ].filter(here),
  )('is taken by %s for %s', async (first, second) => {
    const { port } = await listen(newStack().net, undefined, { host: first })
    expect((await failureOf(newStack().net.createServer().listen({ port, host: second }))).code).toBe('EADDRINUSE')
  })

  it('is free when its server has closed', async () => {
    const { server, port } = await listen(newStack().net)
    server.close()
    await once(server, 'close')
    const again = newStack().net.createServer().listen({ port, host: '127.0.0.1' })
    await once(again, 'listening')
    expect(again.listening).toBe(true)
  })
})
