import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Socket, Stack, StackOptions } from '../../src/index.ts'
import { fillPattern } from '../support/pattern.ts'
import { listen, newStack, sha256 } from '../support/stacks.ts'

// Real sockets and the whole of `net`; the 4 MiB of each kind cross in virtual time (test/sim/impaired.test.ts).

const SIZE = 2 ** 19
const DATA = fillPattern(Buffer.alloc(SIZE), 7, 0)
const DIGEST = sha256(DATA)

/** Sends `DATA` from a client to a server, each on a stack of its own; both must end without an error. */
async function transfer(clientOptions: StackOptions, serverOptions: StackOptions): Promise<[Stack, Stack]> {
  const [client, server] = [newStack(clientOptions), newStack(serverOptions)]
  const listener = await listen(server.net)
  const socket = client.net.connect({ port: listener.port, host: '127.0.0.1' })
  const clientClosed = once(socket, 'close')
  socket.resume()
  const accepted = once(listener.server, 'connection') as Promise<[Socket]>
  socket.end(DATA)
  const [peer] = await accepted
  const hash = createHash('sha256')
  let length = 0
  for await (const piece of peer) {
    hash.update(piece)
    length += piece.length
  }
  expect(length).toBe(SIZE)
  expect(hash.digest('hex')).toBe(DIGEST)
  expect(await clientClosed).toEqual([false])
  return [client, server]
}

describe('512 KiB over real sockets, both directions impaired', () => {
  it('5 % loss', async () => {
    const impair = { loss: 0.05 }
    const [client] = await transfer({ impair, seed: 1 }, { impair, seed: 2 })
    expect(client.counters().RetransSegs).toBeGreaterThan(5)
  })

  it('20 % reordering by 5 ms', async () => {
    const impair = { reorder: { probability: 0.2, by: 5 } }
    const [, server] = await transfer({ impair, seed: 3 }, { impair, seed: 4 })
    expect(server.counters().TCPOFOQueue).toBeGreaterThan(5)
  })

  it('5 % duplication', async () => {
    const impair = { duplicate: 0.05 }
    const [client, server] = await transfer({ impair, seed: 5 }, { impair, seed: 6 })
    expect(server.counters().InSegs).toBeGreaterThan(client.counters().OutSegs)
  })

  it('2 % of each with 30 ms jitter', async () => {
    const impair = { loss: 0.02, reorder: 0.02, duplicate: 0.02, corrupt: 0.02, delay: 30, jitter: 30 }
    await transfer({ impair, seed: 7 }, { impair, seed: 8 })
  })

  it.each(['offload', 'always'] as const)(
    '1 % corruption, dropped and counted, with checksum: %s',
    async (checksum) => {
      const impair = { corrupt: 0.01 }
      const [client, server] = await transfer({ impair, seed: 9, checksum }, { impair, seed: 10, checksum })
      expect(server.counters().InCsumErrors).toBeGreaterThan(0)
      expect(client.counters().RetransSegs).toBeGreaterThan(0)
    },
  )
})

describe('corruption', () => {
  it('of every segment: not one gets through, and all are counted', async () => {
    const server = newStack()
    const { port } = await listen(server.net)
    const client = newStack({ impair: { out: { corrupt: 1 } }, seed: 1 })
    const socket = client.net.connect({ port, host: '127.0.0.1' })
    socket.on('error', () => {})
    const before = server.counters()
    expect(before.InSegs).toBe(0)
    while (server.counters().InSegs < 1) await new Promise((resolve) => setImmediate(resolve))
    expect(server.counters().InErrs).toBe(server.counters().InSegs)
    expect(server.counters().PassiveOpens).toBe(0)
    socket.destroy()
  })
})
