import type { TcpInfo } from '../tcp/index.ts'
import { Endpoint } from './endpoint.ts'
import type { Listener } from './listener.ts'

/** A line of `ss`: a listener or a connection. */
export interface SocketRecord {
  state: string
  localAddress: string
  localPort: number
  /** `*` for a listener. */
  remoteAddress: string
  remotePort: number
  family: 'IPv4' | 'IPv6'
  /** Bytes unread; of a listener, handshakes under way. */
  recvQ: number
  /** Bytes unacknowledged; of a listener, the most connections that may wait. */
  sendQ: number
  /** Null for a listener. */
  info: TcpInfo | null
}

export function socketRecord(socket: Listener | Endpoint, now: number): SocketRecord {
  if (socket instanceof Endpoint) {
    const { connection } = socket
    const info = connection.info(now)
    return {
      state: info.state_name,
      localAddress: socket.localAddress,
      localPort: socket.localPort,
      remoteAddress: socket.remoteAddress,
      remotePort: socket.remotePort,
      family: socket.family,
      recvQ: connection.unread,
      sendQ: connection.sender.queue.length,
      info,
    }
  }
  return {
    state: 'LISTEN',
    localAddress: socket.address,
    localPort: socket.port,
    remoteAddress: '*',
    remotePort: 0,
    family: socket.family,
    recvQ: socket.halfOpen,
    sendQ: socket.backlog,
    info: null,
  }
}
