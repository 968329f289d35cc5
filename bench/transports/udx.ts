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
  async open({ recvBufferSize }) {
    return openUdx('127.0.0.1', '127.0.0.1', recvBufferSize)
  },
}

/** `host`: where it listens, and connects to, from `local`. `receiveBuffer`: bytes, of each UDP socket; undefined: what udx-native asks for. */
export async function openUdx(host: string, local: string, receiveBuffer: number | undefined): Promise<UdxTransport> {
  const { default: Udx } = await import('udx-native')
  return new UdxTransport(new Udx(), host, local, receiveBuffer)
}

/** How long a message may be on its way before it counts as lost. */
const RETRY_MS = 250

export type UdxConnection = Connection & UDXStream

class UdxTransport implements Transport {
  readonly #udx: UDX
  /** Of a client: all of its streams go by it. */
  #client: UDXSocket | null = null
  readonly #host: string
  readonly #local: string
  readonly #receiveBuffer: number | undefined
  /** Of a client, by the number of its stream: what to do with the server's answer. */
  readonly #waiting = new Map<number, (remoteId: number) => void>()
  #nextId = 1

  constructor(udx: UDX, host: string, local: string, receiveBuffer: number | undefined) {
    this.#udx = udx
    this.#host = host
    this.#local = local
    this.#receiveBuffer = receiveBuffer
  }

  async listen(accept: (stream: UdxConnection) => void): Promise<{ port: number }> {
    const socket = this.#bind(this.#host)
    /** By the client's port and stream number, so that a question asked twice gets the same answer. */
    const answered = new Map<string, number>()
    socket.on('message', (message, { host, port }) => {
      const remoteId = message.readUInt32BE()
      const key = `${port} ${remoteId}`
      let id = answered.get(key)
      if (id === undefined) {
        id = this.#nextId++
        answered.set(key, id)
        const stream = this.#udx.createStream(id)
        stream.connect(socket, remoteId, port, host)
        stream.on('close', () => answered.delete(key))
        accept(ending(stream))
      }
      socket.trySend(pair(remoteId, id), port, host)
    })
    return { port: socket.address()!.port }
  }

  connect({ port }: { port: number }): Promise<UdxConnection> {
    this.#client ??= this.#openClient()
    const socket = this.#client
    const id = this.#nextId++
    const stream = this.#udx.createStream(id)
    const ask = (): void => socket.trySend(pair(id, 0), port, this.#host)
    return new Promise((resolve) => {
      const timer = setInterval(ask, RETRY_MS)
      this.#waiting.set(id, (remoteId) => {
        clearInterval(timer)
        this.#waiting.delete(id)
        stream.connect(socket, remoteId, port, this.#host)
        resolve(ending(stream))
      })
      ask()
    })
  }

  #openClient(): UDXSocket {
    const socket = this.#bind(this.#local)
    socket.on('message', (message) => this.#waiting.get(message.readUInt32BE())?.(message.readUInt32BE(4)))
    return socket
  }

  #bind(address: string): UDXSocket {
    const socket = this.#udx.createSocket()
    socket.bind(0, address)
    if (this.#receiveBuffer !== undefined) socket.setRecvBufferSize(this.#receiveBuffer)
    return socket
  }
}

/** A stream that ends when the peer does, as a `net.Socket` does by itself. */
function ending(stream: UDXStream): UdxConnection {
  stream.on('end', () => stream.end())
  return stream
}

function pair(a: number, b: number): Buffer {
  const message = Buffer.alloc(8)
  message.writeUInt32BE(a, 0)
  message.writeUInt32BE(b, 4)
  return message
}
