import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import type { Net } from '../../src/index.ts'

/**
 * A transfer within this process, over the namespace's loopback: the code of both ends is compiled when the measured one begins, as it is in a
 * process that has run for more than a moment. The kernel's always is.
 */
export async function warmUp(
  { createServer, connect }: Pick<Net, 'createServer' | 'connect'>,
  ms: number,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, noDelay: true })
  await once(socket, 'connect')
  const chunk = Buffer.alloc(65_536)
  const pump = (): void => {
    while (socket.write(chunk));
  }
  socket.on('drain', pump)
  pump()
  await new Promise((resolve) => setTimeout(resolve, ms))
  socket.destroy()
  server.close()
  await once(server, 'close')
}
