import { once } from 'node:events'
import nodeNet from 'node:net'
import { expect, it } from 'vitest'
import type { Server, Socket } from '../../../src/net/types.ts'
import { closed, connecting, fakeNet, listening, onBoth, pair } from '../../support/net-cases.ts'

// When things happen, among the phases of the event loop.

onBoth('order', (net) => {
  it("'close' comes behind the immediates, of who was destroyed last first", async () => {
    const { port } = await listening(net)
    const clients = [1, 2, 3].map(() => connecting(net, { port }))
    await Promise.all(clients.map((client) => once(client, 'connect')))
    const seen: unknown[] = []
    for (const [i, client] of clients.entries()) client.on('close', () => seen.push(i))
    for (const client of clients) client.destroy()
    process.nextTick(() => seen.push('tick'))
    setImmediate(() => seen.push('immediate'))
    await Promise.all(clients.map(closed))
    expect(seen).toEqual(['tick', 'immediate', 2, 1, 0])
  })

  it("an immediate asked for where the data came runs before 'close'", async () => {
    const { client, peer } = await pair(net)
    const seen: string[] = []
    client.on('close', () => seen.push('close'))
    client.on('data', () => {
      client.destroy()
      setImmediate(() => seen.push('immediate'))
    })
    peer.write('x')
    await closed(client)
    expect(seen).toEqual(['immediate', 'close'])
  })

  it('who is destroyed in an immediate closes before the next', async () => {
    const { client } = await pair(net)
    const seen: string[] = []
    client.on('close', () => seen.push('close'))
    await new Promise<void>((resolve) => {
      setImmediate(() => {
        client.destroy()
        setImmediate(() => {
          seen.push('immediate')
          resolve()
        })
      })
    })
    expect(seen).toEqual(['close', 'immediate'])
  })

  it('what one connection leaves to ticks and promises runs before the next is told', async () => {
    const { server, port } = await listening(net)
    const seen: string[] = []
    const peers: Socket[] = []
    server.on('connection', (peer) => {
      const name = `${peers.push(peer)}`
      seen.push(`${name} connection`)
      process.nextTick(() => seen.push(`${name} tick`))
      Promise.resolve().then(() => seen.push(`${name} promise`))
    })
    const clients = [1, 2].map(() => connecting(net, { port }))
    await Promise.all(clients.map((client) => once(client, 'connect')))
    while (peers.length < 2) await once(server, 'connection')
    await new Promise(setImmediate)
    expect(seen).toEqual(['1', '2'].flatMap((name) => [`${name} connection`, `${name} tick`, `${name} promise`]))
  })

  it('a listener that throws harms no other connection, nor its own', async () => {
    const { server, port } = await listening(net)
    const error = new Error('thrown by a listener')
    const thrown = new Promise((resolve) => {
      const others = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (one) => {
        for (const other of others) process.on('uncaughtException', other)
        resolve(one)
      })
    })
    server.once('connection', () => {
      throw error
    })
    const accepted: Socket[] = []
    server.prependListener('connection', (peer: Socket) => {
      accepted.push(peer)
      peer.end('still here')
    })
    const clients = [1, 2].map(() => connecting(net, { port }))
    const read = await Promise.all(clients.map(async (client) => String((await once(client, 'data'))[0])))
    expect(await thrown).toBe(error)
    expect(read).toEqual(['still here', 'still here'])
    expect(accepted.length).toBe(2)
  })
})

it("the members of `net`, of sockets and of servers are Node's, in their order, by name and by length", () => {
  const { net } = fakeNet()
  const nodes = nodeNet as unknown as typeof net
  expect(Object.keys(net).slice(0, Object.keys(nodes).length)).toEqual(Object.keys(nodes))
  const described = (prototype: object): unknown[] =>
    Object.entries(Object.getOwnPropertyDescriptors(prototype)).map(([key, { value, get, enumerable }]) => [
      key,
      typeof value === 'function' && key !== 'constructor' ? [value.name, value.length] : typeof get,
      enumerable,
    ])
  for (const [ours, theirs] of [
    [net.Socket.prototype, nodes.Socket.prototype],
    [net.Server.prototype, nodes.Server.prototype],
  ] as [object, object][]) {
    const missing = Object.getOwnPropertyNames(theirs).filter((key) => !(key in ours))
    expect(missing.filter((key) => !['_listen2', '_setupWorker'].includes(key))).toEqual([])
    const wanted = described(theirs).filter((entry) => !missing.includes((entry as string[])[0]))
    expect(described(ours).slice(0, wanted.length)).toEqual(wanted)
  }
  const keys = (one: Socket | Server): string[] => Object.keys(one)
  expect(keys(new net.Socket())).toEqual(keys(new nodes.Socket()))
  expect(keys(new net.Server())).toEqual(keys(new nodes.Server()))
})
