const assert = require('node:assert/strict')
const builtin = require('node:net')
const net = require('sluice')

const missing = Object.keys(builtin).filter((name) => !name.startsWith('_') && !(name in net))
// What this Node has and this version of the package does not serve yet would stand here by name.
assert.deepEqual(missing, [])

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
