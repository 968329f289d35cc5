import type dgram from 'node:dgram'
import { EventEmitter } from 'node:events'
import type { NetworkInterfaceInfo } from 'node:os'
import type { NativeRequest, NativeSockets } from '../../../src/tunnel/native.ts'

/** A network of fake datagram sockets, in which every failure can be ordered. Nothing is lost; delivery takes a tick. */
export class FakeNetwork {
  readonly sockets = new Set<FakeSocket>()
  /** Every datagram that left, in order. */
  readonly sent: { from: string; to: string; bytes: Buffer }[] = []
  /** Addresses that can be bound. */
  readonly addresses: string[]
  /** Codes that the next sends fail with; null lets one pass. */
  sendFailures: (string | null)[] = []
  /** Codes that the next binds fail with; null lets one pass. */
  bindFailures: (string | null)[] = []
  /** Destinations that no socket can be connected to. */
  unroutable = new Set<string>()
  recvBufferSize = 8 << 20
  /** Sends queue up, and call back only when this is false. */
  stalled = false
  #nextPort = 40_000
  #stalledCallbacks: (() => void)[] = []

  constructor(...addresses: string[]) {
    this.addresses = addresses
  }

  readonly module = {
    createSocket: (options: { type: string }) => new FakeSocket(this, options.type),
  } as unknown as typeof dgram

  /** Descriptors made by `native`, and what it was asked for. */
  readonly descriptors: { request: NativeRequest; segment: number; closed: boolean }[] = []
  /** Each size that was set, in order. */
  readonly segments: number[] = []
  /** Bytes of receive buffer that were asked for, and beyond the system's limit. */
  readonly recvBufferSizes: number[] = []
  readonly forced: number[] = []

  readonly native: NativeSockets = {
    open: (request) => this.descriptors.push({ request, segment: 0, closed: false }) - 1,
    setSegment: (fd, size) => {
      this.segments.push(size)
      this.descriptors[fd].segment = size
      return true
    },
    forceReceiveBuffer: (_fd, bytes) => void this.forced.push(bytes),
    close: (fd) => {
      this.descriptors[fd].closed = true
    },
  }

  readonly interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => ({
    fake0: this.addresses.map((address) => ({
      address,
      netmask: address.includes(':') ? 'ffff:ffff:ffff:ffff::' : '255.255.255.0',
      family: address.includes(':') ? 'IPv6' : 'IPv4',
      mac: '00:00:00:00:00:00',
      internal: false,
      cidr: null,
      scopeid: 0,
    })) as NetworkInterfaceInfo[],
  })

  freePort(): number {
    return this.#nextPort++
  }

  later(action: () => void): void {
    if (this.stalled) this.#stalledCallbacks.push(action)
    else process.nextTick(action)
  }

  /** Lets what `stalled` held go on. */
  resume(): void {
    this.stalled = false
    for (const action of this.#stalledCallbacks.splice(0)) process.nextTick(action)
  }

  find(address: string, port: number, from: FakeSocket): FakeSocket | undefined {
    const here = [...this.sockets].filter((socket) => socket.port === port && socket.hears(address))
    return here.find((socket) => socket.peerIs(from)) ?? here.find((socket) => socket.peer === null)
  }

  get open(): number {
    return this.sockets.size
  }
}

function failure(code: string, syscall: string): Error {
  return Object.assign(new Error(`${syscall} ${code}`), { code, syscall })
}

export class FakeSocket extends EventEmitter {
  readonly net: FakeNetwork
  readonly type: string
  boundAddress = ''
  port = 0
  peer: { address: string; port: number } | null = null
  held = true
  #descriptor: FakeNetwork['descriptors'][number] | null = null

  constructor(net: FakeNetwork, type: string) {
    super()
    this.net = net
    this.type = type
  }

  bind(where: { port: number; address: string } | { fd: number }): this {
    const { net } = this
    if ('fd' in where) this.#descriptor = net.descriptors[where.fd]
    const options = 'fd' in where ? net.descriptors[where.fd].request : where
    const ordered = net.bindFailures.shift() ?? null
    const any = options.address === '0.0.0.0' || options.address === '::'
    const taken = [...net.sockets].some(
      (other) => other.port === options.port && other.boundAddress === options.address,
    )
    const code =
      ordered ?? (!any && !net.addresses.includes(options.address) ? 'EADDRNOTAVAIL' : taken ? 'EADDRINUSE' : null)
    if (code !== null) {
      this.emit('error', failure(code, 'bind'))
      return this
    }
    this.boundAddress = options.address
    this.port = options.port || net.freePort()
    net.sockets.add(this)
    this.emit('listening')
    return this
  }

  connect(port: number, address: string): void {
    if (this.net.unroutable.has(address)) return
    this.peer = { address, port }
    const family = address.includes(':')
    const any = this.boundAddress === '0.0.0.0' || this.boundAddress === '::'
    // The kernel talks to its own addresses from themselves.
    if (any && this.net.addresses.includes(address)) this.boundAddress = address
    else if (any)
      this.boundAddress = this.net.addresses.find((own) => own.includes(':') === family) ?? this.boundAddress
  }

  disconnect(): void {
    this.peer = null
  }

  remoteAddress(): { address: string; port: number; family: string } {
    if (this.peer === null) throw failure('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'remoteAddress')
    return { ...this.peer, family: this.type === 'udp4' ? 'IPv4' : 'IPv6' }
  }

  address(): { address: string; port: number; family: string } {
    return { address: this.boundAddress, port: this.port, family: this.type === 'udp4' ? 'IPv4' : 'IPv6' }
  }

  hears(address: string): boolean {
    return this.boundAddress === address || this.boundAddress === '0.0.0.0' || this.boundAddress === '::'
  }

  peerIs(other: FakeSocket): boolean {
    return this.peer !== null && this.peer.port === other.port && other.hears(this.peer.address)
  }

  send(buffer: Buffer, offset: number, length: number, ...rest: unknown[]): void {
    const { net } = this
    const callback = rest.at(-1) as (error: Error | null) => void
    const port = this.peer?.port ?? (rest[0] as number)
    const address = this.peer?.address ?? (rest[1] as string)
    const code = net.sendFailures.shift() ?? null
    if (code !== null) {
      net.later(() => callback(failure(code, 'send')))
      return
    }
    const bytes = Buffer.from(buffer.subarray(offset, offset + length))
    const cut = this.#descriptor?.segment || length
    for (let at = 0; at < length; at += cut) {
      const datagram = bytes.subarray(at, at + cut)
      net.sent.push({ from: `${this.boundAddress}|${this.port}`, to: `${address}|${port}`, bytes: datagram })
    }
    net.later(() => {
      callback(null)
      const receiver = net.find(address, port, this)
      receiver?.emit('message', bytes, { address: this.boundAddress, port: this.port, size: length })
    })
  }

  close(): void {
    this.net.sockets.delete(this)
    process.nextTick(() => this.emit('close'))
  }

  unref(): this {
    this.held = false
    return this
  }

  getSendQueueCount(): number {
    return this.net.stalled ? 1 : 0
  }

  setRecvBufferSize(size: number): void {
    this.net.recvBufferSizes.push(size)
  }

  setSendBufferSize(): void {}

  getRecvBufferSize(): number {
    return this.net.recvBufferSize
  }
}
