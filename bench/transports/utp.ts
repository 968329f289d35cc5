import { once } from 'node:events'
import { createRequire } from 'node:module'
import type { Connection, Transport, TransportKind } from './transport.ts'

/** Of what utp-native has, what is used here; it brings no types. */
interface Utp {
  listen(port: number, host: string): void
  connect(port: number, host: string): UtpConnection
  address(): { port: number }
  on(event: 'connection', listener: (connection: UtpConnection) => void): unknown
  once(event: 'listening', listener: () => void): unknown
  setRecvBufferSize(bytes: number): void
}

interface UtpConnection extends Connection {
  once(event: 'drain' | 'connect', listener: () => void): unknown
  once(event: 'error', listener: (error: Error) => void): unknown
  off(event: 'error', listener: (error: Error) => void): unknown
}

type UtpConstructor = new (options: { allowHalfOpen: boolean }) => Utp

/**
 * utp-native: BitTorrent's uTP, in C++. It is not among the development dependencies, for it cannot be installed everywhere:
 * `npm install --no-save utp-native` brings it.
 */
export const utp: TransportKind = {
  name: 'utp',
  label: 'utp-native',
  whyNot() {
    try {
      load()
      return null
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      return code === 'MODULE_NOT_FOUND' ? 'not installed (npm install --no-save utp-native)' : message
    }
  },
  async open({ recvBufferSize }) {
    return openUtp(load(), recvBufferSize)
  },
}

function load(): UtpConstructor {
  return createRequire(import.meta.url)('utp-native') as UtpConstructor
}

function openUtp(Utp: UtpConstructor, receiveBuffer: number | undefined): Transport {
  let client: Utp | null = null
  const make = async (): Promise<Utp> => {
    const socket = new Utp({ allowHalfOpen: false })
    socket.listen(0, '127.0.0.1')
    await once(socket as never, 'listening')
    if (receiveBuffer !== undefined) socket.setRecvBufferSize(receiveBuffer)
    return socket
  }
  return {
    async listen(accept) {
      const socket = await make()
      socket.on('connection', accept)
      return { port: socket.address().port }
    },
    async connect({ port }) {
      // All connections by one UDP socket, as sluice and udx-native have it.
      client ??= await make()
      const connection = client.connect(port, '127.0.0.1')
      return new Promise((resolve, reject) => {
        connection.once('error', reject)
        connection.once('connect', () => {
          connection.off('error', reject)
          resolve(connection)
        })
      })
    },
  }
}
