// `new net.Socket()` in all its forms, as database drivers have it.
const net = require('node:net')
const util = require('node:util')

class Driver extends net.Socket {}
function Old() {
  net.Socket.call(this, { allowHalfOpen: false })
}
util.inherits(Old, net.Socket)

const accepted = []
const server = net.createServer((socket) => {
  accepted.push(socket instanceof net.Socket && server instanceof net.Server)
  socket.end('hello')
})
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address()
  for (const [name, socket] of Object.entries({
    new: new net.Socket(),
    call: net.Socket(),
    stream: new net.Stream(),
    driver: new Driver(),
    old: new Old(),
  })) {
    await new Promise((resolve) => {
      socket.setNoDelay(true).setKeepAlive(true, 1000)
      socket.connect(port, '127.0.0.1', () => console.log(name, 'connected', socket.remotePort === port))
      socket.setEncoding('utf8').on('data', (text) => console.log(name, text, socket instanceof net.Socket))
      socket.on('close', resolve)
    })
  }
  console.log('accepted', ...accepted)
  console.log(new Driver() instanceof Driver, new net.Socket() instanceof Driver)
  server.close()
})
