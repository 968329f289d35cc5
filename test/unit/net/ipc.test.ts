import { once } from 'node:events'
import { closeSync, mkdtempSync, openSync, rmSync, statSync } from 'node:fs'
import nodeNet from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import type { Net } from '../../../src/net/net.ts'
import type { NetConnectOptions, Server, ServerOptions, Socket } from '../../../src/net/types.ts'
import { closed, failed, fakeNet, log, onBoth, turns } from '../../support/net-cases.ts'

function somewhere(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-ipc-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return join(folder, 'socket')
}

async function piped(
  net: Net,
  options: ServerOptions & { client?: Partial<NetConnectOptions> } = {},
): Promise<{ server: Server; client: Socket; peer: Socket; path: string }> {
  const path = somewhere()
  const server = net.createServer(options).listen(path)
  await once(server, 'listening')
  const accepted = once(server, 'connection') as Promise<[Socket]>
  const client = net.connect({ path, ...options.client } as NetConnectOptions)
  const [peer] = await accepted
  if (client.connecting) await once(client, 'connect')
  onTestFinished(() => {
    client.destroy()
    peer.destroy()
    server.close()
  })
  return { server, client, peer, path }
}

onBoth('a pipe', (net) => {
  it('is listened on and connected to, by sockets of this net', async () => {
    const { server, client, peer, path } = await piped(net)
    expect(server.listening).toBe(true)
    expect(server.address()).toBe(path)
    expect(client).toBeInstanceOf(net.Socket)
    expect(peer).toBeInstanceOf(net.Socket)
    expect((peer as unknown as { server: Server }).server).toBe(server)
    for (const socket of [client, peer]) {
      expect([socket.address(), socket.remoteAddress, socket.localPort]).toEqual([{}, undefined, undefined])
      expect([socket.readyState, socket.pending, socket.connecting]).toEqual(['open', false, false])
    }
    expect(await new Promise((resolve) => server.getConnections((_, count) => resolve(count)))).toBe(1)
  })

  it('carries data both ways, and counts it', async () => {
    const { client, peer } = await piped(net)
    let received = ''
    client.setEncoding('utf8').on('data', (text) => {
      received += text
    })
    peer.pipe(peer)
    client.write('süß')
    client.cork()
    client.write(Buffer.from('b'))
    client.write('c', 'latin1')
    client.uncork()
    client.end('d')
    await closed(client)
    expect(received).toBe('süßbcd')
    expect([client.bytesWritten, client.bytesRead, peer.bytesRead, peer.bytesWritten]).toEqual([8, 8, 8, 8])
  })

  it('more than fits, with a reader that rests', async () => {
    const { client, peer } = await piped(net)
    const size = 3_000_000
    let left = size
    peer.on('data', (piece) => {
      left -= piece.length
      peer.pause()
      setImmediate(() => peer.resume())
    })
    expect(client.write(Buffer.alloc(size))).toBe(false)
    await once(client, 'drain')
    client.end()
    await once(peer, 'end')
    expect(left).toBe(0)
  })

  it('events of both ends come in this order', async () => {
    const path = somewhere()
    const server = net.createServer().listen(path)
    onTestFinished(() => void server.close())
    const accepted = once(server, 'connection') as Promise<[Socket]>
    const client = new net.Socket()
    const events = log(client)
    client.connect(path)
    expect(events).toEqual(['connectionAttempt'])
    const [peer] = await accepted
    const theirs = log(peer)
    client.end('x')
    client.resume()
    peer.resume()
    await Promise.all([closed(client), closed(peer)])
    expect(events).toEqual(['connectionAttempt', 'connect', 'ready', 'finish', 'end', 'close false'])
    expect(theirs).toEqual(['end', 'finish', 'close false'])
  })

  it('allowHalfOpen answers after the end', async () => {
    const { client, peer } = await piped(net, { allowHalfOpen: true })
    client.end('question')
    peer.resume()
    await once(peer, 'end')
    expect(peer.writable).toBe(true)
    peer.end('answer')
    const [answer] = await once(client, 'data')
    expect(String(answer)).toBe('answer')
  })

  it('onread fills the buffer', async () => {
    const pieces: string[] = []
    const buffer = Buffer.alloc(4)
    const onread = {
      buffer,
      callback: (length: number) => {
        pieces.push(buffer.toString('utf8', 0, length))
        return true
      },
    }
    const { client, peer } = await piped(net, { client: { onread } as Partial<NetConnectOptions> })
    peer.end('abcdefgh')
    await once(client, 'end')
    expect(pieces).toEqual(['abcd', 'efgh'])
  })

  it('nobody there', async () => {
    const path = somewhere()
    const client = new net.Socket()
    const events = log(client)
    const attempts: unknown[][] = []
    client.on('connectionAttemptFailed', (...args) => attempts.push(args.slice(0, 3)))
    client.connect({ path })
    expect(client.connecting).toBe(true)
    const error = await failed(client)
    expect(error).toMatchObject({ code: 'ENOENT', syscall: 'connect', address: path })
    expect(error.message).toBe(`connect ENOENT ${path}`)
    await closed(client)
    expect(events).toEqual(['connectionAttempt', 'error ENOENT', 'close true'])
    expect(attempts).toEqual([[path, undefined, undefined]])
  })

  it('a path that is taken', async () => {
    const { path } = await piped(net)
    const second = net.createServer()
    second.listen(path)
    const error = await failed(second)
    expect(error).toMatchObject({ code: 'EADDRINUSE', syscall: 'listen', address: path })
    expect(second.listening).toBe(false)
  })

  it('cannot be reset', async () => {
    const { client } = await piped(net)
    expect(() => client.resetAndDestroy()).toThrow(expect.objectContaining({ code: 'ERR_INVALID_HANDLE_TYPE' }))
    expect(client.destroyed).toBe(false)
  })

  it('closes, and listens again', async () => {
    const path = somewhere()
    const server = net.createServer()
    for (let i = 0; i < 2; i++) {
      server.listen(path)
      expect(server.listening).toBe(true)
      expect(() => server.listen(path)).toThrow(expect.objectContaining({ code: 'ERR_SERVER_ALREADY_LISTEN' }))
      await once(server, 'listening')
      server.close()
      expect(server.listening).toBe(false)
      await once(server, 'close')
    }
  })

  it('readableAll and writableAll', async () => {
    const path = somewhere()
    const server = net.createServer().listen({ path, readableAll: true, writableAll: true })
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(statSync(path).mode & 0o777).toBe(0o777)
  })

  it('maxConnections drops, with nothing to tell', async () => {
    const { server, path } = await piped(net)
    server.maxConnections = 1
    const dropped = once(server, 'drop')
    const second = net.connect(path)
    second.resume()
    expect(await dropped).toEqual([])
    await closed(second)
  })

  it('a socket that knew a pipe connects again', async () => {
    const { client, path } = await piped(net)
    for (let i = 0; i < 2; i++) {
      client.destroy()
      await closed(client)
      client.connect(path)
      await once(client, 'connect')
      expect([client.readyState, client.bytesRead]).toEqual(['open', 0])
    }
  })

  it('wrong arguments', () => {
    const wrong = [
      () => net.connect({ path: 5 } as never),
      () => net.createServer().listen({ path: '\0abstract', readableAll: true } as never),
      () => new net.Socket({ fd: -1 }),
      () => new net.Socket({ fd: 'x' } as never),
    ]
    const codes = wrong.map((call) => {
      try {
        call()
        return 'none'
      } catch (error) {
        return (error as NodeJS.ErrnoException).code
      }
    })
    expect(codes).toEqual(['ERR_INVALID_ARG_TYPE', 'ERR_INVALID_ARG_VALUE', 'ERR_OUT_OF_RANGE', 'ERR_INVALID_ARG_TYPE'])
  })

  it('what is no socket cannot be opened', () => {
    const fd = openSync('/dev/null', 'r')
    onTestFinished(() => closeSync(fd))
    expect(() => new net.Socket({ fd })).toThrow(expect.objectContaining({ code: 'ERR_INVALID_FD_TYPE' }))
  })

  it('a descriptor that is none is an error of listen', async () => {
    const fd = openSync('/dev/null', 'r')
    onTestFinished(() => closeSync(fd))
    const server = net.createServer()
    server.listen({ fd })
    expect(await failed(server)).toMatchObject({ code: 'EINVAL', syscall: 'listen' })
  })
})

onBoth('what was opened elsewhere', (net) => {
  it('a server of the kernel, whose handle another takes over', async () => {
    const before = nodeNet.createServer().listen(0, '127.0.0.1')
    await once(before, 'listening')
    const { port } = before.address() as nodeNet.AddressInfo
    const server = net.createServer((socket) => {
      expect(socket).toBeInstanceOf(net.Socket)
      expect([socket.localPort, socket.remoteAddress]).toEqual([port, '127.0.0.1'])
      socket.end('mine')
    })
    server.listen(before)
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    expect(server.address()).toMatchObject({ port, family: 'IPv4' })
    const client = nodeNet.connect(port, '127.0.0.1')
    const [data] = await once(client, 'data')
    expect(String(data)).toBe('mine')
    client.destroy()
  })

  it('a socket by its handle', async () => {
    const path = somewhere()
    const server = nodeNet.createServer((socket) => socket.pipe(socket)).listen(path)
    onTestFinished(() => void server.close())
    const before = nodeNet.connect(path)
    await once(before, 'connect')
    const { _handle: handle } = before as unknown as { _handle: object }
    const socket = new net.Socket({ handle } as object)
    expect([socket.readyState, socket.pending, socket.connecting]).toEqual(['open', false, false])
    socket.write('back')
    const [data] = await once(socket, 'data')
    expect(String(data)).toBe('back')
    socket.destroy()
    await closed(socket)
    before.destroy()
  })
})

it('a pipe has no TCP below', async () => {
  const { net } = fakeNet()
  const { server, client, peer } = await piped(net)
  expect([server.tcp, client.tcp, peer.tcp]).toEqual([undefined, undefined, undefined])
  client.destroy()
  peer.destroy()
  await turns()
})
