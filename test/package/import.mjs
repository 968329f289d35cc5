import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import net, { connect, createServer, Socket, Stack } from 'sluice'

const required = createRequire(import.meta.url)('sluice')

// One object, one set of classes, whoever loads them.
assert.equal(required, net)
assert.equal(required.default, net)
assert.equal(required.Socket, Socket)
assert.equal(required.Stack, Stack)

// One default stack: what one way of loading listens on, the other reaches, and both make the same sockets.
const server = createServer((socket) => socket.pipe(socket)).listen(0, '127.0.0.1')
await once(server, 'listening')
const stack = globalThis[Symbol.for('sluice.defaultStack')]
assert.ok(stack instanceof required.Stack)
const { port } = server.address()

for (const open of [connect, required.connect]) {
  const accepted = once(server, 'connection')
  const client = open(port, '127.0.0.1')
  client.end('hello')
  const [served] = await accepted
  for (const socket of [client, served]) assert.ok(socket instanceof Socket && socket instanceof required.Socket)
  let echoed = ''
  for await (const chunk of client) echoed += chunk
  assert.equal(echoed, 'hello')
}
assert.equal(globalThis[Symbol.for('sluice.defaultStack')], stack)
server.close()

const testing = await import('sluice/testing')
assert.equal(testing.withNetwork, createRequire(import.meta.url)('sluice/testing').withNetwork)
const answer = await testing.withNetwork({ delay: 100, seed: 1 }, async ({ net: simulated, network }) => {
  simulated.createServer((socket) => socket.end('from afar')).listen(80)
  const socket = simulated.connect(80)
  assert.ok(socket instanceof Socket)
  let heard = ''
  for await (const chunk of socket) heard += chunk
  assert.ok(network.now() >= 200)
  return heard
})
assert.equal(answer, 'from afar')
