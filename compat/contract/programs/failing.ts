import { once } from 'node:events'
import type { Programs } from '../program.ts'

// Refusals, resets and destruction: which error comes to whom, once, with which fields.

export const programs: Programs = {
  async 'connection refused'({ net, watch, freePort, next }) {
    const client = watch(net.connect(await freePort(), '127.0.0.1'), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'connection refused on IPv6'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, undefined, '::1')
    server.close()
    await once(server, 'close')
    const client = watch(net.connect(port, '::1'), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'connection refused and nobody listens for the error'({ net, freePort }) {
    net.connect(await freePort(), '127.0.0.1')
  },

  async 'refused with writes that wait'({ net, watch, freePort, recordIn, next }) {
    const client = watch(net.connect(await freePort(), '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.write('one', (error) => recordIn('client', 'first', error))
    client.write('two', (error) => recordIn('client', 'second', error))
    client.end((error?: Error) => recordIn('client', 'ended', error))
    await next(client, 'close')
  },

  async 'refused fifty times in a row'({ net, freePort, record, next }) {
    const port = await freePort()
    const codes = new Set<unknown>()
    for (let i = 0; i < 50; i++) {
      const client = net.connect(port, '127.0.0.1')
      const [error] = await next(client, 'error')
      codes.add((error as NodeJS.ErrnoException).code)
    }
    record('codes', [...codes])
  },

  async 'refused with a local port'({ net, watch, freePort, next }) {
    const port = await freePort()
    const localPort = await freePort('local port')
    const client = watch(net.connect({ port, host: '127.0.0.1', localPort, localAddress: '127.0.0.1' }), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'a network that cannot be reached'({ net, watch, next }) {
    const client = watch(net.connect(80, '255.255.255.255'), 'client')
    client.on('error', () => {})
    await next(client, 'close')
  },

  async 'a reset while reading'({ pair, next }) {
    const { client, peer } = await pair()
    client.on('error', () => {})
    client.resume()
    peer.resetAndDestroy()
    await next(client, 'close')
  },

  async 'a reset while reading, and nobody listens for the error'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resetAndDestroy()
    await new Promise((resolve) => client.once('close', resolve))
  },

  async 'a reset of who does not read'({ pair, record, turns, next }) {
    const { client, peer } = await pair()
    client.on('error', () => {})
    client.pause()
    await turns()
    peer.resetAndDestroy()
    await turns(20)
    record('destroyed', client.destroyed)
    client.resume()
    await next(client, 'close')
  },

  async 'a reset after data'({ pair, next, turns }) {
    const { client, peer } = await pair()
    client.on('error', () => {})
    client.resume()
    peer.write('before')
    await once(client, 'data')
    await turns()
    peer.resetAndDestroy()
    await next(client, 'close')
  },

  async 'resetAndDestroy of both ends'({ pair, next }) {
    const { client, peer } = await pair()
    client.on('error', () => {})
    peer.on('error', () => {})
    client.resetAndDestroy()
    peer.resetAndDestroy()
    await Promise.all([client.closed || next(client, 'close'), peer.closed || next(peer, 'close')])
  },

  async 'resetAndDestroy while connecting'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => {
      peer.on('error', () => {})
      peer.resume()
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.resetAndDestroy()
    await next(client, 'close')
    server.close()
  },

  async 'resetAndDestroy of a socket without connection'({ net, watch, attempt, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    attempt('reset', () => client.resetAndDestroy() === client)
    await turns()
  },

  async 'resetAndDestroy of a destroyed socket'({ pair, attempt, turns }) {
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    client.destroy()
    await Promise.all([once(client, 'close'), once(peer, 'close')])
    attempt('reset', () => client.resetAndDestroy() === client)
    await turns()
  },

  async 'resetAndDestroy with writes that wait'({ net, listen, watch, recordIn, next, turns }) {
    const { server, port } = await listen({}, (peer) => peer.on('error', () => {}).pause())
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    await once(client, 'connect')
    client.write(Buffer.alloc(20_000_000), (error) => recordIn('client', 'written', error))
    await turns()
    client.resetAndDestroy()
    await next(client, 'close')
    server.unref()
  },

  async 'a reset behind data that waits'({ pair, turns, record }) {
    const { client, peer } = await pair({ unwatched: true })
    client.pause()
    peer.write('before the reset')
    await turns(20)
    peer.resetAndDestroy()
    await turns(20)
    let seen = ''
    client.on('data', (chunk) => {
      seen += chunk
    })
    // Whether the end of it is told as an end or as an error depends on how much is read at once.
    client.on('error', () => {})
    client.resume()
    await new Promise((resolve) => client.once('close', resolve))
    record('seen', seen)
  },

  async 'resetAndDestroy after end'({ pair, next }) {
    const { client, peer } = await pair({ server: { allowHalfOpen: true } })
    peer.on('error', () => {})
    peer.resume()
    client.resume()
    client.end('x')
    await once(peer, 'end')
    client.resetAndDestroy()
    await next(client, 'close')
    peer.end()
    await (peer.closed || next(peer, 'close'))
  },

  async 'destroy without an error'({ pair }) {
    const { client, peer } = await pair()
    peer.resume()
    client.destroy()
    await Promise.all([once(client, 'close'), once(peer, 'close')])
  },

  async 'destroy with an error'({ pair, next }) {
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    client.destroy(new Error('mine'))
    await Promise.all([next(client, 'close'), once(peer, 'close')])
  },

  async 'destroy with an error that nobody listens for'({ pair }) {
    const { client, peer } = await pair()
    peer.resume()
    client.destroy(new Error('mine'))
    await once(peer, 'close')
  },

  async 'destroy twice, with an error the second time'({ pair, attempt, next }) {
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    attempt('first', () => client.destroy() === client)
    attempt('second', () => client.destroy(new Error('late')) === client)
    await Promise.all([next(client, 'close'), once(peer, 'close')])
  },

  async 'destroy in the error listener'({ net, watch, freePort, next }) {
    const client = watch(net.connect(await freePort(), '127.0.0.1'), 'client')
    client.on('error', () => client.destroy())
    await next(client, 'close')
  },

  async 'destroy in the connect listener'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => peer.resume().on('error', () => {}))
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('connect', () => client.destroy())
    await next(client, 'close')
    server.close()
  },

  async 'destroy in the data listener'({ listen, net, watch, next, record }) {
    const { server, port } = await listen({}, (peer) => {
      peer.on('error', () => {})
      peer.write('x'.repeat(100_000))
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client', { except: ['data', 'bytesRead'] })
    let count = 0
    client.on('data', () => {
      count++
      client.destroy()
    })
    await next(client, 'close')
    record('data events', count)
    server.close()
  },

  async 'destroy in the end listener'({ pair, next }) {
    const { client, peer } = await pair()
    client.on('end', () => client.destroy())
    client.resume()
    peer.resume()
    peer.end('x')
    await Promise.all([next(client, 'close'), next(peer, 'close')])
  },

  async 'destroy of a socket that never connected'({ net, watch, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.destroy()
    await turns()
  },

  async 'destroy of a socket that never connected, with an error'({ net, watch, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    client.destroy(new Error('mine'))
    await turns()
  },

  async 'destroy at once after connect'({ listen, net, watch, heard, turns, next }) {
    const { server, port } = await listen({}, heard('connection') as never)
    const client = watch(net.connect(port, '127.0.0.1', heard('callback')), 'client')
    client.destroy()
    await next(client, 'close')
    await turns(20)
    server.close()
  },

  async 'destroy a tick after connect'({ listen, net, watch, heard, next }) {
    const { server, port } = await listen({}, (peer) => peer.destroy())
    const client = watch(net.connect(port, '127.0.0.1', heard('callback')), 'client')
    await Promise.resolve()
    process.nextTick(() => client.destroy())
    await next(client, 'close')
    server.close()
  },

  async 'destroy while connecting, with writes that wait'({ listen, net, watch, recordIn, next }) {
    const { server, port } = await listen()
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.write('one', (error) => recordIn('client', 'written', error))
    client.destroy()
    await next(client, 'close')
    server.close()
  },

  async 'destroy while connecting, with an end that waits'({ listen, net, watch, recordIn, next }) {
    const { server, port } = await listen()
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('error', () => {})
    client.end('one', (error?: Error) => recordIn('client', 'ended', error))
    client.destroy(new Error('mine'))
    await next(client, 'close')
    server.close()
  },

  async 'data for a destroyed socket draws a reset'({ pair, recordIn, next, turns }) {
    const { client, peer } = await pair({ except: ['bytesWritten', 'error', 'errored'] })
    peer.on('error', (error: NodeJS.ErrnoException) => {
      recordIn('peer', 'error', ['ECONNRESET', 'EPIPE'].includes(error.code as string))
    })
    client.write('x')
    await turns(20)
    client.destroy()
    // Data that waited unread in `client` is thrown away.
    const writing = setInterval(() => peer.write('more'), 1)
    await next(peer, 'close')
    clearInterval(writing)
  },

  async 'closing with data unread resets'({ pair, turns, next }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    client.on('error', () => {})
    client.resume()
    peer.pause()
    client.write('never read')
    await turns(20)
    peer.destroy()
    await next(client, 'close')
  },

  async 'write after destroy'({ pair, recordIn, turns }) {
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    client.destroy()
    recordIn(
      'client',
      'write',
      client.write('late', (error) => recordIn('client', 'written', error)),
    )
    await turns(10)
  },

  async 'write after end'({ pair, recordIn, next }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.on('error', () => {})
    client.end()
    recordIn(
      'client',
      'write',
      client.write('late', (error) => recordIn('client', 'written', error)),
    )
    await next(client, 'close')
  },

  async 'write to a socket that never connected'({ net, watch, recordIn, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    recordIn(
      'client',
      'write',
      client.write('early', (error) => recordIn('client', 'written', error)),
    )
    await turns()
  },

  async 'end of a socket that never connected'({ net, watch, recordIn, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.on('error', () => {})
    client.end((error?: Error) => recordIn('client', 'ended', error))
    await turns()
    client.destroy()
    await turns()
  },

  async 'reading a socket that never connected'({ net, watch, record, turns }) {
    const client = watch(new net.Socket(), 'client')
    client.on('data', () => {})
    record('read', client.read())
    await turns()
    client.destroy()
    await turns()
  },

  async 'the peer vanishes with a large write under way'({ pair, recordIn, next, turns }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'error', 'errored'] })
    peer.pause()
    client.on('error', (error: NodeJS.ErrnoException) =>
      recordIn('client', 'error', ['ECONNRESET', 'EPIPE'].includes(error.code as string)),
    )
    client.write(Buffer.alloc(30_000_000), (error) => recordIn('client', 'written', error instanceof Error))
    await turns(20)
    peer.destroy()
    await next(client, 'close')
  },

  async 'an error listener that throws'({ net, freePort, turns }) {
    const client = net.connect(await freePort(), '127.0.0.1')
    client.on('error', () => {
      throw new Error('from the listener')
    })
    await once(process, 'uncaughtException')
    await turns()
  },

  async undestroy({ net, record }) {
    const client = new net.Socket()
    client.destroy()
    record('destroyed', client.destroyed, client.readable, client.writable)
    ;(client as unknown as { _undestroy(): void })._undestroy()
    record('undestroyed', client.destroyed, client.readable, client.writable)
  },

  async 'Symbol.asyncDispose of a socket'({ pair, record }) {
    const { client, peer } = await pair()
    peer.resume()
    client.on('error', () => {})
    const dispose = (client as unknown as AsyncDisposable)[Symbol.asyncDispose]
    record('there', typeof dispose)
    if (dispose === undefined) client.destroy()
    else
      await dispose.call(client).then(
        (value) => record('disposed', value),
        (error) => record('failed', error),
      )
  },
}
