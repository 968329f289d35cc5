import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Programs } from '../program.ts'

// Unix domain sockets, behind the same Socket and Server.

/** A directory that goes with the process; its name is the same in each record. */
function place(): string {
  const directory = mkdtempSync(join(tmpdir(), 'contract-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  process.chdir(directory)
  return 'sock'
}

export const programs: Programs = {
  async 'listen and connect by path'({ net, watch, record }) {
    const path = place()
    const server = watch(
      net.createServer((peer) => {
        watch(peer, 'peer')
        record('server end', peer instanceof net.Socket)
        peer.end('hello')
      }),
      'server',
      { except: ['_connections'] },
    )
    server.listen(path)
    await once(server, 'listening')
    record('address', server.address())
    const client = watch(net.connect(path), 'client')
    record('client', client instanceof net.Socket)
    await once(client.resume(), 'close')
    server.close()
    await once(server, 'close')
    record('left behind', existsSync(path))
  },

  async 'paths among options'({ net, record }) {
    const path = place()
    const server = net.createServer((peer) => peer.end('hello')).listen({ path })
    await once(server, 'listening')
    const client = net.connect({ path }, () => record('callback'))
    await once(client.resume(), 'close')
    record('read', client.bytesRead, client.remoteAddress, client.localAddress, client.remoteFamily)
    server.close()
  },

  async 'Socket.connect by path'({ net, watch }) {
    const path = place()
    const server = net.createServer((peer) => peer.end('hello').resume()).listen(path)
    await once(server, 'listening')
    const client = watch(new net.Socket(), 'client')
    client.connect(path)
    client.write('early')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'nobody there'({ net, watch, next }) {
    const path = place()
    const client = watch(net.connect(path), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'a file in the way'({ net, watch, next }) {
    const path = place()
    writeFileSync(path, '')
    const client = watch(net.connect(path), 'client')
    client.on('error', () => {})
    await next(client, 'close')
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(path)
    await next(server, 'error')
  },

  async 'a path in use'({ net, watch, next }) {
    const path = place()
    const first = net.createServer().listen(path)
    await once(first, 'listening')
    const server = watch(net.createServer(), 'server')
    server.on('error', () => {})
    server.listen(path)
    await next(server, 'error')
    first.close()
  },

  async 'half-open over a path'({ net, watch }) {
    const path = place()
    const server = net.createServer({ allowHalfOpen: true }, (peer) => {
      watch(peer, 'peer')
      peer.resume().on('end', () => peer.end('after your end'))
    })
    server.listen(path)
    await once(server, 'listening')
    const client = watch(net.connect(path), 'client')
    client.end('mine')
    await once(client.resume(), 'close')
    server.close()
  },

  async 'timeouts and settings over a path'({ net, watch }) {
    const path = place()
    const server = net.createServer((peer) => peer.resume()).listen(path)
    await once(server, 'listening')
    const client = watch(net.connect(path), 'client')
    client.setNoDelay().setKeepAlive(true).setTimeout(400)
    await once(client, 'timeout')
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'getConnections over a path'({ net, record }) {
    const path = place()
    const server = net.createServer((peer) => peer.resume()).listen(path)
    await once(server, 'listening')
    const client = net.connect(path)
    await once(server, 'connection')
    server.getConnections((error, count) => record('connections', error, count))
    client.end()
    await once(client.resume(), 'close')
    server.close()
    await once(server, 'close')
  },

  async 'unref of a server on a path'({ net, mustEnd }) {
    net.createServer().listen(place()).unref()
    mustEnd()
  },

  async 'one Socket, a path and a port'({ net, listen, record }) {
    const path = place()
    const { server: tcp, port } = await listen({}, (peer) => peer.end('tcp'))
    const pipe = net.createServer((peer) => peer.end('pipe')).listen(path)
    await once(pipe, 'listening')
    const client = new net.Socket()
    for (const where of [path, port, path]) {
      client.connect(where as never, ...(where === port ? ['127.0.0.1' as never] : []))
      const [data] = await once(client, 'data')
      record('data', String(data))
      await once(client, 'close')
    }
    tcp.close()
    pipe.close()
  },

  async 'a socket from a file descriptor'({ net, record }) {
    const path = place()
    writeFileSync(path, '')
    for (const fd of [9999, 2 ** 20]) {
      try {
        new net.Socket({ fd })
        record('made')
      } catch (error) {
        record('threw', error)
      }
    }
  },

  async 'a server on a bad file descriptor'({ net, record, next }) {
    const server = net.createServer()
    server.listen({ fd: 9999 })
    const [error] = await next(server, 'error')
    record('error', error)
  },
}
