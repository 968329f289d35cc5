import type { RemoteInfo } from 'node:dgram'
import { EventEmitter } from 'node:events'
import { isLoopback, isWildcard } from './sim-addresses.ts'
import { nodeError, systemError } from './sim-errors.ts'
import type { SimHost } from './sim-host.ts'
import type { Flow } from './sim-link.ts'
import { truesize } from './truesize.ts'
import { Phase, type Task } from './world.ts'

type Callback = (error: Error | null, bytes?: number) => void
type LookupCallback = (error: NodeJS.ErrnoException | null, address: string, family: number) => void

export interface SimSocketOptions {
  type: 'udp4' | 'udp6'
  lookup?: (hostname: string, family: number, callback: LookupCallback) => void
  reuseAddr?: boolean
  reusePort?: boolean
  ipv6Only?: boolean
  recvBufferSize?: number
  sendBufferSize?: number
}

/** libuv reads so many datagrams of a socket before the loop goes on. */
const READS_PER_TURN = 32
const LARGEST_DATAGRAM = { IPv4: 65_507, IPv6: 65_527 }
/** Of IP and UDP. */
const HEADERS = { IPv4: 28, IPv6: 48 }
/** SOCK_MIN_RCVBUF. */
const LEAST_BUFFER = 2304

const State = { Unbound: 0, Binding: 1, Bound: 2 } as const

/** A `dgram.Socket` on a simulated host, as Node 20 has them on Linux: the same events, errors and moments. */
export class SimSocket extends EventEmitter {
  readonly host: SimHost
  readonly type: 'udp4' | 'udp6'
  readonly family: 'IPv4' | 'IPv6'
  readonly reuseAddr: boolean
  readonly reusePort: boolean
  readonly ipv6Only: boolean
  localAddress = ''
  localPort = 0
  /** Meaningful when connected. */
  remoteIp = ''
  remotePort = 0
  connected = false
  /** Hops that its datagrams may take. */
  ttl = 64
  /** `unref` was not called. */
  referenced = true
  /** Datagrams for which the receive buffer had no room. */
  overflowed = 0
  /** What `bind` bound, before `connect` chose an address. */
  boundAddress = ''

  readonly #options: SimSocketOptions
  readonly #lookup: NonNullable<SimSocketOptions['lookup']>
  #state: number = State.Unbound
  #closed = false
  /** Calls that wait until the socket is bound. */
  #queue: (() => void)[] | null = null

  #receiveBuffer: number
  #sendBuffer: number
  #arrived: { message: Buffer; flow: Flow }[] = []
  /** Of the receive buffer, taken by what has arrived. */
  #charged = 0
  #reading = false
  /** linux: sk_err, given to whoever calls next. */
  #pendingError: string | null = null

  /** The way to the peer, or to where the last datagram went. */
  #flow: Flow | null = null
  #flowIp = ''
  #flowVersion = -1

  constructor(host: SimHost, options: SimSocketOptions | 'udp4' | 'udp6', listener?: (...args: unknown[]) => void) {
    super()
    const given = typeof options === 'string' ? { type: options } : options
    if (given.type !== 'udp4' && given.type !== 'udp6') {
      throw nodeError('ERR_SOCKET_BAD_TYPE', 'Bad socket type specified. Valid types are: udp4, udp6', TypeError)
    }
    this.host = host
    this.#options = given
    this.type = given.type
    this.family = given.type === 'udp4' ? 'IPv4' : 'IPv6'
    this.reuseAddr = given.reuseAddr ?? false
    this.reusePort = given.reusePort ?? false
    this.ipv6Only = given.ipv6Only ?? false
    this.#lookup =
      given.lookup ?? ((name, family, done) => host.net.world.nextTick(() => done(null, named(name), family)))
    this.#receiveBuffer = host.rmemDefault
    this.#sendBuffer = host.rmemDefault
    if (listener !== undefined) this.on('message', listener)
  }

  bind(...args: unknown[]): this {
    this.#checkOpen()
    if (this.#state !== State.Unbound) throw nodeError('ERR_SOCKET_ALREADY_BOUND', 'Socket is already bound')
    this.#state = State.Binding
    const callback = args.at(-1)
    if (typeof callback === 'function') this.#onceBound(callback as () => void)
    const [first, second] = args
    const options = typeof first === 'object' && first !== null ? (first as { port?: number; address?: string }) : null
    const port = Number((options === null ? first : options.port) ?? 0) || 0
    const wanted = options === null ? second : options.address
    const name = typeof wanted === 'string' && wanted !== '' ? wanted : this.family === 'IPv4' ? '0.0.0.0' : '::'
    this.#resolve(name, (error, address) => {
      if (this.#closed) return
      const code = error === null ? this.host.bind(this, address, port) : null
      if (error !== null || code !== null) {
        this.#state = State.Unbound
        this.emit('error', error ?? systemError(code as string, 'bind', address, port))
        return
      }
      this.boundAddress = address
      this.#listening()
    })
    return this
  }

  connect(port: number, address?: string | (() => void), callback?: () => void): void {
    checkPort(port)
    if (typeof address === 'function') {
      callback = address
      address = ''
    }
    if (this.connected) throw nodeError('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected')
    this.#whenBound(() => {
      if (callback !== undefined) this.once('connect', callback)
      this.#resolve((address as string) || this.#loopback, (error, ip) => {
        if (this.#closed) return
        const failure = error ?? this.#connectTo(ip, port)
        this.host.net.world.nextTick(() => {
          if (failure === null) {
            this.emit('connect')
          } else if (callback !== undefined) {
            this.off('connect', callback)
            ;(callback as (error: Error) => void)(failure)
          } else this.emit('error', failure)
        })
      })
    })
  }

  disconnect(): void {
    if (!this.connected) throw nodeError('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'Not connected')
    this.connected = false
    this.localAddress = this.boundAddress
    this.#flow = null
    this.host.changed()
  }

  send(...args: unknown[]): void {
    const callback = (typeof args.at(-1) === 'function' ? args.pop() : undefined) as Callback | undefined
    // (message [, port, address]) or (message, offset, length [, port, address]), told apart as Node does.
    const [message, ...rest] = args
    const sliced = this.connected ? typeof rest[1] === 'number' : rest.length > 2
    const [offset, length] = sliced ? (rest as [number, number]) : [0, -1]
    const [port, address] = (this.connected || sliced ? rest.slice(2) : rest) as [
      number | undefined,
      string | undefined,
    ]
    if (this.connected && (port || address)) throw nodeError('ERR_SOCKET_DGRAM_IS_CONNECTED', 'Already connected')
    const bytes = toBuffer(message)
    const end = length < 0 ? bytes.length : offset + length
    if (offset < 0 || end > bytes.length) {
      throw nodeError('ERR_BUFFER_OUT_OF_BOUNDS', 'Attempt to access memory outside buffer bounds', RangeError)
    }
    if (!this.connected) checkPort(port)
    this.#checkOpen()
    if (this.connected) this.#sendTo(bytes, offset, end, this.remoteIp, this.remotePort, callback)
    else {
      this.#whenBound(() =>
        this.#resolve(address || this.#loopback, (error, ip) => {
          if (this.#closed) return
          if (error === null) this.#sendTo(bytes, offset, end, ip, port as number, callback)
          else if (callback !== undefined) callback(error)
          else this.emit('error', error)
        }),
      )
    }
  }

  close(callback?: () => void): this {
    if (callback !== undefined) this.on('close', callback)
    if (this.#queue !== null) {
      this.#queue.push(() => this.close())
      return this
    }
    this.#checkOpen()
    this.vanish()
    this.host.net.world.nextTick(() => this.emit('close'))
    return this
  }

  /** Closes without a word to its owner, as when the process is gone. */
  vanish(): void {
    if (this.#state === State.Bound) this.host.unbind(this)
    this.#closed = true
    this.#arrived = []
    this.#charged = 0
  }

  address(): { address: string; family: string; port: number } {
    this.#checkOpen()
    if (this.#state !== State.Bound) throw systemError('EBADF', 'getsockname')
    return { address: this.localAddress, family: this.family, port: this.localPort }
  }

  remoteAddress(): { address: string; family: string; port: number } {
    this.#checkOpen()
    if (!this.connected) throw nodeError('ERR_SOCKET_DGRAM_NOT_CONNECTED', 'Not connected')
    return { address: this.remoteIp, family: this.family, port: this.remotePort }
  }

  ref(): this {
    this.referenced = true
    return this
  }

  unref(): this {
    this.referenced = false
    return this
  }

  setRecvBufferSize(size: number): void {
    this.#checkBuffers('uv_recv_buffer_size')
    this.#receiveBuffer = granted(size, this.host.rmemMax)
  }

  getRecvBufferSize(): number {
    this.#checkBuffers('uv_recv_buffer_size')
    return this.#receiveBuffer
  }

  setSendBufferSize(size: number): void {
    this.#checkBuffers('uv_send_buffer_size')
    this.#sendBuffer = granted(size, this.host.rmemMax)
  }

  getSendBufferSize(): number {
    this.#checkBuffers('uv_send_buffer_size')
    return this.#sendBuffer
  }

  /** The simulated kernel takes everything at once. */
  getSendQueueSize(): number {
    return 0
  }

  getSendQueueCount(): number {
    return 0
  }

  setBroadcast(_on: boolean): void {
    this.#checkOpen()
  }

  setTTL(ttl: number): number {
    this.#checkOpen()
    this.ttl = ttl
    return ttl
  }

  // ── What the network does ──

  get closed(): boolean {
    return this.#closed
  }

  /** How well the socket suits a datagram: −1 not at all. */
  fit(flow: Flow): number {
    const native = this.family === flow.family
    if (!native && (this.family === 'IPv4' || this.ipv6Only || this.localAddress !== '::')) return -1
    const wildcard = isWildcard(this.localAddress)
    if (!wildcard && this.localAddress !== flow.address) return -1
    if (this.connected && (this.remoteIp !== flow.sourceAddress || this.remotePort !== flow.sourcePort)) return -1
    return (this.connected ? 4 : 0) + (wildcard ? 0 : 2) + (native ? 1 : 0)
  }

  arrive(message: Buffer, flow: Flow): void {
    const charge = truesize(message.length)
    if (this.#charged + charge > this.#receiveBuffer) {
      this.overflowed++
      this.host.overflowed++
      return
    }
    this.#charged += charge
    this.#arrived.push({ message, flow })
    this.#readSoon(Phase.Poll)
  }

  /** ICMP said that the peer's port is nobody's. */
  refused(): void {
    if (!this.connected) return
    this.#pendingError = 'ECONNREFUSED'
    this.#readSoon(Phase.Poll)
  }

  #readSoon(phase: Phase): void {
    if (this.#reading) return
    this.#reading = true
    const { loop, net } = this.host
    net.world.schedule(Math.max(loop.resumesUs, net.world.nowUs), this.#read, phase)
  }

  readonly #read: Task = {
    fire: () => {
      this.#reading = false
      if (this.host.loop.resumesUs > 0) {
        this.#readSoon(Phase.Poll)
        return
      }
      const code = this.#takeError()
      if (code !== null) {
        this.emit('error', systemError(code, 'recvmsg'))
        this.host.net.world.drainTicks()
      } else {
        this.#readSome()
      }
      if (!this.#closed && this.#arrived.length > 0) this.#readSoon(Phase.Again)
    },
    isDue: () => !this.#closed,
  }

  #readSome(): void {
    const batch = this.#arrived.splice(0, READS_PER_TURN)
    for (const { message, flow } of batch) {
      // Closed by what an earlier one led to.
      if (this.#closed) return
      this.#charged -= truesize(message.length)
      const mapped = this.family !== flow.family
      const info: RemoteInfo = {
        address: mapped ? `::ffff:${flow.sourceAddress}` : flow.sourceAddress,
        family: this.family,
        port: flow.sourcePort,
        size: message.length,
      }
      this.emit('message', message, info)
      this.host.net.world.drainTicks()
    }
  }

  #takeError(): string | null {
    const code = this.#pendingError
    this.#pendingError = null
    return code
  }

  #sendTo(bytes: Buffer, start: number, end: number, ip: string, port: number, callback: Callback | undefined): void {
    const code = this.#takeError() ?? this.#transmit(bytes, start, end, ip, port)
    if (callback === undefined) return
    const { world } = this.host.net
    if (code === null) world.nextTick(() => callback(null, end - start))
    else {
      const error = this.connected ? systemError(code, 'send') : systemError(code, 'send', ip, port)
      world.nextTick(() => callback(error))
    }
  }

  #transmit(bytes: Buffer, start: number, end: number, ip: string, port: number): string | null {
    if (end - start > LARGEST_DATAGRAM[this.family]) return 'EMSGSIZE'
    if (end - start + HEADERS[this.family] > this.host.mtu && !isLoopback(ip)) return 'EMSGSIZE'
    const flow = this.#flowTo(ip, port)
    if (typeof flow === 'string') return flow
    const fault = this.host.faultOf(flow.address, flow.port)
    if (fault !== null) return fault
    flow.link.transmit(bytes, start, end, flow)
    return null
  }

  /** Kept from one datagram to the next, as long as no address moved. */
  #flowTo(ip: string, port: number): Flow | string {
    const last = this.#flow
    if (last !== null && last.port === port && this.#flowIp === ip && this.#flowVersion === this.host.net.version)
      return last
    const mapped = this.family === 'IPv6' && ip.startsWith('::ffff:') && ip.includes('.')
    const address = mapped ? ip.slice(7) : ip
    const family = mapped ? 'IPv4' : this.family
    const route = this.host.route(address, family, this.#fixedSource)
    if (typeof route === 'string') return route
    const { source: sourceAddress, link } = route
    const sourcePort = this.localPort
    this.#flow = { family, sourceAddress, sourcePort, address, port, link, refused: null, sink: null, sinkVersion: -1 }
    this.#flowIp = ip
    this.#flowVersion = this.host.net.version
    return this.#flow
  }

  get #fixedSource(): string | null {
    return isWildcard(this.localAddress) ? null : this.localAddress
  }

  #connectTo(ip: string, port: number): Error | null {
    const route = this.host.route(ip, this.family, this.#fixedSource)
    if (typeof route === 'string') return systemError(route, 'connect', ip, port)
    this.connected = true
    this.remoteIp = ip
    this.remotePort = port
    this.localAddress = route.source
    this.#flow = null
    this.host.changed()
    return null
  }

  #listening(): void {
    this.#state = State.Bound
    if (this.#options.recvBufferSize) this.setRecvBufferSize(this.#options.recvBufferSize)
    if (this.#options.sendBufferSize) this.setSendBufferSize(this.#options.sendBufferSize)
    this.emit('listening')
    const queue = this.#queue
    this.#queue = null
    for (const action of queue ?? []) action()
  }

  #onceBound(callback: () => void): void {
    const done = (): void => {
      this.off('error', done)
      this.off('listening', listening)
    }
    const listening = (): void => {
      done()
      callback.call(this)
    }
    this.on('error', done)
    this.on('listening', listening)
  }

  /** Binds first where nobody has. */
  #whenBound(action: () => void): void {
    if (this.#state === State.Unbound) this.bind({ port: 0 })
    if ((this.#state as number) === State.Bound) action()
    else {
      this.#queue ??= []
      this.#queue.push(action)
    }
  }

  #resolve(name: string, done: (error: NodeJS.ErrnoException | null, address: string) => void): void {
    this.#lookup(name, this.family === 'IPv4' ? 4 : 6, done)
  }

  get #loopback(): string {
    return this.family === 'IPv4' ? '127.0.0.1' : '::1'
  }

  #checkOpen(): void {
    if (this.#closed) throw nodeError('ERR_SOCKET_DGRAM_NOT_RUNNING', 'Not running')
  }

  #checkBuffers(syscall: string): void {
    if (this.#state === State.Bound && !this.#closed) return
    const message = `Could not get or set buffer size: ${syscall} returned EBADF (bad file descriptor)`
    throw Object.assign(systemError('EBADF', syscall), { code: 'ERR_SOCKET_BUFFER_SIZE', message })
  }
}

/** linux: what is asked for is cut to the limit, then doubled. */
const granted = (size: number, max: number): number => Math.max(LEAST_BUFFER, 2 * Math.min(size, max))

const named = (name: string): string => (name === 'localhost' ? '127.0.0.1' : name)

function checkPort(port: unknown): void {
  if (typeof port !== 'number' || !Number.isInteger(port) || port < 1 || port > 65_535) {
    throw nodeError('ERR_SOCKET_BAD_PORT', `Port should be > 0 and < 65536. Received ${String(port)}.`, RangeError)
  }
}

function toBuffer(message: unknown): Buffer {
  if (Buffer.isBuffer(message)) return message
  if (Array.isArray(message)) return Buffer.concat(message.map(toBuffer))
  if (typeof message === 'string') return Buffer.from(message)
  if (ArrayBuffer.isView(message)) return Buffer.from(message.buffer, message.byteOffset, message.byteLength)
  throw nodeError(
    'ERR_INVALID_ARG_TYPE',
    'The "buffer" argument must be of type string or an instance of Buffer, TypedArray, or DataView.',
    TypeError,
  )
}
