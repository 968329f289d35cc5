// Tells by which addresses the ends of a connection know each other.
//
//   names.ts serve HOST [bare]          listens, says `port N`; tells each client what it sees
//   names.ts ask PORT ADDRESS [bare]    connects to an address, says `seen LOCAL REMOTE` as the server saw it; again for each address on stdin

import { createInterface } from 'node:readline'
import { Stack } from '../../../src/index.ts'

const [role, first, second, mode] = process.argv.slice(2)
const bare = mode === 'bare' || second === 'bare'
const { net } = new Stack({ encapsulation: bare ? 'bare' : 'framed' })

if (role === 'serve') {
  const server = net.createServer((socket) => {
    socket.end(`${socket.localAddress} ${socket.remoteAddress}`)
    socket.resume()
  })
  server.listen(0, first, () => console.log(`port ${(server.address() as { port: number }).port}`))
} else {
  const ask = (address: string): void => {
    const socket = net.connect({ port: Number(first), host: address })
    let text = ''
    socket.on('data', (data) => {
      text += data
    })
    socket.on('end', () => console.log(`seen ${address} ${text}`))
    socket.on('error', (error: NodeJS.ErrnoException) => console.log(`seen ${address} ${error.code}`))
  }
  if (second) ask(second)
  createInterface({ input: process.stdin }).on('line', ask)
}
