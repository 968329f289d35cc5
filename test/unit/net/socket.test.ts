import { AsyncLocalStorage } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { inherits } from 'node:util'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import type { Net } from '../../../src/net/net.ts'
import type { Socket } from '../../../src/net/types.ts'
import {
  closed,
  connecting,
  failed,
  fakeNet,
  kernel,
  listening,
  log,
  onBoth,
  pair,
  turns,
} from '../../support/net-cases.ts'

onBoth('shape', (net) => {
  it('is called with and without new, and inherited the old way and the new', async () => {
    const { port } = await listening(net, {}, (socket) => socket.end('x'))
    function Old(this: Socket) {
      net.Socket.call(this, { allowHalfOpen: true })
    }
    inherits(Old, net.Socket)
    class New extends net.Socket {
      readonly mine = 1
      constructor() {
        super({ allowHalfOpen: true })
      }
    }
    for (const socket of [new (Old as unknown as new () => Socket)(), new New()]) {
      expect(socket).toBeInstanceOf(net.Socket)
      expect(socket).toBeInstanceOf(Duplex)
      expect(socket.allowHalfOpen).toBe(true)
      socket.connect(port, '127.0.0.1')
      const [data] = await once(socket, 'data')
      expect(String(data)).toBe('x')
      socket.destroy()
    }
    expect(net.Socket()).toBeInstanceOf(net.Socket)
    expect(new net.Socket().constructor).toBe(net.Socket.prototype.constructor)
    expect([net.Socket.name, net.Server.name, net.Stream]).toEqual(['Socket', 'Server', net.Socket])
  })

  it('servers too', async () => {
    function Old(this: InstanceType<Net['Server']>) {
      net.Server.call(this, { allowHalfOpen: true })
    }
    inherits(Old, net.Server)
    const server = new (Old as unknown as new () => InstanceType<Net['Server']>)()
    expect(server).toBeInstanceOf(net.Server)
    server.listen(0)
    await once(server, 'listening')
    server.close()
    await once(server, 'close')
    class New extends net.Server {}
    expect(new New()).toBeInstanceOf(net.Server)
  })

  it('getters of the prototype are safe, properties that frameworks set can be set', () => {
    const prototype = net.Socket.prototype as unknown as Record<string, unknown>
    for (const name of [...Object.getOwnPropertyNames(prototype)]) void prototype[name]
    const socket = new net.Socket() as unknown as Record<string, unknown>
    for (const name of [
      'server',
      'parser',
      '_paused',
      '_httpMessage',
      'on',
      'addListener',
      'setEncoding',
      'encrypted',
    ]) {
      socket[name] = name
      expect(socket[name]).toBe(name)
    }
  })

  it('before connect', () => {
    const socket = new net.Socket()
    const { readyState, pending, connecting, bytesRead, bytesWritten, bufferSize, timeout, destroyed } = socket
    expect([readyState, pending, connecting, bytesRead, bytesWritten, bufferSize, timeout, destroyed]).toEqual([
      ...['open', true, false, 0, 0, undefined, undefined, false],
    ])
    expect((socket as unknown as { _connecting: boolean })._connecting).toBe(false)
    expect(socket.autoSelectFamilyAttemptedAddresses).toBe(undefined)
  })

  it('methods that set something return the socket, before connect and after', async () => {
    const { port } = await listening(net)
    const socket = new net.Socket()
    const set = () => {
      expect(socket.setNoDelay()).toBe(socket)
      expect(socket.setKeepAlive(true, 1000)).toBe(socket)
      expect(socket.setTimeout(1000)).toBe(socket)
      expect(socket.setTimeout(0)).toBe(socket)
      expect(socket.unref()).toBe(socket)
      expect(socket.ref()).toBe(socket)
      expect(socket.pause()).toBe(socket)
      expect(socket.resume()).toBe(socket)
    }
    set()
    socket.connect(port, '127.0.0.1')
    set()
    await once(socket, 'connect')
    set()
    const close = closed(socket)
    expect(socket.end()).toBe(socket)
    socket.destroy()
    set()
    await close
    set()
  })

  it('readyState through a life', async () => {
    const { client, peer } = await pair(net, { allowHalfOpen: true, client: { allowHalfOpen: true } })
    expect([client.readyState, client.pending, client.connecting]).toEqual(['open', false, false])
    client.resume()
    peer.end()
    await once(client, 'end')
    expect(client.readyState).toBe('writeOnly')
    expect(peer.readyState).toBe('readOnly')
    client.end()
    peer.resume()
    await closed(peer)
    expect([peer.readyState, peer.destroyed, peer.pending]).toEqual(['closed', true, true])
  })
})

it('modules and prototypes have the members that those of Node have', () => {
  const { net } = fakeNet()
  const without = [
    // A sluice socket has none.
    '_handle',
    // Of cluster, and of handles made elsewhere.
    ...['_listen2', '_setupWorker', '_createServerHandle', '_setSimultaneousAccepts', 'default'],
    // Of Node 24 and 26, and not here yet.
    ...['setTypeOfService', 'getTypeOfService', 'BoundSocket', '_TransferredBoundSocket'],
  ]
  const missing = (ours: object, theirs: object) =>
    Object.getOwnPropertyNames(theirs).filter((name) => !(name in ours) && !without.includes(name))
  expect(missing(net, kernel)).toEqual([])
  expect(missing(net.Socket.prototype, kernel.Socket.prototype)).toEqual([])
  expect(missing(net.Server.prototype, kernel.Server.prototype)).toEqual([])
  expect([net.Socket.length, net.connect.length, net.createServer.length]).toEqual([1, 0, 2])
})

/** Real time; nothing below 50 ms is asserted. */
onBoth('setTimeout', (net) => {
  it("emits 'timeout' on an idle socket, again and again until it is cleared", async () => {
    const { client } = await pair(net)
    expect(client.setTimeout(60)).toBe(client)
    expect(client.timeout).toBe(60)
    // The loop's own time is the measure: a timer of half as long goes off first.
    const order: string[] = []
    setTimeout(() => order.push('half of it'), 30)
    client.once('timeout', () => order.push('timeout'))
    await once(client, 'timeout')
    expect(order).toEqual(['half of it', 'timeout'])
    expect(client.destroyed).toBe(false)
    const listener = vi.fn()
    client.setTimeout(0, listener)
    expect(client.timeout).toBe(0)
  })

  it('the callback is a listener for once, and 0 takes it off', async () => {
    const { client } = await pair(net)
    const listener = () => {}
    client.setTimeout(60_000, listener)
    expect(client.listenerCount('timeout')).toBe(1)
    client.setTimeout(0, listener)
    expect(client.listenerCount('timeout')).toBe(0)
  })

  it('works without a connection', async () => {
    const socket = new net.Socket()
    socket.setTimeout(50)
    await once(socket, 'timeout')
    socket.destroy()
  })

  it.each(['client', 'peer'] as const)('is put off by what the %s sends', async (sender) => {
    const ends = await pair(net)
    const { client, peer } = ends
    for (const end of [client, peer]) end.resume()
    let timeouts = 0
    client.setTimeout(500, () => timeouts++)
    // More than the timeout in all, far less each time.
    for (let i = 0; i < 5; i++) {
      await new Promise((resolve) => setTimeout(resolve, 150))
      ends[sender].write('x')
    }
    expect(timeouts).toBe(0)
    await once(client, 'timeout')
  })

  it('destroy clears it', async () => {
    const { client } = await pair(net)
    let timeouts = 0
    client.setTimeout(50, () => timeouts++)
    client.destroy()
    await new Promise((resolve) => setTimeout(resolve, 120))
    expect(timeouts).toBe(0)
    client.setTimeout(50)
    expect(client.timeout).toBe(50)
  })

  it('too long becomes the longest, with a warning', async () => {
    const warned = once(process, 'warning')
    const socket = new net.Socket()
    socket.setTimeout(2 ** 31)
    const [warning] = await warned
    expect((warning as Error).name).toBe('TimeoutOverflowWarning')
    expect((warning as Error).message).toContain('2147483648 does not fit')
    socket.destroy()
  })
})

describe('idle timers', () => {
  it('do not hold the process, and go with the socket', async () => {
    const { net } = fakeNet()
    const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
    const before = timers()
    const { client } = await pair(net)
    client.setTimeout(60_000)
    expect(timers()).toBe(before)
  })
})

describe('options of the connection', () => {
  const endpointOf = (stack: ReturnType<typeof fakeNet>['stack'], socket: Socket) => {
    const [endpoint] = [...stack.endpoints].filter(
      ({ localPort, remotePort }) => localPort === socket.localPort && remotePort === socket.remotePort,
    )
    return endpoint
  }

  it('asked for before connect, they are set when it stands', async () => {
    const { net, stack } = fakeNet()
    const { port } = await listening(net)
    const socket = new net.Socket()
    onTestFinished(() => {
      socket.destroy()
    })
    socket.setNoDelay().setKeepAlive(true, 2500)
    socket.connect(port, '127.0.0.1')
    await once(socket, 'connect')
    const { set } = endpointOf(stack, socket)
    expect(set).toEqual([
      ['noDelay', true],
      // libuv: a delay brings a second between probes, and ten of them.
      ['keepAlive', true, 2000, 1000, 10],
    ])
    // What does not change is not set again.
    socket.setNoDelay(true).setKeepAlive(true, 2000)
    expect(set.length).toBe(2)
    socket.setNoDelay(false).setKeepAlive(false)
    socket.setKeepAlive(true)
    socket.setKeepAlive(true, 5000, 3000, 4)
    socket.setKeepAlive({ enable: true, initialDelay: 6000 })
    expect(set.slice(2)).toEqual([
      ['noDelay', false],
      ['keepAlive', false, undefined, undefined, undefined],
      ['keepAlive', true, undefined, undefined, undefined],
      ['keepAlive', true, 5000, 3000, 4],
      ['keepAlive', true, 6000, 1000, 10],
    ])
  })

  it('those of a server are set on what it accepts', async () => {
    const { net, stack } = fakeNet()
    const { peer } = await pair(net, {
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 3000,
      highWaterMark: 123,
    })
    expect(endpointOf(stack, peer).set).toEqual([
      ['noDelay', true],
      ['keepAlive', true, 3000, 1000, 10],
    ])
    expect([peer.readableHighWaterMark, peer.writableHighWaterMark]).toEqual([123, 123])
  })

  it('tcp.info() during a connection, and after it', async () => {
    const { net } = fakeNet()
    const { client } = await pair(net)
    const socket = new net.Socket()
    expect(socket.tcp.info()).toBe(undefined)
    expect(net.Socket.prototype.tcp).toBe(undefined)
    expect(client.tcp).toBe(client.tcp)
    expect(client.tcp.info()).toEqual({ state: 1 })
    client.destroy()
    expect(client.tcp.info()).toEqual({ state: 1 })
    expect('tcp' in new kernel.Socket()).toBe(false)
  })
})

onBoth('removeAllListeners', (net) => {
  it('breaks nothing', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    await once(client, 'connect')
    client.removeAllListeners()
    const [peer] = await accepted
    peer.removeAllListeners()
    let received = ''
    client.on('data', (chunk) => {
      received += chunk
    })
    peer.resume()
    client.write('x')
    peer.end('hello')
    await Promise.all([closed(client), closed(peer)])
    expect(received).toBe('hello')
    expect(server.listening).toBe(true)
  })
})

onBoth('removeAllListeners', (net) => {
  it.each([
    [false, 'EPIPE'],
    [true, 'ERR_STREAM_WRITE_AFTER_END'],
  ])('takes the word for a peer that ended with it (%s)', async (removes, code) => {
    const { client, peer } = await pair(net)
    expect(client.listenerCount('end')).toBe(1)
    if (removes) client.removeAllListeners()
    client.resume()
    peer.end()
    const error = failed(client)
    client.on('end', () => {
      process.nextTick(() => process.nextTick(() => client.write('x')))
    })
    expect((await error).code).toBe(code)
  })
})

describe('removeAllListeners, sluice', () => {
  it('while connecting: what was written and the end still go', async () => {
    const { net } = fakeNet()
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    client.write('x')
    client.end('y')
    client.removeAllListeners()
    const [peer] = await accepted
    let received = ''
    peer.on('data', (chunk) => {
      received += chunk
    })
    await once(peer, 'end')
    expect(received).toBe('xy')
  })

  it('a write that never went still gets its error', async () => {
    const { net } = fakeNet()
    const client = net.connect(1, '127.0.0.1')
    const written = new Promise((resolve) => client.write('x', resolve))
    client.removeAllListeners()
    client.on('error', () => {})
    expect(await written).toMatchObject({ code: 'ERR_SOCKET_CLOSED_BEFORE_CONNECTION' })
  })
})

describe('pieces', () => {
  it('what comes with the connection waits for its listeners', async () => {
    const { net } = fakeNet()
    const { server, port } = await listening(net)
    const client = connecting(net, { port })
    client.end('all at once')
    const [peer] = (await once(server, 'connection')) as [Socket]
    await Promise.resolve()
    let received = ''
    peer.on('data', (chunk) => {
      received += chunk
    })
    await once(peer, 'end')
    expect(received).toBe('all at once')
  })

  it('a reset behind data comes when the data was read', async () => {
    const { net } = fakeNet()
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    client.write('last words')
    client.resetAndDestroy()
    await turns(5)
    const events = log(peer)
    peer.resume()
    const [data] = await Promise.all([once(peer, 'data'), closed(peer)])
    expect(String(data[0])).toBe('last words')
    expect(events).toEqual(['error ECONNRESET', 'close true'])
  })
})

onBoth('asynchronous context', (net) => {
  it('callbacks run in that of what they answer, and never in that of another connection', async () => {
    const storage = new AsyncLocalStorage<string>()
    const seen: string[] = []
    const note = (what: string) => () => seen.push(`${what}: ${storage.getStore()}`)
    const server = net.createServer()
    onTestFinished(() => {
      server.close()
    })
    await storage.run('server', async () => {
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
    })
    const peerClosed = new Promise((resolve) => {
      server.on('connection', (socket) => {
        note('connection')()
        socket.on('data', note('peer data'))
        socket.on('end', note('peer end'))
        socket.on('finish', note('peer finish'))
        socket.on('close', note('peer close'))
        socket.on('close', resolve)
        socket.end()
      })
    })
    const { port } = server.address() as { port: number }
    const client = storage.run('client', () => connecting(net, { port }))
    for (const event of ['connect', 'end', 'finish', 'close']) client.on(event, note(`client ${event}`))
    storage.run('writer', () => client.write(Buffer.alloc(10_000_000), note('written')))
    client.resume()
    await Promise.all([closed(client), peerClosed])
    expect([...new Set(seen)].sort()).toEqual([
      'client close: client',
      'client connect: client',
      'client end: client',
      'client finish: client',
      'connection: server',
      'peer close: undefined',
      'peer data: undefined',
      'peer end: undefined',
      'peer finish: server',
      // It was written before there was a connection, and went when that came.
      'written: client',
    ])
  })
})

onBoth('diagnostics_channel', (net) => {
  it('publishes client and server sockets', async () => {
    const published: unknown[] = []
    const onClient = (message: unknown) => published.push(['client', (message as { socket: unknown }).socket])
    const onServer = (message: unknown) => published.push(['server', (message as { socket: unknown }).socket])
    diagnostics.subscribe('net.client.socket', onClient)
    diagnostics.subscribe('net.server.socket', onServer)
    onTestFinished(() => {
      diagnostics.unsubscribe('net.client.socket', onClient)
      diagnostics.unsubscribe('net.server.socket', onServer)
    })
    const { client, peer } = await pair(net)
    expect(published.map((entry) => (entry as unknown[])[0])).toEqual(['client', 'server'])
    expect((published[0] as unknown[])[1]).toBe(client)
    expect((published[1] as unknown[])[1]).toBe(peer)
  })
})
