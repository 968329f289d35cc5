import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import tls from 'node:tls'
import { big, readAll, sameBytes } from '../kit.js'

export const packageName = 'node:http2'
export const inject = "`createConnection`; the server's `emit('connection')`"

export default async function (t) {
  const { key, cert } = await t.certificate()
  const plain = http2.createServer()
  await exchange(
    t,
    plain,
    'http://localhost',
    t.injected ? ({ port }) => t.connect({ port, host: '127.0.0.1' }) : undefined,
  )

  const secure = http2.createSecureServer({ key, cert })
  const overTls = ({ port }) =>
    tls.connect({
      socket: t.connect({ port, host: '127.0.0.1' }),
      servername: 'localhost',
      ca: cert,
      ALPNProtocols: ['h2'],
    })
  await exchange(t, secure, 'https://localhost', t.injected ? overTls : undefined, { ca: cert })
}

async function exchange(t, server, origin, createConnection, options = {}) {
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  const port = await t.listen(server)
  const connection = createConnection && { createConnection: () => createConnection({ port }) }
  const session = http2.connect(`${origin}:${port}`, { ...options, ...connection })
  await once(session, 'connect')
  const post = async (body) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.end(body)
    return readAll(stream)
  }
  const [small, large] = await Promise.all([post('small'), post(big)])
  assert.equal(String(small), 'small')
  sameBytes(large)
  await new Promise((resolve) => session.ping(resolve))
  session.close()
  await once(session, 'close')
  await t.close(server)
}
