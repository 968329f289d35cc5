import { once } from 'node:events'
import { buffer, text } from 'node:stream/consumers'
import { describe, expect, it } from 'vitest'
import { type NetworkContext, type NetworkOptions, withNetwork } from '../../src/testing/index.ts'
import { fillPattern } from '../support/pattern.ts'

// Forty applications, each in a network of its own, side by side: what one would write with `sluice/testing`, and how long it takes.

/** An echo server on one host, a client on another. */
async function echo({ host }: NetworkContext, bytes: number): Promise<void> {
  const server = host('server').net.createServer((socket) => socket.pipe(socket))
  server.listen(7)
  const socket = host('client').net.connect(7, 'server')
  const sent = fillPattern(Buffer.alloc(bytes), 7, 0)
  socket.end(sent)
  expect((await buffer(socket)).equals(sent)).toBe(true)
}

/** Ten questions, each asked when the one before was answered. */
async function questions({ host }: NetworkContext): Promise<void> {
  host('server')
    .net.createServer(async (socket) => {
      for await (const question of socket) socket.write(`${question}!`)
      socket.end()
    })
    .listen(80)
  const socket = host('client').net.connect(80, 'server')
  for (let i = 0; i < 10; i++) {
    socket.write(`question ${i}`)
    const [answer] = await once(socket, 'data')
    expect(String(answer)).toBe(`question ${i}!`)
  }
  socket.end()
  await once(socket, 'close')
}

/** Several clients of one server, with timers of their own. */
async function clients({ host, network }: NetworkContext): Promise<void> {
  host('server')
    .net.createServer((socket) => setTimeout(() => socket.end(`late`), 250))
    .listen(80)
  const answers = await Promise.all(
    ['a', 'b', 'c'].map(async (name, i) => {
      await new Promise((resolve) => setTimeout(resolve, 1000 * i))
      return text(host(name).net.connect(80, 'server'))
    }),
  )
  expect(answers).toEqual(['late', 'late', 'late'])
  expect(network.now()).toBeGreaterThanOrEqual(2250)
}

const weathers: readonly NetworkOptions[] = [
  {},
  { loss: '5%' },
  { delay: 100 },
  { delay: 20, jitter: 5 },
  { loss: '10%', delay: 50 },
  { rate: '10mbit', delay: 10 },
  { duplicate: '5%', delay: 5 },
  { delay: 10, reorder: '10%' },
  { corrupt: '2%', delay: 10 },
  { loss: '20%', delay: 200 },
]
const applications = {
  'echoes 50 KB': (context: NetworkContext) => echo(context, 50_000),
  'echoes one byte': (context: NetworkContext) => echo(context, 1),
  'answers ten questions': questions,
  'serves three clients': clients,
}

describe.concurrent('withNetwork', () => {
  for (const [title, application] of Object.entries(applications)) {
    it.each(weathers)(`${title} under %o`, (weather) => withNetwork({ seed: 11, ...weather }, application))
  }
})
