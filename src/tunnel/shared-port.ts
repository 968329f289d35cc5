import type { ErrorCode } from './datagrams.ts'
import { type NativeSockets, nativeSockets } from './native.ts'
import type { UdpPath } from './path.ts'
import type { UdpSocket } from './udp.ts'

// Several processes on one port (SO_REUSEPORT). The kernel gives each peer to one of them by a hash over those that are there: when one comes or
// goes, many peers of the others would be given to somebody who does not know them. A socket that is connected to its peer is found before
// all that, so each path that carries a connection gets one of its own.

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
  /** A socket on an address and port that others share. */
  openShared(path: UdpPath): UdpSocket | ErrorCode
  datagramArrived(socket: UdpSocket, message: Buffer, remoteAddress: string, remotePort: number): void
}

/** Gives a path a socket of its own, where there are descriptors enough. */
export function ownSocket(host: OwnSocketHost, path: UdpPath): boolean {
  const { remoteAddress, remotePort, socket: shared } = path
  const own = host.openShared(path)
  if (typeof own === 'string') return false
  if (!own.connect(remoteAddress, remotePort)) {
    own.close()
    return false
  }
  // Between its bind and its connect it was one of those that share the port.
  own.divert = (message, address, port) => {
    if (port === remotePort && address === remoteAddress) return false
    host.datagramArrived(shared, message, address, port)
    return true
  }
  own.peer = path
  path.outlet = own
  return true
}
