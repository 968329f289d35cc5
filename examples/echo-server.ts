// A server that sends back whatever it is sent, over sluice: TCP of our own, inside UDP.
//
//   npx tsx examples/echo-server.ts [port] [host]      (default 7007, every address; port 0: any free one)
//   npx tsx examples/nc.ts 127.0.0.1 7007              type a line, and it comes back
//
// In a project of yours the import below reads `import net from 'sluice'`. Change it to `import net from 'node:net'` and the
// same program serves over the kernel's TCP: nothing else differs.

import type { AddressInfo } from 'node:net'
import net from '../src/index.ts'

const [port = '7007', host] = process.argv.slice(2)

const server = net.createServer((socket) => {
  const peer = `${socket.remoteAddress}:${socket.remotePort}`
  console.log(`${peer} connected`)
  // `pipe` reads no faster than the peer takes the echo, and passes on the end: a half-closed client still gets everything.
  socket.pipe(socket)
  // A reset by the peer arrives here. Without a listener it would end the process, as with `net`.
  socket.on('error', (error) => console.log(`${peer} failed: ${error.message}`))
  socket.on('close', () => console.log(`${peer} closed, ${socket.bytesRead} bytes in, ${socket.bytesWritten} out`))
})

server.on('error', (error) => {
  console.error(error.message)
  process.exitCode = 1
})

server.listen({ port: Number(port), host }, () => {
  const { address, port } = server.address() as AddressInfo
  console.log(`listening on ${address} ${port}`)
})

// The first Ctrl-C takes no more connections and lets the open ones finish; the second ends the process.
process.once('SIGINT', () => server.close())
