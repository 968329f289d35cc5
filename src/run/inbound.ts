import nodeNet, { type AddressInfo, type Server } from 'node:net'
import { createGateway } from '../gateway/index.ts'
import { type BuiltinWish, kernelServers } from '../net/index.ts'
import type { Stack } from '../stack/index.ts'

/** What the server of a program has while it listens. */
interface Listening {
  _handle: { close(done?: () => void): void } | null
}

/**
 * Lets a server that listens through sluice be reached by the kernel's TCP too, on the same port: a relay in this process connects for each
 * client, from a host of its own, and tells the server who that is. The kernel's port comes first: its errors are those that the program knows.
 * `done` hears where the server listens, and what it returns is called when it does so no more.
 */
export function listenBoth(
  server: Server,
  wish: BuiltinWish,
  client: () => Stack,
  listenForSluice: (wish: BuiltinWish) => void,
  listenForKernel: (server: Server, port: number) => void,
  done: (at: AddressInfo) => () => void,
): void {
  const kernel = nodeNet.createServer({ allowHalfOpen: true, noDelay: true })
  kernelServers.add(kernel)
  kernel.on('error', (error) => server.emit('error', error))
  listenForKernel(kernel, wish.port)
  const isShared = wish.reusePort && wish.port !== 0
  const at = kernel.address() as AddressInfo | null
  // It says why itself.
  if (at === null && !isShared) return
  listenForSluice({ ...wish, port: at?.port ?? wish.port })
  const handle = (server as unknown as Listening)._handle
  if (handle === null) {
    kernel.close()
    return
  }
  createGateway({ listen: kernel, to: server, stack: client() }).unref()
  const forget = done(server.address() as AddressInfo)
  const close = handle.close.bind(handle)
  handle.close = (closed) => {
    forget()
    // Those that it has accepted go on.
    kernel.close()
    close(closed)
  }
}
