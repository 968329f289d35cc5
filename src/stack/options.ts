import type dgram from 'node:dgram'
import type { LookupAddress, LookupOptions } from 'node:dns'
import type os from 'node:os'
import type { ImpairSpec } from '../impair/index.ts'
import type { Clock } from './clock.ts'
import type { StartingNumbers } from './isn.ts'
import type { Random } from './random.ts'
import type { OwnParameters } from './settings.ts'

/** What sockets time themselves with, `setTimeout` of a socket for instance. */
export interface StackTimers {
  setTimeout(callback: () => void, ms: number): NodeJS.Timeout
  clearTimeout(timer: NodeJS.Timeout): void
}

/** As `dns.lookup`: with `all` in the options the callback gets a list. */
export type Lookup = (
  hostname: string,
  options: LookupOptions,
  callback: (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void,
) => void

/** How a stack is set up. Everything may be left out. */
export interface StackOptions {
  /** All TCP ports behind one UDP port; absent: direct mode, TCP port = UDP port. */
  tunnel?: { port: number; host?: string; peerPort?: number }
  /** Parameters by Linux's names: `{ tcp_retries2: 8 }`. */
  sysctl?: Readonly<Record<string, unknown>>
  /** `'framed'` (default), or `'bare'`: the datagram is the segment, as FreeBSD's kernel and Wireshark know it. */
  encapsulation?: 'framed' | 'bare'
  /**
   * Bytes of the IP packet. `'auto'` (default): 1500, larger on loopback; a number is obeyed everywhere; `'probe'` begins with 1280 and searches for
   * the largest that each path takes, up to what the interface does (rfc8899), again every `tcp_probe_interval`. It needs Linux and the optional
   * dependency `koffi`, without which the system would cut large datagrams into fragments unheard, and throws where it cannot be had.
   */
  mtu?: 'auto' | 'probe' | number
  /** `'offload'` (default) leaves segments to the UDP checksum where both sides offer it. */
  checksum?: 'offload' | 'always'
  /**
   * UDP GSO and GRO, which send and read many datagrams in one system call: Linux, with the optional dependency `koffi`. `'auto'` (default) where
   * they can be had and help; `'off'`; `'require'` throws without them. `SLUICE_OFFLOAD=off` turns them off for the default stack. A socket that is
   * busy sends past dgram then, with or without them; off, dgram sends all.
   */
  offload?: 'auto' | 'off' | 'require'
  /** What is done to what this stack sends and receives. */
  impair?: ImpairSpec | null
  /** Whose connections that is done to: `'all'` (default), or `'opened'`, those that this stack opened, where the other ends leave it to them. */
  impairs?: 'all' | 'opened'
  /** Of the impairment's choices; with a virtual clock, of every random choice. */
  seed?: number
  /** A file that every segment is captured into from the beginning: see `stack.capture`. */
  capture?: string
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
  /** Instead of `os.networkInterfaces`, or what that would say for ever: then nobody looks for changes. */
  interfaces?: typeof os.networkInterfaces | ReturnType<typeof os.networkInterfaces>
  /** Instead of what the system says of its interfaces, for `mtu: 'probe'`: bytes of the largest packet, by local address. */
  linkMtu?: (localAddress: string) => number
  /** Instead of Node's timers, for what sockets time themselves: in virtual time they are virtual too. */
  timers?: StackTimers
  /** Instead of `dns.lookup`, where a socket has no `lookup` of its own: a simulated network has names of its own. */
  lookup?: Lookup
}

/** What `connect` is asked for. */
export interface ConnectRequest extends OwnParameters {
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
  /** Settings of that controller, by its own names: `{ cwndSegs: 10 }` of `fixed`. */
  congestionOptions?: Readonly<Record<string, unknown>> | undefined
  /** Bytes a second that sending never exceeds, as SO_MAX_PACING_RATE. */
  maxPacingRate?: number | undefined
  /** Bytes, as SO_SNDBUF, SO_RCVBUF and TCP_MAXSEG. */
  sndbuf?: number | undefined
  rcvbuf?: number | undefined
  mss?: number | undefined
  /** Bytes written and not sent, above which writers wait, as TCP_NOTSENT_LOWAT; default: `tcp_notsent_lowat`. */
  notsentLowat?: number | undefined
}
