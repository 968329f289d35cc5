import type UDX from 'udx-native'
import type { UDXSocket, UDXStream } from 'udx-native'
import type { Connection, Transport, TransportKind } from './transport.ts'

/**
 * udx-native: reliable streams over UDP, in C. It has no handshake: both ends must know each other's stream number. Here they tell
 * them by two messages on the same UDP sockets, which costs the round trip that a TCP handshake costs.
 */
export const udx: TransportKind = {
  name: 'udx',
  label: 'udx-native',
  async open() {
    const { default: Udx } = await import('udx-native')
    return new UdxTransport(new Udx())
  },
}

/** How long a message may be on its way before it counts as lost; on loopback, where the reader was busy. */
const RETRY_MS = 250

class UdxTransport implements Transport {
  readonly #udx: UDX
  readonly #socket: UDXSocket
  /** Of a client, by the number of its stream: what to do with the server's answer. */
  readonly #waiting = new Map<number, (remoteId: number) => void>()
  #nextId = 1

  constructor(udx: UDX) {
    this.#udx = udx
    this.#socket = udx.createSocket()
  }

  async listen(accept: (connection: Connection) => void): Promise<{ port: number }> {
    this.#socket.bind(0, '127.0.0.1')
    /** By the client's port and stream number, so that a question asked twice gets the same answer. */
    const answered = new Map<string, number>()
    this.#socket.on('message', (message, { host, port }) => {
      const remoteId = message.readUInt32BE()
      const key = `${port} ${remoteId}`
      let id = answered.get(key)
      if (id === undefined) {
        id = this.#nextId++
        answered.set(key, id)
        const stream = this.#udx.createStream(id)
        stream.connect(this.#socket, remoteId, port, host)
        stream.on('close', () => answered.delete(key))
        accept(ending(stream))
      }
      this.#socket.trySend(pair(remoteId, id), port, host)
    })
    return { port: this.#socket.address()!.port }
  }

  connect({ port }: { port: number }): Promise<Connection> {
    if (!this.#socket.bound) {
      this.#socket.bind(0, '127.0.0.1')
      this.#socket.on('message', (message) => this.#waiting.get(message.readUInt32BE())?.(message.readUInt32BE(4)))
    }
    const id = this.#nextId++
    const stream = this.#udx.createStream(id)
    const ask = (): void => this.#socket.trySend(pair(id, 0), port, '127.0.0.1')
    return new Promise((resolve) => {
      const timer = setInterval(ask, RETRY_MS)
      this.#waiting.set(id, (remoteId) => {
        clearInterval(timer)
        this.#waiting.delete(id)
        stream.connect(this.#socket, remoteId, port, '127.0.0.1')
        resolve(ending(stream))
      })
      ask()
    })
  }
}

/** A stream that ends when the peer does, as a `net.Socket` does by itself. */
function ending(stream: UDXStream): Connection {
  stream.on('end', () => stream.end())
  return stream
}

function pair(a: number, b: number): Buffer {
  const message = Buffer.alloc(8)
  message.writeUInt32BE(a, 0)
  message.writeUInt32BE(b, 4)
  return message
}
