import nodeNet, { type Server, type Socket } from 'node:net'
import { join, reset } from '../gateway/index.ts'
import { kernelServers, type LocalWish, listenForBuiltin, type Way } from '../net/index.ts'
import { Stack, type StackOptions } from '../stack/index.ts'
import { makeCable } from './wire.ts'

/** How many connections may wait for the far host: as many as it allows. */
const BACKLOG = 4096

/**
 * What leads to servers that know nothing of sluice. The program's connections end on a second host in this process, the far one, which has the
 * server's address and speaks with the server by the kernel's TCP; between the two hosts lies the impairment. The kernel's connection comes
 * first, so that who is refused is refused as ever.
 */
export class Outbound {
  /** The host that the program's connections are on. */
  readonly near: Stack
  readonly far: Stack
  readonly #listeners = new Map<string, Server>()
  /** Connections of the kernel's, by what is to come to the far host for them. */
  readonly #waiting = new Map<string, Socket>()
  readonly #counters = { accepted: 0, open: 0, failed: 0, resets: 0, bytesIn: 0, bytesOut: 0 }

  constructor(near: StackOptions, far: StackOptions) {
    const [nearCable, farCable] = makeCable()
    this.near = new Stack({ ...near, dgram: nearCable })
    // A host would use larger segments where it sends to itself.
    const mtu = this.near.impair.isOn ? 1500 : 'auto'
    this.far = new Stack({ mtu, ...far, dgram: farCable })
  }

  way(address: string, port: number): Way {
    return new KernelWay(this, address, port)
  }

  /** Has the far host listen where the server does. */
  listen(address: string, port: number): void {
    const key = `${address}|${port}`
    if (this.#listeners.has(key)) return
    const server = nodeNet.createServer({ allowHalfOpen: true, noDelay: true })
    kernelServers.add(server)
    server.on('connection', (socket: Socket) => this.#arrived(key, socket))
    server.on('error', () => this.#listeners.delete(key))
    const wish = { address, port, backlog: BACKLOG, ipv6Only: false, reusePort: false }
    listenForBuiltin(server, wish, () => this.far)
    server.unref()
    this.#listeners.set(key, server)
  }

  /** What is to come to the far host from this port is for that connection. What it returns calls that off, and tells whether it still could. */
  expect(address: string, port: number, from: number, kernel: Socket): () => boolean {
    const key = `${address}|${port}|${from}`
    this.#waiting.set(key, kernel)
    return () => this.#waiting.get(key) === kernel && this.#waiting.delete(key)
  }

  #arrived(to: string, socket: Socket): void {
    const key = `${to}|${socket.remotePort}`
    const kernel = this.#waiting.get(key)
    this.#waiting.delete(key)
    socket.on('error', () => {})
    // The program's end of it keeps the process, and what is still to be written does.
    socket.unref()
    if (kernel === undefined || kernel.destroyed) reset(socket)
    else join(socket, kernel, this.#counters, () => {})
  }
}

/** One connection to a server. */
class KernelWay implements Way {
  readonly #outbound: Outbound
  readonly #address: string
  readonly #port: number
  #kernel: Socket | null = null
  /** Null: the far host has not been told to expect it. */
  #callOff: (() => boolean) | null = null

  constructor(outbound: Outbound, address: string, port: number) {
    this.#outbound = outbound
    this.#address = address
    this.#port = port
  }

  open(from: LocalWish, ready: Parameters<Way['open']>[1]): void {
    const host = this.#address
    const port = this.#port
    const kernel = new nodeNet.Socket({ allowHalfOpen: true })
    this.#kernel = kernel
    const refused = (error: NodeJS.ErrnoException): void => ready(error.code ?? 'EIO')
    kernel.once('error', refused)
    kernel.once('connect', () => {
      kernel.off('error', refused)
      // Who relays it hears of its end by `'close'`.
      kernel.on('error', () => {})
      kernel.unref()
      this.#outbound.listen(host, port)
      ready(null, this.#outbound.near, kernel.localAddress)
    })
    const { localAddress, localPort } = from
    const local = { ...(localAddress && { localAddress }), ...(localPort && { localPort }) }
    kernel.connect({ host, port, ...local, noDelay: true })
  }

  began(localPort: number): void {
    this.#callOff = this.#outbound.expect(this.#address, this.#port, localPort, this.#kernel as Socket)
  }

  close(): void {
    if (this.#callOff === null || this.#callOff()) this.#kernel?.destroy()
  }
}
