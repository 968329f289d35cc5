// One end of a connection that searches for the path's MTU; lines on stdin are what to do.
//
//   mtu.ts serve ADDRESS OPTIONS            listens, says `port N`; of its connection `received N` at each tenth of a megabyte
//   mtu.ts connect ADDRESS PORT OPTIONS     connects, says `connected`; `send N` sends N bytes, `mss` says `mss N` and `counters {…}`
//
// OPTIONS is JSON for `new Stack(…)`.

import { createInterface } from 'node:readline'
import { type Socket, Stack } from '../../../src/index.ts'

const STEP = 100_000

const [role, address, ...rest] = process.argv.slice(2)
const stack = new Stack(JSON.parse(rest.at(-1) as string))

function hold(socket: Socket): void {
  let received = 0
  socket.on('data', (data) => {
    const before = Math.floor(received / STEP)
    received += data.length
    for (let step = before + 1; step <= received / STEP; step++) console.log(`received ${step * STEP}`)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => console.log(`error ${error.code}`))
}

if (role === 'serve') {
  const server = stack.net.createServer(hold)
  server.listen(0, address, () => console.log(`port ${(server.address() as { port: number }).port}`))
} else {
  const socket = stack.net.connect({ port: Number(rest[0]), host: address })
  hold(socket)
  socket.on('connect', () => console.log('connected'))
  let asked = 0
  createInterface({ input: process.stdin }).on('line', (line) => {
    const [word, size] = line.split(' ')
    if (word === 'send') socket.write(Buffer.alloc(Number(size)))
    else console.log(`mss${++asked} ${JSON.stringify({ ...stack.counters(), mss: socket.tcp?.info()?.snd_mss })}`)
  })
}
