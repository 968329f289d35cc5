import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import tls from 'node:tls'
import { describe, expect, it } from 'vitest'
import type { StackOptions } from '../../src/index.ts'
import { selfSigned } from '../support/certificate.ts'
import { listen, newStack, sha256 } from '../support/stacks.ts'

const { key, cert } = selfSigned()

/** A `tls` server that lives on a server of ours and sends back what it gets. */
async function echoServer(options: StackOptions): Promise<number> {
  const context = tls.createSecureContext({ key, cert })
  const { port } = await listen(
    newStack(options).net,
    (socket) => {
      const secure = new tls.TLSSocket(socket, { isServer: true, secureContext: context })
      secure.on('error', () => socket.destroy())
      secure.pipe(secure)
    },
    { allowHalfOpen: true },
  )
  return port
}

async function echo(size: number, serverOptions: StackOptions, clientOptions: StackOptions): Promise<void> {
  const port = await echoServer(serverOptions)
  const socket = newStack(clientOptions).net.connect({ port, host: '127.0.0.1' })
  const secure = tls.connect({ socket, servername: 'localhost', ca: cert })
  await once(secure, 'secureConnect')
  expect(secure.authorized).toBe(true)
  const data = randomFillSync(Buffer.alloc(size))
  const received = createHash('sha256')
  let length = 0
  const reading = (async () => {
    for await (const piece of secure) {
      received.update(piece)
      length += piece.length
    }
  })()
  await pipeline(Readable.from(pieces(data)), secure, { end: true })
  await reading
  expect(length).toBe(size)
  expect(received.digest('hex')).toBe(sha256(data))
}

function* pieces(data: Buffer): Generator<Buffer> {
  for (let at = 0; at < data.length; at += 50_000) yield data.subarray(at, at + 50_000)
}

describe('tls over sluice', () => {
  it('echoes 10 MiB through `tls.connect({ socket })`', () => echo(10 * 2 ** 20, {}, {}))

  it('echoes 1 MiB across 2 % loss', () =>
    echo(2 ** 20, { impair: { loss: 0.02 }, seed: 1 }, { impair: { loss: 0.02 }, seed: 2 }))

  it('a `tls` server takes the connections of ours by `emit`', async () => {
    const server = tls.createServer({ key, cert }, (secure) => secure.end('hello'))
    const { port } = await listen(newStack().net, (socket) => server.emit('connection', socket))
    const socket = newStack().net.connect({ port, host: '127.0.0.1' })
    const secure = tls.connect({ socket, servername: 'localhost', ca: cert })
    let text = ''
    for await (const piece of secure) text += piece
    expect(text).toBe('hello')
  })
})
