// Who asks whether something is a socket.
import { createRequire } from 'node:module'
import net, { createServer, Socket } from 'node:net'

const required = createRequire(import.meta.url)('net')
const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1', () => {
  const socket = net.connect(server.address().port, '127.0.0.1').resume()
  socket.on('close', () => {
    console.log('import', socket instanceof Socket)
    console.log('require', socket instanceof required.Socket)
    console.log('server', server instanceof net.Server)
    server.close()
  })
})
