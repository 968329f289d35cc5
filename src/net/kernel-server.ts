import nodeNet from 'node:net'
import { adoptAccepted } from './accepted.ts'
import { kKernel, type ServerInternals } from './internals.ts'
import { KernelHandle } from './kernel-handle.ts'

// A server that listens on what is no port of a stack (a pipe, a Unix domain socket, a descriptor or a handle opened elsewhere) has a
// server of Node's own behind it, which listens, shares with cluster workers and has the errors.

/** Listens as Node's own `listen` does with these arguments, and throws what that throws. */
export function listenOnKernel(
  server: ServerInternals,
  args: unknown[],
  admits: (server: ServerInternals) => boolean,
): void {
  const inner = new nodeNet.Server({ allowHalfOpen: true, pauseOnConnect: true, highWaterMark: server.highWaterMark })
  inner.on('connection', (socket) => accept(server, socket, admits))
  inner.on('listening', () => {
    server._connectionKey = (inner as { _connectionKey?: string })._connectionKey
    server.emit('listening')
  })
  inner.on('error', (error) => server.emit('error', error))
  ;(inner.listen as (...args: unknown[]) => unknown)(...args)
  server[kKernel] = inner
  if (server._unref) inner.unref()
}

function accept(server: ServerInternals, accepted: nodeNet.Socket, admits: (server: ServerInternals) => boolean): void {
  if (!admits(server)) {
    // Pipes have no addresses to tell.
    server.emit('drop')
    accepted.destroy()
    return
  }
  adoptAccepted(server, new KernelHandle(null, accepted))
}
