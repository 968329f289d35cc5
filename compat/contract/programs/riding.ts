import { once } from 'node:events'
import http from 'node:http'
import http2 from 'node:http2'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import type { Context, Net, Programs, Server, Socket } from '../program.ts'

// Node's own protocols on sockets of `net`, by injection: what comes out at the top must be the same.

/** An http server that takes its connections from a server of `net`. */
async function web(
  net: Net,
  handler: http.RequestListener,
  options: http.ServerOptions = {},
): Promise<{ port: number; close: () => void; app: http.Server; server: Server }> {
  const app = http.createServer(options, handler)
  const server = net.createServer({ allowHalfOpen: true }, (peer) => app.emit('connection', peer))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as { port: number }).port,
    app,
    server,
    close: () => {
      app.close()
      app.closeAllConnections()
      server.close()
    },
  }
}

function request(net: Net, port: number, options: http.RequestOptions = {}): http.ClientRequest {
  const createConnection = (): Socket => net.connect(port, '127.0.0.1')
  return http.request({ host: '127.0.0.1', port, createConnection: createConnection as never, ...options })
}

async function answer(req: http.ClientRequest): Promise<[number | undefined, string]> {
  const [res] = (await once(req, 'response')) as [http.IncomingMessage]
  return [res.statusCode, await text(res)]
}

/** A session of http2 over a connection of `net`, to `app` at its other end. */
async function openSession(
  { listen, net }: Context,
  app: http2.Http2Server,
): Promise<{ session: http2.ClientHttp2Session; close: () => Promise<void> }> {
  const { server, port } = await listen({}, (peer) => app.emit('connection', peer))
  const session = http2.connect(`http://127.0.0.1:${port}`, { createConnection: () => net.connect(port, '127.0.0.1') })
  const close = async (): Promise<void> => {
    session.close()
    await once(session, 'close')
    server.close()
  }
  return { session, close }
}

export const programs: Programs = {
  async 'http: a request'({ net, record }) {
    const { port, close } = await web(net, (req, res) => {
      record('request', req.method, req.url, req.socket.remoteAddress, req.socket instanceof net.Socket)
      res.end('hello')
    })
    record('answer', await answer(request(net, port, { path: '/x' }).end()))
    close()
  },

  async 'http: a body both ways'({ net, record }) {
    const { port, close } = await web(net, (req, res) => req.pipe(res))
    const req = request(net, port, { method: 'POST' })
    req.end('x'.repeat(500_000))
    const [status, body] = await answer(req)
    record('answer', status, body.length)
    close()
  },

  async 'http: keep-alive'({ net, record }) {
    let connections = 0
    const { port, close, server } = await web(net, (_req, res) => res.end('hello'))
    server.on('connection', () => connections++)
    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
    ;(agent as unknown as { createConnection: unknown }).createConnection = () => net.connect(port, '127.0.0.1')
    for (let i = 0; i < 3; i++) {
      const req = http.request({ agent, host: '127.0.0.1', port })
      record('answer', await answer(req.end()), req.reusedSocket)
    }
    record('connections', connections)
    agent.destroy()
    close()
  },

  async 'http: refused'({ net, record, freePort }) {
    const req = request(net, await freePort()).end()
    const [error] = await once(req, 'error').catch((failure) => [failure])
    record('error', error)
  },

  async 'http: the server resets'({ net, record }) {
    const { port, close } = await web(net, (req) => (req.socket as Socket).resetAndDestroy())
    const req = request(net, port).end()
    const [error] = (await once(req, 'error')) as [Error]
    record('error', error)
    close()
  },

  async 'http: the server hangs up'({ net, record }) {
    const { port, close } = await web(net, (req) => req.socket.destroy())
    const req = request(net, port).end()
    const [error] = (await once(req, 'error')) as [Error]
    record('error', error)
    close()
  },

  async 'http: the client goes away'({ net, record }) {
    let seen: () => void
    const done = new Promise<void>((resolve) => {
      seen = resolve
    })
    const { port, close } = await web(net, (_req, res) => {
      res.write('some')
      res.on('close', () => {
        record('closed', res.writableFinished)
        seen()
      })
    })
    const req = request(net, port).end()
    const [res] = (await once(req, 'response')) as [http.IncomingMessage]
    res.on('error', (error) => record('error', error))
    await once(res, 'data')
    req.destroy()
    await done
    close()
  },

  async 'http: an upgrade'({ net, record }) {
    const { port, close, app } = await web(net, (_req, res) => res.end())
    app.on('upgrade', (_req, socket, head) => {
      record('upgrade', socket instanceof net.Socket, head.length)
      socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n')
      socket.pipe(socket)
    })
    const req = request(net, port, { headers: { Connection: 'Upgrade', Upgrade: 'x' } }).end()
    const [res, socket] = (await once(req, 'upgrade')) as [http.IncomingMessage, Socket]
    record('upgraded', res.statusCode)
    socket.end('after the upgrade')
    record('echo', await text(socket))
    close()
  },

  async 'http: nonsense gets 400'({ net, record }) {
    const { port, close } = await web(net, (_req, res) => res.end())
    const client = net.connect(port, '127.0.0.1')
    client.write('this is no http\r\n\r\n')
    record('answer', (await text(client)).split('\r\n')[0])
    close()
  },

  async 'http: pipelined requests'({ net, record }) {
    const { port, close } = await web(net, (req, res) => res.end(`for ${req.url}`))
    const client = net.connect(port, '127.0.0.1')
    client.write('GET /1 HTTP/1.1\r\nHost: x\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    record('answers', (await text(client)).match(/for \/\d/g))
    close()
  },

  async 'http: 100-continue'({ net, record }) {
    const { port, close } = await web(net, (req, res) => req.pipe(res))
    const req = request(net, port, { method: 'POST', headers: { Expect: '100-continue' } })
    req.flushHeaders()
    await once(req, 'continue')
    record('continue')
    req.end('body')
    record('answer', await answer(req))
    close()
  },

  async 'http: a socket timeout'({ net, record }) {
    const { port, close } = await web(net, () => {})
    const req = request(net, port).end()
    req.setTimeout(30, () => {
      record('timeout')
      req.destroy()
    })
    const [error] = (await once(req, 'error')) as [Error]
    record('error', error)
    close()
  },

  async 'http2: a request'(context) {
    const app = http2.createServer((req, res) => res.end(`hello ${req.url}`))
    const { session, close } = await openSession(context, app)
    const stream = session.request({ ':path': '/two' })
    stream.end()
    stream.setEncoding('utf8')
    context.record('answer', await text(stream))
    await close()
  },

  async 'http2: a large body'(context) {
    const app = http2.createServer()
    app.on('stream', (stream) => stream.pipe(stream))
    const { session, close } = await openSession(context, app)
    const stream = session.request({ ':path': '/', ':method': 'POST' })
    stream.end(Buffer.alloc(300_000, 'x'))
    context.record('answer', (await text(stream)).length)
    await close()
  },

  async 'tls: a server that speaks none'({ net, record, listen }) {
    const { server, port } = await listen({}, (peer) => {
      peer.on('error', () => {})
      peer.end('this is no TLS')
    })
    const client = tls.connect({ socket: net.connect(port, '127.0.0.1'), servername: 'x' })
    const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException]
    record('error', error.code)
    server.close()
  },

  async 'tls: a PSK'({ net, record }) {
    const key = Buffer.from('d731ef57be09e5204f0b205b60627028', 'hex')
    const settings = { ciphers: 'PSK+HIGH', maxVersion: 'TLSv1.2' } as const
    const server = net.createServer((peer) => {
      const secure = new tls.TLSSocket(peer, {
        isServer: true,
        secureContext: tls.createSecureContext(settings),
        pskCallback: () => key,
        pskIdentityHint: 'x',
      } as never)
      secure.on('data', (chunk) => {
        record('server heard', String(chunk))
        secure.end('bye')
      })
      secure.on('error', (error: NodeJS.ErrnoException) => record('server error', error.code))
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    const client = tls.connect({
      socket: net.connect(port, '127.0.0.1'),
      ...settings,
      pskCallback: () => ({ psk: key, identity: 'me' }),
      checkServerIdentity: () => undefined,
      host: '127.0.0.1',
    })
    client.on('error', (error: NodeJS.ErrnoException) => record('client error', error.code))
    client.write('hello')
    record('client heard', await text(client))
    record('protocol', client.getProtocol(), client.encrypted)
    server.close()
  },
}
