import {
  canonicalAddress,
  destinationRefused,
  type Family,
  familyOf,
  isLinkLocal,
  isLoopbackAddress,
  isUnspecified,
  type LocalAddresses,
} from './addresses.ts'
import type { ErrorCode, OpenRequest, TunnelOwner } from './datagrams.ts'
import type { BoundListener } from './listener.ts'
import type { UdpPath } from './path.ts'
import type { UdpSocket } from './udp.ts'

/** What the opening of paths needs from the tunnel. */
export interface OpenerHost {
  readonly owner: TunnelOwner
  readonly local: LocalAddresses
  openSocket(
    family: Family,
    address: string,
    port: number,
    loopback?: boolean,
    shareAddress?: boolean,
  ): UdpSocket | ErrorCode
  newPath(
    socket: UdpSocket,
    localAddress: string,
    remote: string,
    remotePort: number,
    opened: boolean,
    now: number,
  ): UdpPath
  announce(path: UdpPath): void
  closeIfUnused(socket: UdpSocket): void
}

/** How old the list of our addresses may be when a destination is looked at. */
const ADDRESSES_US = 1_000_000
/** How long, and for how many destinations, it is remembered from which address the kernel sends. */
const SOURCES_US = 3_000_000
const MOST_SOURCES = 1024

/** Opens paths to destinations of ours, each by a connected socket of its own as long as there are descriptors, and remembers them. */
export class Opener {
  readonly #host: OpenerHost
  readonly #tunnelMode: boolean
  /** Paths by what was asked for. */
  readonly #opened = new Map<string, UdpPath>()
  /** Those with a socket of their own. */
  readonly #connected = new Set<UdpPath>()
  /** Where paths go for which there is no descriptor. */
  readonly #shared = new Map<Family, UdpSocket>()
  readonly #sources = new Map<string, string>()
  #sourcesUntilUs = -Infinity

  constructor(host: OpenerHost, tunnelMode: boolean) {
    this.#host = host
    this.#tunnelMode = tunnelMode
  }

  /** `through`: the socket of tunnel mode, where one is bound. */
  open(request: OpenRequest, through: BoundListener | null): UdpPath | ErrorCode {
    const now = this.#host.owner.nowUs()
    this.#host.local.refresh(now, ADDRESSES_US)
    let remote = canonicalAddress(request.remoteAddress)
    if (remote === null) return 'EINVAL'
    // linux: a connection to the unspecified address goes to this machine.
    if (isUnspecified(remote)) remote = remote === '::' ? '::1' : '127.0.0.1'
    const refused = destinationRefused(remote, this.#host.local)
    if (refused !== null) return refused

    let localAddress = request.localAddress === undefined ? undefined : canonicalAddress(request.localAddress)
    if (localAddress === null) return 'EINVAL'
    if (localAddress !== undefined && familyOf(localAddress) !== familyOf(remote)) return 'EINVAL'
    if (localAddress !== undefined && isUnspecified(localAddress)) localAddress = undefined

    if (through !== null) {
      const path = this.#openThroughTunnel(through, remote, request.remotePort, localAddress, now)
      if (path !== null) return path
    }
    // Behind a tunnel's UDP port lie all TCP ports: which one it is makes no difference.
    const localPort = !this.#tunnelMode ? request.localPort : 0
    const key = `${remote}|${request.remotePort}|${localAddress ?? ''}|${localPort}`
    const known = this.#opened.get(key)
    if (known !== undefined) return known
    return this.#openConnected(key, remote, request.remotePort, localAddress, localPort, request.choosePort, now)
  }

  #openThroughTunnel(
    listener: BoundListener,
    remote: string,
    remotePort: number,
    localAddress: string | undefined,
    now: number,
  ): UdpPath | null {
    const source = localAddress ?? this.#sourceFor(remote)
    const socket = source === null ? null : listener.socketTo(source, this.#host.local.isLoopback(remote))
    if (socket === null) return null
    const known = socket.paths.find(remote, remotePort)
    if (known !== null) {
      this.#host.announce(known)
      return known
    }
    const path = this.#host.newPath(socket, socket.localAddress, remote, remotePort, true, now)
    socket.paths.add(path)
    this.#host.announce(path)
    return path
  }

  #openConnected(
    key: string,
    remote: string,
    remotePort: number,
    localAddress: string | undefined,
    localPort: number,
    choosePort: OpenRequest['choosePort'],
    now: number,
  ): UdpPath | ErrorCode {
    const family = familyOf(remote)
    const any = family === 'IPv4' ? '0.0.0.0' : '::'
    if (this.#connected.size >= this.#host.owner.settings.max_paths) {
      this.#reclaim()
      if (
        this.#connected.size >= this.#host.owner.settings.max_paths &&
        localAddress === undefined &&
        localPort === 0
      ) {
        return this.#openShared(key, remote, remotePort, now)
      }
    }
    // A port of one's own choice may serve several destinations at once, as TCP ports do: the kernel tells connected sockets
    // apart by their peers. Listeners stay exclusive, for they do not share.
    const own = localAddress ?? any
    const socket =
      localPort === 0 && choosePort !== undefined
        ? this.#openChosen(family, own, this.#host.local.isLoopback(remote), choosePort)
        : this.#host.openSocket(family, own, localPort, this.#host.local.isLoopback(remote), localPort !== 0)
    if (typeof socket === 'string') {
      const scarce = socket === 'EMFILE' || socket === 'ENFILE'
      return scarce && localPort === 0 ? this.#openShared(key, remote, remotePort, now) : socket
    }
    if (!socket.connect(remote, remotePort)) {
      socket.close()
      // linux: loopback addresses cannot leave the machine, and a link-local one needs a link that exists.
      const mismatch = localAddress !== undefined && isLoopbackAddress(localAddress) !== isLoopbackAddress(remote)
      return mismatch || isLinkLocal(remote) ? 'EINVAL' : 'ENETUNREACH'
    }
    // As the kernel writes it: a zone may have been given by its number.
    const path = this.#host.newPath(socket, socket.localAddress, socket.remoteAddress || remote, remotePort, true, now)
    path.key = key
    socket.peer = path
    this.#opened.set(key, path)
    this.#connected.add(path)
    this.#host.announce(path)
    return path
  }

  /** A socket on the first port that `choosePort` comes to and nobody has. */
  #openChosen(
    family: Family,
    address: string,
    loopback: boolean,
    choosePort: NonNullable<OpenRequest['choosePort']>,
  ): UdpSocket | ErrorCode {
    let socket: UdpSocket | ErrorCode = 'EADDRNOTAVAIL'
    const port = choosePort((candidate) => {
      socket = this.#host.openSocket(family, address, candidate, loopback)
      // Any other failure would meet the next port too.
      return socket !== 'EADDRINUSE' && socket !== 'EACCES'
    })
    return port === null ? 'EADDRNOTAVAIL' : socket
  }

  /** Too few descriptors: one socket for many destinations. It does not hear that a port is closed. */
  #openShared(key: string, remote: string, remotePort: number, now: number): UdpPath | ErrorCode {
    const family = familyOf(remote)
    let socket = this.#shared.get(family)
    if (socket === undefined) {
      const opened = this.#host.openSocket(family, family === 'IPv4' ? '0.0.0.0' : '::', 0)
      if (typeof opened === 'string') return opened
      this.#shared.set(family, opened)
      socket = opened
    }
    const localAddress = this.#sourceFor(remote)
    if (localAddress === null) {
      this.#host.closeIfUnused(socket)
      return 'ENETUNREACH'
    }
    const path = this.#host.newPath(socket, localAddress, remote, remotePort, true, now)
    path.key = key
    socket.paths.add(path)
    this.#opened.set(key, path)
    this.#host.announce(path)
    return path
  }

  /** Asks paths that carry no connection to make room for one that will. */
  #reclaim(): void {
    for (const path of [...this.#connected]) {
      if (!path.active) path.user.reclaim?.()
      if (this.#connected.size < this.#host.owner.settings.max_paths) return
    }
  }

  /** The address from which the kernel would send to a destination. */
  #sourceFor(remote: string): string | null {
    if (remote.startsWith('127.')) return '127.0.0.1'
    if (this.#host.local.isLoopback(remote)) return remote
    const known = this.#sources.get(remote)
    if (known !== undefined && this.#host.owner.nowUs() < this.#sourcesUntilUs) return known
    const family = familyOf(remote)
    const socket = this.#host.openSocket(family, family === 'IPv4' ? '0.0.0.0' : '::', 0, true)
    if (typeof socket === 'string') {
      // No descriptor to ask with: on most machines there is one that it can be.
      const own = family === 'IPv4' ? this.#host.local.ipv4 : this.#host.local.ipv6
      return own.find((address) => !isLoopbackAddress(address) && !isLinkLocal(address)) ?? null
    }
    // Connecting sends nothing, and shows which way a datagram would take.
    const found = socket.connect(remote, 9) ? socket.localAddress : null
    socket.close()
    if (this.#host.owner.nowUs() >= this.#sourcesUntilUs || this.#sources.size >= MOST_SOURCES) {
      this.#sources.clear()
      this.#sourcesUntilUs = this.#host.owner.nowUs() + SOURCES_US
    }
    if (found !== null) this.#sources.set(remote, found)
    return found
  }

  pathClosed(path: UdpPath): void {
    this.#connected.delete(path)
    if (path.key !== null) this.#opened.delete(path.key)
  }

  socketClosed(socket: UdpSocket): void {
    if (this.#shared.get(socket.family) === socket) this.#shared.delete(socket.family)
  }

  /** Of opened paths: those of their own, and the shared ones. */
  *sockets(): Generator<UdpSocket> {
    yield* this.#shared.values()
    for (const path of this.#connected) yield path.socket
  }

  clear(): void {
    this.#opened.clear()
    this.#connected.clear()
    this.#shared.clear()
  }
}
