import dgram from 'node:dgram'
import { once } from 'node:events'
import { afterEach, expect, it, vi } from 'vitest'
import { nativeSockets } from '../../src/tunnel/index.ts'
import { Program } from '../support/program.ts'
import { listen, newStack } from '../support/stacks.ts'

// Busy sockets send by system calls of their own, where those are to be had: dgram makes the sockets, and reads from them.

const here = nativeSockets() !== null

/** Enough for either side to be busy, and for much to follow. */
const ROUNDS = 1200

afterEach(() => void vi.restoreAllMocks())

/** The connection has echoed `ROUNDS` numbers in order. */
async function converse(socket: ReturnType<ReturnType<typeof newStack>['net']['connect']>): Promise<void> {
  let next = 0
  await new Promise<void>((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      if (chunk.length !== 4 || chunk.readUInt32BE(0) !== next)
        reject(new Error(`${next} came back as ${chunk.toString('hex')}`))
      if (++next === ROUNDS) resolve(void socket.off('data', onData))
      else socket.write(number(next))
    }
    socket.on('error', reject)
    socket.on('data', onData)
    socket.write(number(0))
  })
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

for (const host of ['127.0.0.1', '::1']) {
  it(`carries a long conversation over ${host}, most of it past dgram where the system can`, async () => {
    const sends = vi.spyOn(dgram.Socket.prototype, 'send')
    const [client, server] = [newStack(), newStack()]
    const { port } = await listen(server.net, (socket) => socket.on('data', (chunk) => void socket.write(chunk)), {
      host,
    })
    const socket = client.net.connect({ port, host, noDelay: true })
    await converse(socket)
    // Each side has sent more than a thousand datagrams by dgram before it found another way.
    if (here) expect(sends.mock.calls.length).toBeLessThan(2 * 1100)
    else expect(sends.mock.calls.length).toBeGreaterThanOrEqual(2 * ROUNDS)
    socket.destroy()
  })
}

it('looks for what comes next where it comes soon, past dgram where the system can (busy_poll)', async () => {
  // Soon, on a machine that has other things to do.
  const peer = new Program('peer', { args: ['serve'] })
  const stack = newStack({ sysctl: { busy_poll: 1_000_000 } })
  const socket = stack.net.connect({ port: Number(await peer.said('port')), noDelay: true })
  await peer.said('accepted')
  peer.tell('echo')
  await peer.said('echoes')
  const polled = (): number => stack.counters().BusyPollRxPackets as number
  // Where that gains nothing it is done for a hundredth of the time.
  do await converse(socket)
  while (here && polled() === 0)
  expect(polled() > 0).toBe(here)
  socket.destroy()
})

for (const mtu of [1500, 'auto'] as const) {
  it(`carries ten megabytes in order, gathered from where they were written where the system can, mtu ${mtu}`, async () => {
    const [client, server] = [newStack({ mtu }), newStack({ mtu })]
    const sent = Buffer.from(Array.from({ length: 10_000_019 }, (_, i) => (i * 2_654_435_761) >>> 13))
    const received: Buffer[] = []
    const { port, socket: accepted } = await listenOnce(server, received)
    const socket = client.net.connect(port, '127.0.0.1')
    for (let at = 0; at < sent.length; at += 77_777) socket.write(sent.subarray(at, at + 77_777))
    socket.resume().end()
    await Promise.all([accepted, once(socket, 'close')])
    expect(Buffer.concat(received).equals(sent)).toBe(true)
  })
}

/** A server that keeps what its first connection brings, and a promise of its 'close'. */
async function listenOnce(server: ReturnType<typeof newStack>, received: Buffer[]) {
  let ended: () => void
  const socket = new Promise<void>((resolve) => {
    ended = resolve
  })
  const { port } = await listen(
    server.net,
    (one) => one.on('data', (chunk: Buffer) => received.push(chunk)).on('close', () => ended()),
    { host: '127.0.0.1' },
  )
  return { port, socket }
}

it('hears of a refused port as before', async () => {
  const [client, server] = [newStack(), newStack()]
  const { port } = await listen(server.net, (socket) => socket.on('data', (chunk) => void socket.write(chunk)), {
    host: '127.0.0.1',
  })
  const first = client.net.connect({ port, host: '127.0.0.1', noDelay: true })
  await converse(first)
  first.end()
  await once(first, 'close')
  // What is left of it keeps the busy UDP socket open.
  await server.close()
  const [error] = (await once(client.net.connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
})
