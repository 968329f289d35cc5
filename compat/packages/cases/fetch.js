import assert from 'node:assert/strict'
import http from 'node:http'
import { big, echo, sameBytes } from '../kit.js'

export const packageName = 'node: fetch'
export const inject = '`dispatcher`: an `Agent` of its own kind with `connect`'

export default async function (t) {
  const server = http.createServer(echo)
  const origin = `http://127.0.0.1:${await t.listen(server)}`
  // The first request makes the default agent, which is not exported by Node.
  const kind = (await fetch('data:,').then(() => globalDispatcher())).constructor
  const dispatcher = t.injected
    ? new kind({ connect: ({ hostname, port }, callback) => void connected(t, hostname, port, callback) })
    : globalDispatcher()
  const options = { method: 'POST', dispatcher }

  const answers = await Promise.all(['a', 'b', 'c'].map((body) => fetch(origin, { ...options, body })))
  assert.deepEqual(await Promise.all(answers.map((answer) => answer.text())), ['a', 'b', 'c'])
  const answer = await fetch(origin, { ...options, body: big })
  sameBytes(Buffer.from(await answer.arrayBuffer()))

  const aborted = new AbortController()
  const streamed = await fetch(origin, { ...options, body: big, signal: aborted.signal })
  aborted.abort()
  await assert.rejects(streamed.arrayBuffer(), { name: 'AbortError' })
  await dispatcher.close()
  await t.close(server)
}

const globalDispatcher = () =>
  globalThis[Symbol.for('undici.globalDispatcher.2')] ?? globalThis[Symbol.for('undici.globalDispatcher.1')]

function connected(t, host, port, callback) {
  const socket = t.connect({ host, port: Number(port) })
  socket.once('error', callback)
  socket.once('connect', () => {
    socket.off('error', callback)
    callback(null, socket)
  })
}
