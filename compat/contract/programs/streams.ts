import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { addAbortSignal, Duplex, PassThrough, Readable, Transform, Writable } from 'node:stream'
import { buffer, text } from 'node:stream/consumers'
import { finished, pipeline } from 'node:stream/promises'
import { createGzip, gunzipSync } from 'node:zlib'
import type { Programs, Socket } from '../program.ts'

// Sockets as streams among streams.

const both = (client: Socket, peer: Socket): Promise<unknown> =>
  Promise.all([once(client, 'close'), once(peer, 'close')])

function upperCase(): Transform {
  return new Transform({
    transform(chunk, _encoding, callback) {
      callback(null, String(chunk).toUpperCase())
    },
  })
}

export const programs: Programs = {
  async 'pipe from a readable'({ pair }) {
    const { client, peer } = await pair()
    peer.resume()
    Readable.from(['one', 'two', 'three']).pipe(client)
    await both(client.resume(), peer)
  },

  async 'pipe to a writable'({ pair, record }) {
    const { client, peer } = await pair({ except: ['readableFlowing'] })
    const chunks: string[] = []
    const sink = new Writable({
      write(chunk, _encoding, callback) {
        chunks.push(String(chunk))
        callback()
      },
    })
    client.pipe(sink)
    peer.end('to the sink')
    await Promise.all([once(sink, 'finish'), both(client, peer.resume())])
    record('sink', chunks.join(''))
  },

  async 'pipe to itself'({ pair, record }) {
    const { client, peer } = await pair({
      except: ['readableFlowing', 'bytesRead', 'writableFinished', 'finish', 'writable', 'readyState'],
    })
    peer.pipe(peer)
    client.end('echo')
    record('text', await text(client))
    if (!peer.closed) await once(peer, 'close')
  },

  async 'pipe and unpipe'({ pair, record, turns }) {
    const { client, peer } = await pair({ unwatched: true })
    const sink = new PassThrough()
    client.pipe(sink)
    peer.write('one')
    await once(sink, 'data')
    client.unpipe(sink)
    record('flowing', client.readableFlowing)
    peer.end('two')
    await turns()
    client.resume()
    await both(client, peer.resume())
    record('sink', sink.writableEnded)
  },

  async 'a tunnel of two sockets'({ listen, net, record }) {
    const { server: origin, port: behind } = await listen({ allowHalfOpen: true }, (peer) => peer.pipe(peer))
    const { server, port } = await listen({ allowHalfOpen: true }, (peer) => {
      const onward = net.connect({ port: behind, host: '127.0.0.1', allowHalfOpen: true })
      peer.pipe(onward).pipe(peer)
    })
    const client = net.connect(port, '127.0.0.1')
    client.end('through the tunnel')
    record('text', await text(client))
    server.close()
    origin.close()
  },

  async pipeline({ pair, record }) {
    const { client, peer } = await pair({ except: ['readableFlowing', 'bytesRead'] })
    const echo = pipeline(peer, upperCase(), peer).then(
      () => record('pipeline done'),
      (error) => record('pipeline failed', error),
    )
    client.end('shout')
    record('text', await text(client))
    await echo
  },

  async 'pipeline of a connection that is reset'({ pair, record }) {
    const { client, peer } = await pair({ except: ['readableFlowing', 'bytesRead'] })
    const sink = new PassThrough().resume()
    setTimeout(() => peer.resetAndDestroy(), 10)
    await pipeline(client, sink).then(
      () => record('done'),
      (error) => record('failed', error),
    )
    record('destroyed', client.destroyed, sink.destroyed)
  },

  async 'pipeline into a socket that the peer closes'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const endless = new Readable({
      read() {
        setImmediate(() => this.push(Buffer.alloc(1000)))
      },
    })
    setTimeout(() => peer.resetAndDestroy(), 20)
    await pipeline(endless, client).then(
      () => record('done'),
      (error: NodeJS.ErrnoException) => record('failed', ['ECONNRESET', 'EPIPE'].includes(error.code as string)),
    )
    record('destroyed', client.destroyed, endless.destroyed)
  },

  async finished({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const done = finished(client).then(
      () => record('done'),
      (error) => record('failed', error),
    )
    peer.resume()
    client.resume()
    client.end('x')
    await done
    if (!peer.closed) await once(peer, 'close')
  },

  async 'finished of a destroyed socket'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.resume()
    const done = finished(client).then(
      () => record('done'),
      (error) => record('failed', error),
    )
    client.destroy()
    await done
    await finished(client).then(
      () => record('again done'),
      (error) => record('again failed', error),
    )
  },

  async 'finished of one half'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true, client: { allowHalfOpen: true } })
    const writing = finished(client, { readable: false }).then(() => record('writing done', client.destroyed))
    client.resume()
    client.end('x')
    await writing
    peer.end()
    peer.resume()
    await finished(client)
    record('both done')
  },

  async 'an AbortSignal for a stream'({ pair, record, next }) {
    const { client, peer } = await pair()
    peer.resume()
    const controller = new AbortController()
    record('itself', addAbortSignal(controller.signal, client) === client)
    client.on('error', () => {})
    controller.abort()
    await next(client, 'close')
  },

  async 'Readable.toWeb'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.end('to the web')
    let seen = ''
    for await (const chunk of Readable.toWeb(client) as AsyncIterable<Uint8Array>) seen += Buffer.from(chunk).toString()
    record('seen', seen)
    client.end()
    peer.resume()
  },

  async 'Duplex.toWeb'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const { readable, writable } = Duplex.toWeb(client)
    peer.pipe(peer)
    const writer = writable.getWriter()
    await writer.write(Buffer.from('round'))
    await writer.close()
    let seen = ''
    for await (const chunk of readable as AsyncIterable<Uint8Array>) seen += Buffer.from(chunk).toString()
    record('seen', seen)
  },

  async 'compose and iterator helpers'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    client.setEncoding('utf8')
    peer.end('a,b,c')
    const parts = await client
      .flatMap((chunk: string) => [...chunk])
      .filter((letter: string) => letter !== ',')
      .toArray()
    record('parts', parts)
    peer.resume()
  },

  async 'compression on the way'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const zip = createGzip()
    zip.pipe(client)
    zip.end('compress me '.repeat(1000))
    const bytes = await buffer(peer)
    record('length', gunzipSync(bytes).length)
    client.resume()
  },

  async readline({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    peer.end('one\ntwo\r\nthree')
    const lines: string[] = []
    for await (const line of createInterface({ input: client })) lines.push(line)
    record('lines', lines)
    peer.resume()
  },

  async 'Readable.wrap and Duplex.from'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const wrapped = new Readable().wrap(client)
    peer.end('wrapped')
    record('text', await text(wrapped))
    peer.resume()
    client.end()
  },

  async 'a Duplex around a socket'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const duplex = Duplex.from({ readable: client, writable: client })
    peer.pipe(peer)
    duplex.end('around')
    record('text', await text(duplex))
  },

  async 'isReadable and the like'({ pair, record }) {
    const { client, peer } = await pair({ unwatched: true })
    const see = (): void => {
      record(
        'flags',
        Readable.isDisturbed(client),
        (Readable as unknown as { isErrored(s: unknown): boolean }).isErrored(client),
        client.readableAborted,
        client.readableDidRead,
      )
    }
    see()
    peer.end('x')
    await once(client, 'data')
    see()
    await both(client.resume(), peer.resume())
    see()
  },
}
