import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { Agent, fetch, Pool, request } from 'undici'
import { big, echo, sameBytes } from '../kit.js'

export const packageName = 'undici'
export const inject = '`connect` of `Agent`, `Pool` and `Client`'

export default async function (t) {
  const server = http.createServer(echo)
  const origin = `http://127.0.0.1:${await t.listen(server)}`
  const connect = async ({ hostname, port }, callback) => {
    const socket = t.connect({ host: hostname, port: Number(port) })
    try {
      await once(socket, 'connect')
    } catch (error) {
      return callback(error, null)
    }
    callback(null, socket)
  }
  const options = t.injected ? { connect } : {}

  const dispatcher = new Agent(options)
  const answer = await request(origin, { method: 'POST', body: big, dispatcher })
  sameBytes(Buffer.from(await answer.body.arrayBuffer()))
  const fetched = await fetch(origin, { method: 'POST', body: 'fetched', dispatcher })
  assert.equal(await fetched.text(), 'fetched')
  await dispatcher.close()

  // Several requests in flight on one connection.
  const pool = new Pool(origin, { ...options, connections: 1, pipelining: 5 })
  const bodies = ['1', '2', '3', '4', '5', '6', '7', '8']
  const answers = await Promise.all(
    bodies.map((body) => pool.request({ path: '/', method: 'PUT', body, idempotent: true })),
  )
  assert.deepEqual(await Promise.all(answers.map(({ body }) => body.text())), bodies)
  assert.equal(new Set(answers.map(({ headers }) => headers['x-from'])).size, 1)
  await pool.close()
  await t.close(server)
}
