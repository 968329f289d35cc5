import { once } from 'node:events'
import type { Programs } from '../program.ts'

// Idle timeouts, and what holds the process: `mustStay` and `mustEnd` tell.

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

export const programs: Programs = {
  async 'setTimeout fires once'({ pair, heard }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.setTimeout(20, heard('callback'))
    await once(client, 'timeout')
    await sleep(80)
    client.end()
    await once(client, 'close')
  },

  async 'activity starts it anew'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    client.resume()
    peer.resume()
    let fired = 0
    client.setTimeout(800, () => fired++)
    for (let i = 0; i < 6; i++) {
      await sleep(150)
      if (i % 2 === 0) client.write('x')
      else peer.write('x')
    }
    record('fired', fired)
    client.end()
    await once(client, 'close')
  },

  async 'setTimeout(0) takes it away'({ pair, record, heard }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    const callback = heard('callback')
    client.setTimeout(20, callback)
    record('listeners', client.listenerCount('timeout'))
    client.setTimeout(0, callback)
    record('listeners', client.listenerCount('timeout'), client.timeout)
    await sleep(60)
    client.end()
    await once(client, 'close')
  },

  async 'setTimeout twice'({ pair, record, heard }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.setTimeout(10, heard('first'))
    client.setTimeout(30, heard('second'))
    record('timeout', client.timeout, client.listenerCount('timeout'))
    await once(client, 'timeout')
    client.end()
    await once(client, 'close')
  },

  async 'before connect'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const client = watch(new net.Socket(), 'client')
    client.setTimeout(300)
    client.connect(port, '127.0.0.1')
    await once(client, 'timeout')
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'without a connection'({ net, watch }) {
    const client = watch(new net.Socket(), 'client')
    client.setTimeout(20)
    // The timer of a socket does not hold the process: what waits for it has to.
    const holder = setTimeout(() => {}, 5000)
    await once(client, 'timeout')
    clearTimeout(holder)
    client.destroy()
  },

  async 'it never holds the process'({ net, heard }) {
    new net.Socket().setTimeout(3000, heard('callback'))
  },

  async 'destroy takes it away'({ pair, heard }) {
    const { client, peer } = await pair()
    peer.resume()
    client.setTimeout(20, heard('callback'))
    client.destroy()
    await sleep(60)
  },

  async 'of a destroyed socket'({ net, record }) {
    const client = new net.Socket()
    client.destroy()
    record('itself', client.setTimeout(20) === client, client.timeout)
  },

  async 'of the server end'({ pair }) {
    const { client, peer } = await pair()
    peer.setTimeout(200, () => peer.end('too late'))
    peer.resume()
    await once(client.resume(), 'close')
  },

  async 'timeout does not close'({ pair, record }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.setTimeout(15)
    await once(client, 'timeout')
    record('still', client.readyState, client.destroyed)
    client.end()
    await once(client, 'close')
  },

  async 'a timeout listener that destroys'({ pair }) {
    const { client, peer } = await pair()
    peer.resume()
    client.setTimeout(15, () => client.destroy())
    await once(client, 'close')
  },

  async 'a listening server holds the process'({ net, mustStay }) {
    const server = net.createServer().listen(0)
    mustStay(() => server.close())
  },

  async 'a server that is unreferenced does not'({ net, record, mustEnd }) {
    const server = net.createServer().listen(0)
    record('itself', server.unref() === server)
    mustEnd()
  },

  async 'unref before listen'({ net, mustEnd }) {
    net.createServer().unref().listen(0)
    mustEnd()
  },

  async 'unref and ref of a server'({ net, mustStay }) {
    const server = net.createServer().listen(0).unref().ref()
    mustStay(() => server.close())
  },

  async 'an open connection holds the process'({ pair, mustStay }) {
    const { client, peer } = await pair({ unwatched: true })
    mustStay(() => {
      client.destroy()
      peer.destroy()
    })
  },

  async 'a connection unreferenced at both ends does not'({ pair, record, mustEnd }) {
    const { client, peer } = await pair({ unwatched: true })
    record('itself', client.unref() === client, peer.unref() === peer)
    mustEnd()
  },

  async 'unref before connect'({ net, listen, record, mustEnd }) {
    const { server, port } = await listen({}, (peer) => peer.unref())
    server.unref()
    const client = new net.Socket()
    client.unref()
    client.connect(port, '127.0.0.1', () => record('connected'))
    mustEnd()
  },

  async 'unref and ref of a connection'({ pair, mustStay }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.unref()
    client.unref()
    client.ref()
    mustStay(() => client.destroy())
  },

  async 'a socket that never connected does not hold the process'({ net, mustEnd }) {
    const client = new net.Socket()
    client.on('data', () => {})
    client.ref()
    mustEnd()
  },

  async 'a client paused before it connects'({ listen, net, record, mustStay }) {
    const { server, port } = await listen({}, (peer) => peer.unref())
    server.unref()
    const client = new net.Socket()
    client.pause()
    client.connect(port, '127.0.0.1', () => {
      record('connected')
      mustStay(() => client.destroy())
    })
  },

  async 'a paused connection whose server is gone'({ pair, mustStay }) {
    const { client, peer } = await pair({ unwatched: true })
    client.pause()
    peer.pause()
    mustStay(() => {
      client.destroy()
      peer.destroy()
    })
  },

  async 'a process ends with its last connection'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.end('bye').resume()
    client.resume().on('close', () => record('closed'))
  },

  async 'half of a connection holds the process'({ pair, mustStay }) {
    const { client, peer } = await pair({ unwatched: true, client: { allowHalfOpen: true } })
    client.resume()
    peer.end().resume()
    await once(client, 'end')
    mustStay(() => client.end())
  },

  async 'a destroyed server leaves its connections'({ pair, record, mustStay }) {
    const { client, peer, server } = await pair({ unwatched: true })
    client.resume()
    peer.resume()
    record('listening', server.listening)
    mustStay(() => client.end())
  },

  async 'unreferenced timers of sockets let a lookup finish'({ net, record }) {
    const client = net.connect({ port: 1, host: 'no.such.name.invalid' })
    client.unref()
    client.on('error', (error: NodeJS.ErrnoException) => record('error', error.code))
  },
}
