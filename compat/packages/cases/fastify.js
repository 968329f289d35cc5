import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import fastify from 'fastify'
import { big, request, sameBytes } from '../kit.js'

export const packageName = 'fastify'
export const inject = "`serverFactory`, and `emit('connection')` of what it makes"

export default async function (t) {
  let server
  const app = fastify({
    bodyLimit: 10 << 20,
    forceCloseConnections: 'idle',
    serverFactory: t.injected
      ? (handler) => {
          server = http.createServer(handler)
          return server
        }
      : undefined,
  })
  app.get('/who', async ({ ip, protocol }) => ({ ip, protocol }))
  app.addContentTypeParser('application/octet-stream', { parseAs: 'buffer' }, (_request, body, done) =>
    done(null, body),
  )
  app.post('/echo', async ({ body }) => body)
  let port
  if (t.injected) {
    await app.ready()
    port = await t.listen(server)
  } else {
    await app.listen({ port: 0, host: '127.0.0.1' })
    port = app.server.address().port
  }
  const agent = new http.Agent({ keepAlive: true })
  if (t.injected) agent.createConnection = t.connect
  const ask = (method, path, type, body) =>
    request(http, { host: '127.0.0.1', port, agent, method, path, headers: { 'content-type': type } }, body)

  assert.deepEqual(JSON.parse((await ask('GET', '/who', 'text/plain')).body), { ip: '127.0.0.1', protocol: 'http' })
  assert.deepEqual(JSON.parse((await ask('POST', '/echo', 'application/json', '{"a":[1]}')).body), { a: [1] })
  assert.equal((await ask('POST', '/echo', 'application/json', '{')).status, 400)
  sameBytes((await ask('POST', '/echo', 'application/octet-stream', big)).body)
  const idle = Object.values(agent.freeSockets)[0][0]
  // The agent lets the process end before it.
  const closed = once(idle.ref(), 'close')
  await app.close()
  if (t.injected) await t.close(server)
  await closed
}
