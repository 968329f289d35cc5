import { once } from 'node:events'
import type { Context, Programs, Server } from '../program.ts'

// How `listen` is called, and what it takes from whom.

/** The address of a server that listens, its port by a name. */
function named({ port }: Context, server: Server): number {
  return port((server.address() as { port: number }).port, 'port')
}

export const programs: Programs = {
  async 'without arguments'(context) {
    const { net, watch, record } = context
    const server = watch(net.createServer(), 'server')
    record('returns itself', server.listen() === server)
    record('address', server.address())
    await once(server, 'listening')
    server.close()
  },

  async 'the port is known at once'(context) {
    const { net, watch, record } = context
    const server = watch(net.createServer(), 'server')
    server.listen(0)
    named(context, server)
    record('address', server.address(), server.listening)
    await once(server, 'listening')
    server.close()
    record('closed', server.address(), server.listening)
    await once(server, 'close')
  },

  async 'with a host it is not known at once'(context) {
    const { net, watch, record } = context
    const server = watch(net.createServer(), 'server')
    server.listen(0, '127.0.0.1')
    record('address', server.address(), server.listening)
    await once(server, 'listening')
    record('then', server.address(), server.listening)
    server.close()
  },

  async 'callback alone'({ net, watch, heard }) {
    const server = watch(net.createServer(), 'server')
    server.listen(heard('callback'))
    await once(server, 'listening')
    server.close()
  },

  async 'port and callback'({ net, watch, heard }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, heard('callback'))
    await once(server, 'listening')
    server.close()
  },

  async 'port, host, backlog and callback'({ net, watch, heard, record }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, '127.0.0.1', 5, heard('callback'))
    await once(server, 'listening')
    record('address', server.address())
    server.close()
  },

  async 'port and backlog'({ net, watch, heard }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, 5 as never, heard('callback'))
    await once(server, 'listening')
    server.close()
  },

  async 'a port in text'(context) {
    const { net, watch, freePort, record } = context
    const port = await freePort('chosen port')
    const server = watch(net.createServer(), 'server')
    server.listen(String(port) as never, '127.0.0.1')
    await once(server, 'listening')
    record('address', server.address())
    server.close()
  },

  async options({ net, watch, heard, record }) {
    const server = watch(net.createServer(), 'server')
    server.listen({ port: 0, host: '127.0.0.1', backlog: 3, exclusive: true }, heard('callback'))
    await once(server, 'listening')
    record('address', server.address())
    server.close()
  },

  async 'port null and undefined are any port'({ net, record }) {
    for (const port of [null, undefined]) {
      const server = net.createServer().listen({ port } as never)
      await once(server, 'listening')
      record('listens', typeof (server.address() as { port: number }).port)
      server.close()
    }
  },

  async 'IPv6 alone'(context) {
    const { net, watch, record, next } = context
    const server = watch(net.createServer(), 'server')
    server.listen({ port: 0, host: '::', ipv6Only: true })
    await once(server, 'listening')
    const port = named(context, server)
    record('address', server.address())
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  },

  async 'both families at once'(context) {
    const { net, record, recordIn } = context
    const server = net.createServer((peer) => {
      recordIn(
        'peer',
        'ends',
        peer.remoteAddress,
        peer.remoteFamily,
        peer.localAddress,
        peer.localFamily,
        peer.address(),
      )
      peer.end()
    })
    server.listen(0)
    await once(server, 'listening')
    const port = named(context, server)
    record('address', server.address())
    for (const host of ['127.0.0.1', '::1']) {
      const client = net.connect(port, host).resume()
      await once(client, 'connect')
      record('client', client.remoteAddress, client.remoteFamily, client.localAddress, client.localFamily)
      await once(client, 'close')
    }
    server.close()
  },

  async 'an IPv4 wildcard'(context) {
    const { net, record } = context
    const server = net.createServer((peer) => {
      record('peer', peer.remoteAddress, peer.localAddress)
      peer.end()
    })
    server.listen(0, '0.0.0.0')
    await once(server, 'listening')
    const port = named(context, server)
    record('address', server.address())
    await once(net.connect(port, '127.0.0.1').resume(), 'close')
    server.close()
  },

  async 'a name is looked up'({ net, watch, record }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, 'localhost')
    record('address', server.address())
    await once(server, 'listening')
    server.close()
  },

  async 'a name that nobody knows'({ net, watch, next }) {
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(0, 'no.such.name.invalid')
    await next(server, 'error')
  },

  async 'an address that is not ours'({ net, watch, next }) {
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(0, '192.0.2.1')
    await next(server, 'error')
  },

  async 'a port in use'({ listen, net, watch, next, record }) {
    const { server: first, port } = await listen()
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(port, '127.0.0.1')
    await next(server, 'error')
    record('listening', server.listening, server.address())
    first.close()
  },

  async 'a port in use, on all addresses'({ listen, net, watch, next }) {
    const { server: first, port } = await listen({}, undefined, null)
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(port)
    await next(server, 'error')
    first.close()
  },

  async 'a port in use, and nobody listens for the error'({ listen, net }) {
    const { server: first, port } = await listen()
    net.createServer().listen(port, '127.0.0.1')
    await new Promise((resolve) => setTimeout(resolve, 30))
    first.close()
  },

  async 'trying again when the port is free'({ listen, net, watch, next }) {
    const { server: first, port } = await listen()
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(port, '127.0.0.1')
    await next(server, 'error')
    first.close()
    await once(first, 'close')
    server.listen(port, '127.0.0.1')
    await next(server, 'listening')
    server.close()
  },

  async 'one port on two addresses'({ listen, net, watch, next }) {
    const { server: first, port } = await listen()
    const server = watch(net.createServer(), 'server')
    server.listen(port, '127.0.0.2')
    await next(server, 'listening')
    server.close()
    first.close()
  },

  async 'the wildcard after one address'({ listen, net, watch, next }) {
    const { server: first, port } = await listen()
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(port, '0.0.0.0')
    await next(server, 'error')
    server.close()
    first.close()
  },

  async 'listen twice in a row'({ net, watch, attempt }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0)
    attempt('again', () => server.listen(0) === server)
    await once(server, 'listening')
    attempt('and again', () => server.listen(0) === server)
    server.close()
  },

  async 'listen twice with hosts'({ net, watch, attempt, turns }) {
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(0, '127.0.0.1')
    attempt('again', () => server.listen(0, '127.0.0.1') === server)
    await once(server, 'listening')
    await turns(5)
    server.close()
  },

  async 'listen after close'({ net, watch, record }) {
    const server = watch(net.createServer(), 'server')
    for (let i = 0; i < 3; i++) {
      server.listen(0)
      await once(server, 'listening')
      record('listening', server.listening)
      server.close()
      await once(server, 'close')
    }
  },

  async 'listen in the close listener'({ net, watch }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0)
    server.once('close', () => {
      server.listen(0, () => server.close())
    })
    await once(server, 'listening')
    server.close()
  },

  async 'close before listening was emitted'({ net, watch, heard, turns }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, heard('listening callback'))
    server.close(heard('close callback'))
    await turns(5)
  },

  async 'close while the host is looked up'({ net, watch, heard, turns, next }) {
    const server = watch(net.createServer(), 'server')
    server.listen(0, 'localhost', heard('listening callback'))
    server.close(heard('close callback'))
    await next(server, 'close')
    await turns(20)
  },

  async 'an aborted signal'({ net, watch, next, turns }) {
    const server = watch(net.createServer(), 'server')
    server.listen({ port: 0, signal: AbortSignal.abort() })
    await next(server, 'close')
    await turns()
  },

  async 'a signal that aborts'({ net, watch, next }) {
    const controller = new AbortController()
    const server = watch(net.createServer(), 'server')
    server.listen({ port: 0, signal: controller.signal })
    await once(server, 'listening')
    controller.abort()
    await next(server, 'close')
  },

  async 'a signal that aborts after close'({ net, watch, next, turns }) {
    const controller = new AbortController()
    const server = watch(net.createServer(), 'server')
    server.listen({ port: 0, signal: controller.signal })
    await once(server, 'listening')
    server.close()
    await next(server, 'close')
    controller.abort()
    await turns()
  },

  async 'the same port again at once'({ net, listen, record, next }) {
    const { server, port } = await listen({}, (peer) => peer.end())
    await once(net.connect(port, '127.0.0.1').resume(), 'close')
    server.close()
    await once(server, 'close')
    const again = net.createServer().listen(port, '127.0.0.1')
    record('again', (await next(again, 'listening')).length)
    again.close()
  },

  async 'the connection key'({ net, record, port: name }) {
    for (const host of ['127.0.0.1', '::1', undefined]) {
      const server = net.createServer().listen(0, host)
      await once(server, 'listening')
      name((server.address() as { port: number }).port, 'port')
      record('key', (server as unknown as { _connectionKey: string })._connectionKey)
      server.close()
    }
  },

  async 'a privileged port in text'({ net, attempt, turns }) {
    attempt('negative', () => net.createServer().listen('-1' as never, () => {}))
    attempt('too high', () => net.createServer().listen(65_536))
    attempt('too high in text', () => net.createServer().listen('65536' as never))
    await turns()
  },
}
