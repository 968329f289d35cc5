import assert from 'node:assert/strict'
import http from 'node:http'
import got from 'got'
import { big, echo, sameBytes } from '../kit.js'

export const packageName = 'got'
export const inject = '`createConnection`'

export default async function (t) {
  let tries = 0
  const server = http.createServer((request, response) => {
    if (request.url === '/moved') response.writeHead(307, { location: '/' }).end()
    else if (request.url === '/flaky' && ++tries < 3) response.writeHead(503, { 'retry-after': '0' }).end()
    else if (request.url === '/slow') request.resume()
    else echo(request, response)
  })
  const port = await t.listen(server)
  const client = got.extend({
    prefixUrl: `http://127.0.0.1:${port}`,
    agent: { http: t.injected ? undefined : new http.Agent({ keepAlive: true }) },
    ...(t.injected && { createConnection: t.connect }),
  })
  const { body } = await client.post('', { body: big, responseType: 'buffer' })
  sameBytes(body)
  const { timings, ip } = await client.post('', { body: 'small' })
  assert.equal(ip, '127.0.0.1')
  // What it measures by the events of the socket.
  for (const phase of ['wait', 'dns', 'tcp', 'request', 'firstByte', 'total']) {
    assert.ok(timings.phases[phase] >= 0, `${phase}: ${timings.phases[phase]}`)
  }
  assert.equal(await client.post('moved', { body: 'on' }).text(), 'on')
  assert.deepEqual(await client.put('flaky', { json: { a: 1 } }).json(), { a: 1 })
  assert.equal(tries, 3)
  await assert.rejects(client('slow', { timeout: { response: 200 }, retry: { limit: 0 } }), { code: 'ETIMEDOUT' })
  const refused = client('', { prefixUrl: `http://127.0.0.1:1`, retry: { limit: 0 } })
  await assert.rejects(refused, { code: 'ECONNREFUSED' })
  client.defaults.options.agent.http?.destroy()
  await t.close(server)
}
