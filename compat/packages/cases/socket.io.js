import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { big, sameBytes } from '../kit.js'

export const packageName = 'socket.io'
export const inject = '`agent` of the client; the server is attached to an http server that gets sockets by `emit`'

export default async function (t) {
  const server = http.createServer()
  const sockets = new Server(server, { maxHttpBufferSize: 10 << 20 })
  sockets.on('connection', (socket) => {
    socket.on('sum', (a, b, done) => done(a + b))
    socket.on('blob', (data, done) => done(data))
    socket.join('room')
  })
  const port = await t.listen(server)
  const agent = new http.Agent({ keepAlive: true })
  if (t.injected) agent.createConnection = t.connect
  const connect = async (transports) => {
    const client = io(`http://127.0.0.1:${port}`, { transports, agent, forceNew: true })
    await once(client, 'connect')
    return client
  }

  // The one starts with requests and is upgraded, the other is a websocket at once.
  const upgraded = await connect(['polling', 'websocket'])
  if (upgraded.io.engine.transport.name !== 'websocket') await once(upgraded.io.engine, 'upgrade')
  const direct = await connect(['websocket'])
  for (const client of [upgraded, direct]) {
    assert.equal(await client.emitWithAck('sum', 20, 22), 42)
    sameBytes(await client.emitWithAck('blob', big))
  }
  const heard = Promise.all([once(upgraded, 'news'), once(direct, 'news')])
  sockets.to('room').emit('news', 'to all')
  assert.deepEqual(await heard, [['to all'], ['to all']])

  // Requests all the time.
  const polling = await connect(['polling'])
  assert.equal(await polling.emitWithAck('sum', 1, 1), 2)
  for (const client of [upgraded, direct, polling]) client.close()
  agent.destroy()
  await sockets.close().catch(() => {})
  await t.close(server).catch(() => {})
}
