import {
  canonicalAddress,
  type Family,
  familyOf,
  isMulticast,
  isUnspecified,
  type LocalAddresses,
} from './addresses.ts'
import { CatchAll, type CatchAllHost } from './catch-all.ts'
import type { ErrorCode, TunnelOwner, UdpListener } from './datagrams.ts'
import { type BoundListener, type ListenerHost, SingleListener, WildcardListener } from './listener.ts'
import type { UdpSocket } from './udp.ts'

/** What the listening side needs from the tunnel. */
export interface ListenersHost {
  readonly owner: TunnelOwner
  readonly local: LocalAddresses
  openSocket(
    family: Family,
    address: string,
    port: number,
    loopback?: boolean,
    shareAddress?: boolean,
    reusePort?: boolean,
  ): UdpSocket | ErrorCode
  /** Others may be bound to its address and port as well. */
  sharingBegan(socket: UdpSocket): void
  /** A listener let go of it. */
  closeIfUnused(socket: UdpSocket): void
  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void
}

/** How often a wildcard listener looks for new addresses. */
const POLL_US = 3_000_000
/** Tries at a port that is free on every address. */
const PORT_TRIES = 32

/** The listeners of a tunnel, and the sockets that hear strangers. */
export class Listeners implements ListenerHost, CatchAllHost {
  readonly local: LocalAddresses
  /** When to look at the addresses again. */
  deadline = Infinity

  readonly #host: ListenersHost
  readonly #hasCatchAll: boolean
  /** By address and port. */
  readonly #bound = new Map<string, UdpSocket>()
  readonly #catchAlls = new Map<number, CatchAll>()
  readonly #wildcards = new Set<WildcardListener>()
  /** In tunnel mode, what all listeners share, and how many they are. */
  #shared: BoundListener | null = null
  #sharers = 0

  /** `hasCatchAll`: the kernel is Linux's own, with its /proc and its 127/8. */
  constructor(host: ListenersHost, hasCatchAll: boolean) {
    this.#host = host
    this.local = host.local
    this.#hasCatchAll = hasCatchAll
  }

  bind(wanted: string | undefined, port: number, ipv6Only: boolean, reusePort: boolean): BoundListener | ErrorCode {
    const address = canonicalAddress(wanted ?? (this.local.ipv6.length > 0 ? '::' : '0.0.0.0'))
    if (address === null) return 'EINVAL'
    if (!isUnspecified(address)) return this.#bindSingle(wanted ?? address, address, port, reusePort)
    const listener = this.#bindWildcard(address, port, ipv6Only, reusePort)
    if (typeof listener === 'string') return listener
    this.#wildcards.add(listener)
    if (this.local.mayChange) this.deadline = Math.min(this.deadline, this.nowUs() + POLL_US)
    return listener
  }

  /** Tunnel mode: one UDP port for all listeners, bound by the first and closed with the last. */
  bindShared(host: string | undefined, port: number, reusePort: boolean): UdpListener | ErrorCode {
    if (this.#shared === null) {
      const listener = this.bind(host, port, false, reusePort)
      if (typeof listener === 'string') return listener
      this.#shared = listener
    }
    const shared = this.#shared
    this.#sharers++
    let closed = false
    return {
      port: shared.port,
      address: shared.address,
      family: shared.family,
      close: () => {
        if (closed) return
        closed = true
        if (--this.#sharers > 0) return
        this.#shared = null
        shared.close()
      },
    }
  }

  /** What `bindShared` bound. */
  get shared(): BoundListener | null {
    return this.#shared
  }

  #bindSingle(wanted: string, address: string, port: number, reusePort: boolean): SingleListener | ErrorCode {
    // The kernel's UDP would bind these and hear what is meant for many; nobody can connect to them.
    if (isMulticast(address) || this.local.isBroadcast(address)) return 'EADDRNOTAVAIL'
    const socket = this.acquire(familyOf(address), address, port, reusePort)
    if (typeof socket === 'string') return socket
    return new SingleListener(this, socket, wanted)
  }

  #bindWildcard(address: string, port: number, ipv6Only: boolean, reusePort: boolean): WildcardListener | ErrorCode {
    if (port !== 0) return WildcardListener.bind(this, address, port, ipv6Only, reusePort)
    let failure: ErrorCode = 'EADDRINUSE'
    for (let i = 0; i < PORT_TRIES && failure === 'EADDRINUSE'; i++) {
      // The kernel proposes; whether the port is free for every address and both families shows when they are bound.
      const proposal = this.#host.openSocket(familyOf(address), address, 0, true)
      if (typeof proposal === 'string') return proposal
      proposal.close()
      const listener = WildcardListener.bind(this, address, proposal.localPort, ipv6Only, reusePort)
      if (typeof listener !== 'string') return listener
      failure = listener
    }
    return failure
  }

  // ---- for the listeners

  acquire(family: Family, address: string, port: number, reusePort: boolean): UdpSocket | ErrorCode {
    const known = this.#bound.get(`${address}|${port}`)
    if (known !== undefined) {
      // It outlived its listener for the sake of its paths, and has one again.
      if (known.listened) return 'EADDRINUSE'
      known.listened = true
      return known
    }
    const open = (): UdpSocket | ErrorCode => this.#host.openSocket(family, address, port, undefined, false, reusePort)
    const catchAll = family === 'IPv4' ? this.#catchAlls.get(port) : undefined
    // A catch-all that outlived its listener is in nobody's way.
    const socket = catchAll !== undefined && !catchAll.isServing ? catchAll.makeWay(address, open) : open()
    if (typeof socket === 'string') return socket
    socket.hearsStrangers = true
    socket.listened = true
    socket.reusePort = reusePort
    this.#bound.set(keyOf(socket), socket)
    if (reusePort) this.#host.sharingBegan(socket)
    return socket
  }

  letGo(socket: UdpSocket): void {
    socket.listened = false
    this.#host.closeIfUnused(socket)
  }

  wildcardClosed(listener: WildcardListener): void {
    this.#wildcards.delete(listener)
    if (this.#wildcards.size === 0) this.deadline = Infinity
  }

  acquireCatchAll(port: number): CatchAll | ErrorCode | null {
    if (!this.#hasCatchAll) return null
    const known = this.#catchAlls.get(port)
    if (known !== undefined) return known.isServing ? 'EADDRINUSE' : known
    // Sockets that outlived a listener without a catch-all would be in its way.
    if (this.#holdsIPv4(port)) return null
    const socket = this.#host.openSocket('IPv4', '0.0.0.0', port)
    if (typeof socket === 'string') return socket
    const catchAll = new CatchAll(this, socket)
    socket.divert = (message, address, remotePort) => catchAll.takes(message, address, remotePort)
    this.#catchAlls.set(port, catchAll)
    return catchAll
  }

  catchAllRetired({ isServing, socket }: CatchAll): void {
    if (isServing || socket.listened || socket.paths.size > 0) return
    const port = socket.localPort
    this.#bound.delete(keyOf(socket))
    // It cannot come back beside sockets that are bound, so it stays as long as they do.
    if (this.#holdsIPv4(port)) return
    this.#catchAlls.delete(port)
    socket.close()
  }

  // ---- for the catch-alls

  nowUs(): number {
    return this.#host.owner.nowUs()
  }

  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void {
    this.#host.datagramArrived(socket, message, remoteAddress, remotePort)
  }

  addressesChanged(): void {
    for (const listener of this.#wildcards) listener.addressesChanged()
    this.#host.owner.wantTurn()
  }

  #holdsIPv4(port: number): boolean {
    for (const socket of this.#bound.values()) {
      if (socket.localPort === port && socket.family === 'IPv4') return true
    }
    return false
  }

  // ---- for the tunnel

  /** No listener and no path needs the socket any more. */
  unused(socket: UdpSocket): void {
    const catchAll = this.#catchAlls.get(socket.localPort)
    if (catchAll?.socket !== socket) {
      this.#bound.delete(keyOf(socket))
      socket.close()
    }
    if (catchAll !== undefined) this.catchAllRetired(catchAll)
  }

  deadlinePassed(nowUs: number): void {
    this.deadline = this.#wildcards.size === 0 ? Infinity : nowUs + POLL_US
    if (this.local.refresh(nowUs, 0)) this.addressesChanged()
  }

  /** The socket of an address and port that hears strangers. */
  socketOf(localAddress: string, localPort: number): UdpSocket | null {
    return this.#bound.get(`${localAddress}|${localPort}`) ?? null
  }

  *sockets(): Generator<UdpSocket> {
    yield* this.#bound.values()
    for (const catchAll of this.#catchAlls.values()) yield catchAll.socket
  }

  clear(): void {
    this.#bound.clear()
    this.#catchAlls.clear()
    this.#wildcards.clear()
    this.#shared = null
    this.deadline = Infinity
  }
}

function keyOf(socket: UdpSocket): string {
  return `${socket.localAddress}|${socket.localPort}`
}
