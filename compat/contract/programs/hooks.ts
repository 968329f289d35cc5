import { AsyncLocalStorage, executionAsyncId } from 'node:async_hooks'
import diagnostics from 'node:diagnostics_channel'
import { EventEmitter, getEventListeners, once } from 'node:events'
import { alone, type Programs, type Socket } from '../program.ts'

// What looks in from outside: diagnostics channels, asynchronous context, rejections of listeners, abort signals.

const both = (client: Socket, peer: Socket): Promise<unknown> =>
  Promise.all([once(client, 'close'), once(peer, 'close')])

export const programs: Programs = {
  'net.client.socket': alone(async ({ listen, net, record }) => {
    const seen: unknown[] = []
    diagnostics.subscribe('net.client.socket', (message) => {
      const { socket } = message as { socket: Socket }
      seen.push(socket)
      record('published', socket instanceof net.Socket, socket.connecting, Object.keys(message as object))
    })
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = net.connect(port, '127.0.0.1')
    record('returned', seen.includes(client))
    await once(client.resume(), 'close')
    server.close()
  }),

  'net.client.socket of Socket.connect': alone(async ({ listen, net, record }) => {
    diagnostics.subscribe('net.client.socket', () => record('published'))
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = new net.Socket()
    record('made')
    client.connect(port, '127.0.0.1')
    record('connecting')
    await once(client.resume(), 'close')
    server.close()
  }),

  'net.server.socket': alone(async ({ listen, net, record }) => {
    diagnostics.subscribe('net.server.socket', (message) => {
      const { socket } = message as { socket: Socket }
      record('published', socket instanceof net.Socket, socket.readyState)
    })
    const { server, port } = await listen({}, (peer) => {
      record('connection')
      peer.end()
    })
    await once(net.connect(port, '127.0.0.1').resume(), 'close')
    server.close()
  }),

  'tracing:net.server.listen': alone(async ({ net, record, freePort, next }) => {
    const events = ['start', 'end', 'asyncStart', 'asyncEnd', 'error']
    for (const event of events) {
      diagnostics.subscribe(`tracing:net.server.listen:${event}`, (message) => {
        const { server, options, error } = message as { server: unknown; options?: object; error?: Error }
        record(event, server instanceof net.Server, options, error)
      })
    }
    const port = await freePort()
    record('--- listening')
    const server = net.createServer().listen({ port, host: '127.0.0.1' })
    await once(server, 'listening')
    record('--- a port in use')
    const second = net.createServer().listen(port, '127.0.0.1')
    await next(second, 'error')
    server.close()
  }),

  async 'AsyncLocalStorage in callbacks of a client'({ listen, net, record }) {
    const storage = new AsyncLocalStorage<string>()
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = storage.run('connect', () => {
      const made = net.connect(port, '127.0.0.1', () => record('callback', storage.getStore()))
      for (const event of ['connectionAttempt', 'connect', 'ready', 'data', 'end', 'finish', 'close']) {
        made.once(event, () => record(event, storage.getStore()))
      }
      return made
    })
    storage.run('write', () => client.write('x', () => record('written', storage.getStore())))
    await once(client, 'close')
    server.close()
  },

  async 'AsyncLocalStorage in callbacks of a server'({ net, record }) {
    const storage = new AsyncLocalStorage<string>()
    let leave: () => void
    const gone = new Promise<void>((resolve) => {
      leave = resolve
    })
    const server = net.createServer((peer) => {
      record('connection', storage.getStore())
      peer.on('data', () => record('data', storage.getStore()))
      peer.on('close', () => {
        record('peer close', storage.getStore())
        leave()
      })
      peer.end()
    })
    storage.run('listen', () => {
      server.listen(0, '127.0.0.1', () => record('listening', storage.getStore()))
    })
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const client = storage.run('client', () => net.connect(port, '127.0.0.1'))
    client.end('x')
    await Promise.all([once(client.resume(), 'close'), gone])
    storage.run('close', () => server.close(() => record('closed', storage.getStore())))
    await once(server, 'close')
  },

  async 'AsyncLocalStorage in write and end callbacks'({ pair, record }) {
    const storage = new AsyncLocalStorage<string>()
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    client.resume()
    storage.run('one', () => client.write('x', () => record('write', storage.getStore())))
    storage.run('two', () => client.end(() => record('end', storage.getStore())))
    await both(client, peer)
  },

  async 'AsyncLocalStorage in timeouts and destroys'({ pair, record }) {
    const storage = new AsyncLocalStorage<string>()
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    storage.run('setTimeout', () => client.setTimeout(15, () => record('timeout', storage.getStore())))
    await once(client, 'timeout')
    client.on('close', () => record('close', storage.getStore()))
    storage.run('destroy', () => client.destroy())
    await once(client, 'close')
  },

  async 'asynchronous ids are there'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('x'))
    const client = net.connect(port, '127.0.0.1', () => record('connect', executionAsyncId() > 0))
    client.on('data', () => record('data', executionAsyncId() > 0))
    await once(client, 'close')
    server.close()
  },

  'rejections of a connection listener': alone(async ({ net, record, watch }) => {
    EventEmitter.captureRejections = true
    const server = watch(
      net.createServer(async () => {
        throw new Error('rejected')
      }),
      'server',
    )
    server.on('connection', (peer) => {
      watch(peer, 'peer')
      peer.on('error', () => {})
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const client = net.connect((server.address() as { port: number }).port, '127.0.0.1').resume()
    client.on('error', () => {})
    await once(client, 'close')
    record('server', server.listening)
    server.close()
  }),

  'rejections of a socket listener': alone(async ({ pair, next }) => {
    EventEmitter.captureRejections = true
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    client.on('data', async () => {
      throw new Error('rejected')
    })
    peer.write('x')
    await next(client, 'close')
  }),

  'rejections of a listening listener': alone(async ({ net, record, next }) => {
    EventEmitter.captureRejections = true
    const server = net.createServer()
    server.on('listening', async () => {
      throw new Error('rejected')
    })
    server.listen(0)
    const [error] = await next(server, 'error')
    record('error', error)
    server.close()
  }),

  async 'a signal of the constructor'({ net, watch, next, record }) {
    const controller = new AbortController()
    const client = watch(new net.Socket({ signal: controller.signal }), 'client')
    client.on('error', () => {})
    record('listeners', getEventListeners(controller.signal, 'abort').length)
    controller.abort()
    await next(client, 'close')
    record('listeners', getEventListeners(controller.signal, 'abort').length)
  },

  async 'a signal that was aborted before'({ net, watch, next }) {
    const client = watch(new net.Socket({ signal: AbortSignal.abort() }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'a signal with a reason'({ net, watch, next }) {
    const controller = new AbortController()
    const client = watch(new net.Socket({ signal: controller.signal }), 'client')
    client.on('error', () => {})
    controller.abort(new Error('my reason'))
    await next(client, 'close')
  },

  async 'a signal among the options of connect'({ listen, net, watch, next, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const controller = new AbortController()
    const client = watch(net.connect({ port, host: '127.0.0.1', signal: controller.signal }), 'client')
    client.on('error', () => {})
    await once(client, 'connect')
    controller.abort()
    await next(client, 'close')
    record('listeners', getEventListeners(controller.signal, 'abort').length)
    server.close()
  },

  async 'a signal aborted before connect'({ listen, net, watch, next, turns }) {
    const { server, port } = await listen()
    const client = watch(net.connect({ port, host: '127.0.0.1', signal: AbortSignal.abort() }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    await turns(10)
    client.destroy()
    server.close()
  },

  async 'a signal forgets a socket that closed'({ listen, net, record, turns }) {
    const { server, port } = await listen({}, (peer) => peer.end())
    const controller = new AbortController()
    const client = net.connect({ port, host: '127.0.0.1', signal: controller.signal })
    await once(client.resume(), 'close')
    await turns()
    record('listeners', getEventListeners(controller.signal, 'abort').length)
    server.close()
  },

  async 'the error monitor'({ net, record, freePort, next }) {
    const client = net.connect(await freePort(), '127.0.0.1')
    client.on(EventEmitter.errorMonitor as never, (error: NodeJS.ErrnoException) => record('monitor', error.code))
    client.on('error', () => record('error'))
    await next(client, 'close')
  },

  async 'events.once and a failure'({ net, record, freePort }) {
    const client = net.connect(await freePort(), '127.0.0.1')
    await once(client, 'connect').then(
      () => record('connected'),
      (error) => record('rejected', error),
    )
  },

  async 'events.once with a signal'({ record, listen }) {
    const { server } = await listen()
    const controller = new AbortController()
    const waiting = once(server, 'connection', { signal: controller.signal }).catch((error) =>
      record('rejected', error.name),
    )
    controller.abort()
    await waiting
    record('listeners', server.listenerCount('connection'))
    server.close()
  },
}
