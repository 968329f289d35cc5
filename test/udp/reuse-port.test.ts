import { once } from 'node:events'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Server, Socket } from '../../src/index.ts'
import { failureOf, newStack } from '../support/stacks.ts'

const HOST = '127.0.0.1'

/** A host whose server says its name to whoever says something. */
async function host(name: string, port: number, reusePort = true): Promise<Server> {
  const server = newStack().net.createServer((socket) => {
    onTestFinished(() => {
      socket.destroy()
    })
    socket.on('data', () => socket.write(name)).on('error', () => {})
  })
  server.listen({ port, host: HOST, reusePort })
  await once(server, 'listening')
  return server
}

const portOf = (server: Server): number => (server.address() as { port: number }).port

describe('reusePort', () => {
  it('divides clients among hosts, each of which keeps its own when others come and go', async () => {
    const port = portOf(await host('one', 0))
    await host('two', port)
    const { net } = newStack()
    const clients = Array.from({ length: 40 }, (_, i): Socket => {
      return net.connect({ port, host: HOST, localAddress: `127.0.0.${i + 2}` }).setEncoding('utf8') as Socket
    })
    const answers = (): Promise<string[]> =>
      Promise.all(
        clients.map(async (client) => {
          client.write('who are you?')
          return (await once(client, 'data'))[0]
        }),
      )
    const before = await answers()
    expect(new Set(before)).toEqual(new Set(['one', 'two']))
    const third = await host('three', port)
    expect(await answers()).toEqual(before)
    third.close()
    await once(third, 'close')
    expect(await answers()).toEqual(before)
    for (const client of clients) client.destroy()
  })

  it('is for those only who all ask for it', async () => {
    const shared = portOf(await host('one', 0))
    const alone = portOf(await host('one', 0, false))
    for (const [port, reusePort] of [
      [shared, false],
      [alone, true],
    ] as const) {
      const server = newStack().net.createServer().listen({ port, host: HOST, reusePort })
      expect(await failureOf(server)).toMatchObject({ code: 'EADDRINUSE', port })
    }
  })
})
