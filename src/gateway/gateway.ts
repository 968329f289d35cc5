import { EventEmitter } from 'node:events'
import nodeNet, { type AddressInfo, type Server, type Socket } from 'node:net'
import sluiceNet, { kernelServers, type Net, namePeer, netFor, stackOf } from '../net/index.ts'
import { optionsFromEnvironment, Stack, type StackOptions } from '../stack/index.ts'
import { type GatewayAddress, parseGatewayAddress } from './address.ts'
import { type End, plain, proxyHeader, readProxyHeader } from './proxy-protocol.ts'
import { type GatewayCounters, join, reset } from './relay.ts'

export interface GatewayOptions {
  /**
   * Where clients come: `tcp:[HOST:]PORT`, or `sluice:[HOST:]PORT[@UDPPORT]` (behind the tunnel on that UDP port). Port 0 is any. Or
   * a server of Node's own, made with `allowHalfOpen`, that listens already.
   */
  listen: string | GatewayAddress | Server
  /**
   * Where they are led: the same forms, or a server of this process that listens through sluice. That sees its clients' own addresses as
   * `remoteAddress`, `remotePort` and `remoteFamily`.
   */
  to: string | GatewayAddress | Server
  /**
   * The host whose TCP speaks on the sluice side, or how to set one up; default: that of `import net from 'sluice'`. A
   * stack that listens behind a tunnel has to be one in tunnel mode.
   */
  stack?: Stack | StackOptions | undefined
  /** Tells the target who the client is, by the PROXY protocol of this version. Default: it is not told. */
  proxyProtocol?: 1 | 2 | undefined
  /** Expects clients to begin with such a header, of either version, and takes their address from it; resets those that do not. */
  acceptProxy?: boolean | undefined
}

export interface GatewayEvents {
  listening: []
  /** It cannot listen. */
  error: [error: Error]
  /** A client was taken that could not be led to the target; it has been reset. */
  failed: [error: Error, client: End]
  close: []
}

/** Of a server that was given: it knows its port itself. */
const KERNELS: GatewayAddress = { protocol: 'tcp', port: 0 }

/** How long a client may take to say by the PROXY protocol who it is. */
const HEADER_MS = 10_000

/**
 * A relay between the kernel's TCP and sluice, either way; see `createGateway`. A client that the target refuses is reset, as its own
 * connection is made before the target's can be.
 */
export class Gateway extends EventEmitter<GatewayEvents> {
  /** Live. */
  readonly counters: GatewayCounters = { accepted: 0, open: 0, failed: 0, resets: 0, bytesIn: 0, bytesOut: 0 }
  readonly #listen: GatewayAddress
  readonly #to: GatewayAddress | Server
  readonly #net: Net
  /** Made for this gateway alone. */
  readonly #ownStack: Stack | null = null
  readonly #proxyProtocol: 1 | 2 | undefined
  readonly #acceptProxy: boolean
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  /** Whose connections come to a server of this process, by the address that it sees. */
  readonly #clients = new Map<string, End>()
  #closed: Promise<void> | null = null
  readonly #whenIdle: (() => void)[] = []

  constructor({ listen, to, stack, proxyProtocol, acceptProxy = false }: GatewayOptions) {
    super()
    const given = listen instanceof EventEmitter ? listen : null
    const address = listen instanceof EventEmitter ? KERNELS : listen
    this.#listen = typeof address === 'string' ? parseGatewayAddress(address) : address
    this.#to = typeof to === 'string' ? parseGatewayAddress(to) : to
    this.#proxyProtocol = proxyProtocol
    this.#acceptProxy = acceptProxy
    if (this.#to instanceof EventEmitter) {
      const server = this.#to
      stack ??= stackOf(server)
      server.prependListener('connection', this.#nameClient)
      server.once('close', () => this.close())
    }
    const { tunnelPort } = this.#listen
    // All that a host listens on is behind its tunnel, if it has one: so this is another host.
    if (tunnelPort !== undefined && !(stack instanceof Stack)) {
      stack = { ...(stack ?? optionsFromEnvironment(process.env)), tunnel: { port: tunnelPort } }
    }
    if (stack !== undefined && !(stack instanceof Stack)) {
      this.#ownStack = new Stack(stack)
      stack = this.#ownStack
    }
    this.#net = stack === undefined ? sluiceNet : netFor(stack)

    const half = { allowHalfOpen: true }
    const isKernels = this.#listen.protocol === 'tcp'
    const server: Server = given ?? (isKernels ? nodeNet.createServer(half) : this.#net.createServer(half))
    this.#server = server
    if (isKernels) kernelServers.add(server)
    server.on('connection', (client: Socket) => this.#accept(client))
    server.on('listening', () => this.emit('listening'))
    if (given !== null) return
    server.on('error', (error) => this.emit('error', error))
    server.listen({ port: this.#listen.port, host: this.#listen.host })
  }

  /** Where it listens, once it does. */
  address(): AddressInfo | null {
    return this.#server.address() as AddressInfo | null
  }

  /** Its listening does not keep the process from ending; what it relays does. */
  unref(): this {
    this.#server.unref()
    return this
  }

  /** Takes no more clients, and resolves when those that it has are done; with `abort` it resets them. */
  close({ abort = false }: { abort?: boolean } = {}): Promise<void> {
    if (abort) for (const socket of this.#sockets) reset(socket)
    this.#closed ??= new Promise<void>((resolve) => {
      // One that never listened says so; there is nothing to close then.
      this.#server.close(() => resolve())
    }).then(async () => {
      // Of those that were relayed the other ends may still be closing.
      if (this.counters.open > 0) await new Promise<void>((resolve) => this.#whenIdle.push(resolve))
      if (this.#to instanceof EventEmitter) this.#to.off('connection', this.#nameClient)
      await this.#ownStack?.close()
      this.emit('close')
    })
    return this.#closed
  }

  #accept(client: Socket): void {
    this.counters.accepted++
    this.counters.open++
    this.#track(client)
    const { remoteAddress = '', remotePort = 0, localAddress = '', localPort = 0 } = client
    const [source, destination] = [
      { address: plain(remoteAddress), port: remotePort },
      { address: plain(localAddress), port: localPort },
    ]
    if (!this.#acceptProxy) {
      this.#lead(client, source, destination)
      return
    }
    readHeader(client, (error, header) => {
      if (error !== null) this.#fail(client, source, error)
      else this.#lead(client, header?.source ?? source, header?.destination ?? destination)
    })
  }

  /** Connects to the target on behalf of a client. */
  #lead(client: Socket, source: End, destination: End): void {
    const target = this.#connect()
    this.#track(target)
    // Gone before the target answered: then that is not wanted any more.
    const gone = (): void => {
      reset(target)
      this.#fail(client, source, new Error('The client left before the target answered'))
    }
    client.once('close', gone)
    const refused = (error: Error): void => {
      client.off('close', gone)
      this.#fail(client, source, error)
    }
    target.once('error', refused)
    target.once('connect', () => {
      client.off('close', gone)
      target.off('error', refused)
      if (this.#to instanceof EventEmitter) this.#remember(target, source)
      if (this.#proxyProtocol !== undefined) target.write(proxyHeader(this.#proxyProtocol, source, destination))
      join(client, target, this.counters, () => this.#over())
    })
  }

  #connect(): Socket {
    const to = this.#to
    const tcp = { noDelay: true, allowHalfOpen: true }
    if (to instanceof EventEmitter) {
      const { address, port, family } = to.address() as AddressInfo
      const anyAddress = address === '::' || address === '0.0.0.0'
      const here = family === 'IPv4' || address === '::' ? '127.0.0.1' : '::1'
      return this.#net.connect({ ...tcp, port, host: anyAddress ? here : address })
    }
    const { protocol, host = 'localhost', port, tunnelPort } = to
    // A socket of the kernel's, whatever is registered.
    if (protocol === 'tcp') return new nodeNet.Socket(tcp).connect({ port, host, noDelay: true })
    return this.#net.connect({ ...tcp, port, host, tcp: { tunnelPort } })
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket)
    // A reset by the peer, which `'close'` tells as well.
    socket.on('error', () => {})
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #fail(client: Socket, source: End, error: Error): void {
    this.counters.failed++
    reset(client)
    this.#over()
    this.emit('failed', error, source)
  }

  #over(): void {
    if (--this.counters.open > 0) return
    for (const resolve of this.#whenIdle.splice(0)) resolve()
  }

  /** Before the handshake is over on the other side, which it is when the last segment of it has arrived there. */
  #remember(target: Socket, source: End): void {
    const key = `${plain(target.localAddress ?? '')}|${target.localPort}`
    this.#clients.set(key, source)
    target.once('close', () => this.#clients.delete(key))
  }

  readonly #nameClient = (socket: Socket): void => {
    const client = this.#clients.get(`${plain(socket.remoteAddress ?? '')}|${socket.remotePort}`)
    if (client === undefined) return
    // As a server for both families writes it.
    const isMapped = socket.remoteFamily === 'IPv6' && nodeNet.isIPv4(client.address)
    namePeer(socket, isMapped ? `::ffff:${client.address}` : client.address, client.port)
  }
}

/** Takes the header off the beginning of what a client sends, and gives back the rest. */
function readHeader(
  client: Socket,
  done: (error: Error | null, header: { source: End | undefined; destination: End | undefined } | null) => void,
): void {
  let data = Buffer.alloc(0)
  const settle = (error: Error | null, header: Parameters<typeof done>[1]): void => {
    client.off('readable', read).off('end', ended).off('close', ended).off('timeout', late).setTimeout(0)
    done(error, header)
  }
  const bad = (why: string): void => settle(new Error(`No PROXY header: ${why}`), null)
  const ended = (): void => bad('the client has ended')
  const late = (): void => bad(`none within ${HEADER_MS / 1000} s`)
  const read = (): void => {
    for (let piece = client.read(); piece !== null; piece = client.read()) data = Buffer.concat([data, piece])
    const result = readProxyHeader(data)
    if (result === 'bad') bad('the client sent something else')
    else if (result !== 'more') {
      client.unshift(data.subarray(result.length))
      settle(null, result.header)
    }
  }
  client.on('readable', read).once('end', ended).once('close', ended).setTimeout(HEADER_MS).once('timeout', late)
}

/**
 * Relays connections between the kernel's TCP and sluice, so that a program that knows nothing of sluice can be at the other end.
 * Begins to listen at once: `'listening'` or `'error'` follows. Half-closed connections, backpressure, resets and refusals cross it.
 * Throws a `RangeError` for an end that is none.
 *
 * @example
 * createGateway({ listen: 'tcp:8080', to: 'sluice:server.example:80' })
 */
export function createGateway(options: GatewayOptions): Gateway {
  return new Gateway(options)
}
