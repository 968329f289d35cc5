import { isLoopbackAddress, isMulticast, type LocalAddresses } from './addresses.ts'
import type { ErrorCode } from './datagrams.ts'
import type { WildcardListener } from './listener.ts'
import { addressedByLocalClient, type ReadTable } from './proc-net.ts'
import type { UdpSocket } from './udp.ts'

// linux: every address of 127/8 is local, 16 million that no list of interfaces shows (and so is any other network whose route
// says `local`). A wildcard socket beside those that are
// bound to one address each hears what they do not; but it cannot know which address was meant, and its answers would leave
// from 127.0.0.1, where a client that is connected to 127.0.0.2 does not hear them.
//
// Only processes of this machine can send to 127/8, and the kernel shows their sockets: /proc/net/udp has, for the source of
// the datagram, the address that the client is connected to. A socket is bound to that on the spot, and has the datagram.
// - A client that is not connected (a shared socket, or one of tunnel mode's listening stacks) cannot be told apart, and gets no
//   answer; nor do broadcasts, which is as it should be.
// - Datagrams that come while the wildcard makes way, a few microseconds at each new address, are refused by the kernel.
//
// Wildcard and bound sockets may only stand side by side if all of them say SO_REUSEADDR, which lets anybody steal the port. But
// the kernel looks for conflicts when a socket is bound, not when it changes its address by connecting: so the wildcard is bound
// first, alone and exclusive, steps aside by connecting to some other address while the next one is bound, and then disconnects.
// Where there is no other address for 127.0.0.1 to be bound (a machine without a network), the wildcard stands in for it, and who
// is not found in the table is taken to have meant 127.0.0.1: there alone a broadcast is heard.

/** Sockets for addresses of 127/8 that one listener may have: a local process must not take all descriptors with them. */
const MOST_ADOPTED = 256
/** How old the list of addresses may be when something comes to one that is not on it. */
const REFRESH_US = 1_000_000

export interface CatchAllHost {
  readonly local: LocalAddresses
  nowUs(): number
  /** As if it had come to that socket in the first place. */
  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void
  addressesChanged(): void
  catchAllRetired(catchAll: CatchAll): void
}

export class CatchAll {
  readonly socket: UdpSocket
  readonly #host: CatchAllHost
  readonly #read: ReadTable | undefined
  #listener: WildcardListener | null = null
  /** The address whose socket this one is as well. */
  #standsFor: string | null = null

  constructor(host: CatchAllHost, socket: UdpSocket, read?: ReadTable) {
    this.#host = host
    this.socket = socket
    this.#read = read
  }

  serve(listener: WildcardListener): void {
    this.#listener = listener
  }

  get isServing(): boolean {
    return this.#listener !== null
  }

  /** Its listener closed. It keeps the port for those of its sockets that still carry paths. */
  retire(): void {
    this.#listener = null
    this.#host.catchAllRetired(this)
  }

  /** Steps aside while `bind` binds a socket to `address`; the socket that has the address then. */
  makeWay(address: string, bind: () => UdpSocket | ErrorCode): UdpSocket | ErrorCode {
    const { socket } = this
    if (address === this.#standsFor) return socket.listened ? 'EADDRINUSE' : this.#standIn(address)
    // A socket that is connected to one of our own addresses has that address, except that all of 127/8 gives 127.0.0.1.
    const aside = address === '127.0.0.1' ? this.#host.local.ipv4.find((own) => !isLoopbackAddress(own)) : '127.0.0.1'
    if (aside === undefined) return this.#standIn(address)
    if (!socket.connect(aside, socket.localPort)) return 'EADDRNOTAVAIL'
    const bound = bind()
    socket.disconnect()
    if (this.#standsFor !== null) socket.localAddress = this.#standsFor
    return bound
  }

  /** False: the datagram is for the paths of this socket itself. */
  takes(message: Buffer, remoteAddress: string, remotePort: number): boolean {
    const listener = this.#listener
    const stands = this.#standsFor !== null
    if (stands && this.socket.paths.find(remoteAddress, remotePort) !== null) return false
    if (listener === null) return !stands
    const { local } = this.#host
    if (!local.isLoopback(remoteAddress)) {
      // From elsewhere: to a broadcast address, or to one that is new.
      if (local.refresh(this.#host.nowUs(), REFRESH_US)) this.#host.addressesChanged()
      return true
    }
    const meant = addressedByLocalClient(remoteAddress, remotePort, this.socket.localPort, this.#read)
    if (stands && (meant === null || meant === this.#standsFor)) return false
    if (meant === null || local.isBroadcast(meant) || isMulticast(meant)) return true
    const socket = listener.adopt(meant, MOST_ADOPTED)
    if (socket !== null) this.#host.datagramArrived(socket, message, remoteAddress, remotePort)
    return true
  }

  #standIn(address: string): UdpSocket {
    this.#standsFor = address
    const { socket } = this
    socket.localAddress = address
    socket.hearsStrangers = true
    socket.listened = true
    return socket
  }
}
