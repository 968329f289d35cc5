import nodeNet from 'node:net'

/**
 * Makes a socket say that its peer is another one: a relay in between has told who it is. What asks for `remoteAddress`, `remotePort`
 * and `remoteFamily` learns that, TLS on the socket included.
 */
export function namePeer(socket: nodeNet.Socket, address: string, port: number): void {
  const name = { address, family: nodeNet.isIP(address) === 6 ? 'IPv6' : 'IPv4', port }
  Object.defineProperty(socket, '_getpeername', { value: () => name, configurable: true, writable: true })
}
