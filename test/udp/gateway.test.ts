import { randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo, type Server, type Socket } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  createGateway,
  type Gateway,
  type GatewayOptions,
  type Net,
  type Stack,
  type StackOptions,
} from '../../src/index.ts'
import { Command } from '../support/command.ts'
import { bytesOf, listen, newStack, sha256 } from '../support/stacks.ts'

const HOST = '127.0.0.1'

/** A server of either kind, which the test takes with it. */
async function serve(on: Net | typeof net, onConnection: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>()
  const server = (on as typeof net).createServer({ allowHalfOpen: true }, (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    onConnection(socket)
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function gatewayTo(options: GatewayOptions): Promise<{ gateway: Gateway; port: number }> {
  const gateway = createGateway(options)
  onTestFinished(() => gateway.close({ abort: true }))
  await once(gateway, 'listening')
  return { gateway, port: gateway.address()?.port as number }
}

function connect(on: Net | typeof net, port: number): Socket {
  const socket = on.connect({ port, host: HOST, allowHalfOpen: true })
  onTestFinished(() => {
    socket.destroy()
  })
  return socket
}

interface Way {
  /** What servers and clients of the test are made with. */
  far: Net | typeof net
  near: Net | typeof net
  make: (port: number, options?: Partial<GatewayOptions>) => Promise<{ gateway: Gateway; port: number }>
}

/** Both ways through a gateway: from the kernel to sluice, and back. */
function way(towards: 'sluice' | 'kernel', options: StackOptions = {}): Way {
  const stack: Stack = newStack(options)
  const other: Stack = newStack(options)
  if (towards === 'sluice') {
    return {
      far: other.net,
      near: net,
      make: (port, more) => gatewayTo({ listen: `tcp:${HOST}:0`, to: `sluice:${HOST}:${port}`, stack, ...more }),
    }
  }
  return {
    far: net,
    near: other.net,
    make: (port, more) => gatewayTo({ listen: `sluice:${HOST}:0`, to: `tcp:${HOST}:${port}`, stack, ...more }),
  }
}

describe.each(['sluice', 'kernel'] as const)('a gateway towards %s', (towards) => {
  it('hands on bytes and ends, each direction by itself', async () => {
    const { far, near, make } = way(towards)
    // Answers only when the client has ended.
    const target = await serve(far, async (socket) => {
      const question = await bytesOf(socket as never)
      socket.end(`you said ${question}`)
    })
    const { gateway, port } = await make(target)
    const client = connect(near, port)
    client.end('good day')
    expect((await bytesOf(client as never)).toString()).toBe('you said good day')
    expect(gateway.counters).toMatchObject({ accepted: 1, failed: 0, resets: 0, bytesIn: 8, bytesOut: 17 })
  })

  it('carries 2 MiB to a slow reader across 1 % loss, and takes no more than buffers hold', async () => {
    const buffers = { tcp_rmem: [4096, 32_768, 32_768], tcp_wmem: [4096, 32_768, 32_768] }
    const { far, near, make } = way(towards, { impair: { loss: 0.01 }, seed: 3, sysctl: buffers })
    const data = randomFillSync(Buffer.alloc(2 ** 21))
    const pieces: Buffer[] = []
    let length = 0
    let most = 0
    let ended = (): void => {}
    const all = new Promise<void>((resolve) => {
      ended = resolve
    })
    const target = await serve(far, (socket) => {
      socket.on('end', ended).on('data', (piece: Buffer) => {
        pieces.push(piece)
        length += piece.length
        most = Math.max(most, gateway.counters.bytesIn - length)
        socket.pause()
        setImmediate(() => socket.resume())
      })
    })
    const { gateway, port } = await make(target)
    connect(near, port).end(data)
    await all
    expect(sha256(Buffer.concat(pieces))).toBe(sha256(data))
    // The kernel's own buffers are larger than all of it.
    if (towards === 'sluice') expect(most).toBeLessThan(2 ** 19)
  })

  it('resets the target when the client resets', async () => {
    const { far, near, make } = way(towards)
    const accepted: Socket[] = []
    const target = await serve(far, (socket) => accepted.push(socket.resume()))
    const { gateway, port } = await make(target)
    const client = connect(near, port)
    client.write('some of it')
    while (accepted.length === 0) await new Promise((resolve) => setImmediate(resolve))
    const failed = once(accepted[0] as Socket, 'error')
    client.resetAndDestroy()
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
    await gateway.close()
    expect(gateway.counters).toMatchObject({ open: 0, resets: 1 })
  })

  it('resets the client when the target resets', async () => {
    const { far, near, make } = way(towards)
    const target = await serve(far, (socket) => socket.once('data', () => socket.resetAndDestroy()))
    const { port } = await make(target)
    const client = connect(near, port).resume()
    const failed = once(client, 'error')
    client.write('go away')
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  it('resets the client when the target refuses, and says why', async () => {
    const { far, near, make } = way(towards)
    const server = far.createServer() as Server
    server.listen(0, HOST)
    await once(server, 'listening')
    const target = (server.address() as AddressInfo).port
    server.close()
    await once(server, 'close')
    const { gateway, port } = await make(target)
    const told = once(gateway, 'failed')
    const client = connect(near, port).resume()
    expect((await once(client, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' })
    const [error, end] = await told
    expect(error).toMatchObject({ code: 'ECONNREFUSED', port: target })
    expect(end).toEqual({ address: HOST, port: expect.any(Number) })
    expect(gateway.counters).toMatchObject({ accepted: 1, open: 0, failed: 1 })
  })

  it.each([1, 2] as const)('tells the target by the PROXY protocol, version %i, who the client is', async (version) => {
    const { near, make } = way(towards)
    // A second gateway takes the header off again, and hands the address on in its own.
    const target = await serve(net, async (socket) => socket.end(await bytesOf(socket as never)))
    const { port: middle } = await gatewayTo({
      listen: `${towards === 'sluice' ? 'sluice' : 'tcp'}:${HOST}:0`,
      to: `tcp:${HOST}:${target}`,
      stack: newStack(),
      acceptProxy: true,
      proxyProtocol: 1,
    })
    const { port } = await make(middle, { proxyProtocol: version })
    const client = connect(near, port)
    await once(client, 'connect')
    const { localPort } = client
    client.end('hello')
    const heard = (await bytesOf(client as never)).toString()
    expect(heard).toBe(`PROXY TCP4 ${HOST} ${HOST} ${localPort} ${port}\r\nhello`)
  })

  it('resets a client that was to say who it is and does not', async () => {
    const { far, near, make } = way(towards)
    const target = await serve(far, (socket) => socket.end('never'))
    const { gateway, port } = await make(target, { acceptProxy: true })
    const client = connect(near, port).resume()
    const failed = once(client, 'error')
    client.write('GET / HTTP/1.1\r\n')
    expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect(gateway.counters.failed).toBe(1)
  })
})

describe('a gateway', () => {
  it('leads through a tunnel from one end to the other', async () => {
    const target = await serve(net, (socket) => socket.pipe(socket))
    const { server, port: udpPort } = await listen(newStack().net)
    server.close()
    await once(server, 'close')
    const inner = await gatewayTo({ listen: `sluice:${HOST}:7@${udpPort}`, to: `tcp:${HOST}:${target}` })
    expect(inner.port).toBe(7)
    const { port } = await gatewayTo({
      listen: `tcp:${HOST}:0`,
      to: `sluice:${HOST}:7@${udpPort}`,
      stack: newStack(),
    })
    const client = connect(net, port)
    client.end('through one UDP port')
    expect((await bytesOf(client as never)).toString()).toBe('through one UDP port')
  })

  it("gives a server of this process its clients' own addresses", async () => {
    const { net: on } = newStack()
    const server = on.createServer((socket) => {
      socket.end(`${socket.remoteAddress} ${socket.remotePort} ${socket.remoteFamily}`)
    })
    server.listen(0, HOST)
    await once(server, 'listening')
    const { gateway, port } = await gatewayTo({ listen: `tcp:${HOST}:0`, to: server })
    for (let i = 0; i < 2; i++) {
      const client = connect(net, port)
      await once(client, 'connect')
      const { localPort } = client
      expect((await bytesOf(client as never)).toString()).toBe(`${HOST} ${localPort} IPv4`)
      client.end()
    }
    // It goes with its server.
    const closed = once(gateway, 'close')
    server.close()
    await closed
  })

  it('lets connections finish when it closes, and takes no more', async () => {
    const { far, near, make } = way('sluice')
    const target = await serve(far, (socket) => socket.pipe(socket))
    const { gateway, port } = await make(target)
    const client = connect(near, port)
    client.write('one ')
    await once(client, 'data')
    const closed = gateway.close()
    const refused = connect(net, port)
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNREFUSED' })
    client.end('two')
    expect((await bytesOf(client as never)).toString()).toBe('two')
    await closed
    expect(gateway.counters.open).toBe(0)
  })

  it('says that it cannot listen', async () => {
    const taken = await serve(net, () => {})
    const gateway = createGateway({ listen: `tcp:${HOST}:${taken}`, to: 'sluice:1' })
    expect((await once(gateway, 'error'))[0]).toMatchObject({ code: 'EADDRINUSE' })
    await gateway.close()
  })
})

describe('sluice gateway', () => {
  it('relays several pairs until a signal, counts, and ends with status 0', async () => {
    const target = await serve(newStack().net, (socket) => socket.pipe(socket))
    const command = new Command('src/cli/index.ts', [
      ...['gateway', '--stats', '1000', '--listen', `tcp:${HOST}:0`, '--to', `sluice:${HOST}:${target}`],
      ...['-l', `tcp:${HOST}:0`, '-t', `sluice:${HOST}:1`],
    ])
    const [, first, second] = await command.prints(
      /listening on tcp:127\.0\.0\.1:(\d+), for sluice.*\n.*listening on tcp:127\.0\.0\.1:(\d+), for sluice:127\.0\.0\.1:1\n/,
      'stderr',
    )
    const client = connect(net, Number(first))
    client.end('hello')
    expect((await bytesOf(client as never)).toString()).toBe('hello')
    const refused = connect(net, Number(second)).resume()
    expect((await once(refused, 'error'))[0]).toMatchObject({ code: 'ECONNRESET' })
    await command.prints(/to sluice:127\.0\.0\.1:1: connect ECONNREFUSED 127\.0\.0\.1:1\n/, 'stderr')
    command.kill('SIGTERM')
    expect(await command.status).toBe(0)
    expect(command.stderr).toContain('2 accepted, 0 open, 1 failed, 0 reset; 5 bytes in, 5 out\n')
  })

  it('ends with status 1 where it cannot listen, and 2 where it does not understand', async () => {
    const taken = await serve(net, () => {})
    const unlucky = new Command('src/cli/index.ts', ['gateway', '-l', `tcp:${HOST}:${taken}`, '-t', 'sluice:1'])
    const odd = new Command('src/cli/index.ts', ['gateway', '-l', 'tcp:1', '-t', 'sluice:1', '-t', 'sluice:2'])
    expect(await unlucky.status).toBe(1)
    expect(unlucky.stderr).toContain('EADDRINUSE')
    expect(await odd.status).toBe(2)
    expect(odd.stderr).toContain('1 --listen and 2 --to: they go in pairs')
  })
})
