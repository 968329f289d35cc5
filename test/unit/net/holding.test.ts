import { once } from 'node:events'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Socket } from '../../../src/net/types.ts'
import { CloseReason } from '../../../src/stack/index.ts'
import { closed, connecting, fakeNet, listening, log, pair, turns } from '../../support/net-cases.ts'

// What a socket holds while it lives, memory and the event loop, and that it leaves nothing behind.

describe('what a socket leaves behind', () => {
  it('no endpoint keeps an owner, no task, no timer', async () => {
    const { net, stack } = fakeNet()
    const { client, peer, server } = await pair(net)
    const endpoints = [...stack.endpoints]
    client.setTimeout(1000)
    client.end('x')
    peer.resume()
    await Promise.all([closed(client), closed(peer)])
    server.close()
    expect(endpoints.length).toBe(2)
    expect(endpoints.map(({ owner }) => owner)).toEqual([null, null])
    expect(stack.endpoints.size).toBe(0)
    await turns()
    expect(stack.holds).toBe(false)
    expect(client.eventNames().filter((name) => name !== 'error')).toEqual(new net.Socket().eventNames())
  })

  it('nothing that a stack may still keep holds a closed socket', async () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const { net, stack } = fakeNet()
    const kept: unknown[] = []
    const sockets = await (async () => {
      const server = net.createServer({ pauseOnConnect: true }).listen(0)
      const accepted = once(server, 'connection') as Promise<[Socket]>
      const client = net.connect((server.address() as { port: number }).port)
      const [peer] = await accepted
      client.on('error', () => {})
      for (const endpoint of stack.endpoints) kept.push(endpoint, endpoint.owner)
      client.setTimeout(60_000, () => {})
      client.write(Buffer.alloc(1_000_000), () => {})
      const sockets = [new WeakRef(client), new WeakRef(peer)]
      const bothClosed = Promise.all([closed(client), closed(peer)])
      client.destroy()
      peer.destroy()
      await bothClosed
      server.close()
      return sockets
    })()
    await turns()
    collect()
    expect(kept.length).toBe(4)
    expect(sockets.map((socket) => socket.deref())).toEqual([undefined, undefined])
  })

  it('a socket destroyed by its connection listener', async () => {
    const { net, stack } = fakeNet()
    const { port } = await listening(net, {}, (socket) => socket.destroy())
    const client = connecting(net, { port })
    const events = log(client)
    client.resume()
    await closed(client)
    expect(events).toEqual(['connectionAttempt', 'connect', 'ready', 'end', 'finish', 'close false'])
    expect(stack.endpoints.size).toBe(0)
  })

  it('errors of a connection after its socket is gone reach nobody', async () => {
    const { net, stack } = fakeNet()
    const { client, peer } = await pair(net)
    const events = log(client, ['error', 'close'])
    client.destroy()
    peer.resetAndDestroy()
    for (const endpoint of stack.endpoints) endpoint.finish(CloseReason.Reset)
    await closed(client)
    await turns()
    expect(events).toEqual(['close false'])
  })
})

describe('the event loop is held', () => {
  it('while a socket connects, wished or not; then as it is wished', async () => {
    const { net, stack } = fakeNet()
    const { port, server } = await listening(net)
    server.unref()
    server.on('connection', (socket) => socket.unref())
    const client = connecting(net, { port }).unref()
    await turns(0)
    await new Promise((resolve) => process.nextTick(resolve))
    expect(stack.holds).toBe(true)
    await once(client, 'connect')
    await turns()
    expect(stack.holds).toBe(false)
    client.ref()
    expect(stack.holds).toBe(true)
  })

  it('unref before connect counts from the connect on', async () => {
    const { net, stack } = fakeNet()
    const { port, server } = await listening(net)
    server.unref()
    server.on('connection', (socket) => socket.unref())
    const client = new net.Socket()
    onTestFinished(() => {
      client.destroy()
    })
    client.unref()
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    await turns()
    expect(stack.holds).toBe(false)
  })

  it('not by a socket that was paused before it connected, nor by one whose peer has finished', async () => {
    const { net, stack } = fakeNet()
    const { port, server } = await listening(net, { allowHalfOpen: true })
    server.unref()
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port, allowHalfOpen: true })
    client.pause()
    const [peer] = await accepted
    peer.unref()
    await turns()
    expect(stack.holds).toBe(false)
    client.resume()
    await turns(1)
    expect(stack.holds).toBe(true)
    peer.end()
    await once(client, 'end')
    expect(stack.holds).toBe(false)
  })

  it('by a write that waits, though the socket was unrefd', async () => {
    const { net, stack } = fakeNet()
    const { client, peer, server } = await pair(net, { pauseOnConnect: true })
    server.unref()
    peer.unref()
    client.unref()
    await turns()
    expect(stack.holds).toBe(false)
    const written = new Promise((resolve) => client.write(Buffer.alloc(1_000_000), resolve))
    expect(stack.holds).toBe(true)
    peer.resume()
    await written
    expect(stack.holds).toBe(false)
  })

  it('by a listener, unless it was unrefd, before listen or after', async () => {
    const { net, stack } = fakeNet()
    const server = net.createServer().unref()
    server.listen(0)
    expect(stack.holds).toBe(false)
    server.ref()
    expect(stack.holds).toBe(true)
    server.unref()
    expect(stack.holds).toBe(false)
    server.close()
  })
})
