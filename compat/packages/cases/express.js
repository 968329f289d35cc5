import assert from 'node:assert/strict'
import http from 'node:http'
import express from 'express'
import { big, request, sameBytes } from '../kit.js'

export const packageName = 'express'
export const inject = "`emit('connection')` of the http server around the app"

export default async function (t) {
  const app = express()
  // No stack on the console for an error that is meant.
  app.set('env', 'test')
  app.use(express.json())
  app.get('/who', (request, response) => response.json({ ip: request.ip, protocol: request.protocol }))
  app.post('/sum', (request, response) => response.json({ sum: request.body.reduce((a, b) => a + b, 0) }))
  app.post('/raw', express.raw({ limit: '10mb' }), (request, response) => response.send(request.body))
  app.get('/fails', () => {
    throw Object.assign(new Error('as it should'), { status: 418, expose: true })
  })
  const server = http.createServer(app)
  const port = await t.listen(server)
  const agent = new http.Agent({ keepAlive: true })
  if (t.injected) agent.createConnection = t.connect
  const ask = (method, path, type, body) =>
    request(http, { host: '127.0.0.1', port, agent, method, path, headers: { 'content-type': type } }, body)

  const who = await ask('GET', '/who', 'text/plain')
  assert.deepEqual(JSON.parse(who.body), { ip: '127.0.0.1', protocol: 'http' })
  const sum = await ask('POST', '/sum', 'application/json', '[1,2,3]')
  assert.deepEqual(JSON.parse(sum.body), { sum: 6 })
  const raw = await ask('POST', '/raw', 'application/octet-stream', big)
  sameBytes(raw.body)
  assert.equal((await ask('GET', '/fails', 'text/plain')).status, 418)
  assert.equal((await ask('GET', '/nowhere', 'text/plain')).status, 404)
  agent.destroy()
  await t.close(server)
}
