import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { Program } from '../support/program.ts'
import { type Failure, listen, newStack, outcomeOf, turn } from '../support/stacks.ts'

/** A server in another process, and a client here that is connected to it. */
async function connected(): Promise<{ server: Program; client: Socket }> {
  const server = new Program('peer', { args: ['serve'] })
  const client = newStack().net.connect({ port: Number(await server.said('port')), host: '127.0.0.1' })
  await Promise.all([once(client, 'connect'), server.said('accepted')])
  return { server, client }
}

describe('a peer whose process is killed (SIGKILL)', () => {
  it('the server: a client that sends gets ECONNRESET within five seconds', async () => {
    const { server, client } = await connected()
    client.resume()
    client.write('while it lives')
    await server.said('received')
    server.kill('SIGKILL')
    await server.exited
    const failed = once(client, 'error')
    const began = performance.now()
    client.write('when it does not')
    const [error] = (await failed) as [Failure]
    const took = performance.now() - began
    expect(error.code).toBe('ECONNRESET')
    expect(error.syscall).toBe('read')
    expect(took).toBeLessThan(5000)
    // One refusal alone ends nothing, for anybody can forge it.
    expect(took).toBeGreaterThan(900)
  })

  it('the server, in the middle of a transfer: ECONNRESET within five seconds', async () => {
    const { server, client } = await connected()
    const failed = once(client, 'error')
    const data = Buffer.alloc(65_536)
    const write = (): void => {
      while (client.writable && client.write(data));
    }
    client.on('drain', write)
    client.resume()
    write()
    await server.said('received')
    server.kill('SIGKILL')
    await server.exited
    const began = performance.now()
    const [error] = (await failed) as [Failure]
    expect(error.code).toBe('ECONNRESET')
    expect(performance.now() - began).toBeLessThan(5000)
  })

  it('the server, which another one replaces: the first segment draws a reset', async () => {
    const { net } = newStack()
    const first = new Program('peer', { args: ['serve'] })
    const port = Number(await first.said('port'))
    const client = net.connect({ port, host: '127.0.0.1' })
    await Promise.all([once(client, 'connect'), first.said('accepted')])
    first.kill('SIGKILL')
    await first.exited
    await listen(newStack().net, undefined, { port })
    const outcome = outcomeOf(client)
    client.write('are you still there?')
    expect(await outcome).toBe('ECONNRESET')
  })

  it('the client: keepalive ends it', async () => {
    const stack = newStack()
    const { server, port } = await listen(stack.net)
    const client = new Program('peer', { args: ['connect', port] })
    const [socket] = (await once(server, 'connection')) as [Socket]
    await client.said('connected')
    socket.setKeepAlive(true, 1000, 1000, 2)
    const outcome = outcomeOf(socket)
    client.kill('SIGKILL')
    expect(await outcome).toBe('ETIMEDOUT')
    expect(stack.counters().TCPKeepAlive).toBe(2)
  })

  it('the client: what is not acknowledged ends it after the time of `tcp_retries2`', async () => {
    // (2^2 − 1) × 200 ms of retransmissions.
    const stack = newStack({ sysctl: { tcp_retries2: 1 } })
    const { server, port } = await listen(stack.net)
    const client = new Program('peer', { args: ['connect', port] })
    const [socket] = (await once(server, 'connection')) as [Socket]
    await client.said('connected')
    client.kill('SIGKILL')
    await client.exited
    const outcome = outcomeOf(socket)
    socket.write('anybody?')
    expect(await outcome).toBe('ETIMEDOUT')
    expect(stack.counters().TCPTimeouts).toBeGreaterThan(1)
  })
})

describe('a peer whose process ends without closing', () => {
  /** How long the other end may take to learn of it. */
  const WITHIN_MS = 1000

  /** Tells the peer to end, and how it is heard of here; `unread`: after data came that the peer has not read. */
  async function ending(role: 'serve' | 'connect', end: (peer: Program) => void, unread = false): Promise<string> {
    let peer: Program
    let socket: Socket
    if (role === 'serve') {
      const pair = await connected()
      peer = pair.server
      socket = pair.client
    } else {
      const { server, port } = await listen(newStack().net)
      peer = new Program('peer', { args: ['connect', port] })
      ;[socket] = (await once(server, 'connection')) as [Socket]
      await peer.said('connected')
    }
    if (unread) {
      peer.tell('pause')
      await peer.said('paused')
      // The first fills its stream, which reads no further.
      for (const _ of [1, 2]) {
        socket.write('x'.repeat(20_000))
        while ((socket.tcp.info()?.unacked ?? 0) + (socket.tcp.info()?.notsent_bytes ?? 0) > 0) await turn()
      }
    }
    const outcome = outcomeOf(socket).then((how) => ({ how, at: performance.now() }))
    end(peer)
    await peer.exited
    const exitedAt = performance.now()
    const { how, at } = await outcome
    expect(at - exitedAt).toBeLessThan(WITHIN_MS)
    return how
  }

  it.each(['serve', 'connect'] as const)("process.exit(): 'end' (%s)", async (role) => {
    expect(await ending(role, (peer) => peer.tell('exit'))).toBe('end')
  })

  it.each(['serve', 'connect'] as const)("an exception that nobody catches: 'end' (%s)", async (role) => {
    expect(await ending(role, (peer) => peer.tell('throw'))).toBe('end')
  })

  it("a rejection that nobody handles: 'end'", async () => {
    expect(await ending('serve', (peer) => peer.tell('reject'))).toBe('end')
  })

  it.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)("%s: 'end', and the process dies by the signal", async (signal) => {
    let peer: Program | undefined
    const how = await ending('connect', (running) => {
      peer = running
      running.kill(signal)
    })
    expect(how).toBe('end')
    expect(await peer?.exited).toEqual({ code: null, signal })
  })

  it('with unread data: ECONNRESET, by exit and by signal', async () => {
    expect(await ending('serve', (peer) => peer.tell('exit'), true)).toBe('ECONNRESET')
    expect(await ending('connect', (peer) => peer.kill('SIGTERM'), true)).toBe('ECONNRESET')
  })

  it.each(['handle-sigterm', 'handle-sigterm-once'])(
    'a signal that the program handles is left to it: %s',
    async (way) => {
      const { server, client } = await connected()
      const outcome = outcomeOf(client)
      server.tell(way)
      await server.said('handles')
      server.kill('SIGTERM')
      await server.said('handled')
      client.write('goes through')
      await server.said('received')
      expect(await server.exited).toEqual({ code: 7, signal: null })
      expect(await outcome).toBe('end')
    },
  )

  it('every stack of the process says goodbye', async () => {
    const { server, port } = await listen(newStack().net)
    const sockets: Socket[] = []
    const outcomes: Promise<string>[] = []
    server.on('connection', (socket) => {
      sockets.push(socket)
      outcomes.push(outcomeOf(socket))
    })
    const peer = new Program('peer', { args: ['connect', port] })
    await peer.said('connected')
    peer.tell('other-stack')
    await peer.said('second')
    while (sockets.length < 2) await once(server, 'connection')
    peer.kill('SIGINT')
    expect(await Promise.all(outcomes)).toEqual(['end', 'end'])
  })

  it('data that was written just before it is delivered first', async () => {
    const { server, client } = await connected()
    let received = 0
    client.on('data', (data) => {
      received += data.length
    })
    const outcome = outcomeOf(client)
    server.tell('write-exit 50000')
    expect(await outcome).toBe('end')
    expect(received).toBe(50_000)
  })
})
