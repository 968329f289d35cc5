// Hands a server, and then a socket, to a child process.
const { fork } = require('node:child_process')
const net = require('node:net')

if (process.argv[2] === 'child') {
  process.on('message', () => {})
} else {
  const child = fork(__filename, ['child'])
  const server = net
    .createServer((socket) => socket.resume().on('end', () => socket.end()))
    .listen(0, '127.0.0.1', () => {
      const socket = net.connect(server.address().port, '127.0.0.1', () => {
        for (const handle of [server, socket]) {
          try {
            child.send('yours', handle)
          } catch ({ code, message }) {
            console.log(code, message.split(':')[0])
          }
        }
        child.disconnect()
        socket.end()
        server.close()
      })
    })
}
