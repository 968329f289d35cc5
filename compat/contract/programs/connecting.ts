import { once } from 'node:events'
import { alone, type Programs, type Socket } from '../program.ts'

// How `connect` is called, and what then happens in which order.

const goodbye = (peer: Socket): void => {
  peer.end('bye')
}

export const programs: Programs = {
  async 'port and host and callback'({ listen, net, watch, heard }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(port, '127.0.0.1', heard('callback')), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'port alone goes to localhost'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye, null)
    const client = watch(net.connect(port), 'client', {
      except: [
        'lookup',
        'connectionAttempt',
        'connectionAttemptFailed',
        'localAddress',
        'localFamily',
        'remoteAddress',
        'remoteFamily',
      ],
    })
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'port as a string'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(String(port) as never, '127.0.0.1'), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'an options object, and a callback'({ listen, net, watch, heard }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.createConnection({ port, host: '127.0.0.1' }, heard('callback')), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'a port in hexadecimal'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect({ port: `0x${port.toString(16)}` as never, host: '127.0.0.1' }), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'an options object is not changed'({ listen, net, record }) {
    const { server, port } = await listen({}, goodbye)
    const options = { port, host: '127.0.0.1' }
    const client = net.connect(options).resume()
    await once(client, 'close')
    record('options', Object.keys(options))
    server.close()
  },

  async 'frozen options'({ listen, net, attempt }) {
    const { server, port } = await listen({}, goodbye)
    attempt('connect', () => {
      net.connect(Object.freeze({ port, host: '127.0.0.1' })).resume()
    })
    await once(server, 'connection')
    server.close()
  },

  async 'options that are inherited'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(Object.create({ port, host: '127.0.0.1' })), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'Socket.connect with port, host and callback'({ listen, net, watch, heard, record }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(new net.Socket(), 'client')
    record('returns itself', client.connect(port, '127.0.0.1', heard('callback')) === client)
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'Socket.connect with options'({ listen, net, watch, heard }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(new net.Socket(), 'client')
    client.connect({ port, host: '127.0.0.1' }, heard('callback'))
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'the callback is a listener of connect'({ listen, net, record }) {
    const { server, port } = await listen({}, goodbye)
    const callback = (): void => {}
    const client = net.connect(port, '127.0.0.1', callback).resume()
    record('listeners', client.listenerCount('connect'), client.listeners('connect').includes(callback))
    await once(client, 'connect')
    record('afterwards', client.listenerCount('connect'))
    await once(client, 'close')
    server.close()
  },

  async 'the callback is called with the socket as this'({ listen, net, record }) {
    const { server, port } = await listen({}, goodbye)
    const client = net.connect(port, '127.0.0.1', function (this: Socket, ...args: unknown[]) {
      record('callback', this === client, args.length)
    })
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'events of both ends, server first to end'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    peer.end('from the server')
    await Promise.all([once(client, 'close'), once(peer, 'close')])
  },

  async 'events of both ends, client first to end'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.end('from the client')
    await Promise.all([once(client, 'close'), once(peer, 'close')])
  },

  async 'nothing is emitted before the next tick'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    recordIn('client', 'connect returned')
    process.nextTick(() => recordIn('client', 'next tick'))
    queueMicrotask(() => recordIn('client', 'microtask'))
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'ticks and microtasks between connect and ready'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('connect', () => {
      process.nextTick(() => recordIn('client', 'tick of connect'))
      queueMicrotask(() => recordIn('client', 'microtask of connect'))
    })
    client.on('ready', () => {
      process.nextTick(() => recordIn('client', 'tick of ready'))
    })
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'a second connect while the first is under way'({ listen, net, watch, attempt, turns }) {
    const { server, port } = await listen()
    const client = watch(new net.Socket(), 'client', { except: ['connectionAttempt'] })
    client.on('error', () => {})
    client.connect(port, '127.0.0.1')
    attempt('again', () => client.connect(port, '127.0.0.1') === client)
    await turns(5)
    client.destroy()
    server.close()
  },

  async 'connect of a connected socket'({ pair, attempt, turns }) {
    const { client, peer, port } = await pair()
    client.on('error', () => {})
    attempt('again', () => client.connect(port, '127.0.0.1') === client)
    await turns(10)
    peer.resume()
    client.destroy()
  },

  'the connect method may be patched': alone(async ({ listen, net, record }) => {
    const { server, port } = await listen({}, goodbye)
    const { connect } = net.Socket.prototype
    net.Socket.prototype.connect = function (this: Socket, ...args: unknown[]) {
      record('patched connect', args.length, Array.isArray(args[0]))
      return connect.apply(this, args as never)
    } as never
    const client = net.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  }),

  async 'a hundred connections at once'({ listen, net, record }) {
    let accepted = 0
    const { server, port } = await listen({}, (peer) => {
      accepted++
      goodbye(peer)
    })
    const clients = Array.from({ length: 100 }, () => net.connect(port, '127.0.0.1').resume())
    await Promise.all(clients.map((client) => once(client, 'close')))
    record('accepted', accepted)
    record('read', new Set(clients.map(({ bytesRead }) => bytesRead)))
    server.close()
  },

  async 'timeout among the options of connect'({ listen, net, watch }) {
    const { server, port } = await listen()
    const client = watch(net.connect({ port, host: '127.0.0.1', timeout: 400 }), 'client')
    await once(client, 'timeout')
    client.destroy()
    await once(client, 'close')
    server.close()
  },

  async 'options of the constructor in those of connect'({ listen, net, record }) {
    const { server, port } = await listen({}, goodbye)
    const client = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, highWaterMark: 17 } as never)
    record('options', client.allowHalfOpen, client.readableHighWaterMark, client.writableHighWaterMark)
    client.resume()
    await once(client, 'end')
    record('writable', client.writable)
    client.end()
    await once(client, 'close')
    server.close()
  },

  async 'noDelay and keepAlive among the options'({ listen, net, watch }) {
    const { server, port } = await listen({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 2000 }, goodbye)
    const options = { port, host: '127.0.0.1', noDelay: true, keepAlive: true, keepAliveInitialDelay: 1500 }
    const client = watch(net.connect(options), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'data that comes with the connection'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('connect', () => client.on('data', () => {}))
    await once(client, 'close')
    server.close()
  },

  async 'connect of IPv6 loopback'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye, '::1')
    const client = watch(net.connect(port, '::1'), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'host 0.0.0.0 is this host'({ listen, net, watch }) {
    const { server, port } = await listen({}, goodbye)
    const client = watch(net.connect(port, '0.0.0.0'), 'client')
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'an empty host is localhost'({ listen, net, record }) {
    const { server, port } = await listen({}, goodbye, null)
    const client = net.connect({ port, host: '' }).resume()
    client.once('lookup', (error, _address, _family, host) => record('lookup', error, host))
    await once(client, 'close')
    server.close()
  },
}
