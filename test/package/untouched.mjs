import assert from 'node:assert/strict'
import http from 'node:http'
import { createRequire } from 'node:module'

// Run with `sluice/register`: a server and a client that know nothing of it.
const server = http.createServer((req, res) => res.end(`${req.socket.tcp !== undefined}`)).listen(0, '127.0.0.1')
server.on('listening', async () => {
  const response = await fetch(`http://127.0.0.1:${server.address().port}`, { headers: { connection: 'close' } })
  assert.equal(await response.text(), 'true')
  server.close()
  // One stack, however it was loaded.
  const stack = globalThis[Symbol.for('sluice.defaultStack')]
  assert.ok(stack instanceof createRequire(import.meta.url)('sluice').Stack)
  assert.equal(stack.counters().PassiveOpens, 1)
  const { unregister } = await import('sluice/register')
  assert.equal(unregister, createRequire(import.meta.url)('sluice/register').unregister)
})
