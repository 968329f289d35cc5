// A chat room: one server, any number of clients, lines of text.
//
//   npx tsx examples/chat.ts serve [port]                    (default 7008; port 0: any free one)
//   npx tsx examples/chat.ts join NAME [port] [host]         type lines; Ctrl-D leaves
//
// In a project of yours the import below reads `import net from 'sluice'`; with `node:net` the program is the same.

import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import net, { type Socket } from '../src/index.ts'

const [role, ...args] = process.argv.slice(2)
if (role === 'serve') serve(Number(args[0] ?? 7008))
else if (role === 'join' && args[0]) join(args[0], Number(args[1] ?? 7008), args[2] ?? '127.0.0.1')
else {
  console.error('usage: chat.ts serve [port] | join NAME [port] [host]')
  process.exitCode = 1
}

function serve(port: number): void {
  const members = new Map<Socket, string>()
  const say = (text: string, except?: Socket): void => {
    console.log(text)
    for (const socket of members.keys()) if (socket !== except) socket.write(`${text}\n`)
  }
  const server = net.createServer((socket) => {
    // A line is on its way the moment it is typed: Nagle would hold it while the one before is unacknowledged.
    socket.setNoDelay(true)
    // TCP is a stream: a line may come in pieces, or three at once. readline cuts it where the line ends are.
    createInterface({ input: socket }).on('line', (line) => {
      const name = members.get(socket)
      if (name !== undefined) return say(`${name}: ${line}`, socket)
      socket.write(`* ${members.size} here\n`)
      members.set(socket, line)
      say(`* ${line} joined`)
    })
    // A client that vanishes without a word is noticed by keepalive, and leaves like one that was reset.
    socket.setKeepAlive(true, 30_000)
    socket.on('error', () => {})
    socket.on('close', () => {
      const name = members.get(socket)
      if (members.delete(socket)) say(`* ${name} left`)
    })
  })
  server.listen(port, () => console.log(`listening on port ${(server.address() as AddressInfo).port}`))
}

function join(name: string, port: number, host: string): void {
  const socket = net.connect({ port, host, noDelay: true })
  // Written before the connection stands: it is kept, and goes first.
  socket.write(`${name}\n`)
  createInterface({ input: socket }).on('line', (line) => console.log(line))
  const keyboard = createInterface({ input: process.stdin })
  keyboard.on('line', (line) => socket.write(`${line}\n`))
  keyboard.on('close', () => socket.end())
  socket.on('close', () => keyboard.close())
  socket.on('error', (error) => {
    console.error(error.message)
    process.exitCode = 1
  })
}
