import { once } from 'node:events'
import type { Programs, Socket } from '../program.ts'

// Where an end is, and what it is told of itself.

function ends(socket: Socket): Record<string, unknown> {
  const { localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily } = socket
  return { localAddress, localPort, localFamily, remoteAddress, remotePort, remoteFamily }
}

export const programs: Programs = {
  async 'of both ends'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    record('client', ends(client), client.address())
    record('peer', ends(peer), peer.address())
    record('the same ports', client.localPort === peer.remotePort, client.remotePort === peer.localPort)
    client.destroy()
    peer.resume()
  },

  'of a fresh socket': ({ net, record }) => {
    const client = new net.Socket()
    record('ends', ends(client), client.address())
    client.destroy()
    record('destroyed', ends(client), client.address())
  },

  async 'while connecting'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end())
    const client = net.connect(port, '127.0.0.1')
    const { remoteAddress, remotePort, remoteFamily } = client
    record('remote', remoteAddress, remotePort, remoteFamily)
    await once(client.resume(), 'close')
    server.close()
  },

  async 'after close, when they were read before'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    record('open', ends(client), client.address())
    client.destroy()
    record('destroyed', ends(client), client.address())
    await once(client, 'close')
    record('closed', ends(client), client.address())
    peer.resume()
  },

  async 'after close, when nobody had read them'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    client.destroy()
    await once(client, 'close')
    record('closed', ends(client), client.address())
    peer.resume()
  },

  async 'in the close listener of the server end'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    record('remote', peer.remoteAddress)
    peer.on('close', () => record('close', peer.remoteAddress, peer.remoteFamily, typeof peer.remotePort))
    client.end()
    await once(peer.resume(), 'close')
    client.resume()
  },

  async localAddress({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.end()
    })
    const client = watch(net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.2' }), 'client')
    await once(client.resume(), 'close')
    server.close()
  },

  async localPort({ listen, net, watch, freePort }) {
    const localPort = await freePort('chosen port')
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.end()
    })
    const client = watch(net.connect({ port, host: '127.0.0.1', localPort }), 'client')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'localAddress that is not ours'({ listen, net, watch, next }) {
    const { server, port } = await listen()
    const client = watch(net.connect({ port, host: '127.0.0.1', localAddress: '192.0.2.1' }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  },

  async 'localAddress that is not ours, with a port'({ listen, net, watch, next, freePort }) {
    const { server, port } = await listen()
    const localPort = await freePort('chosen port')
    const client = watch(net.connect({ port, host: '127.0.0.1', localAddress: '192.0.2.1', localPort }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  },

  async 'localAddress of the other family'({ listen, net, watch, next }) {
    const { server, port } = await listen()
    const client = watch(net.connect({ port, host: '127.0.0.1', localAddress: '::1' }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  },

  async 'a local port that a server has'({ listen, net, watch, next, port: name }) {
    const { server, port } = await listen()
    const other = net.createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const localPort = name((other.address() as { port: number }).port, 'taken port')
    const client = watch(net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1', localPort }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
    other.close()
  },

  async 'IPv4 addresses in IPv6 form'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.end()
    })
    const client = watch(net.connect(port, '::ffff:127.0.0.1'), 'client')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'IPv6 addresses in long form'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => peer.end(), '::1')
    const client = watch(net.connect(port, '0:0:0:0:0:0:0:1'), 'client')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'a server on a long form'({ net, record }) {
    const server = net.createServer().listen(0, '0:0:0:0:0:0:0:1')
    await once(server, 'listening')
    record('address', server.address())
    server.close()
  },

  async 'another address of loopback'({ listen, net, watch }) {
    const accept = (peer: Socket): void => {
      watch(peer, 'peer')
      peer.end()
    }
    const { server, port } = await listen({}, accept, '127.0.0.5')
    const client = watch(net.connect(port, '127.0.0.5'), 'client')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'connecting to itself'({ net, record, freePort, next }) {
    const port = await freePort()
    const client = net.connect({ port, host: '127.0.0.1', localPort: port, localAddress: '127.0.0.1' })
    const [error] = await next(client, 'connect')
    record('connected', error)
    if (error !== undefined) return
    record('ends', ends(client))
    client.write('to myself')
    const [data] = await once(client, 'data')
    record('data', String(data))
    client.end()
    await once(client.resume(), 'close')
  },

  async 'BlockList and SocketAddress'({ net, attempt }) {
    const list = new net.BlockList()
    list.addAddress('10.0.0.1')
    list.addRange('10.0.1.1', '10.0.1.9')
    list.addSubnet('fd00::', 8, 'ipv6')
    attempt('checks', () => [
      list.check('10.0.0.1'),
      list.check('10.0.0.2'),
      list.check('10.0.1.5'),
      list.check('fd01::1', 'ipv6'),
      list.check('::ffff:10.0.0.1', 'ipv6'),
    ])
    attempt('rules', () => list.rules)
    attempt('bad', () => list.addAddress('x'))
    attempt('bad family', () => list.addAddress('1.2.3.4', 'x' as never))
    const address = new net.SocketAddress({ address: '1.2.3.4', port: 80 })
    attempt('SocketAddress', () => [address.address, address.port, address.family, address.flowlabel])
    attempt('bad address', () => new net.SocketAddress({ address: 'x' }))
    attempt('defaults', () => new (net.SocketAddress as unknown as new () => { address: string })().address)
  },
}
