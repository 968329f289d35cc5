import type dgram from 'node:dgram'
import type os from 'node:os'
import type { ImpairSpec } from '../impair/index.ts'
import type { Clock } from './clock.ts'
import type { StartingNumbers } from './isn.ts'
import type { Random } from './random.ts'

/** How a stack is set up. Everything may be left out. */
export interface StackOptions {
  /** All TCP ports behind one UDP port; absent: direct mode, TCP port = UDP port. */
  tunnel?: { port: number; host?: string; peerPort?: number }
  /** Parameters by Linux's names: `{ tcp_retries2: 8 }`. */
  sysctl?: Readonly<Record<string, unknown>>
  /** `'framed'` (default), or `'bare'`: the datagram is the segment, as FreeBSD's kernel and Wireshark know it. */
  encapsulation?: 'framed' | 'bare'
  /** `'auto'` (default): 1500, larger on loopback; a number is obeyed everywhere. Bytes of the IP packet. */
  mtu?: 'auto' | number
  /** `'offload'` (default) leaves segments to the UDP checksum where both sides offer it. */
  checksum?: 'offload' | 'always'
  /** What is done to what this stack sends and receives. */
  impair?: ImpairSpec | null
  /** Of the impairment's choices; with a virtual clock, of every random choice. */
  seed?: number
  /** SO_RCVBUF of every UDP socket, bytes; absent: as much as the system grants. */
  recvBufferSize?: number

  /** Time, instead of the event loop's: for simulations. */
  clock?: Clock
  /** Chance, instead of the system's: for simulations. */
  random?: Random
  /** Instead of a keyed hash of addresses and ports: for simulations of how sequence numbers wrap. */
  numbers?: StartingNumbers
  /** Instead of `node:dgram`: a simulated network. */
  dgram?: typeof dgram
  /** Instead of `os.networkInterfaces`. */
  interfaces?: typeof os.networkInterfaces
}

/** What `connect` is asked for. */
export interface ConnectRequest {
  /** An IP address. */
  address: string
  port: number
  localAddress?: string | undefined
  localPort?: number | undefined
  /** UDP port of the tunnel that the destination is behind; default: `tunnel.peerPort` of a stack in tunnel mode. */
  tunnelPort?: number | undefined
  noDelay?: boolean | undefined
  /**
   * TCP Fast Open (rfc7413): what is written before the SYN leaves goes with it, where the peer has given us a cookie before. The peer may get it
   * twice, in two connections, so it must be such as does no harm then.
   */
  fastOpen?: boolean | undefined
  congestionControl?: string | undefined
  /** Bytes, as SO_SNDBUF, SO_RCVBUF and TCP_MAXSEG. */
  sndbuf?: number | undefined
  rcvbuf?: number | undefined
  mss?: number | undefined
  /** Bytes written and not sent, above which writers wait, as TCP_NOTSENT_LOWAT; default: `tcp_notsent_lowat`. */
  notsentLowat?: number | undefined
  /** Milliseconds that data may stay unacknowledged, as TCP_USER_TIMEOUT; 0 follows `tcp_retries2`. */
  userTimeout?: number | undefined
}
