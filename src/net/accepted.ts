import { kAdopt, kStack, type ServerInternals, type SocketInternals } from './internals.ts'
import { Socket } from './socket.ts'
import type { Socket as PublicSocket } from './types.ts'

/** Makes the socket of a connection that a server accepts, with the server's settings, and hands it to `'connection'`. */
export function adoptAccepted(
  server: ServerInternals,
  handle: Parameters<SocketInternals[typeof kAdopt]>[0],
): SocketInternals {
  const { allowHalfOpen, highWaterMark, pauseOnConnect: pause, noDelay, keepAlive, keepAliveInitialDelay } = server
  const socket = new Socket({
    allowHalfOpen,
    readableHighWaterMark: highWaterMark,
    writableHighWaterMark: highWaterMark,
  }) as unknown as SocketInternals
  socket[kStack] = server[kStack]
  server._connections++
  socket[kAdopt](handle, { server, pause, noDelay, keepAlive, keepAliveInitialDelay })
  server.emit('connection', socket as unknown as PublicSocket & never)
  return socket
}
