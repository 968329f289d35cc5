import { once } from 'node:events'
import type { Context, Programs, Socket } from '../program.ts'

// A connection closes in two halves: who ends first, who may go on, and what a late writer is told.

const later = (socket: Socket): Promise<unknown[]> => once(socket, 'close')

/** Both ends; what one does at the other's end, in all four modes. */
function modes(act: (context: Context, client: Socket, peer: Socket) => unknown): Programs {
  const made: Record<string, (context: Context) => Promise<void>> = {}
  for (const clientHalf of [false, true]) {
    for (const serverHalf of [false, true]) {
      const name = `${clientHalf ? 'half-open' : 'full-closing'} client, ${serverHalf ? 'half-open' : 'full-closing'} server`
      made[name] = async (context) => {
        const { client, peer } = await context.pair({
          server: { allowHalfOpen: serverHalf },
          client: { allowHalfOpen: clientHalf },
        })
        await act(context, client, peer)
      }
    }
  }
  return made
}

function under(prefix: string, programs: Programs): Programs {
  return Object.fromEntries(Object.entries(programs).map(([name, program]) => [`${prefix}, ${name}`, program]))
}

/** A write of the client after the peer's end. */
function writeLate({ recordIn }: Context, client: Socket): void {
  const accepted = client.write('late', (error) => recordIn('client', 'written', error))
  recordIn('client', 'write', accepted)
}

export const programs: Programs = {
  ...under(
    'client ends, both end in the end',
    modes(async (_context, client, peer) => {
      client.resume()
      peer.resume()
      client.end('from the client')
      await once(peer, 'end')
      peer.end()
      client.end()
      await Promise.all([later(client), later(peer)])
    }),
  ),

  ...under(
    'server ends, the client writes on',
    modes(async ({ recordIn }, client, peer) => {
      client.on('error', () => {})
      peer.on('error', () => {})
      client.resume()
      peer.resume()
      peer.end('from the server')
      await once(client, 'end')
      recordIn(
        'client',
        'write',
        client.write('on', (error) => recordIn('client', 'written', error)),
      )
      client.end()
      await Promise.all([client.closed || later(client), peer.closed || later(peer)])
    }),
  ),

  ...under(
    'the client writes a turn after the end',
    modes(async ({ recordIn, turns }, client, peer) => {
      client.on('error', () => {})
      peer.on('error', () => {})
      client.resume()
      peer.resume()
      peer.end()
      await once(client, 'end')
      const closing = [later(client), later(peer)]
      await turns(10)
      recordIn(
        'client',
        'write',
        client.write('on', (error) => recordIn('client', 'written', error)),
      )
      client.end()
      await Promise.all(closing.map((promise, at) => ([client, peer][at].closed ? undefined : promise)))
    }),
  ),

  ...under(
    'both end at once',
    modes(async (_context, client, peer) => {
      client.resume()
      peer.resume()
      client.end('from the client')
      peer.end('from the server')
      await Promise.all([later(client), later(peer)])
    }),
  ),

  async 'writing in the end listener'(context) {
    const { client, peer } = await context.pair()
    client.on('end', () => writeLate(context, client))
    client.on('error', () => {})
    client.resume()
    peer.resume()
    peer.end()
    await Promise.all([later(client), later(peer)])
  },

  async 'an immediate of the end listener finds it destroyed'(context) {
    const { client, peer } = await context.pair()
    client.on('end', () => {
      process.nextTick(() => context.recordIn('client', 'tick', client.writableFinished, client.destroyed))
      setImmediate(() => {
        context.recordIn('client', 'immediate', client.writableFinished, client.destroyed, client.closed)
        writeLate(context, client)
      })
    })
    client.on('error', () => {})
    client.resume()
    peer.resume()
    peer.end('last words')
    await Promise.all([later(client), later(peer)])
  },

  async 'what came with the connection and its end'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, (peer) => peer.resume().end('hello and goodbye'))
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.on('end', () =>
      setImmediate(() => recordIn('client', 'immediate', client.writableFinished, client.destroyed, client.closed)),
    )
    await later(client.resume())
    server.close()
  },

  async 'ending in the data listener'({ pair, recordIn }) {
    const { client, peer } = await pair({ server: { allowHalfOpen: true } })
    client.on('data', () => {
      client.end()
      setImmediate(() => recordIn('client', 'immediate', client.writableFinished, client.destroyed))
    })
    peer.on('end', () => peer.end())
    peer.resume()
    peer.write('enough')
    await Promise.all([later(client), later(peer)])
  },

  async 'ending with data in the end listener'({ pair }) {
    const { client, peer } = await pair()
    client.on('end', () => client.end('last words'))
    client.resume()
    peer.resume()
    peer.end()
    await Promise.all([later(client), later(peer)])
  },

  async 'allowHalfOpen set afterwards'({ pair }) {
    const { client, peer } = await pair()
    client.allowHalfOpen = true
    client.resume()
    peer.resume()
    peer.end()
    await once(client, 'end')
    client.end('still')
    await Promise.all([later(client), later(peer)])
  },

  async 'nobody reads what ends'({ pair, record, turns }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    peer.end('unread')
    await turns(20)
    record('ended', client.readableEnded, client.destroyed, client.readableLength)
    client.destroy()
    await Promise.all([later(client), later(peer.resume())])
  },

  async 'an end without data and nobody who reads'({ pair, record, turns }) {
    const { client, peer } = await pair()
    peer.end()
    await turns(20)
    record('ended', client.readableEnded, client.destroyed)
    client.destroy()
    peer.resume()
    await later(peer)
  },

  async 'end twice'({ pair, recordIn }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.on('error', () => {})
    client.end('one', () => recordIn('client', 'first callback'))
    client.end('two', (error?: Error) => recordIn('client', 'second callback', error))
    await Promise.all([later(client), later(peer)])
  },

  async 'end twice without data'({ pair, recordIn }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.end(() => recordIn('client', 'first callback'))
    client.end((error?: Error) => recordIn('client', 'second callback', error))
    await Promise.all([later(client), later(peer)])
  },

  async 'end after close'({ pair, recordIn }) {
    const { client, peer } = await pair()
    peer.resume()
    client.destroy()
    await Promise.all([later(client), later(peer)])
    client.on('error', () => {})
    client.end((error?: Error) => recordIn('client', 'callback', error))
    await new Promise((resolve) => setImmediate(resolve))
  },

  async 'end with encoding and callback'({ pair, recordIn }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    recordIn('client', 'returns itself', client.end('ff00', 'hex', () => recordIn('client', 'callback')) === client)
    await Promise.all([later(client), later(peer)])
  },

  async 'a long farewell'({ pair }) {
    const { client, peer } = await pair({ except: ['writableFinished', 'writable'] })
    client.resume()
    peer.resume()
    client.end(Buffer.alloc(3_000_000, 'x'))
    await Promise.all([later(client), later(peer)])
  },

  async 'the finish of who ends'({ pair, recordIn }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.write('x', () => recordIn('client', 'written'))
    client.end()
    recordIn('client', 'states', client.writableEnded, client.writableFinished, client.writable, client.readyState)
    await Promise.all([later(client), later(peer)])
  },

  async destroySoon({ pair }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.write('all of it')
    client.destroySoon()
    await Promise.all([later(client), later(peer)])
  },

  async 'destroySoon of who ended already'({ pair }) {
    const { client, peer } = await pair({ server: { allowHalfOpen: true } })
    peer.resume()
    client.resume()
    client.end('x')
    await once(peer, 'end')
    client.destroySoon()
    await later(client)
    peer.on('error', () => {})
    peer.end()
    await (peer.closed || later(peer))
  },

  async 'destroySoon with a lot to write'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    client.write(Buffer.alloc(2_000_000))
    client.destroySoon()
    await Promise.all([later(client), later(peer)])
    record('read', peer.bytesRead, client.bytesWritten)
  },

  async 'destroySoon while connecting'({ listen, net, watch }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.resume()
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.write('early')
    client.destroySoon()
    const [peer] = await once(server, 'connection')
    await Promise.all([later(client), later(peer)])
    server.close()
  },

  async 'allowHalfOpen without an end never closes'({ pair, record, turns }) {
    const { client, peer } = await pair({ client: { allowHalfOpen: true } })
    client.resume()
    peer.resume()
    peer.end()
    await once(client, 'end')
    await turns(20)
    record('still', client.readyState, client.writable, client.destroyed, peer.readyState)
    client.end()
    await Promise.all([later(client), later(peer)])
  },
}
