import { type Family, isLoopbackAddress, type LocalAddresses } from './addresses.ts'
import type { CatchAll } from './catch-all.ts'
import type { ErrorCode, UdpListener } from './datagrams.ts'
import type { UdpSocket } from './udp.ts'

/** What a listener needs from the table that it belongs to. */
export interface ListenerHost {
  readonly local: LocalAddresses
  /** A socket that hears strangers; one that outlived its listener is taken up again. */
  acquire(family: Family, address: string, port: number, reusePort: boolean): UdpSocket | ErrorCode
  /** The listener lets go of it: it closes with its last path. */
  letGo(socket: UdpSocket): void
  /** The socket that hears what no other socket of the port hears; null where there can be none. */
  acquireCatchAll(port: number): CatchAll | ErrorCode | null
  wildcardClosed(listener: WildcardListener): void
}

/** A listener as the tunnel knows it. */
export interface BoundListener extends UdpListener {
  /** The socket from which to speak to a peer, where the kernel would speak from `source`; `nearby`: it is on this machine. */
  socketTo(source: string, nearby: boolean): UdpSocket | null
}

/** One address, one socket. */
export class SingleListener implements BoundListener {
  readonly address: string
  readonly family: Family
  readonly port: number
  readonly #host: ListenerHost
  readonly #socket: UdpSocket
  #closed = false

  /** `address` as it was asked for: an IPv4 address may be written as an IPv6 one. */
  constructor(host: ListenerHost, socket: UdpSocket, address: string) {
    this.#host = host
    this.#socket = socket
    this.address = address
    this.family = address.includes(':') ? 'IPv6' : 'IPv4'
    this.port = socket.localPort
  }

  socketTo(source: string, nearby: boolean): UdpSocket | null {
    const { localAddress } = this.#socket
    if (source.includes(':') !== localAddress.includes(':')) return null
    return nearby || !isLoopbackAddress(localAddress) ? this.#socket : null
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#host.letGo(this.#socket)
  }
}

/**
 * Every address of this machine, one socket each: only a socket that is bound to one address answers from it, knows which it
 * is, and hears no broadcast. All of them are exclusive.
 */
export class WildcardListener implements BoundListener {
  readonly address: string
  readonly family: Family
  readonly port: number
  readonly #host: ListenerHost
  readonly #families: readonly Family[]
  readonly #reusePort: boolean
  readonly #sockets = new Map<string, UdpSocket>()
  /** Bound because a peer spoke to them, not because an interface has them. */
  readonly #adopted = new Set<string>()
  #catchAll: CatchAll | null = null
  #closed = false

  private constructor(host: ListenerHost, address: string, port: number, ipv6Only: boolean, reusePort: boolean) {
    this.#host = host
    this.#reusePort = reusePort
    this.address = address
    this.port = port
    this.family = address === '::' ? 'IPv6' : 'IPv4'
    this.#families = this.family === 'IPv4' ? ['IPv4'] : ipv6Only ? ['IPv6'] : ['IPv4', 'IPv6']
  }

  /** Binds all addresses or none. */
  static bind(
    host: ListenerHost,
    address: string,
    port: number,
    ipv6Only: boolean,
    reusePort: boolean,
  ): WildcardListener | ErrorCode {
    const listener = new WildcardListener(host, address, port, ipv6Only, reusePort)
    const failure = listener.#bindAll()
    if (failure === null) return listener
    listener.close()
    return failure
  }

  socketTo(source: string): UdpSocket | null {
    return this.#sockets.get(source) ?? null
  }

  /** Addresses came or went. */
  addressesChanged(): void {
    if (this.#closed) return
    const { local } = this.#host
    for (const [address, socket] of this.#sockets) {
      if (local.isOwn(address) || this.#adopted.has(address)) continue
      this.#sockets.delete(address)
      this.#host.letGo(socket)
    }
    // A newcomer that somebody else holds, or that is not ready yet, is no reason to disturb the others.
    this.#bindMissing()
  }

  /** A socket for an address that no interface lists: see `CatchAll`. Null: it cannot be had. */
  adopt(address: string, most: number): UdpSocket | null {
    const known = this.#sockets.get(address)
    if (known !== undefined) return known
    if (this.#closed || this.#adopted.size >= most || this.#bindOne('IPv4', address) !== null) return null
    this.#adopted.add(address)
    return this.#sockets.get(address) ?? null
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const socket of this.#sockets.values()) this.#host.letGo(socket)
    this.#sockets.clear()
    this.#catchAll?.retire()
    this.#catchAll = null
    this.#host.wildcardClosed(this)
  }

  #bindAll(): ErrorCode | null {
    // ours: a port that is shared goes without; which process hears of an address that no interface lists would be chance.
    if (this.#families.includes('IPv4') && !this.#reusePort) {
      // First, because it also proves that nobody else listens on any address of this port.
      const catchAll = this.#host.acquireCatchAll(this.port)
      if (typeof catchAll === 'string') return catchAll
      this.#catchAll = catchAll
      catchAll?.serve(this)
    }
    const failure = this.#bindMissing()
    if (failure !== null) return failure
    return this.#sockets.size === 0 ? 'EADDRNOTAVAIL' : null
  }

  /** Binds what has no socket yet; the first reason why one of them could not be had. */
  #bindMissing(): ErrorCode | null {
    let failure: ErrorCode | null = null
    for (const family of this.#families) {
      const addresses = family === 'IPv4' ? this.#host.local.ipv4 : this.#host.local.ipv6
      for (const address of addresses) {
        if (!this.#sockets.has(address)) failure ??= this.#bindOne(family, address)
      }
    }
    return failure
  }

  #bindOne(family: Family, address: string): ErrorCode | null {
    const { port } = this
    const bind = (): UdpSocket | ErrorCode => this.#host.acquire(family, address, port, this.#reusePort)
    const socket = family === 'IPv4' && this.#catchAll !== null ? this.#catchAll.makeWay(address, bind) : bind()
    if (typeof socket !== 'string') this.#sockets.set(address, socket)
    else if (!isGone(socket, family, address)) return socket
    return null
  }
}

/** The address vanished since it was listed, is not ready yet (IPv6 checks for duplicates first), or its family is off. */
function isGone(code: ErrorCode, family: Family, address: string): boolean {
  if (code === 'EADDRNOTAVAIL' || code === 'ENODEV') return true
  return family === 'IPv6' && (code === 'EAFNOSUPPORT' || (code === 'EINVAL' && address.includes('%')))
}
