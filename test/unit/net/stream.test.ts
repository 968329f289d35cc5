import { once } from 'node:events'
import { Duplex } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { Socket } from '../../../src/net/types.ts'
import { closed, connecting, failed, fakeNet, listening, log, onBoth, pair, turns } from '../../support/net-cases.ts'

/** All that a socket brings, once it has ended. */
async function collect(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = []
  socket.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(socket, 'end')
  return Buffer.concat(chunks)
}

const pattern = (length: number): Buffer => {
  const buffer = Buffer.alloc(length)
  for (let i = 0; i < length; i++) buffer[i] = (i * 31 + (i >> 8)) & 0xff
  return buffer
}

onBoth('the life of a connection', (net) => {
  it('events come in this order', async () => {
    const { port } = await listening(net, {}, (socket) => socket.end('bye'))
    const client = connecting(net, { port, host: 'localhost', family: 4 })
    const events = log(client)
    client.resume()
    await closed(client)
    expect(events).toEqual(['lookup', 'connectionAttempt', 'connect', 'ready', 'end', 'finish', 'close false'])
  })

  it('callbacks of writes before the connect come in their place', async () => {
    const { port } = await listening(net, {}, (socket) => socket.resume().end())
    const order: string[] = []
    const client = net.connect(port, '127.0.0.1', () => order.push('callback'))
    client.write('a', () => order.push('written'))
    client.on('connect', () => order.push('connect'))
    client.on('ready', () => order.push('ready'))
    client.resume()
    await closed(client)
    expect(order).toEqual(['callback', 'written', 'connect', 'ready'])
  })

  it('end() in both directions, and what is left to read afterwards', async () => {
    const { client, peer } = await pair(net)
    const fromClient = collect(peer)
    const fromPeer = collect(client)
    const bothClosed = Promise.all([closed(client), closed(peer)])
    client.end('from the client')
    peer.end('from the server')
    expect(String(await fromClient)).toBe('from the client')
    expect(String(await fromPeer)).toBe('from the server')
    expect(await bothClosed).toEqual([[false], [false]])
    expect([client.bytesRead, client.bytesWritten]).toEqual([15, 15])
  })

  it('the end comes after the data, and destroys what has finished', async () => {
    const { client, peer } = await pair(net)
    const events = log(peer, ['data', 'end', 'finish', 'close'])
    const close = closed(peer)
    client.end('x')
    await close
    expect(events).toEqual(['data', 'end', 'finish', 'close false'])
    expect(peer.destroyed).toBe(true)
  })
})

onBoth('half-open connections', (net) => {
  it('allowHalfOpen lets the server answer after the end', async () => {
    const { client, peer } = await pair(net, { allowHalfOpen: true })
    const answer = collect(client)
    peer.resume()
    client.end('question')
    await once(peer, 'end')
    expect([peer.readyState, peer.writable, peer.destroyed]).toEqual(['writeOnly', true, false])
    peer.write('an ')
    await turns()
    peer.end('answer')
    expect(String(await answer)).toBe('an answer')
  })

  it('allowHalfOpen on the client', async () => {
    const { client, peer } = await pair(net, { client: { allowHalfOpen: true } })
    client.resume()
    const received = collect(peer)
    peer.end()
    await once(client, 'end')
    expect(client.writable).toBe(true)
    client.end('late')
    expect(String(await received)).toBe('late')
  })

  it('without it the socket ends itself, and a write then is EPIPE', async () => {
    const { client, peer } = await pair(net)
    client.resume()
    peer.end()
    const error = failed(client)
    const written = new Promise((resolve) => {
      client.on('end', () => {
        // The socket ends itself in the next tick.
        process.nextTick(() => process.nextTick(() => client.write('too late', resolve)))
      })
    })
    expect((await error).message).toBe('This socket has been ended by the other party')
    expect(Object.entries(await error)).toEqual([['code', 'EPIPE']])
    expect(await written).toBe(await error)
    await turns()
    expect(client.destroyed).toBe(true)
  })

  it('a write after destroy is ERR_STREAM_DESTROYED, to its callback only', async () => {
    const { client } = await pair(net)
    const errors: Error[] = []
    client.on('error', (error) => errors.push(error))
    client.destroy()
    const written = await new Promise<NodeJS.ErrnoException>((resolve) => client.write('x', resolve as never))
    expect(written.code).toBe('ERR_STREAM_DESTROYED')
    await turns()
    expect(errors).toEqual([])
  })

  it('a write after end is ERR_STREAM_WRITE_AFTER_END', async () => {
    const { client } = await pair(net, { allowHalfOpen: true })
    client.end()
    const error = failed(client)
    client.write('x')
    expect((await error).code).toBe('ERR_STREAM_WRITE_AFTER_END')
  })
})

onBoth('before the connection stands', (net) => {
  it('writes and the end queue, in order', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    const order: string[] = []
    client.write('one ', () => order.push('one'))
    client.write('zwei ', 'latin1', () => order.push('two'))
    client.end('three', () => order.push('end'))
    expect([client.bytesWritten, client.pending, client.connecting, client.readyState]).toEqual([
      14,
      true,
      true,
      'opening',
    ])
    const [peer] = await accepted
    expect(String(await collect(peer))).toBe('one zwei three')
    expect(order).toEqual(['one', 'two', 'end'])
  })

  it('cork and uncork', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    client.cork()
    for (const word of ['a', 'b', 'c']) client.write(word)
    expect(client.bytesWritten).toBe(3)
    client.uncork()
    client.end()
    const [peer] = await accepted
    expect(String(await collect(peer))).toBe('abc')
  })

  it('destroy fails what was written', async () => {
    const { port } = await listening(net)
    const client = connecting(net, { port })
    const events = log(client)
    const codes: unknown[] = []
    const note = (error?: Error | null) => codes.push((error as NodeJS.ErrnoException).code)
    client.write('ab', note)
    client.write('üü', note)
    client.end('x', note as () => void)
    expect([client.bytesWritten, client.bufferSize]).toEqual([7, 5])
    const close = closed(client)
    client.destroy()
    expect([client.bytesWritten, client.bufferSize, client.readyState, client.connecting]).toEqual([
      7,
      undefined,
      'closed',
      false,
    ])
    await close
    await turns()
    expect(events).toEqual(['close false'])
    expect(codes).toEqual(Array(3).fill('ERR_SOCKET_CLOSED_BEFORE_CONNECTION'))
  })

  it('a failed connect fails what was written', async () => {
    const { port, server } = await listening(net)
    server.close()
    await once(server, 'close')
    const client = connecting(net, { port })
    client.on('error', () => {})
    const written = new Promise<NodeJS.ErrnoException>((resolve) => client.write('x', resolve as never))
    expect((await written).code).toBe('ERR_SOCKET_CLOSED_BEFORE_CONNECTION')
  })

  it('a write without connect is ERR_SOCKET_CLOSED', async () => {
    const socket = new net.Socket()
    const error = failed(socket)
    const close = closed(socket)
    const written = new Promise((resolve) => socket.write('x', resolve))
    expect(await written).toMatchObject({ code: 'ERR_SOCKET_CLOSED', message: 'Socket is closed' })
    expect(await error).toBe(await written)
    expect(await close).toEqual([])
  })
})

onBoth('destroying', (net) => {
  it('destroySoon flushes first', async () => {
    const { client, peer } = await pair(net)
    const data = pattern(3_000_000)
    const received = collect(peer)
    client.write(data)
    client.destroySoon()
    expect(client.destroyed).toBe(false)
    expect((await received).equals(data)).toBe(true)
  })

  it('destroySoon on a finished socket destroys at once', async () => {
    const { client } = await pair(net, { allowHalfOpen: true })
    client.end()
    await once(client, 'finish')
    client.destroySoon()
    expect(client.destroyed).toBe(true)
  })

  it('destroy(error) emits error, then close(true)', async () => {
    const { client } = await pair(net)
    const events = log(client)
    client.destroy(Object.assign(new Error('mine'), { code: 'MINE' }))
    await closed(client)
    expect(events).toEqual(['error MINE', 'close true'])
  })

  it('the peer of a destroyed socket sees an end', async () => {
    const { client, peer } = await pair(net)
    const events = log(peer)
    peer.resume()
    client.destroy()
    await closed(peer)
    expect(events).toEqual(['end', 'finish', 'close false'])
  })

  it('data unread at destroy resets the peer', async () => {
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    const error = failed(client)
    await new Promise((resolve) => client.write('never read', resolve))
    await turns(10)
    peer.destroy()
    expect((await error).code).toBe('ECONNRESET')
  })

  it('resetAndDestroy while connecting waits for the connection', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    const events = log(client)
    client.resetAndDestroy()
    const [peer] = await accepted
    peer.resume()
    expect((await failed(peer)).code).toBe('ECONNRESET')
    expect(events).toEqual(['connectionAttempt', 'connect', 'ready', 'close false'])
  })

  it('resetAndDestroy without a connection is ERR_SOCKET_CLOSED', async () => {
    const socket = new net.Socket()
    const error = failed(socket)
    expect(socket.resetAndDestroy()).toBe(socket)
    expect((await error).code).toBe('ERR_SOCKET_CLOSED')
  })

  it('what waits to be written is given up: callbacks come before close', async () => {
    const { client } = await pair(net, { pauseOnConnect: true })
    const order: unknown[] = []
    client.write(Buffer.alloc(50_000_000), (error) => order.push(error?.message))
    client.write('abc', (error) => order.push((error as NodeJS.ErrnoException).code))
    client.on('close', (hadError) => order.push(hadError))
    expect(client.bytesWritten).toBe(50_000_003)
    const close = closed(client)
    client.destroy()
    expect(client.bytesWritten).toBe(50_000_003)
    await close
    // Node 22 began to tell.
    const tells = Number.parseInt(process.versions.node, 10) >= 22
    expect(order).toEqual([...(tells ? ['write ECANCELED', 'ECANCELED'] : [undefined, 'ERR_STREAM_DESTROYED']), false])
    expect(client.bytesWritten).toBe(50_000_000)
  })
})

onBoth('flow', (net) => {
  it('backpressure: write says when to wait, drain when to go on', async () => {
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    const data = pattern(1_000_000)
    let sent = 0
    let waits = 0
    const received = collect(peer)
    while (sent < 30) {
      sent++
      if (!client.write(data)) {
        waits++
        if (waits === 1) peer.resume()
        await once(client, 'drain')
      }
    }
    client.end()
    const all = await received
    expect(all.length).toBe(30_000_000)
    expect(all.subarray(29_000_000).equals(data)).toBe(true)
    expect(waits).toBeGreaterThan(0)
    expect([client.bytesWritten, peer.bytesRead]).toEqual([30_000_000, 30_000_000])
  })

  it('text without an encoding is UTF-8, for who calls _write himself', async () => {
    const { client, peer } = await pair(net)
    const received = collect(peer)
    client._write('größe', null as unknown as BufferEncoding, () => client.end())
    expect(String(await received)).toBe('größe')
  })

  it('text that has to wait stays what it was, whatever is written elsewhere meanwhile', async () => {
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    const other = await pair(net)
    const lines = Array.from({ length: 8000 }, (_, i) => `line ${i} of 8,000 `.padEnd(1000, 'é'))
    for (const line of lines) client.write(line)
    await turns(20)
    expect(client.writableNeedDrain).toBe(true)
    other.client.end('something else '.repeat(500))
    expect((await collect(other.peer)).length).toBe(7500)
    const received = collect(peer)
    peer.resume()
    client.end()
    expect(String(await received) === lines.join('')).toBe(true)
  })

  it('pause() stops data, resume() loses none', async () => {
    const { client, peer } = await pair(net)
    const data = pattern(2_000_000)
    const chunks: Buffer[] = []
    let paused = false
    peer.on('data', (chunk: Buffer) => {
      expect(paused).toBe(false)
      chunks.push(chunk)
      peer.pause()
      paused = true
      setImmediate(() => {
        paused = false
        peer.resume()
      })
    })
    client.end(data)
    await once(peer, 'end')
    expect(Buffer.concat(chunks).equals(data)).toBe(true)
    expect(chunks.length).toBeGreaterThan(5)
  })

  it('pauseOnConnect keeps data until resumed', async () => {
    const { client, peer } = await pair(net, { pauseOnConnect: true })
    const events = log(peer, ['data', 'end'])
    client.end('x')
    await once(client, 'finish')
    await turns(10)
    expect(events).toEqual([])
    expect(peer.isPaused()).toBe(true)
    peer.resume()
    await once(peer, 'end')
    expect(events).toEqual(['data', 'end'])
  })

  it('write callbacks come in order, each once', async () => {
    const { client, peer } = await pair(net)
    peer.resume()
    const order: number[] = []
    const count = 5000
    for (let i = 0; i < count; i++) client.write(`line ${i}\n`, () => order.push(i))
    await new Promise<void>((resolve) => client.end(resolve))
    expect(order).toEqual(Array.from({ length: count }, (_, i) => i))
  })

  it('pipes, both ways at once', async () => {
    const { client, peer } = await pair(net)
    const data = pattern(3_000_000)
    const echo = pipeline(peer, peer)
    const received = collect(client)
    client.end(data)
    expect((await received).equals(data)).toBe(true)
    await echo
  })

  it('is read by for await, and by once in a row', async () => {
    const { client, peer } = await pair(net)
    client.write('first')
    const [first] = await once(peer, 'data')
    client.write('second')
    const [second] = await once(peer, 'data')
    client.end('third')
    let rest = ''
    for await (const chunk of peer) rest += chunk
    expect([String(first), String(second), rest]).toEqual(['first', 'second', 'third'])
  })

  it('setEncoding', async () => {
    const { client, peer } = await pair(net)
    peer.setEncoding('utf8')
    let text = ''
    peer.on('data', (chunk: string) => {
      text += chunk
    })
    const euro = Buffer.from('€')
    client.write(euro.subarray(0, 1))
    await turns()
    client.end(euro.subarray(1))
    await once(peer, 'end')
    expect(text).toBe('€')
    expect(peer.bytesRead).toBe(3)
  })
})

onBoth('bytesWritten', (net) => {
  it.each([
    ['utf8', 'schön €', 10],
    ['latin1', 'schön', 5],
    ['ascii', 'abc', 3],
    ['ucs2', 'abc', 6],
    ['utf16le', 'abc', 6],
    ['hex', 'c0ffee', 3],
    ['base64', 'aGVsbG8=', 5],
    ['base64url', 'aGVsbG8', 5],
    ['binary', 'é', 1],
  ] as const)('counts strings in %s', async (encoding, text, length) => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = connecting(net, { port })
    client.write(text, encoding)
    client.write(text, encoding)
    expect(client.bytesWritten).toBe(2 * length)
    const [peer] = await accepted
    const received = collect(peer)
    client.end(text, encoding)
    expect(client.bytesWritten).toBe(3 * length)
    expect(await received).toEqual(Buffer.concat(Array(3).fill(Buffer.from(text, encoding))))
    expect(client.bytesWritten).toBe(3 * length)
    client.destroy()
    expect(client.bytesWritten).toBe(3 * length)
  })

  it('counts what is corked, and mixed', async () => {
    const { client, peer } = await pair(net)
    const received = collect(peer)
    client.cork()
    client.write('ab')
    client.write(Buffer.from('cd'))
    client.write(new Uint8Array([101, 102]))
    client.write('6768', 'hex')
    client.write('')
    expect(client.bytesWritten).toBe(8)
    client.uncork()
    client.end()
    expect(String(await received)).toBe('abcdefgh')
    expect([client.bytesWritten, peer.bytesRead]).toEqual([8, 8])
  })
})

onBoth('onread', (net) => {
  it('fills one buffer again and again', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const buffer = Buffer.alloc(1000)
    const parts: Buffer[] = []
    const client = connecting(net, {
      port,
      onread: {
        buffer,
        callback(length, filled) {
          expect(filled).toBe(buffer)
          parts.push(Buffer.from(filled.subarray(0, length)))
          return true
        },
      },
    })
    const [peer] = await accepted
    const data = pattern(5000)
    const events = log(client, ['data', 'end'])
    peer.end(data)
    client.resume()
    await once(client, 'end')
    expect(Buffer.concat(parts).equals(data)).toBe(true)
    expect(parts.length).toBeGreaterThanOrEqual(5)
    expect(events).toEqual(['end'])
    expect(client.bytesRead).toBe(5000)
  })

  it('asks for as many buffers as it fills, and one ahead; false pauses', async () => {
    const { port, server } = await listening(net)
    const accepted = once(server, 'connection') as Promise<[Socket]>
    let asked = 0
    const parts: Buffer[] = []
    const client = connecting(net, {
      port,
      onread: {
        buffer: () => {
          asked++
          return Buffer.alloc(4)
        },
        callback(length, filled) {
          parts.push(Buffer.from(filled.subarray(0, length)))
          if (parts.length !== 2) return true
          setImmediate(() => client.resume())
          return false
        },
      },
    })
    const [peer] = await accepted
    peer.end('0123456789')
    client.resume()
    await once(client, 'end')
    expect(parts.map(String)).toEqual(['0123', '4567', '89'])
    expect(asked).toBe(4)
  })
})

onBoth('tls', (net) => {
  /** A key that both ends know stands for certificates. */
  const psk = Buffer.from('0123456789abcdef')
  const common = { ciphers: 'PSK-AES128-GCM-SHA256', maxVersion: 'TLSv1.2' } as const
  const secure = async (onSecure: (socket: tls.TLSSocket) => void): Promise<tls.TLSSocket> => {
    const server = tls.createServer({ ...common, pskCallback: () => psk }, onSecure)
    const { port } = await listening(net, {}, (socket) => server.emit('connection', socket))
    return tls.connect({
      ...common,
      socket: connecting(net, { port }),
      pskCallback: () => ({ psk, identity: 'test' }),
      checkServerIdentity: () => undefined,
    })
  }

  it('echoes, and the end of one direction leaves the other whole', async () => {
    const data = pattern(3_000_000)
    const client = await secure((socket) => socket.pipe(socket))
    const chunks: Buffer[] = []
    client.on('data', (chunk: Buffer) => chunks.push(chunk))
    const end = once(client, 'end')
    client.end(data)
    await end
    expect(Buffer.concat(chunks).equals(data)).toBe(true)
  })

  it('a raw socket that is destroyed ends the secure one', async () => {
    const client = await secure((socket) => {
      socket.on('error', () => {})
      socket.resume()
    })
    await once(client, 'secureConnect')
    client.on('error', () => {})
    const close = once(client, 'close')
    client.destroy()
    await close
  })
})

describe('a sluice socket', () => {
  it('is a Duplex without a handle', async () => {
    const { net } = fakeNet()
    const { client, peer } = await pair(net)
    for (const socket of [client, peer]) {
      expect(socket).toBeInstanceOf(Duplex)
      expect(socket).toBeInstanceOf(net.Socket)
      expect((socket as unknown as { _handle?: unknown })._handle ?? null).toBe(null)
    }
  })
})
