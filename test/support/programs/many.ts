/**
 * Many connections at work at the same time, and what they cost.
 *
 *     many.ts serve PORTS             takes what comes; `count` on stdin is answered with the connections and bytes so far and the CPU time, seconds
 *     many.ts connect COUNT PORT …    opens COUNT; `send ROUNDS` sends a piece on each of them, so many times; answered with the CPU time
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import net, { type Socket } from '../../../src/index.ts'

const HOST = '127.0.0.1'
/** Bytes that are sent at once, and answered. */
const PIECE = 16_384
/** Handshakes, or pieces, under way at a time. */
const AT_ONCE = 64

const [what, ...args] = process.argv.slice(2)
let connections = 0
let bytes = 0
const failed = (error: Error): void => console.log(`failed ${error.message}`)

const cpuSeconds = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}

async function serve(count: number): Promise<void> {
  const ports: number[] = []
  for (let i = 0; i < count; i++) {
    const server = net.createServer((socket) => {
      connections++
      let piece = 0
      socket.on('error', failed).on('data', (data) => {
        bytes += data.length
        piece += data.length
        if (piece < PIECE) return
        piece -= PIECE
        socket.write('!')
      })
    })
    server.listen(0, HOST)
    await once(server, 'listening')
    ports.push((server.address() as AddressInfo).port)
  }
  console.log(`ports ${ports.join(' ')}`)
}

async function connect(count: number, ports: number[]): Promise<Socket[]> {
  const sockets: Socket[] = []
  let next = 0
  const some = async (): Promise<void> => {
    while (next < count) {
      const socket = net.connect(ports[next++ % ports.length] as number, HOST)
      await once(socket, 'connect')
      sockets.push(socket.on('error', failed))
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, some))
  return sockets
}

/** A piece goes out on one connection after the other, on the next when one was answered. */
async function send(sockets: Socket[], piece: Buffer, rounds: number): Promise<void> {
  const lanes = Math.min(AT_ONCE, sockets.length)
  const some = async (lane: number): Promise<void> => {
    for (let round = 0; round < rounds; round++) {
      for (let i = lane; i < sockets.length; i += lanes) {
        const socket = sockets[i] as Socket
        socket.write(piece)
        await new Promise((resolve) => socket.once('data', resolve))
      }
    }
  }
  await Promise.all(Array.from({ length: lanes }, (_, lane) => some(lane)))
}

if (what === 'serve') {
  await serve(Number(args[0]))
  for await (const _ of createInterface({ input: process.stdin }))
    console.log(`count ${connections} ${bytes} ${cpuSeconds()}`)
} else {
  const sockets = await connect(Number(args[0]), args.slice(1).map(Number))
  console.log('ready ')
  for await (const line of createInterface({ input: process.stdin })) {
    const before = cpuSeconds()
    await send(sockets, Buffer.alloc(PIECE, 'many'), Number(line.split(' ')[1]))
    console.log(`sent ${cpuSeconds() - before}`)
  }
}
process.exit()
