import { type Connection, State, type TcpInfo } from '../tcp/index.ts'
import { Endpoint } from './endpoint.ts'
import type { Listener } from './listener.ts'
import type { HalfOpen } from './syn-queue.ts'
import type { TimeWaitEntry } from './time-wait.ts'
import { localOf, remoteOf, type Tuple } from './tuples.ts'

/** Memory of a socket in bytes, by the letters of `ss -m`. */
export interface SocketMemory {
  /** Held by what was received, and how much may be. */
  r: number
  rb: number
  /** In the UDP layer: not told apart by connections, 0. */
  t: number
  /** How much what is to be sent may take. */
  tb: number
  /** Set aside for more. */
  f: number
  /** Held by what was written and is not acknowledged. */
  w: number
  /** Options, backlog, datagrams dropped: nothing here. */
  o: number
  bl: number
  d: number
}

/** The timer that runs, as `ss -o` shows it. */
export interface SocketTimer {
  /** `on`: retransmission, tail loss probe or a second look for losses; `persist`: window probe; `timewait`: TIME_WAIT, and the longest FIN_WAIT_2. */
  name: 'on' | 'persist' | 'keepalive' | 'timewait'
  /** µs that it still has. */
  left: number
  /** How often it went off in a row. */
  count: number
}

/** A line of `ss`: a listener or a connection. */
export interface SocketRecord {
  state: string
  localAddress: string
  localPort: number
  /** `*` for a listener. */
  remoteAddress: string
  remotePort: number
  family: 'IPv4' | 'IPv6'
  /** Bytes unread; of a listener, connections that wait to be accepted. */
  recvQ: number
  /** Bytes unacknowledged; of a listener, how many connections may wait. */
  sendQ: number
  /** Null: none runs. */
  timer: SocketTimer | null
  /** Null for a listener, and for what is less than a connection or was one: SYN_RECV, TIME_WAIT. */
  info: TcpInfo | null
  /** Its datagrams are sent and read many at a time (UDP GSO and GRO). False for a listener, and where `info` is null. */
  offload: boolean
  /** Null where `info` is. */
  skmem: SocketMemory | null
  /** The UDP socket beneath, which other connections may share. Null where `info` is. */
  udp: UdpMemory | null
}

export interface UdpMemory {
  /** Bytes that the kernel granted for receiving: SO_RCVBUF as it reads back. */
  rcvbuf: number
  /** Datagrams that the kernel threw away for want of room, where it says so (Linux). */
  drops: number
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
      timer: timerOf(connection, now),
      info,
      offload: socket.path.offload,
      udp: { rcvbuf: socket.path.receiveBudget.granted, drops: socket.path.receiveDrops },
      skmem: {
        r: connection.unread + connection.receiver.reassembly.length,
        rb: connection.receiver.window.rcvBuf,
        t: 0,
        tb: connection.sender.sndBuf,
        f: 0,
        w: connection.sender.queue.length,
        o: 0,
        bl: 0,
        d: 0,
      },
    }
  }
  const { acceptQueue: waiting, acceptLimit } = socket.info()
  return {
    state: 'LISTEN',
    localAddress: socket.address,
    localPort: socket.port,
    remoteAddress: '*',
    remotePort: 0,
    family: socket.family,
    recvQ: waiting,
    sendQ: acceptLimit,
    timer: null,
    info: null,
    offload: false,
    skmem: null,
    udp: null,
  }
}

/** `left`: µs until its SYN-ACK is sent again, or until it is gone. */
export const halfOpenRecord = (record: HalfOpen, left: number): SocketRecord =>
  tupleRecord('SYN_RECV', record, { name: 'on', left, count: record.retries })
export const timeWaitRecord = (entry: TimeWaitEntry, left: number): SocketRecord =>
  tupleRecord('TIME_WAIT', entry, { name: 'timewait', left, count: 0 })

/** linux: inet_sk_diag_fill, which looks for them in this order. */
function timerOf(
  { timers, state, synRetries, recovery, persist, keepalive }: Connection,
  now: number,
): SocketTimer | null {
  const { rexmit, probe, reo } = timers
  const loss = [rexmit, probe, reo].filter((deadline) => deadline !== null)
  const found: readonly [SocketTimer['name'], deadline: number | null, count: number][] = [
    ['on', loss.length === 0 ? null : Math.min(...loss), state === State.SYN_SENT ? synRetries : recovery.retransmits],
    ['persist', timers.persist, persist?.probesOut ?? 0],
    ['timewait', timers.finWait2, 0],
    ['keepalive', timers.keepalive, keepalive.probesOut],
  ]
  for (const [name, deadline, count] of found) {
    if (deadline !== null) return { name, left: Math.max(0, deadline - now), count }
  }
  return null
}

function tupleRecord(
  state: string,
  { localAddress, remoteAddress, tcpPorts }: Tuple,
  timer: SocketTimer,
): SocketRecord {
  return {
    state,
    localAddress,
    localPort: localOf(tcpPorts),
    remoteAddress,
    remotePort: remoteOf(tcpPorts),
    family: localAddress.includes(':') ? 'IPv6' : 'IPv4',
    recvQ: 0,
    sendQ: 0,
    timer,
    info: null,
    offload: false,
    skmem: null,
    udp: null,
  }
}
