import { once } from 'node:events'
import type { Programs, Socket } from '../program.ts'

// A server's life: connections that come, limits, counting, closing.

export const programs: Programs = {
  async 'close waits for connections'({ listen, net, watch, heard, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    watch(server, 'server')
    const client = net.connect(port, '127.0.0.1')
    await once(server, 'connection')
    server.close(heard('closed'))
    record('listening', server.listening, server.address())
    client.end()
    await once(server, 'close')
  },

  async 'close twice'({ listen, watch, heard, turns }) {
    const { server } = await listen()
    watch(server, 'server')
    server.close(heard('first'))
    server.close(heard('second'))
    await turns(5)
  },

  async 'close of a server that never listened'({ net, watch, heard, turns }) {
    const server = watch(net.createServer(), 'server')
    server.close(heard('callback'))
    await turns()
  },

  async 'close without a callback of a server that never listened'({ net, watch, turns }) {
    const server = watch(net.createServer(), 'server')
    server.close()
    await turns()
  },

  async 'close again in the close listener'({ listen, watch, heard, turns }) {
    const { server } = await listen()
    watch(server, 'server')
    server.once('close', () => server.close(heard('again')))
    server.close()
    await turns(5)
  },

  async 'who connects to a closed server is refused'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const first = net.connect(port, '127.0.0.1')
    await once(server, 'connection')
    server.close()
    const second = watch(net.connect(port, '127.0.0.1'), 'client')
    second.on('error', () => {})
    await next(second, 'close')
    first.end()
  },

  async asyncDispose({ listen, watch, record }) {
    const { server } = await listen()
    watch(server, 'server')
    record('returns', await (server as unknown as AsyncDisposable)[Symbol.asyncDispose]?.())
    record('again', await (server as unknown as AsyncDisposable)[Symbol.asyncDispose]?.())
  },

  async 'asyncDispose of a server that never listened'({ net, record }) {
    const server = net.createServer()
    record('returns', await (server as unknown as AsyncDisposable)[Symbol.asyncDispose]?.())
  },

  async getConnections({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const count = (): Promise<unknown[]> => new Promise((resolve) => server.getConnections((...args) => resolve(args)))
    record('none', await count())
    const clients: Socket[] = []
    for (let i = 0; i < 3; i++) {
      clients.push(net.connect(port, '127.0.0.1'))
      await once(server, 'connection')
    }
    record('three', await count())
    for (const client of clients) client.end()
    await Promise.all(clients.map((client) => once(client, 'close')))
    server.close()
    await once(server, 'close')
    record('closed', await count())
  },

  'getConnections returns the server'({ net, record }) {
    const server = net.createServer()
    record('returns', server.getConnections(() => {}) === (server as unknown))
  },

  async 'getConnections calls back in another tick'({ net, record, turns }) {
    net.createServer().getConnections(() => record('callback'))
    process.nextTick(() => record('tick'))
    record('returned')
    await turns()
  },

  async 'maxConnections and drop'({ listen, net, watch, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    server.maxConnections = 1
    server.on('drop', (ends) => record('drop', ends))
    const first = watch(net.connect(port, '127.0.0.1'), 'first')
    await once(server, 'connection')
    const second = watch(net.connect(port, '127.0.0.1'), 'second')
    second.on('error', () => {})
    second.resume()
    await once(second, 'close')
    first.end()
    await once(first.resume(), 'close')
    server.close()
  },

  async 'maxConnections 0'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    watch(server, 'server', { except: ['_connections'] })
    server.maxConnections = 0
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.resume()
    await next(client, 'close')
    server.close()
  },

  async 'maxConnections null and undefined'({ listen, net, record }) {
    for (const value of [null, undefined]) {
      const { server, port } = await listen({}, (peer) => peer.end('hello'))
      server.maxConnections = value as never
      const client = net.connect(port, '127.0.0.1').resume()
      await once(client, 'close')
      record('read', client.bytesRead)
      server.close()
    }
  },

  async 'room again after a connection went'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    server.maxConnections = 1
    for (let i = 0; i < 3; i++) {
      const client = net.connect(port, '127.0.0.1').resume()
      const [peer] = (await once(server, 'connection')) as [Socket]
      record('connection')
      client.end()
      await once(peer, 'close')
    }
    server.close()
  },

  async 'the server of a socket'({ pair, record }) {
    const { client, peer, server } = await pair({ unwatched: true })
    const of = (socket: Socket): unknown => (socket as unknown as { server: unknown }).server
    record('server', of(peer) === server, of(client))
    record(
      '_server',
      (peer as unknown as { _server: unknown })._server === server,
      (client as unknown as { _server: unknown })._server,
    )
    client.destroy()
    peer.on('error', () => {})
  },

  async 'several listeners of connection'({ listen, net, heard }) {
    const { server, port } = await listen({}, () => {})
    server.on('connection', () => heard('second')())
    server.prependListener('connection', (peer: Socket) => {
      heard('before')()
      peer.end()
    })
    await once(net.connect(port, '127.0.0.1').resume(), 'close')
    server.close()
  },

  async 'ticks and microtasks between two connections that come together'({ listen, net, record }) {
    const { server, port } = await listen()
    const names = ['first', 'second']
    server.on('connection', (peer) => {
      const name = names.shift()
      const recordAll = (what: string): void => {
        record(`${name}: ${what}`)
        process.nextTick(() => record(`${name}: tick of ${what}`))
        Promise.resolve().then(() => record(`${name}: promise of ${what}`))
      }
      recordAll('connection')
      peer.on('data', () => recordAll('data'))
    })
    const clients = ['a', 'b'].map((word) => net.connect(port, '127.0.0.1').end(word).resume())
    await Promise.all(clients.map((client) => once(client, 'close')))
    server.close()
  },

  async 'the first of two connections that come together closes the server'({ listen, net, watch, recordIn, next }) {
    const { server, port } = await listen({}, (peer) => {
      server.close()
      peer.end('hello')
    })
    watch(server, 'server')
    const closed = ['first', 'second'].map((name) => {
      const client = net.connect(port, '127.0.0.1')
      client.on('data', (chunk) => recordIn(name, 'data', String(chunk)))
      // Whether it had connected by then is left to chance.
      client.on('error', (error: NodeJS.ErrnoException) => recordIn(name, 'error', error.code))
      return next(client, 'close')
    })
    await Promise.all(closed)
  },

  async 'a listener that throws at the first of two connections that come together'({ listen, net, watch }) {
    let count = 0
    const { server, port } = await listen({}, (peer) => {
      if (count++ === 0) {
        peer.destroy()
        throw new Error('from the listener')
      }
      peer.end('hello')
    })
    const clients = ['first', 'second'].map((name) => watch(net.connect(port, '127.0.0.1'), name))
    await Promise.all(clients.map((client) => once(client.resume(), 'close')))
    server.close()
  },

  async 'nobody listens for connections'({ listen, net, watch }) {
    const { server, port } = await listen()
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    await once(client, 'connect')
    client.resume()
    client.end()
    await once(client, 'close')
    server.close()
  },

  async 'a connection destroyed by its listener'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.destroy()
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.resume()
    await next(client, 'close')
    server.close()
  },

  async 'a listener that throws'({ listen, net, turns }) {
    const { server, port } = await listen({}, (peer) => {
      peer.end()
      throw new Error('from the listener')
    })
    await once(net.connect(port, '127.0.0.1').resume(), 'close')
    await turns()
    server.close()
  },

  async 'the connection of a listener that throws lives on'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.on('data', (chunk) => peer.end(`${chunk}!`))
      throw new Error('from the listener')
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.write('hello')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'a tick of a connection listener that throws'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.on('data', (chunk) => peer.end(`${chunk}!`))
      process.nextTick(() => {
        throw new Error('from the tick')
      })
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.write('hello')
    await once(client.resume(), 'close')
    server.close()
  },

  async pauseOnConnect({ listen, net, watch, turns }) {
    const { server, port } = await listen({ pauseOnConnect: true }, (peer) => watch(peer, 'peer'))
    const client = net.connect(port, '127.0.0.1')
    client.end('hello')
    const [peer] = (await once(server, 'connection')) as [Socket]
    peer.on('data', () => {})
    await turns(20)
    peer.resume()
    client.resume()
    await once(peer, 'close')
    server.close()
  },

  async 'allowHalfOpen of a server'({ listen, net, watch }) {
    const { server, port } = await listen({ allowHalfOpen: true }, (peer) => {
      watch(peer, 'peer')
      peer.resume()
      peer.on('end', () => peer.end('after your end'))
    })
    const client = watch(net.connect({ port, host: '127.0.0.1' }), 'client')
    client.resume()
    client.end('mine')
    await once(client, 'close')
    server.close()
  },

  async 'highWaterMark of a server'({ listen, net, record }) {
    const { server, port } = await listen({ highWaterMark: 777 })
    net.connect(port, '127.0.0.1').end().resume()
    const [peer] = (await once(server, 'connection')) as [Socket]
    record('marks', peer.readableHighWaterMark, peer.writableHighWaterMark)
    peer.destroy()
    server.close()
  },

  async 'emitting a connection by hand'({ net, record, listen }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const other = net.createServer((peer) => {
      record('connection', peer instanceof net.Socket)
      peer.resume()
      peer.on('close', () => server.close())
    })
    const client = net.connect(port, '127.0.0.1')
    await once(client, 'connect')
    other.emit('connection', client)
  },

  async 'close listeners see no connections'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = net.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.on('close', () => record('connections', (server as unknown as { _connections: number })._connections))
    server.close()
    await once(server, 'close')
  },

  async 'properties of a server'({ net, record }) {
    const server = net.createServer({
      allowHalfOpen: true,
      pauseOnConnect: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: 2500,
    }) as unknown as Record<string, unknown>
    for (const name of [
      'allowHalfOpen',
      'pauseOnConnect',
      'noDelay',
      'keepAlive',
      'keepAliveInitialDelay',
      'highWaterMark',
      'maxConnections',
      'listening',
      '_connections',
      '_handle',
      '_unref',
    ]) {
      record(name, server[name])
    }
  },

  async 'a connection accepted while the server closes'({ listen, net, watch, turns }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer', { except: ['_connections'] })
      peer.resume()
      server.close()
    })
    const client = net.connect(port, '127.0.0.1').resume()
    await once(client, 'connect')
    await turns()
    client.end()
    await once(server, 'close')
  },
}
