import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Socket } from '../../../src/net/types.ts'
import { closed, connecting, fakeNet, kernel, listening, log, onBoth, pair, turns } from '../../support/net-cases.ts'

onBoth('listen', (net) => {
  it('without a host binds at once; listening comes a tick later', async () => {
    const server = net.createServer()
    const order: string[] = []
    expect(server.listen(0, () => order.push('listening'))).toBe(server)
    const { address, family, port } = server.address() as AddressInfo
    expect([address, family, port > 0, server.listening]).toEqual(['::', 'IPv6', true, true])
    order.push('returned')
    await once(server, 'listening')
    expect(order).toEqual(['returned', 'listening'])
    server.close()
    expect([server.address(), server.listening]).toEqual([null, false])
  })

  it.each([
    ['(port, host, backlog, cb)', [0, '127.0.0.1', 5], '127.0.0.1'],
    ['(port, host, cb)', [0, '127.0.0.1'], '127.0.0.1'],
    ['(port, backlog, cb)', [0, 5], '::'],
    ['(port, cb)', [0], '::'],
    ['(cb)', [], '::'],
    ['(null, cb)', [null], '::'],
    ['("0", cb)', ['0'], '::'],
    ['(undefined, cb)', [undefined], '::'],
    ['({port, host}, cb)', [{ port: 0, host: '::1' }], '::1'],
    ['({port: undefined}, cb)', [{ port: undefined }], '::'],
    ['({port: null}, cb)', [{ port: null }], '::'],
    ['({port: "0", backlog}, cb)', [{ port: '0', backlog: 3 }], '::'],
    ['({port, exclusive}, cb)', [{ port: 0, exclusive: true }], '::'],
  ])('%s', async (_, args, address) => {
    const server = net.createServer()
    await new Promise<void>((resolve) => {
      ;(server.listen as (...args: unknown[]) => void).call(server, ...args, resolve)
    })
    expect((server.address() as AddressInfo).address).toBe(address)
    expect((server as unknown as { _connectionKey: string })._connectionKey).toMatch(/^(4:127.0.0.1|6:::1?):0$/)
    server.close()
    await once(server, 'close')
  })

  it('looks a name up, and fails with what the lookup meets', async () => {
    const server = net.createServer()
    server.listen(0, 'localhost')
    await once(server, 'listening')
    expect(['127.0.0.1', '::1']).toContain((server.address() as AddressInfo).address)
    server.close()
    const failing = net.createServer().listen(0, 'no such name.invalid')
    const [error] = await once(failing, 'error')
    expect((error as NodeJS.ErrnoException).syscall).toBe('getaddrinfo')
  })

  it('twice is ERR_SERVER_ALREADY_LISTEN', async () => {
    const { server } = await listening(net)
    expect(() => server.listen(0)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }))
  })

  it('again after close', async () => {
    const server = net.createServer()
    for (let i = 0; i < 10; i++) {
      server.listen(0)
      await once(server, 'listening')
      const client = connecting(net, { port: (server.address() as AddressInfo).port })
      const [peer] = (await once(server, 'connection')) as [Socket]
      peer.destroy()
      client.destroy()
      server.close()
      await once(server, 'close')
    }
  })

  it('closed while it looks up: never listens', async () => {
    const server = net.createServer()
    const events: string[] = []
    for (const event of ['listening', 'close', 'error']) server.on(event, () => events.push(event))
    server.listen(0, '127.0.0.1')
    server.close()
    await once(server, 'close')
    await turns(5)
    expect(events).toEqual(['close'])
    expect(server.listening).toBe(false)
  })

  it('closed in the tick of its listen: no listening event', async () => {
    const server = net.createServer()
    const events: string[] = []
    for (const event of ['listening', 'close']) server.on(event, () => events.push(event))
    server.listen(0)
    server.close()
    await once(server, 'close')
    expect(events).toEqual(['close'])
  })
})

onBoth('close', (net) => {
  it('waits for connections, which go on', async () => {
    const { server, client, peer } = await pair(net)
    const order: string[] = []
    server.close((error) => order.push(`closed ${error}`))
    expect(server.listening).toBe(false)
    peer.on('data', (chunk) => peer.end(chunk))
    client.write('still here')
    const [data] = await once(client, 'data')
    expect(String(data)).toBe('still here')
    expect(order).toEqual([])
    client.end()
    await once(server, 'close')
    expect(order).toEqual(['closed undefined'])
  })

  it('new connections are refused', async () => {
    const { server, port } = await listening(net)
    server.close()
    const client = connecting(net, { port })
    const [error] = await once(client, 'error')
    expect(error.code).toBe('ECONNREFUSED')
  })

  it('of a server that does not run', async () => {
    const server = net.createServer()
    const error = await new Promise<NodeJS.ErrnoException | undefined>((resolve) => server.close(resolve))
    expect(error).toMatchObject({ code: 'ERR_SERVER_NOT_RUNNING', message: 'Server is not running.' })
  })

  it('Symbol.asyncDispose', async () => {
    const { server } = await listening(net)
    await server[Symbol.asyncDispose]()
    expect(server.listening).toBe(false)
    await server[Symbol.asyncDispose]()
  })

  it('by a signal', async () => {
    const controller = new AbortController()
    const { server } = await listening(net, { listen: { port: 0, signal: controller.signal } })
    controller.abort()
    await once(server, 'close')
    const aborted = net.createServer().listen({ port: 0, signal: AbortSignal.abort() })
    await once(aborted, 'close')
    expect(aborted.listening).toBe(false)
  })
})

onBoth('connections', (net) => {
  it('know their server, and are counted until they close', async () => {
    const { server, client, peer } = await pair(net)
    expect((peer as unknown as { server: unknown; _server: unknown }).server).toBe(server)
    expect((client as unknown as { server: unknown }).server).toBe(null)
    const count = () => new Promise((resolve) => server.getConnections((error, count) => resolve([error, count])))
    expect(await count()).toEqual([null, 1])
    peer.destroy()
    await closed(peer)
    expect(await count()).toEqual([null, 0])
  })

  it('getConnections answers in a later tick', async () => {
    const { server } = await listening(net)
    let answered = false
    expect(server.getConnections(() => (answered = true))).toBe(server)
    expect(answered).toBe(false)
    await turns(1)
    expect(answered).toBe(true)
  })

  it("maxConnections drops what is too much, with 'drop'", async () => {
    const { server, port } = await listening(net)
    server.maxConnections = 1
    const drops: Record<string, unknown>[] = []
    server.on('drop', (ends) => drops.push({ ...ends }))
    const first = connecting(net, { port })
    const [peer] = (await once(server, 'connection')) as [Socket]
    const second = connecting(net, { port })
    const events = log(second)
    second.resume()
    const dropped = once(server, 'drop')
    await once(second, 'connect')
    const { localPort } = second
    await Promise.all([closed(second), dropped])
    expect(events).toEqual(['connectionAttempt', 'connect', 'ready', 'end', 'finish', 'close false'])
    expect(drops).toEqual([
      {
        localAddress: '127.0.0.1',
        localPort: port,
        localFamily: 'IPv4',
        remoteAddress: '127.0.0.1',
        remotePort: localPort,
        remoteFamily: 'IPv4',
      },
    ])
    // Room again.
    peer.destroy()
    await closed(first.resume())
    connecting(net, { port })
    await once(server, 'connection')
  })

  it('maxConnections 0 means what it means to this Node', async () => {
    const { server, port } = await listening(net)
    server.maxConnections = 0
    const what = Promise.race([
      once(server, 'drop').then(() => 'drop'),
      once(server, 'connection').then(() => 'connection'),
    ])
    connecting(net, { port }).on('error', () => {})
    expect(await what).toBe(Number.parseInt(process.versions.node, 10) >= 21 ? 'drop' : 'connection')
  })

  it('a rejected listener destroys its connection, where rejections are captured', async () => {
    const { port, server } = await listening(net)
    const wrong = new Error('mine')
    const client = connecting(net, { port })
    client.on('error', () => {})
    const [peer] = (await once(server, 'connection')) as [Socket]
    const error = once(peer, 'error')
    const handler = (server as unknown as Record<symbol, (...args: unknown[]) => void>)[Symbol.for('nodejs.rejection')]
    handler.call(server, wrong, 'connection', peer)
    expect((await error)[0]).toBe(wrong)
    const serverError = once(server, 'error')
    handler.call(server, wrong, 'close')
    expect((await serverError)[0]).toBe(wrong)
  })

  it('listen is traced', async () => {
    const seen: string[] = []
    const channels = ['asyncStart', 'asyncEnd', 'error'].map((name) => {
      const onMessage = () => seen.push(name)
      const channel = `tracing:net.server.listen:${name}`
      diagnostics.subscribe(channel, onMessage)
      return () => diagnostics.unsubscribe(channel, onMessage)
    })
    onTestFinished(() => {
      for (const off of channels) off()
    })
    const { port } = await listening(net)
    const taken = net.createServer().listen(port, '127.0.0.1')
    await once(taken, 'error')
    expect(seen).toEqual(['asyncStart', 'asyncEnd', 'asyncStart', 'error'])
  })
})

describe('a server on a stack', () => {
  it('asks for what listen was told', () => {
    const { net, stack } = fakeNet()
    const asked: unknown[] = []
    const { listen } = stack
    stack.listen = (request, owner) => {
      asked.push(request)
      return listen.call(stack, request, owner)
    }
    net.createServer().listen(0).close()
    net.createServer().listen({ port: 0, backlog: 7, exclusive: true, reusePort: true }).close()
    expect(asked).toEqual([
      { address: '::', port: 0, backlog: 511, exclusive: false, reusePort: false, ipv6Only: false },
      { address: '::', port: 0, backlog: 7, exclusive: true, reusePort: true, ipv6Only: false },
    ])
  })

  it('falls back to IPv4 where there is no IPv6', async () => {
    const { net, stack } = fakeNet()
    const { listen } = stack
    stack.listen = (request, owner) => (request.address === '::' ? 'EAFNOSUPPORT' : listen.call(stack, request, owner))
    const server = net.createServer().listen(0)
    expect((server.address() as AddressInfo).address).toBe('0.0.0.0')
    expect((server as unknown as { _connectionKey: string })._connectionKey).toBe('4:0.0.0.0:0')
    server.close()
    await once(server, 'close')
  })

  it('what arrives after close in the same turn is reset', async () => {
    const { net, stack } = fakeNet()
    const { server, port } = await listening(net)
    const client = connecting(net, { port })
    const error = once(client, 'error')
    const { accepted } = await new Promise<{ accepted: boolean }>((resolve) => {
      server.on('connection', () => resolve({ accepted: true }))
      client.on('connect', () => {
        server.close()
        resolve({ accepted: false })
      })
    })
    expect(accepted).toBe(false)
    expect((await error)[0].code).toBe('ECONNRESET')
    expect(stack.endpoints.size).toBe(0)
  })
})

onBoth('http', (net) => {
  it('serves over a server and its sockets, with keep-alive', async () => {
    const web = http.createServer((request, response) => {
      request.setEncoding('utf8')
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', () => response.end(`${request.method} ${request.url} ${body.length}`))
    })
    const { port } = await listening(net, {}, (socket) => web.emit('connection', socket))
    const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
    agent.createConnection = ((options: { port: number }) =>
      net.connect({ port: options.port, host: '127.0.0.1' })) as never
    onTestFinished(() => agent.destroy())
    const fetchOne = (path: string, body: string) =>
      new Promise<string>((resolve, reject) => {
        const request = http.request({ host: '127.0.0.1', port, path, method: 'POST', agent }, (response) => {
          let text = ''
          response.setEncoding('utf8')
          response.on('data', (chunk) => {
            text += chunk
          })
          response.on('end', () => resolve(text))
        })
        request.on('error', reject)
        request.end(body)
      })
    const sizes = [0, 1, 100, 70_000, 200_000]
    const answers = await Promise.all(sizes.map((size) => fetchOne(`/${size}`, 'x'.repeat(size))))
    expect(answers).toEqual(sizes.map((size) => `POST /${size} ${size}`))
  })
})

it('sockets of sluice are not those of node:net', () => {
  const { net } = fakeNet()
  expect(new net.Socket()).not.toBeInstanceOf(kernel.Socket)
})
