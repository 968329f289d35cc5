// One end of a connection in a process of its own, which ends in whatever way it is told to. Lines on stdin are what to do;
// lines on stdout say what happened.
//
//   peer.ts serve [host]        listens, says `port N`; of each connection `accepted`, then as below
//   peer.ts connect PORT        connects, says `connected`

import { createInterface } from 'node:readline'
import net, { type Socket, Stack } from '../../../src/index.ts'

const [role, where] = process.argv.slice(2)
const say = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

let socket: Socket | null = null

function hold(connection: Socket): void {
  socket = connection
  let received = 0
  connection.on('data', (data) => {
    received += data.length
    say(`received ${received}`)
  })
  connection.on('end', () => say('end'))
  connection.on('error', (error: NodeJS.ErrnoException) => say(`error ${error.code}`))
  connection.on('close', () => say('close'))
}

if (role === 'serve') {
  const server = net.createServer({ allowHalfOpen: true }, (connection) => {
    hold(connection)
    say('accepted')
  })
  server.listen(0, where ?? '127.0.0.1', () => say(`port ${(server.address() as { port: number }).port}`))
} else {
  const connection = net.connect({ port: Number(where), host: '127.0.0.1', allowHalfOpen: true })
  hold(connection)
  connection.on('connect', () => say('connected'))
}

createInterface({ input: process.stdin }).on('line', (line) => {
  const [what, size = '1'] = line.split(' ')
  const data = Buffer.alloc(Number(size), 'x')
  switch (what) {
    case 'write':
      socket?.write(data)
      break
    case 'echo':
      socket?.on('data', (data) => void socket?.write(data))
      say('echoes')
      break
    case 'end':
      socket?.end()
      break
    case 'pause':
      socket?.pause()
      say('paused')
      break
    case 'exit':
      process.exit(0)
      break
    case 'write-exit':
      socket?.write(data)
      process.exit(0)
      break
    case 'throw':
      throw new Error('thrown on purpose')
    case 'reject':
      void Promise.reject(new Error('rejected on purpose'))
      break
    case 'handle-sigterm':
      // Says something first, then ends by itself.
      process.on('SIGTERM', () => {
        say('handled')
        setTimeout(() => process.exit(7), 50)
      })
      say('handles')
      break
    case 'handle-sigterm-once':
      process.once('SIGTERM', () => {
        say('handled')
        setTimeout(() => process.exit(7), 50)
      })
      say('handles')
      break
    case 'other-stack': {
      // A second stack with a connection of its own closes too.
      const other = new Stack()
      const second = other.net.connect({ port: Number(where), host: '127.0.0.1' })
      second.on('connect', () => say('second'))
      second.resume()
      break
    }
    default:
      say(`unknown ${what}`)
  }
})
