import { once } from 'node:events'
import { type Net, type Programs, type Socket, since } from '../program.ts'

// What came after Node 20. Sluice has it on every Node; where the running one has not, a record of the newest Node's stands in.

interface Newer {
  setTypeOfService(tos: unknown): unknown
  getTypeOfService(): number
}

type BlockListWithJson = InstanceType<Net['BlockList']> & { toJSON(): string[]; fromJSON(value: unknown): void }

const newer = (socket: Socket): Newer => socket as unknown as Newer

export const programs: Programs = {
  'blockList of a client': since('22.13', async ({ listen, net, watch, next }) => {
    const { server, port } = await listen()
    const blockList = new net.BlockList()
    blockList.addAddress('127.0.0.1')
    const client = watch(net.connect({ port, host: '127.0.0.1', blockList } as never), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  }),

  'blockList of a client with several addresses': since('22.13', async ({ listen, net, watch, next, record }) => {
    const { server, port } = await listen({}, (peer) => peer.end())
    const blockList = new net.BlockList()
    blockList.addAddress('::1', 'ipv6')
    const addresses = [
      { address: '::1', family: 6 },
      { address: '127.0.0.1', family: 4 },
    ]
    const lookup = (_host: string, _options: unknown, callback: (...args: unknown[]) => void): void =>
      callback(null, addresses)
    const client = watch(
      net.connect({ port, host: 'a.name', lookup, blockList, autoSelectFamily: true } as never),
      'client',
    )
    client.on('error', () => {})
    client.resume()
    await next(client, 'close')
    record('attempted', client.autoSelectFamilyAttemptedAddresses)
    server.close()
  }),

  'blockList of a server': since('22.13', async ({ listen, net, watch, record, next }) => {
    const blockList = new net.BlockList()
    blockList.addAddress('127.0.0.1')
    const { server, port } = await listen({ blockList } as never, () => record('connection'))
    server.on('drop', () => record('drop'))
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.resume()
    await next(client, 'close')
    server.close()
  }),

  'blockList that is none': since('22.13', ({ net, attempt }) => {
    for (const blockList of [{}, 'x', 5, null, undefined, 0]) {
      attempt('Socket', () => new net.Socket({ blockList } as never) instanceof net.Socket)
      attempt('Server', () => net.createServer({ blockList } as never) instanceof net.Server)
    }
  }),

  'blockList that lets through': since('22.13', async ({ listen, net, watch }) => {
    const blockList = new net.BlockList()
    blockList.addAddress('10.0.0.1')
    const { server, port } = await listen({ blockList } as never, (peer) => peer.end())
    const client = watch(net.connect({ port, host: '127.0.0.1', blockList } as never), 'client')
    await once(client.resume(), 'close')
    server.close()
  }),

  'reusePort shares a port': since('22.12', async ({ net, watch, freePort }) => {
    const port = await freePort()
    const one = watch(net.createServer(), 'one')
    const two = watch(net.createServer(), 'two')
    one.listen({ port, host: '127.0.0.1', reusePort: true } as never)
    await once(one, 'listening')
    two.listen({ port, host: '127.0.0.1', reusePort: true } as never)
    await once(two, 'listening')
    one.close()
    two.close()
  }),

  'a host with a zero byte': since('22.9', ({ net, attempt }) => {
    attempt('connect', () => net.connect({ port: 1, host: 'local\0host' }))
  }),

  'BlockList to and from JSON': since('24.5', ({ net, attempt }) => {
    const list = new net.BlockList() as BlockListWithJson
    list.addAddress('10.0.0.1')
    attempt('toJSON', () => list.toJSON())
    attempt('fromJSON', () => list.fromJSON(['Address: IPv4 10.0.0.2']))
    attempt('checks', () => list.check('10.0.0.2'))
  }),

  'isBlockList and SocketAddress.parse': since('22.13', ({ net, attempt }) => {
    const { isBlockList } = net.BlockList as unknown as { isBlockList(value: unknown): boolean }
    attempt('isBlockList', () => [isBlockList(new net.BlockList()), isBlockList({})])
    const { parse } = net.SocketAddress as unknown as {
      parse(text: string): { address: string; port: number } | undefined
    }
    for (const text of ['1.2.3.4:80', '1.2.3.4:8080', '[::1]:53', '1.2.3.4', 'x', '']) {
      attempt(`parse ${text}`, () => {
        const parsed = parse(text)
        return [parsed?.address, parsed?.port]
      })
    }
  }),

  'setKeepAlive with interval and count': since('24.15', ({ net, attempt }) => {
    const socket = new net.Socket()
    attempt('arguments', () => socket.setKeepAlive(true, 1000, 2000 as never, 3 as never) === socket)
    attempt(
      'options',
      () => socket.setKeepAlive({ enable: true, initialDelay: 1000, interval: 1000, count: 5 } as never) === socket,
    )
    attempt('empty options', () => socket.setKeepAlive({} as never) === socket)
    attempt(
      'bad options',
      () => socket.setKeepAlive({ enable: true, initialDelay: 'x', interval: {}, count: -1 } as never) === socket,
    )
  }),

  'setTypeOfService and getTypeOfService': since('24.15', async ({ pair, net, attempt }) => {
    const fresh = newer(new net.Socket())
    attempt('fresh', () => fresh.getTypeOfService())
    attempt('set', () => fresh.setTypeOfService(0x10) === fresh)
    attempt('get', () => fresh.getTypeOfService())
    for (const value of [-1, 256, 1.5, 'x', NaN, null, undefined, {}])
      attempt('bad', () => fresh.setTypeOfService(value))
    const { client, peer } = await pair({ unwatched: true })
    attempt('connected', () => newer(client).getTypeOfService())
    attempt('set', () => newer(client).setTypeOfService(0x20) === newer(client))
    attempt('get', () => newer(client).getTypeOfService())
    client.destroy()
    peer.resume()
    attempt('destroyed', () => newer(client).getTypeOfService())
  }),

  'typeOfService of the constructor': since('24.15', async ({ listen, net, attempt }) => {
    for (const value of [-1, 256, 'x', 1.5, null])
      attempt('bad', () => new net.Socket({ typeOfService: value } as never) instanceof net.Socket)
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = net.connect({ port, host: '127.0.0.1', typeOfService: 0x08 } as never)
    await once(client.resume(), 'connect')
    attempt('connected', () => newer(client).getTypeOfService())
    await once(client, 'close')
    server.close()
  }),

  'BoundSocket: a port in advance': since('26.5', async ({ net, attempt, record, port: name }) => {
    const { BoundSocket } = net as unknown as {
      BoundSocket: new (options?: object) => { address(): { port: number }; close(): void }
    }
    const bound = new BoundSocket({ host: '127.0.0.1' })
    const port = name(bound.address().port, 'port')
    attempt('address', () => bound.address())
    const server = net.createServer((peer) => peer.end('hello'))
    server.listen(bound as never)
    await once(server, 'listening')
    record('server', server.address())
    attempt('a second', () => new BoundSocket({ host: '127.0.0.1', port }))
    attempt('adopted', () => bound.address())
    const client = net.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    record('read', client.bytesRead)
    server.close()
  }),

  'BoundSocket: of a client': since('26.5', async ({ net, watch, listen, attempt, port: name }) => {
    const { BoundSocket } = net as unknown as {
      BoundSocket: new (options?: object) => { address(): { port: number }; close(): void }
    }
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.end()
    })
    const bound = new BoundSocket({ host: '127.0.0.1' })
    name(bound.address().port, 'bound port')
    const client = watch(new net.Socket({ handle: bound } as never), 'client')
    attempt('adopted', () => bound.close())
    client.connect(port, '127.0.0.1')
    await once(client.resume(), 'close')
    server.close()
  }),

  'BoundSocket: bad arguments': since('26.5', ({ net, attempt }) => {
    const { BoundSocket } = net as unknown as { BoundSocket: new (options?: unknown) => { close(): void } }
    for (const options of [
      { host: 'localhost' },
      { port: -1 },
      { port: 'x' },
      { host: 5 },
      'x',
      null,
      { host: '192.0.2.1' },
      { ipv6Only: 1 },
      { reusePort: 1 },
    ]) {
      attempt('made', () => {
        new BoundSocket(options).close()
        return 'something'
      })
    }
  }),
}
