import { once } from 'node:events'
import { expect, it } from 'vitest'
import { withNetwork } from '../../src/testing/index.ts'

it('what is under way in a network in real time arrives, though the socket that sent it is closed by then', () =>
  withNetwork({ time: 'real', delay: 30, seed: 1 }, async ({ host }) => {
    const [client, server] = [host('client'), host('server')]
    const listener = server.net.createServer().listen(80)
    const socket = client.net.connect(80, 'server')
    const [[accepted]] = await Promise.all([once(listener, 'connection'), once(socket, 'connect')])
    const failed = once(accepted, 'error').catch((error: unknown) => error)
    socket.tcp.linger = 0
    // A reset, and nothing that would keep its UDP socket open.
    socket.destroy()
    await once(socket, 'close')
    expect(client.sockets()).toEqual([])
    expect(await failed).toMatchObject([{ code: 'ECONNRESET' }])
    // Nothing is left of it in a list while its owner is being told.
    expect(server.sockets().map(({ state }) => state)).toEqual(['LISTEN'])
  }))
