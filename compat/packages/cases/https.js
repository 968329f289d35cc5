import assert from 'node:assert/strict'
import https from 'node:https'
import { big, echo, request, sameBytes } from '../kit.js'

export const packageName = 'node:https'
export const inject = "`createConnection`, a `tls.connect({ socket })`; the server's `emit('connection')`"

export default async function (t) {
  const { key, cert } = await t.certificate()
  const server = https.createServer({ key, cert }, echo)
  const port = await t.listen(server)
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1, ca: cert })
  if (t.injected) {
    const { createConnection } = agent
    agent.createConnection = (options) => createConnection.call(agent, { ...options, socket: t.connect(options) })
  }
  const options = { host: 'localhost', port, agent, method: 'POST' }
  const first = await request(https, options, 'hello')
  assert.equal(String(first.body), 'hello')
  assert.ok(first.socket.authorized)
  const second = await request(https, options, big)
  sameBytes(second.body)
  assert.ok(second.reused, 'kept alive')
  // Who the certificate is not for.
  await assert.rejects(request(https, { ...options, servername: 'other.test', agent: noKeep(agent) }), {
    code: 'ERR_TLS_CERT_ALTNAME_INVALID',
  })
  agent.destroy()
  await t.close(server)
}

/** The same way to connect, no connection shared. */
function noKeep(agent) {
  const other = new https.Agent({ ca: agent.options.ca })
  other.createConnection = agent.createConnection
  return other
}
