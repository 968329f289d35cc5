import { once } from 'node:events'
import { type AddressInfo, createServer, connect as kernelConnect, type Server, type Socket } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type ProxyRecord, ProxyServer } from '../../src/proxy/index.ts'

let api: ProxyServer
let base: string
let echo: Server
let upstream: string

beforeEach(async () => {
  api = new ProxyServer({ port: 0, seed: 3 })
  base = `http://localhost:${(await api.listen()).port}`
  echo = createServer({ allowHalfOpen: true }, (socket) => void socket.on('error', () => {}).pipe(socket))
  echo.listen(0, '127.0.0.1')
  await once(echo, 'listening')
  upstream = `127.0.0.1:${(echo.address() as AddressInfo).port}`
})

afterEach(async () => {
  await api.close()
  echo.close()
})

async function ask(method: string, path: string, body?: unknown): Promise<[status: number, body: unknown]> {
  const text = typeof body === 'string' ? body : body === undefined ? undefined : JSON.stringify(body)
  const response = await fetch(base + path, { method, ...(text !== undefined && { body: text }) })
  const answer = await response.text()
  return [response.status, answer.startsWith('{') || answer.startsWith('[') ? JSON.parse(answer) : answer]
}

/** A proxy to the echo server, and a client of it. */
async function make(name = 'echo'): Promise<() => Socket> {
  const [status, body] = await ask('POST', '/proxies', { name, listen: '127.0.0.1:0', upstream })
  expect(status).toBe(201)
  const port = Number(/:(\d+)$/.exec((body as ProxyRecord).listen)?.[1])
  return () => kernelConnect({ port, host: '127.0.0.1', allowHalfOpen: true })
}

/** What an echo gives back, and how it ended. */
async function trip(socket: Socket, data: Buffer): Promise<{ back: Buffer; error: string | null }> {
  const pieces: Buffer[] = []
  let error: string | null = null
  socket.on('data', (piece: Buffer) => pieces.push(piece))
  socket.on('error', (problem: NodeJS.ErrnoException) => {
    error = problem.code ?? null
  })
  socket.end(data)
  await new Promise((resolve) => socket.once('close', resolve))
  return { back: Buffer.concat(pieces), error }
}

const DATA = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i * 7))

describe('the API answers', () => {
  it('as toxiproxy does', async () => {
    await make()
    const toxic = {
      attributes: { latency: 5, jitter: 0 },
      name: 'slow',
      type: 'latency',
      stream: 'downstream',
      toxicity: 1,
    }
    const listen = '127.0.0.1:0'
    const table: [method: string, path: string, body: unknown, status: number, answer: unknown][] = [
      ['GET', '/version', undefined, 200, { version: expect.stringMatching(/^\d+\.\d+\.\d+/) }],
      [
        'GET',
        '/proxies',
        undefined,
        200,
        { echo: expect.objectContaining({ name: 'echo', enabled: true, upstream, toxics: [] }) },
      ],
      [
        'GET',
        '/proxies/echo',
        undefined,
        200,
        expect.objectContaining({ listen: expect.stringMatching(/^127\.0\.0\.1:[1-9]/) }),
      ],
      ['GET', '/proxies/none', undefined, 404, { error: 'proxy not found', status: 404 }],
      ['POST', '/proxies', { name: 'echo', listen, upstream }, 409, { error: 'proxy already exists', status: 409 }],
      ['POST', '/proxies', { listen, upstream }, 400, { error: 'missing required field: name', status: 400 }],
      ['POST', '/proxies', { name: 'x', listen }, 400, { error: 'missing required field: upstream', status: 400 }],
      ['POST', '/proxies', '{', 400, { error: expect.stringMatching(/^bad request body: /), status: 400 }],
      ['POST', '/proxies', '', 400, { error: 'bad request body: EOF', status: 400 }],
      ['POST', '/proxies', { name: 5 }, 400, { error: 'bad request body: name must be a string', status: 400 }],
      [
        'POST',
        '/proxies',
        { name: 'x', listen: 'nowhere', upstream },
        400,
        { error: expect.stringContaining("listen 'nowhere'"), status: 400 },
      ],
      ['POST', '/proxies/echo/toxics', { name: 'slow', type: 'latency', attributes: { latency: 5 } }, 200, toxic],
      [
        'POST',
        '/proxies/echo/toxics',
        { name: 'slow', type: 'noop' },
        409,
        { error: 'toxic already exists', status: 409 },
      ],
      ['POST', '/proxies/echo/toxics', { type: 'nope' }, 400, { error: 'invalid toxic type', status: 400 }],
      [
        'POST',
        '/proxies/echo/toxics',
        { type: 'noop', stream: 'side' },
        400,
        { error: 'stream was invalid, can be either upstream or downstream', status: 400 },
      ],
      [
        'POST',
        '/proxies/echo/toxics',
        { type: 'packet_loss', attributes: { loss: 7 } },
        400,
        { error: expect.stringContaining("Impairment 'out.loss' must be a probability"), status: 400 },
      ],
      ['GET', '/proxies/echo/toxics', undefined, 200, [toxic]],
      ['GET', '/proxies/echo/toxics/slow', undefined, 200, toxic],
      ['GET', '/proxies/echo/toxics/none', undefined, 404, { error: 'toxic not found', status: 404 }],
      ['PATCH', '/proxies/echo/toxics/slow', { toxicity: 0.5 }, 200, { ...toxic, toxicity: 0.5 }],
      [
        'POST',
        '/proxies/echo/toxics/slow',
        { attributes: { jitter: 2 } },
        200,
        { ...toxic, toxicity: 0.5, attributes: { latency: 5, jitter: 2 } },
      ],
      [
        'PATCH',
        '/proxies/echo/toxics/slow',
        { attributes: { jitter: -2 } },
        400,
        { error: expect.stringContaining('jitter must be'), status: 400 },
      ],
      ['DELETE', '/proxies/echo/toxics/slow', undefined, 204, ''],
      ['DELETE', '/proxies/echo/toxics/slow', undefined, 404, { error: 'toxic not found', status: 404 }],
      ['PATCH', '/proxies/echo', { enabled: false }, 200, expect.objectContaining({ enabled: false })],
      ['POST', '/reset', undefined, 204, ''],
      ['GET', '/proxies/echo', undefined, 200, expect.objectContaining({ enabled: true, toxics: [] })],
      [
        'POST',
        '/populate',
        [
          { name: 'a', listen, upstream },
          { name: 'b', listen, upstream, enabled: false },
        ],
        201,
        {
          proxies: [
            expect.objectContaining({ name: 'a', enabled: true }),
            expect.objectContaining({ name: 'b', enabled: false }),
          ],
        },
      ],
      [
        'POST',
        '/populate',
        [{ name: 'a', listen, upstream }, {}],
        400,
        { error: 'missing required field: name at proxy 2', status: 400 },
      ],
      ['GET', '/metrics', undefined, 200, expect.stringContaining('# TYPE toxiproxy_proxy_sent_bytes_total counter')],
      ['DELETE', '/proxies/a', undefined, 204, ''],
      ['DELETE', '/proxies/a', undefined, 404, { error: 'proxy not found', status: 404 }],
      ['GET', '/nothing', undefined, 404, '404 page not found\n'],
      ['PUT', '/proxies', undefined, 405, ''],
    ]
    for (const [method, path, body, status, answer] of table) {
      expect([method, path, ...(await ask(method, path, body))]).toEqual([method, path, status, answer])
    }
  })

  it('no browser', async () => {
    const response = await fetch(`${base}/proxies`, { headers: { 'user-agent': 'Mozilla/5.0 (X11)' } })
    expect([response.status, await response.text()]).toEqual([403, 'User agent not allowed\n'])
  })
})

describe('a proxy', () => {
  it('hands on every byte and both ends', async () => {
    const client = await make()
    expect(await trip(client(), DATA)).toEqual({ back: DATA, error: null })
  })

  it('closes its port and its connections when it is disabled', async () => {
    const client = await make()
    const open = client()
    open.write('x')
    await once(open, 'data')
    const gone = once(open, 'error')
    await ask('PATCH', '/proxies/echo', { enabled: false })
    expect((await gone)[0]).toMatchObject({ code: 'ECONNRESET' })
    expect((await trip(client(), DATA)).error).toBe('ECONNREFUSED')
  })

  it('resets clients whose upstream refuses', async () => {
    const client = await make()
    echo.close()
    await once(echo, 'close')
    expect((await trip(client(), Buffer.from('x'))).back.length).toBe(0)
  })
})

describe('toxics', () => {
  const add = async (toxic: object): Promise<void> => {
    expect((await ask('POST', '/proxies/echo/toxics', toxic))[0]).toBe(200)
  }

  it('latency: what goes round it is there first', async () => {
    const [slow, fast] = [await make(), await make('fast')]
    await add({ type: 'latency', attributes: { latency: 400 } })
    const order: string[] = []
    const first = trip(slow(), DATA).then(({ back }) => order.push(`slow ${back.length}`))
    const second = trip(fast(), DATA).then(({ back }) => order.push(`fast ${back.length}`))
    await Promise.all([first, second])
    expect(order).toEqual(['fast 100000', 'slow 100000'])
  })

  it('bandwidth and slicer let every byte through', async () => {
    const client = await make()
    await add({ type: 'bandwidth', stream: 'upstream', attributes: { rate: 1000 } })
    await add({ type: 'slicer', attributes: { average_size: 5000, size_variation: 1000, delay: 10 } })
    expect((await trip(client(), DATA)).back.equals(DATA)).toBe(true)
  })

  it('limit_data closes after so many bytes', async () => {
    const client = await make()
    await add({ type: 'limit_data', attributes: { bytes: 1234 } })
    expect((await trip(client(), DATA)).back).toEqual(DATA.subarray(0, 1234))
  })

  it('timeout lets nothing through and closes; 0 hangs until it is removed', async () => {
    const client = await make()
    await add({ type: 'timeout', attributes: { timeout: 50 } })
    expect((await trip(client(), DATA)).back.length).toBe(0)
    await ask('PATCH', '/proxies/echo/toxics/timeout_downstream', { attributes: { timeout: 0 } })
    const socket = client()
    const hung = trip(socket, Buffer.from('x'))
    await once(socket, 'connect')
    await ask('DELETE', '/proxies/echo/toxics/timeout_downstream')
    expect((await hung).back.length).toBe(0)
  })

  it('reset_peer resets, also connections that are open', async () => {
    const client = await make()
    const open = client()
    open.write('x')
    await once(open, 'data')
    const gone = once(open, 'error')
    await add({ type: 'reset_peer', attributes: { timeout: 0 } })
    expect((await gone)[0]).toMatchObject({ code: 'ECONNRESET' })
  })

  it('toxicity: none of the connections, or all', async () => {
    const client = await make()
    await add({ type: 'reset_peer', toxicity: 0, attributes: { timeout: 0 } })
    expect((await trip(client(), DATA)).error).toBeNull()
  })

  it('packet_loss loses packets, and TCP mends it', async () => {
    const client = await make()
    await add({ type: 'packet_loss', stream: 'upstream', attributes: { loss: 'packets 4 9' } })
    expect((await trip(client(), DATA)).back.equals(DATA)).toBe(true)
    const [, metrics] = await ask('GET', '/metrics')
    expect(metrics).toMatch(/sluice_dropped_packets_total\{direction="upstream",.*by="loss"\} 2\n/)
  })

  it('packet_impair takes any member', async () => {
    const client = await make()
    await add({ type: 'packet_impair', attributes: { duplicate: 0.2, reorder: '20% by 2ms', delay: 1 } })
    expect((await trip(client(), DATA)).back.equals(DATA)).toBe(true)
  })
})
