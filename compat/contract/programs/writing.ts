import { once } from 'node:events'
import type { Programs, Socket } from '../program.ts'

// What is written, when its callback comes, what is counted, and when to wait.

const both = (client: Socket, peer: Socket): Promise<unknown> =>
  Promise.all([once(client, 'close'), once(peer, 'close')])

export const programs: Programs = {
  async 'before connect'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.resume()
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    for (const text of ['one', 'two', 'three']) {
      recordIn(
        'client',
        'write',
        client.write(text, (error) => recordIn('client', `${text} written`, error)),
      )
    }
    recordIn(
      'client',
      'waiting',
      client.bytesWritten,
      client.writableLength,
      client.bufferSize,
      client.writableNeedDrain,
    )
    client.end((error?: Error) => recordIn('client', 'ended', error))
    const [peer] = await once(server, 'connection')
    await both(client, peer)
    server.close()
  },

  async 'before connect was called'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const client = watch(new net.Socket(), 'client')
    client.connect(port, '127.0.0.1')
    client.write('x', 'latin1', () => recordIn('client', 'written'))
    await once(client, 'connect')
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'strings before connect count in bytes'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end().resume())
    const client = net.connect(port, '127.0.0.1')
    client.write('grüße')
    record('one', client.bytesWritten, client.writableLength)
    client.write('616263', 'hex')
    record('two', client.bytesWritten, client.writableLength)
    client.write('YWJj', 'base64')
    record('three', client.bytesWritten, client.writableLength)
    client.write('ab', 'utf16le')
    record('four', client.bytesWritten, client.writableLength)
    client.end('x')
    record('five', client.bytesWritten, client.writableLength)
    await once(client.resume(), 'close')
    record('closed', client.bytesWritten, client.writableLength)
    server.close()
  },

  async 'every encoding'({ pair, recordIn }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    const encodings: BufferEncoding[] = [
      'utf8',
      'ascii',
      'latin1',
      'binary',
      'ucs2',
      'utf16le',
      'hex',
      'base64',
      'base64url',
    ]
    for (const encoding of encodings) {
      client.write(encoding === 'hex' ? 'c3bc' : 'Zürich', encoding)
      recordIn('client', encoding, client.bytesWritten)
    }
    client.end()
    await both(client, peer)
  },

  async setDefaultEncoding({ pair, recordIn }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.setDefaultEncoding('hex')
    client.write('616263')
    recordIn('client', 'counts', client.bytesWritten)
    client.end('64')
    await both(client, peer)
  },

  async 'callbacks come in order'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    client.resume()
    const order: number[] = []
    for (let i = 0; i < 1000; i++) client.write('x', () => order.push(i))
    client.end()
    await both(client, peer)
    record(
      'callbacks',
      order.length,
      order.every((value, at) => value === at),
    )
  },

  async 'a callback is never called at once'({ pair, recordIn }) {
    const { client, peer } = await pair()
    peer.resume()
    client.resume()
    client.write('x', () => recordIn('client', 'written'))
    recordIn('client', 'returned')
    process.nextTick(() => recordIn('client', 'tick'))
    await once(peer, 'data')
    client.end()
    await both(client, peer)
  },

  async 'cork and uncork'({ pair, recordIn, record }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    client.resume()
    const chunks: string[] = []
    peer.on('data', (chunk) => chunks.push(String(chunk)))
    client.cork()
    client.write('a', () => recordIn('client', 'a written'))
    client.write(Buffer.from('b'), () => recordIn('client', 'b written'))
    client.write('6363', 'hex', () => recordIn('client', 'cc written'))
    recordIn('client', 'corked', client.writableCorked, client.writableLength, client.bytesWritten)
    client.uncork()
    recordIn('client', 'uncorked', client.writableCorked, client.bytesWritten)
    client.end()
    await both(client, peer)
    record('chunks', chunks)
  },

  async 'cork before connect'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, (peer) => {
      watch(peer, 'peer')
      peer.resume()
    })
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.cork()
    client.write('one')
    client.write('two')
    recordIn('client', 'corked', client.bytesWritten, client.writableLength)
    client.uncork()
    client.end()
    const [peer] = await once(server, 'connection')
    await both(client, peer)
    server.close()
  },

  async 'end uncorks'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.cork()
    client.cork()
    client.write('one')
    client.end('two')
    await both(client, peer)
  },

  async 'write returns false over the mark'({ pair, recordIn }) {
    const { client, peer } = await pair({ client: { writableHighWaterMark: 10 }, except: ['drain'] })
    client.resume()
    peer.resume()
    recordIn('client', 'nine', client.write('123456789'))
    recordIn('client', 'more', client.write('x'.repeat(30)))
    client.end()
    await both(client, peer)
  },

  async 'write returns false until drain'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.pause()
    let written = 0
    while (client.write(Buffer.alloc(65_536))) written++
    record('needs drain', client.writableNeedDrain, written >= 0)
    peer.resume()
    await once(client, 'drain')
    record('drained', client.writableNeedDrain, client.writableLength)
    client.end()
    await both(client.resume(), peer)
  },

  async 'drain before connect'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const client = net.connect(port, '127.0.0.1')
    const size = client.writableHighWaterMark
    record('write', client.write(Buffer.alloc(size)), client.writableNeedDrain)
    await once(client, 'drain')
    record('drain', client.writableLength, client.bytesWritten === size)
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'empty writes'({ pair, recordIn }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    recordIn(
      'client',
      'string',
      client.write('', () => recordIn('client', 'string written')),
    )
    recordIn(
      'client',
      'buffer',
      client.write(Buffer.alloc(0), () => recordIn('client', 'buffer written')),
    )
    recordIn('client', 'counts', client.bytesWritten)
    client.end('')
    await both(client, peer)
  },

  async 'an empty write before connect'({ listen, net, watch, recordIn }) {
    const { server, port } = await listen({}, (peer) => peer.resume())
    const client = watch(net.connect(port, '127.0.0.1'), 'client')
    client.write('', () => recordIn('client', 'written'))
    client.end()
    await once(client.resume(), 'close')
    server.close()
  },

  async 'a buffer may be changed once it was written'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    const buffer = Buffer.from('before')
    await new Promise((resolve) => client.write(buffer, resolve))
    buffer.fill('x')
    client.end()
    await both(client, peer)
  },

  async 'a view of a larger buffer'({ pair }) {
    const { client, peer } = await pair()
    client.resume()
    peer.resume()
    client.write(Buffer.from('0123456789').subarray(3, 6))
    client.write(new Uint8Array([97, 98, 99]).subarray(1))
    client.end()
    await both(client, peer)
  },

  async 'a large string'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    client.resume()
    const digest: number[] = []
    peer.on('data', (chunk: Buffer) => digest.push(chunk.length))
    client.end('ü'.repeat(500_000))
    record('at once', client.bytesWritten)
    await both(client, peer)
    record(
      'in all',
      digest.reduce((a, b) => a + b),
      client.bytesWritten,
      peer.bytesRead,
    )
    record('in pieces', digest.length > 1)
  },

  async 'bytes written and read, live and after'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    record('fresh', client.bytesRead, client.bytesWritten, peer.bytesRead, peer.bytesWritten)
    peer.on('data', (chunk) => peer.write(chunk))
    client.write('hello')
    await once(client, 'data')
    record('live', client.bytesRead, client.bytesWritten, peer.bytesRead, peer.bytesWritten)
    client.end('world')
    await both(client.resume(), peer)
    record('closed', client.bytesRead, client.bytesWritten, peer.bytesRead, peer.bytesWritten)
  },

  async 'bytesWritten of a socket that never connected'({ net, record }) {
    const client = new net.Socket()
    record('fresh', client.bytesRead, client.bytesWritten, client.bufferSize, client.writableLength)
    client.on('error', () => {})
    client.destroy()
    record('destroyed', client.bytesRead, client.bytesWritten, client.bufferSize)
  },

  async bufferSize({ pair, record, turns }) {
    const { client, peer } = await pair({ unwatched: true })
    record('fresh', client.bufferSize)
    peer.pause()
    client.write(Buffer.alloc(30_000_000))
    await turns()
    record('waiting', client.bufferSize, client.writableLength, client.bytesWritten)
    client.destroy()
    record('destroyed', client.bufferSize)
    peer.on('error', () => {}).resume()
    await once(peer, 'close')
  },

  async 'an answer written in the data listener'({ pair }) {
    const { client, peer } = await pair()
    peer.on('data', (chunk) => peer.write(`${chunk}!`))
    client.write('hello')
    await once(client, 'data')
    client.end()
    await both(client.resume(), peer)
  },

  async 'writes in the callbacks of writes'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    let left = 200
    const next = (): void => {
      if (left-- > 0) client.write('x', next)
      else client.end()
    }
    next()
    await both(client.resume(), peer)
    record('read', peer.bytesRead)
  },

  async 'destroy with a write under way'({ pair, recordIn, next }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    peer.on('error', () => {}).pause()
    client.on('error', () => {})
    client.write(Buffer.alloc(30_000_000), (error) => recordIn('client', 'first', error))
    client.write('x', (error) => recordIn('client', 'second', error))
    client.destroy()
    await next(client, 'close')
    await new Promise((resolve) => setImmediate(resolve))
    peer.destroy()
  },

  async 'destroy with an error and a write under way'({ pair, recordIn, next }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    peer.on('error', () => {}).pause()
    client.on('error', () => {})
    client.write(Buffer.alloc(30_000_000), (error) => recordIn('client', 'first', error))
    client.write('x', (error) => recordIn('client', 'second', error))
    client.destroy(new Error('mine'))
    await next(client, 'close')
    await new Promise((resolve) => setImmediate(resolve))
    peer.destroy()
  },

  async 'a full echo of a megabyte'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.pipe(peer)
    let length = 0
    client.on('data', (chunk: Buffer) => {
      length += chunk.length
    })
    client.end(Buffer.alloc(1_000_000, 'abc'))
    await both(client, peer)
    record('echoed', length)
  },

  async 'write callbacks after end of the peer'({ pair, recordIn }) {
    const { client, peer } = await pair({ client: { allowHalfOpen: true } })
    client.resume()
    peer.resume()
    peer.end()
    await once(client, 'end')
    client.write('one', (error) => recordIn('client', 'one', error))
    client.end('two', (error?: Error) => recordIn('client', 'two', error))
    await both(client, peer)
  },

  async '_writableState as packages read it'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const state = (): unknown[] => {
      const { ended, ending, finished, length } = (client as unknown as { _writableState: Record<string, unknown> })
        ._writableState
      return [ended, ending, finished, length]
    }
    record('open', state())
    peer.resume()
    client.end('x')
    record('ending', state())
    await both(client.resume(), peer)
    record('closed', state())
  },
}
