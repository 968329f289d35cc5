import type { ErrorCode } from './datagrams.ts'
import { type NativeSockets, nativeSockets } from './native.ts'
import type { UdpPath } from './path.ts'
import type { UdpSocket } from './udp.ts'

// Several processes on one port (SO_REUSEPORT). The kernel gives each peer to one of them by a hash over those that are there: when one comes or
// goes, many peers of the others would be given to somebody who does not know them. A socket that is connected to its peer is found before
// all that, so each path that carries a connection gets one of its own.
//
// A socket that is bound to the shared address is one of those that share it until it is connected, and moves the peers of all the others for that
// moment: between a SYN and the end of its handshake, that costs somebody his connection. One that is bound to every address is not, as long as others are
// bound to this one; connecting gives it the address, and the peer with it.

/** Node's own way, from 22.12 and 23.1. */
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
const dgramShares = major > 23 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)

/** Whether processes can share a port here. */
export function canSharePorts(): boolean {
  return sharedOpener() !== undefined
}

/** What has to open a socket that shares its port; null: dgram can; undefined: nothing can. */
export function sharedOpener(): NativeSockets | null | undefined {
  return dgramShares ? null : (nativeSockets() ?? undefined)
}

/** What is needed to give a path a socket of its own. */
export interface OwnSocketHost {
  /** A socket on the port of another, on its address or on every one. */
  openShared(like: UdpSocket, everywhere: boolean): UdpSocket | ErrorCode
  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void
}

function connected(
  host: OwnSocketHost,
  shared: UdpSocket,
  remoteAddress: string,
  remotePort: number,
  everywhere: boolean,
): UdpSocket | null {
  const own = host.openShared(shared, everywhere)
  if (typeof own === 'string') return null
  if (!own.connect(remoteAddress, remotePort)) {
    own.close()
    return null
  }
  // What came between its bind and its connect was for those that share the port.
  own.divert = (message, address, port) => {
    if (port === remotePort && address === remoteAddress) return false
    host.datagramArrived(shared, message, address, port)
    return true
  }
  return own
}

/**
 * linux: reuseport_has_conns; before 6.13 the kernel looks for connected sockets behind those that share a port only if one of these was connected
 * once. To be called for each that begins to share it.
 */
export function announceConnections(host: OwnSocketHost, shared: UdpSocket): void {
  connected(host, shared, shared.localAddress, shared.localPort, false)?.close()
}

/** Gives a path a socket of its own, where there are descriptors enough. */
export function ownSocket(host: OwnSocketHost, path: UdpPath): boolean {
  const { remoteAddress, remotePort, localAddress, socket: shared } = path
  let own = connected(host, shared, remoteAddress, remotePort, true)
  // The kernel would rather speak from another address of ours.
  if (own !== null && own.localAddress !== localAddress) {
    own.close()
    own = connected(host, shared, remoteAddress, remotePort, false)
  }
  if (own === null) return false
  own.peer = path
  path.outlet = own
  return true
}
