// Connects, writes SIZE bytes of a pattern, ends, and lets its event loop run empty.
//
//   deliver.ts PORT SIZE [close | exit | exit-at-once | unref]
//
// `close` closes the socket without waiting for the peer to end; `exit` calls process.exit() right after `end()`, once connected; `exit-at-once` already when the connect has only begun.

import net from '../../../src/index.ts'
import { fillPattern } from '../pattern.ts'

const [port, size, how] = process.argv.slice(2)
const socket = net.connect({ port: Number(port), host: '127.0.0.1' })

function send(): void {
  socket.write(fillPattern(Buffer.alloc(Number(size)), 1, 0))
  socket.end()
}

if (how === undefined) send()
else if (how === 'close') {
  send()
  socket.destroySoon()
} else if (how === 'exit-at-once') {
  send()
  process.exit()
} else {
  socket.on('connect', () => {
    send()
    if (how === 'exit') process.exit()
    else socket.unref()
  })
}
