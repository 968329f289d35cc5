// A transfer each way in bare mode, across some loss.
//
//   bare.ts serve         listens, says `port N`; sends back what it gets, says `over` when the connection has ended
//   bare.ts send PORT     sends 300,000 bytes, says `received N`

import { Stack } from '../../../src/index.ts'

const [role, port] = process.argv.slice(2)
const { net } = new Stack({ encapsulation: 'bare', mtu: 1500, impair: { out: { loss: 0.03 } }, seed: 5 })

if (role === 'serve') {
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.pipe(socket)
    socket.on('close', () => {
      console.log('over')
      server.close()
    })
  })
  server.listen(0, '127.0.0.1', () => console.log(`port ${(server.address() as { port: number }).port}`))
} else {
  const socket = net.connect({ port: Number(port), host: '127.0.0.1' })
  let received = 0
  socket.on('data', (data) => {
    received += data.length
  })
  socket.on('end', () => console.log(`received ${received}`))
  socket.end(Buffer.alloc(300_000, 'bare'))
}
