const assert = require('node:assert/strict')
const builtin = require('node:net')
const net = require('sluice')

// A bound file descriptor of newer Node releases: it cannot hold a port of ours.
const notYet = ['BoundSocket']
const missing = Object.keys(builtin).filter((name) => !name.startsWith('_') && !(name in net))
assert.deepEqual(
  missing.filter((name) => !notYet.includes(name)),
  [],
)

const server = net.createServer((socket) => socket.end('hello'))
server.listen(0, '127.0.0.1', () => {
  const client = net.connect(server.address().port, '127.0.0.1')
  let heard = ''
  client.setEncoding('utf8')
  client.on('data', (text) => {
    heard += text
  })
  client.on('close', () => {
    assert.equal(heard, 'hello')
    server.close()
  })
})

const { createNetwork, withNetwork } = require('sluice/testing')
withNetwork({ seed: 1 }, async ({ net: local }) => {
  assert.ok(local.createServer() instanceof net.Server)
  assert.equal(typeof createNetwork, 'function')
})
