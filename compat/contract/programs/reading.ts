import { EventEmitter, once } from 'node:events'
import type { Programs, Socket } from '../program.ts'

// Data as it comes out: flowing and paused, in text, into the user's own buffers, by iteration.

const both = (client: Socket, peer: Socket): Promise<unknown> =>
  Promise.all([once(client, 'close'), once(peer, 'close')])

export const programs: Programs = {
  async 'pause really stops data'({ pair, record, turns }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    let heard = 0
    client.on('data', () => heard++)
    await turns()
    client.pause()
    peer.write('while paused')
    await turns(20)
    record('heard', heard, client.isPaused())
    client.resume()
    await once(client, 'data')
    peer.end()
    await both(client, peer.resume())
  },

  async 'read once per readable, however much comes'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const all = 3 << 20
    let heard = 0
    // Brokers do so: what one call of `read` leaves in the buffer has to be told of again.
    client.on('readable', () => {
      heard += client.read()?.length ?? 0
    })
    peer.write('short')
    peer.write(Buffer.alloc(all))
    peer.end()
    await both(client, peer)
    record('heard', heard === all + 'short'.length)
  },

  async 'pause in the data listener'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const seen: string[] = []
    client.on('data', (chunk) => {
      seen.push(String(chunk))
      client.pause()
      setImmediate(() => client.resume())
    })
    for (const text of ['one', 'two', 'three']) peer.write(text)
    peer.end()
    await both(client, peer.resume())
    record('seen', seen.join(''))
  },

  async 'pause before connect'({ listen, net, watch, record, turns }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello'))
    const client = watch(new net.Socket(), 'client', { except: ['bytesRead'] })
    client.pause()
    client.connect(port, '127.0.0.1')
    client.on('data', () => {})
    await once(client, 'connect')
    await turns(20)
    record('paused', client.isPaused(), client.readableFlowing)
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'resume twice, pause twice'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    record(
      'itself',
      client.pause() === client,
      client.pause() === client,
      client.resume() === client,
      client.resume() === client,
    )
    peer.end('x')
    await both(client, peer.resume())
  },

  async 'setEncoding utf8 with characters cut'({ pair }) {
    const { client, peer } = await pair()
    client.setEncoding('utf8')
    client.resume()
    const bytes = Buffer.from('grüße')
    for (const byte of bytes) await new Promise((resolve) => peer.write(Buffer.of(byte), resolve))
    peer.end()
    await both(client, peer.resume())
  },

  async 'setEncoding hex and base64'({ pair }) {
    for (const encoding of ['hex', 'base64', 'latin1', 'utf16le'] as const) {
      const { client, peer } = await pair()
      client.setEncoding(encoding)
      client.resume()
      peer.end('abcd')
      await both(client, peer.resume())
    }
  },

  async 'setEncoding returns the socket and is readable'({ net, record }) {
    const client = new net.Socket()
    record('itself', client.setEncoding('utf8') === client, client.readableEncoding)
    client.destroy()
  },

  async 'setEncoding with data that waits'({ pair, turns }) {
    const { client, peer } = await pair()
    peer.write('grüße')
    await turns(20)
    client.setEncoding('utf8')
    client.resume()
    peer.end()
    await both(client, peer.resume())
  },

  async 'readable and read'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'data', 'readableFlowing'] })
    let text = ''
    client.on('readable', () => {
      for (let chunk = client.read(); chunk !== null; chunk = client.read()) text += chunk
    })
    peer.write('one')
    peer.end('two')
    await both(client, peer.resume())
    record('text', text)
  },

  async 'read of a size'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'data'] })
    peer.write('abcdefgh')
    await once(client, 'readable')
    while (client.readableLength < 8) await once(client, 'readable')
    record('three', client.read(3))
    record('three', client.read(3))
    record('too many', client.read(30))
    peer.end()
    await both(client.resume(), peer.resume())
  },

  async unshift({ pair }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    peer.end('head and body')
    const [chunk] = (await once(client, 'data')) as [Buffer]
    client.pause()
    client.unshift(chunk.subarray(5))
    client.resume()
    await both(client, peer.resume())
  },

  async 'async iteration'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'readableFlowing'] })
    peer.write('one')
    peer.end('two')
    let text = ''
    for await (const chunk of client) text += chunk
    record('text', text)
    peer.resume()
    if (!client.closed) await once(client, 'close')
  },

  async 'async iteration left early'({ pair, record, next }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'readableFlowing', 'error', 'errored'] })
    peer.on('error', () => {})
    peer.write('one')
    for await (const chunk of client) {
      record('chunk', String(chunk))
      break
    }
    record('destroyed', client.destroyed)
    peer.resume()
    await next(peer, 'close')
  },

  async 'async iteration of a connection that is reset'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead', 'readableFlowing'] })
    setTimeout(() => peer.resetAndDestroy(), 10)
    try {
      for await (const chunk of client) record('chunk', chunk)
    } catch (error) {
      record('threw', error)
    }
  },

  async 'once data twice in a row'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.write('one')
    const [one] = await once(client, 'data')
    peer.write('two')
    const [two] = await once(client, 'data')
    record('data', String(one), String(two))
    client.destroy()
    peer.resume()
  },

  async 'onread with a buffer'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello world'))
    const buffer = Buffer.alloc(5)
    const seen: string[] = []
    const client = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer,
        callback(bytes: number, given: Uint8Array) {
          record('same buffer', given === buffer)
          seen.push(Buffer.from(given.subarray(0, bytes)).toString())
          return true
        },
      },
    } as never)
    client.on('data', () => record('data, never'))
    await once(client, 'end')
    record('seen', seen.join(''), client.bytesRead)
    await once(client, 'close')
    server.close()
  },

  async 'onread with a function for buffers'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('0123456789'))
    let asked = 0
    let filled = 0
    const seen: string[] = []
    const client = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: () => {
          asked++
          return Buffer.alloc(4)
        },
        callback(bytes: number, given: Uint8Array) {
          filled++
          seen.push(Buffer.from(given.subarray(0, bytes)).toString())
          return true
        },
      },
    } as never)
    await once(client, 'close')
    record('seen', seen, asked, filled)
    server.close()
  },

  async 'onread that says false'({ listen, net, record, turns }) {
    const { server, port } = await listen({}, (peer) => peer.end('0123456789'))
    let calls = 0
    const client = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.alloc(4),
        callback() {
          calls++
          return calls > 1
        },
      },
    } as never)
    await once(client, 'connect')
    await turns(20)
    record('calls', calls)
    client.resume()
    await once(client, 'close')
    record('calls', calls, client.bytesRead)
    server.close()
  },

  async 'onread with the socket as this'({ listen, net, record }) {
    const { server, port } = await listen({}, (peer) => peer.end('x'))
    const client: Socket = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.alloc(4),
        callback(this: unknown, ...args: unknown[]) {
          record('this', this === client, this === undefined, args.length)
          return true
        },
      },
    } as never)
    await once(client, 'close')
    server.close()
  },

  async 'onread that throws'({ listen, net, watch, next }) {
    const { server, port } = await listen({}, (peer) => peer.end('x').on('error', () => {}))
    const client = watch(
      net.connect({
        port,
        host: '127.0.0.1',
        onread: {
          buffer: Buffer.alloc(4),
          callback() {
            throw new Error('from onread')
          },
        },
      } as never),
      'client',
    )
    client.on('error', () => {})
    await next(client, 'close')
    server.close()
  },

  async 'onread with pause and resume'({ listen, net, record, turns, next }) {
    let peer: Socket | undefined
    const { server, port } = await listen({}, (socket) => {
      peer = socket
      socket.write('one')
    })
    const seen: string[] = []
    const heard = new EventEmitter()
    const client: Socket = net.connect({
      port,
      host: '127.0.0.1',
      onread: {
        buffer: Buffer.alloc(100),
        callback(bytes: number, given: Uint8Array) {
          seen.push(Buffer.from(given.subarray(0, bytes)).toString())
          client.pause()
          heard.emit('data')
          return true
        },
      },
    } as never)
    await next(heard, 'data')
    peer?.end('two')
    await turns(20)
    record('seen', seen)
    client.resume()
    await next(heard, 'data')
    record('seen', seen)
    client.resume()
    await once(client, 'close')
    server.close()
  },

  async 'slow readers lose nothing'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    let length = 0
    client.on('data', (chunk: Buffer) => {
      length += chunk.length
      client.pause()
      setTimeout(() => client.resume(), 1)
    })
    peer.end(Buffer.alloc(1_500_000))
    await both(client, peer.resume())
    record('length', length, client.bytesRead)
  },

  async 'readableHighWaterMark holds back'({ pair, record, turns }) {
    const { client, peer } = await pair({ unwatched: true, client: { readableHighWaterMark: 16 } })
    peer.write('x'.repeat(1000))
    await turns(20)
    record('read ahead', client.readableLength > 0, client.readableHighWaterMark)
    client.destroy()
    peer.on('error', () => {}).resume()
  },

  async 'removing the data listener'({ pair, record, turns }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    const listener = (): void => {}
    client.on('data', listener)
    await turns()
    client.off('data', listener)
    record('flowing', client.readableFlowing, client.isPaused())
    peer.end('x')
    await both(client.resume(), peer.resume())
  },

  async 'removeAllListeners of a live socket'({ pair, record }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    client.removeAllListeners()
    client.on('data', (chunk) => record('data', String(chunk)))
    client.on('close', (hadError) => record('close', hadError))
    peer.end('hello')
    await once(peer.resume(), 'close')
  },

  async 'removeAllListeners before connect'({ listen, net, record, turns }) {
    const { server, port } = await listen({}, (peer) => peer.end('hello').resume())
    const client = net.connect(port, '127.0.0.1', () => record('callback'))
    client.write('queued')
    client.removeAllListeners()
    let text = ''
    client.on('data', (chunk) => {
      text += chunk
    })
    await new Promise((resolve) => client.on('end', resolve))
    await turns(10)
    record('text', text, client.bytesWritten)
    client.destroy()
    server.close()
  },

  async '_readableState as packages read it'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const state = (): unknown[] => {
      const { ended, endEmitted, length } = (client as unknown as { _readableState: Record<string, unknown> })
        ._readableState
      return [ended, endEmitted, length]
    }
    record('open', state())
    peer.end()
    await once(client.resume(), 'end')
    record('end', state())
    await both(client, peer.resume())
    record('closed', state())
  },

  async 'a data listener that throws'({ pair, next }) {
    const { client, peer } = await pair({ except: ['bytesRead'] })
    client.once('data', () => {
      throw new Error('from the listener')
    })
    peer.write('one')
    await once(process, 'uncaughtException')
    client.resume()
    peer.end('two')
    await next(client, 'close')
  },
}
