import type dgram from 'node:dgram'
import { EventEmitter } from 'node:events'
import { isIPv6 } from 'node:net'
import timers from 'node:timers'

// Two hosts in one process, joined by a cable in memory: to each it looks like `node:dgram`. Every address exists, whoever binds it; nothing is
// lost, for losing is the impairment's task.

type Done = (error: Error | null, bytes?: number) => void
type DgramModule = typeof dgram

// Captured at load: fake timers of a test runner must not cut the cable.
const { setImmediate } = timers
const { nextTick } = process

/** What a kernel of today grants. */
const BUFFER = 4 << 20
const FIRST_EPHEMERAL = 32_768
const LAST_EPHEMERAL = 60_999

/** A cable: what each of its two ends has instead of `node:dgram`. */
export function makeCable(): [DgramModule, DgramModule] {
  const [one, other] = [new End(), new End()]
  one.peer = other
  other.peer = one
  return [one.module, other.module]
}

/** The sockets of one host. */
class End {
  peer: End = this
  readonly module: DgramModule
  readonly #bound = new Map<string, CableSocket[]>()
  #arrived: [CableSocket, Buffer, dgram.RemoteInfo][] = []
  #nextPort = FIRST_EPHEMERAL

  constructor() {
    const createSocket = (options: { type: string }): CableSocket => new CableSocket(this, options.type)
    this.module = { createSocket } as unknown as DgramModule
  }

  /** False: somebody has it. */
  bind(socket: CableSocket, address: string, port: number): boolean {
    const key = `${address}|${port}`
    const there = this.#bound.get(key)
    // Those that are connected share it with each other.
    if (there?.some(({ peerPort }) => peerPort === 0)) return false
    if (there === undefined) this.#bound.set(key, [socket])
    else there.push(socket)
    return true
  }

  unbind(socket: CableSocket, address: string, port: number): void {
    const key = `${address}|${port}`
    const left = (this.#bound.get(key) ?? []).filter((one) => one !== socket)
    if (left.length === 0) this.#bound.delete(key)
    else this.#bound.set(key, left)
  }

  freePort(address: string): number {
    for (let tries = FIRST_EPHEMERAL; tries <= LAST_EPHEMERAL; tries++) {
      const port = this.#nextPort
      this.#nextPort = port === LAST_EPHEMERAL ? FIRST_EPHEMERAL : port + 1
      if (!this.#bound.has(`${address}|${port}`)) return port
    }
    return 0
  }

  /** A datagram from the other end. False: nobody is there. */
  take(message: Buffer, address: string, port: number, from: dgram.RemoteInfo): boolean {
    const there = this.#bound.get(`${address}|${port}`)
    const socket =
      there?.find((one) => one.peerPort === from.port && one.peerAddress === from.address) ??
      there?.find(({ peerPort }) => peerPort === 0)
    if (socket === undefined) return false
    if (this.#arrived.length === 0) setImmediate(() => this.#deliver())
    this.#arrived.push([socket, message, from])
    return true
  }

  #deliver(): void {
    const arrived = this.#arrived
    this.#arrived = []
    for (const [socket, message, from] of arrived) if (!socket.closed) socket.emit('message', message, from)
  }
}

/** As much of a `dgram.Socket` as a host asks for. */
class CableSocket extends EventEmitter {
  closed = false
  /** 0: not connected. */
  peerPort = 0
  peerAddress = ''
  readonly #end: End
  readonly #family: 'IPv4' | 'IPv6'
  #address = ''
  #port = 0

  constructor(end: End, type: string) {
    super()
    this.#end = end
    this.#family = type === 'udp6' ? 'IPv6' : 'IPv4'
  }

  bind({ address, port }: { address: string; port: number }): void {
    const wanted = port || this.#end.freePort(address)
    if (wanted === 0 || !this.#end.bind(this, address, wanted)) {
      this.emit('error', Object.assign(new Error('bind EADDRINUSE'), { code: 'EADDRINUSE', syscall: 'bind' }))
      return
    }
    this.#address = address
    this.#port = wanted
    this.emit('listening')
  }

  connect(port: number, address: string): void {
    this.peerPort = port
    this.peerAddress = address
  }

  disconnect(): void {
    this.peerPort = 0
    this.peerAddress = ''
  }

  send(buffer: Buffer, start: number, length: number, ...rest: [number, string, Done] | [Done]): void {
    const done = rest[rest.length - 1] as Done
    const [port, address] = rest.length === 1 ? [this.peerPort, this.peerAddress] : (rest as [number, string, Done])
    // The sender uses its buffer again.
    const message = Buffer.from(buffer.subarray(start, start + length))
    const from = { address: this.#address, port: this.#port, family: this.#family, size: length }
    const isTaken = this.#end.peer.take(message, address, port, from)
    const isRefused = !isTaken && this.peerPort !== 0
    const error = isRefused ? Object.assign(new Error('send ECONNREFUSED'), { code: 'ECONNREFUSED' }) : null
    nextTick(done, error, length)
  }

  close(): this {
    if (this.closed) throw Object.assign(new Error('Not running'), { code: 'ERR_SOCKET_DGRAM_NOT_RUNNING' })
    this.closed = true
    if (this.#port !== 0) this.#end.unbind(this, this.#address, this.#port)
    nextTick(() => this.emit('close'))
    return this
  }

  address(): { address: string; port: number; family: string } {
    if (this.#port === 0) throw Object.assign(new Error('getsockname EBADF'), { code: 'EBADF' })
    return { address: this.#address, port: this.#port, family: this.#family }
  }

  remoteAddress(): { address: string; port: number; family: string } {
    if (this.peerPort === 0) throw Object.assign(new Error('Not connected'), { code: 'ERR_SOCKET_DGRAM_NOT_CONNECTED' })
    return { address: this.peerAddress, port: this.peerPort, family: isIPv6(this.peerAddress) ? 'IPv6' : 'IPv4' }
  }

  ref(): this {
    return this
  }

  unref(): this {
    return this
  }

  setTTL(ttl: number): number {
    return ttl
  }

  setRecvBufferSize(): void {}

  setSendBufferSize(): void {}

  getRecvBufferSize(): number {
    return BUFFER
  }

  getSendQueueSize(): number {
    return 0
  }

  getSendQueueCount(): number {
    return 0
  }
}
