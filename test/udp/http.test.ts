import { once } from 'node:events'
import http from 'node:http'
import type { Duplex } from 'node:stream'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Net } from '../../src/index.ts'
import { listen, newStack } from '../support/stacks.ts'

const LOSS = { impair: { loss: 0.02 } }

/** The `Agent` of Node, with connections of ours. */
class SluiceAgent extends http.Agent {
  readonly #net: Net
  connections = 0

  constructor(net: Net, options: http.AgentOptions) {
    super(options)
    this.#net = net
  }

  override createConnection({ host, port }: http.ClientRequestArgs): Duplex {
    this.connections++
    return this.#net.createConnection({ host: host as string, port: Number(port) })
  }
}

interface Answer {
  status: number | undefined
  body: string
}

async function request(port: number, agent: http.Agent, path: string, body = ''): Promise<Answer> {
  const asked = http.request({ host: '127.0.0.1', port, agent, path, method: body === '' ? 'GET' : 'POST' })
  asked.end(body)
  const [answer] = (await once(asked, 'response')) as [http.IncomingMessage]
  let text = ''
  answer.setEncoding('utf8')
  for await (const piece of answer) text += piece
  return { status: answer.statusCode, body: text }
}

/** A server of Node's that lives on a server of ours, and says what it was asked. */
async function serve(seed: number): Promise<number> {
  const server = http.createServer(async (asked, answer) => {
    let length = 0
    for await (const piece of asked) length += piece.length
    answer.setHeader('content-type', 'text/plain')
    answer.end(`${asked.method} ${asked.url} ${length} ${'x'.repeat(Number(asked.url?.split('/')[2] ?? 0))}`)
  })
  server.keepAliveTimeout = 60_000
  const { port } = await listen(newStack({ ...LOSS, seed }).net, (socket) => server.emit('connection', socket))
  return port
}

describe('node:http over sluice, with 2 % of all segments lost each way', () => {
  it('makes 200 requests one after the other on one connection', async () => {
    const port = await serve(1)
    const stack = newStack({ ...LOSS, seed: 2 })
    const agent = new SluiceAgent(stack.net, { keepAlive: true, maxSockets: 1 })
    onTestFinished(() => agent.destroy())
    for (let i = 0; i < 200; i++) {
      const body = i % 3 === 0 ? 'b'.repeat(i * 20) : ''
      const { status, body: text } = await request(port, agent, `/${i}/${i * 10}`, body)
      expect(status).toBe(200)
      expect(text).toBe(`${body === '' ? 'GET' : 'POST'} /${i}/${i * 10} ${body.length} ${'x'.repeat(i * 10)}`)
    }
    expect(agent.connections).toBe(1)
    expect(stack.counters().ActiveOpens).toBe(1)
    expect(stack.counters().RetransSegs).toBeGreaterThan(0)
  })

  it('makes 50 requests at once', async () => {
    const port = await serve(3)
    const stack = newStack({ ...LOSS, seed: 4 })
    const agent = new SluiceAgent(stack.net, { keepAlive: true })
    onTestFinished(() => agent.destroy())
    for (let round = 0; round < 2; round++) {
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, i) => request(port, agent, `/${i}/${i * 500}`, `${i}`.repeat(i * 100))),
      )
      for (const [i, { status, body }] of answers.entries()) {
        expect(status).toBe(200)
        const method = i === 0 ? 'GET' : 'POST'
        expect(body).toBe(`${method} /${i}/${i * 500} ${`${i}`.length * i * 100} ${'x'.repeat(i * 500)}`)
      }
    }
    // The second round found the connections of the first.
    expect(agent.connections).toBe(50)
    expect(stack.counters().ActiveOpens).toBe(50)
  })

  it('works with `createConnection` of a single request', async () => {
    const port = await serve(5)
    const { net } = newStack({ ...LOSS, seed: 6 })
    const asked = http.request({
      port,
      path: '/once/5',
      createConnection: () => net.createConnection({ port, host: '127.0.0.1' }),
    })
    asked.end()
    const [answer] = (await once(asked, 'response')) as [http.IncomingMessage]
    const closed = once(answer.socket, 'close')
    answer.setEncoding('utf8')
    let text = ''
    for await (const piece of answer) text += piece
    expect(text).toBe('GET /once/5 0 xxxxx')
    // Not kept for another: it ends with the answer.
    await closed
  })
})
