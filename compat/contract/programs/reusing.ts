import { once } from 'node:events'
import type { Programs, Socket } from '../program.ts'

// One Socket object and many connections.

export const programs: Programs = {
  async 'connect again after close'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = watch(new net.Socket(), 'client')
    for (let i = 0; i < 3; i++) {
      client.connect(port, '127.0.0.1')
      client.resume()
      await once(client, 'close')
    }
    server.close()
  },

  async 'connect again in the close listener'({ listen, net, watch }) {
    let left = 3
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = watch(new net.Socket(), 'client')
    await new Promise<void>((resolve) => {
      client.on('close', () => {
        if (--left > 0) client.connect(port, '127.0.0.1')
        else resolve()
      })
      client.connect(port, '127.0.0.1').resume()
    })
    server.close()
  },

  async 'fifty times over'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = new net.Socket()
    const seen = new Set<string>()
    for (let i = 0; i < 50; i++) {
      client.connect(port, '127.0.0.1').resume()
      await once(client, 'close')
      seen.add(`${client.bytesRead} ${client.bytesWritten} ${client.readyState}`)
    }
    record('seen', [...seen])
    server.close()
  },

  async 'connect again after a refusal'({ listen, net, watch, freePort, next }) {
    const closed = await freePort()
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    client.connect(closed, '127.0.0.1')
    await next(client, 'error')
    await once(client, 'close')
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  },

  async 'refused again and again'({ net, freePort, record, next }) {
    const port = await freePort()
    const client = new net.Socket()
    const events: string[] = []
    client.on('error', (error: NodeJS.ErrnoException) => events.push(error.code as string))
    client.on('close', (hadError) => events.push(`close ${hadError}`))
    for (let i = 0; i < 20; i++) {
      client.connect(port, '127.0.0.1')
      await next(client, 'error')
      await once(client, 'close')
    }
    record('events', events.length, [...new Set(events)])
  },

  async 'connect again after destroy'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => peer.on('error', () => {}).resume())
    const client = watch(new net.Socket(), 'client')
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.destroy()
    await once(client, 'close')
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'connect at once after destroy'({ listen, net, watch, turns }) {
    const { server, port } = await listen({}, (peer) => peer.on('error', () => {}).resume())
    const client = watch(new net.Socket(), 'client')
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    client.destroy()
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    await turns(5)
    client.destroy()
    await turns(5)
    server.close()
  },

  async 'connect of a socket destroyed when fresh'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = watch(new net.Socket(), 'client')
    client.destroy()
    await once(client, 'close')
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    server.close()
  },

  async 'counters begin anew'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = new net.Socket()
    for (const text of ['a', 'bcd']) {
      client.connect(port, '127.0.0.1')
      client.end(text)
      await once(client.resume(), 'close')
      record('counts', client.bytesRead, client.bytesWritten)
    }
    server.close()
  },

  async 'a write in between'({ listen, net, watch, recordIn, turns }) {
    const { server, port } = await listen({}, (peer) => peer.end().resume())
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    client.write('lost', (error) => recordIn('client', 'written', error))
    await turns()
    client.connect(port, '127.0.0.1')
    await once(client, 'close')
    server.close()
  },

  async 'the timeout of the former connection'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end().resume())
    const client = new net.Socket()
    client.setTimeout(600, () => record('timeout'))
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    client.connect(port, '127.0.0.1')
    await once(client, 'close')
    await new Promise((resolve) => setTimeout(resolve, 700))
    record('timeout is', client.timeout)
    server.close()
  },

  async 'setEncoding stays'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = new net.Socket()
    client.setEncoding('utf8')
    for (let i = 0; i < 2; i++) {
      client.connect(port, '127.0.0.1')
      const [data] = await once(client, 'data')
      record('data', data)
      await once(client, 'close')
    }
    server.close()
  },

  async 'a paused socket is paused again'({ listen, net, watch, turns, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = watch(new net.Socket(), 'client', { except: ['bytesRead'] })
    client.connect(port, '127.0.0.1').resume()
    await once(client, 'close')
    client.pause()
    client.connect(port, '127.0.0.1')
    await once(client, 'connect')
    await turns(20)
    record('flowing', client.readableFlowing, client.isPaused())
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'onread again'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    let asked = 0
    const seen: string[] = []
    const options = {
      onread: {
        buffer: () => {
          asked++
          return Buffer.alloc(10)
        },
        callback(bytes: number, buffer: Uint8Array) {
          seen.push(Buffer.from(buffer.subarray(0, bytes)).toString())
          return true
        },
      },
    }
    const client = new net.Socket(options as never)
    for (let i = 0; i < 2; i++) {
      client.connect(port, '127.0.0.1')
      await once(client, 'close')
    }
    record('seen', seen, asked)
    server.close()
  },

  async 'settings stay'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = new net.Socket({ allowHalfOpen: true })
    for (let i = 0; i < 2; i++) {
      client.connect(port, '127.0.0.1')
      await once(client.resume(), 'end')
      record('writable', client.writable, client.allowHalfOpen)
      client.end()
      await once(client, 'close')
    }
    server.close()
  },

  async 'a server end connects elsewhere'({ listen, net, watch }) {
    const { server: other, port: elsewhere } = await listen({}, (peer) => peer.end('elsewhere').resume())
    const { server, port } = await listen()
    net.connect(port, '127.0.0.1').resume().end()
    const [peer] = (await once(server, 'connection')) as [Socket]
    watch(peer, 'peer', { except: ['remotePort', 'localPort'] })
    await once(peer.resume(), 'close')
    peer.connect(elsewhere, '127.0.0.1')
    await once(peer, 'close')
    server.close()
    other.close()
  },
}
