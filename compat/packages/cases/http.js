import assert from 'node:assert/strict'
import http from 'node:http'
import { big, echo, request, sameBytes } from '../kit.js'

export const packageName = 'node:http'
export const inject = "`createConnection` of the agent; the server's `emit('connection')`"

export default async function (t) {
  const server = http.createServer(echo)
  const port = await t.listen(server)
  const agent = new http.Agent({ keepAlive: true, maxSockets: 2 })
  if (t.injected) agent.createConnection = t.connect
  const options = { host: '127.0.0.1', port, agent, method: 'POST' }

  const answers = await Promise.all([1, 2, 3, 4].map((n) => request(http, options, `request ${n}`)))
  assert.deepEqual(
    answers.map(({ body }) => String(body)),
    ['request 1', 'request 2', 'request 3', 'request 4'],
  )
  assert.equal(new Set(answers.map(({ headers }) => headers['x-from'])).size, 2, 'connections that four requests took')
  const { body, reused } = await request(http, options, big)
  sameBytes(body)
  assert.ok(reused, 'kept alive')
  agent.destroy()

  // Without an agent of its own.
  const plain = t.injected ? { createConnection: t.connect } : {}
  const last = await request(http, { host: '127.0.0.1', port, method: 'PUT', ...plain }, 'last')
  assert.equal(String(last.body), 'last')
  if (!t.injected) http.globalAgent.destroy()
  await t.close(server)
}
