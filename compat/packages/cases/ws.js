import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { WebSocket, WebSocketServer } from 'ws'
import { big, sameBytes } from '../kit.js'

export const packageName = 'ws'
export const inject = '`createConnection`; `new WebSocketServer({ server })`, and that gets sockets by `emit`'

export default async function (t) {
  const server = http.createServer()
  const sockets = new WebSocketServer({ server, perMessageDeflate: true })
  sockets.on('connection', (socket) => {
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary }))
  })
  const port = await t.listen(server)
  const client = new WebSocket(`ws://127.0.0.1:${port}/`, t.injected ? { createConnection: t.connect } : {})
  await once(client, 'open')

  const received = []
  const all = new Promise((resolve) => {
    client.on('message', (data) => received.push(String(data)) === 100 && resolve())
  })
  for (let n = 0; n < 100; n++) client.send(`message ${n}`)
  await all
  assert.deepEqual(
    received,
    Array.from({ length: 100 }, (_, n) => `message ${n}`),
  )
  client.removeAllListeners('message')
  client.send(big)
  const [data] = await once(client, 'message')
  sameBytes(data)
  client.ping('are you there')
  assert.equal(String((await once(client, 'pong'))[0]), 'are you there')

  const [there] = sockets.clients
  const closed = once(there, 'close')
  client.close(4321, 'enough')
  assert.equal((await once(client, 'close'))[0], 4321)
  const [code, reason] = await closed
  assert.deepEqual([code, String(reason)], [4321, 'enough'])
  sockets.close()
  await t.close(server)
}
