import type dgram from 'node:dgram'
import type { NetworkInterfaceInfo } from 'node:os'
import { type Random, SeededRandom } from '../../stack/index.ts'
import { isIPv6, isLoopback, isWildcard } from './sim-addresses.ts'
import type { Flow, SimLink } from './sim-link.ts'
import { SimSocket, type SimSocketOptions } from './sim-socket.ts'
import type { SimNet } from './simnet.ts'
import { type LoopOptions, type VirtualClock, VirtualLoop } from './virtual-clock.ts'

export interface SimHostOptions extends LoopOptions {
  /** The largest SO_RCVBUF and SO_SNDBUF that can be asked for; what is granted is twice that. Linux has 212,992. */
  rmemMax?: number
  /** SO_RCVBUF unless asked for. */
  rmemDefault?: number
  /** UDP sockets that can be open at once; more is EMFILE. */
  maxSockets?: number
  /** False: a firewall that answers nothing for ports that nobody has. */
  refuses?: boolean
  /** Bytes of the largest packet that its interfaces take: what is larger meets EMSGSIZE, for nothing is cut here. Default: any. */
  mtu?: number
  /** Ephemeral ports, both ends included. */
  ports?: readonly [number, number]
}

/** What `new Stack({ …host.seams() })` takes. */
export interface Seams {
  readonly clock: VirtualClock
  readonly dgram: typeof dgram
  readonly interfaces: () => NodeJS.Dict<NetworkInterfaceInfo[]>
  readonly random: Random
}

/** Where a datagram to some address goes, and from which address; or the error that a send meets. */
export type Route = { readonly source: string; readonly link: SimLink } | string

const DEFAULT_MEMORY = 212_992

/** A machine with one process: addresses, a UDP port table, an event loop. */
export class SimHost {
  readonly net: SimNet
  readonly name: string
  readonly loop: VirtualLoop
  /** A clock on the loop; each `seams()` has one of its own. */
  readonly clock: VirtualClock
  readonly random: Random
  /** A module like `node:dgram`, for this host. */
  readonly dgram: typeof dgram
  readonly rmemMax: number
  readonly rmemDefault: number
  maxSockets: number
  mtu: number
  refuses: boolean
  /** Sending to these addresses fails with a code such as `EHOSTUNREACH`. */
  readonly unreachable = new Map<string, string>()
  /** Set to make sends fail as if the kernel had no room: returns a code such as `ENOBUFS`, or undefined. */
  sendFault: ((address: string, port: number) => string | undefined) | null = null
  /** Datagrams for which a socket had no room. */
  overflowed = 0

  readonly #addresses: string[]
  readonly #byPort = new Map<number, SimSocket[]>()
  readonly #ports: readonly [number, number]
  #open = 0
  /** Moves with every change of the table. */
  #version = 0
  #stacks = 0

  constructor(net: SimNet, name: string, addresses: readonly string[], options: SimHostOptions = {}) {
    this.net = net
    this.name = name
    this.#addresses = [...addresses]
    this.loop = new VirtualLoop(net.world, options)
    this.clock = this.loop.clock()
    this.random = this.#chance('random')
    this.rmemMax = options.rmemMax ?? DEFAULT_MEMORY
    this.rmemDefault = options.rmemDefault ?? DEFAULT_MEMORY
    this.maxSockets = options.maxSockets ?? Infinity
    this.mtu = options.mtu ?? Infinity
    this.refuses = options.refuses ?? true
    this.#ports = options.ports ?? [32_768, 60_999]
    const createSocket = (options: SimSocketOptions | 'udp4' | 'udp6', listener?: (...args: unknown[]) => void) =>
      new SimSocket(this, options, listener)
    this.dgram = { createSocket, Socket: SimSocket } as unknown as typeof dgram
  }

  /** Addresses besides loopback. Change them through `setAddresses`. */
  get addresses(): readonly string[] {
    return this.#addresses
  }

  /** Sockets that are bound and open. */
  get sockets(): SimSocket[] {
    return [...this.#byPort.values()].flat()
  }

  /** Whether the process would stay alive: a clock holds it, or a socket that was not unref'd. */
  get alive(): boolean {
    return this.loop.held || this.sockets.some((socket) => socket.referenced)
  }

  get version(): number {
    return this.#version
  }

  /** Fresh parts for one more stack of this process. The first stack gets `clock` and `random`. */
  seams(): Seams {
    const number = this.#stacks++
    return {
      clock: number === 0 ? this.clock : this.loop.clock(),
      random: number === 0 ? this.random : this.#chance(`random ${number}`),
      dgram: this.dgram,
      interfaces: this.interfaces,
    }
  }

  /** As `os.networkInterfaces`. */
  readonly interfaces = (): NodeJS.Dict<NetworkInterfaceInfo[]> => {
    const lo = [describe('127.0.0.1', 8, true), describe('::1', 128, true)]
    const eth0 = this.#addresses.map((address) => describe(address, isIPv6(address) ? 64 : 24, false))
    return eth0.length === 0 ? { lo } : { lo, eth0 }
  }

  /** The machine gets other addresses; sockets bound to those it loses hear nothing any more. */
  setAddresses(addresses: readonly string[]): void {
    this.net.moveAddresses(this, this.#addresses, addresses)
    this.#addresses.splice(0, Infinity, ...addresses)
    this.#version++
  }

  /** Blocks its event loop. */
  stall(us: number): void {
    this.loop.stall(us)
  }

  /** The process is gone at once: no socket says goodbye, no callback comes. The machine then refuses its ports. */
  kill(): void {
    for (const clock of this.loop.clocks) clock.stop()
    for (const socket of this.sockets) socket.vanish()
  }

  /** A local address, any of 127.0.0.0/8 included. */
  owns(address: string): boolean {
    return isLoopback(address) || this.#addresses.includes(address)
  }

  /** What the kernel says to a datagram that it could otherwise send; null: nothing. */
  faultOf(address: string, port: number): string | null {
    const unreachable = this.unreachable.size > 0 ? this.unreachable.get(address) : undefined
    return unreachable ?? this.sendFault?.(address, port) ?? null
  }

  route(address: string, family: 'IPv4' | 'IPv6', source: string | null): Route {
    const failure = this.unreachable.get(address)
    if (failure !== undefined) return failure
    if (address === '255.255.255.255') return 'EACCES'
    if (this.owns(address)) return { source: source ?? loopbackSource(address), link: this.net.link(this, this) }
    if (source !== null && isLoopback(source)) return 'EINVAL'
    const own = source ?? this.#addresses.find((candidate) => isIPv6(candidate) === (family === 'IPv6'))
    if (own === undefined) return 'ENETUNREACH'
    // Packets to an address that nobody has go into the void.
    return { source: own, link: this.net.link(this, this.net.hostOf(address) ?? this.net.nowhere) }
  }

  /** Null, or the code of the error. */
  bind(socket: SimSocket, address: string, port: number): string | null {
    if (!isWildcard(address) && !this.owns(address)) return 'EADDRNOTAVAIL'
    if (this.#open >= this.maxSockets) return 'EMFILE'
    const chosen = port === 0 ? this.#ephemeralPort(socket, address) : port
    if (chosen === 0 || this.#conflicts(socket, address, chosen)) return 'EADDRINUSE'
    const others = this.#byPort.get(chosen)
    if (others === undefined) this.#byPort.set(chosen, [socket])
    else others.push(socket)
    socket.localAddress = address
    socket.localPort = chosen
    this.#open++
    this.#version++
    return null
  }

  unbind(socket: SimSocket): void {
    const others = this.#byPort.get(socket.localPort)
    if (others === undefined) return
    others.splice(others.indexOf(socket), 1)
    if (others.length === 0) this.#byPort.delete(socket.localPort)
    this.#open--
    this.#version++
  }

  /** A socket was connected or disconnected. */
  changed(): void {
    this.#version++
  }

  /** The network delivers: `message` is the receiver's to keep. */
  arrive(message: Buffer, flow: Flow): void {
    if (flow.refused !== null) {
      // linux: only connected sockets hear of it.
      this.#find(flow)?.refused()
      return
    }
    if (flow.sinkVersion !== this.#version || flow.sink === null) {
      flow.sink = this.#find(flow)
      flow.sinkVersion = this.#version
    }
    if (flow.sink !== null) flow.sink.arrive(message, flow)
    else if (this.refuses && this.owns(flow.address)) this.net.refuse(this, flow)
  }

  #chance(stream: string): Random {
    return new SeededRandom(this.net.world.rng.fork(this.name).fork(stream).nextInt(Number.MAX_SAFE_INTEGER))
  }

  /** linux: the more of its addresses a socket has fixed the better it fits; among equals the latest. */
  #find(flow: Flow): SimSocket | null {
    let best: SimSocket | null = null
    let bestScore = -1
    for (const socket of this.#byPort.get(flow.port) ?? []) {
      const score = socket.fit(flow)
      if (score >= 0 && score >= bestScore) {
        best = socket
        bestScore = score
      }
    }
    return best
  }

  #ephemeralPort(socket: SimSocket, address: string): number {
    const [first, last] = this.#ports
    const count = last - first + 1
    const start = Math.floor(this.random.public() * count)
    for (let i = 0; i < count; i++) {
      const port = first + ((start + i) % count)
      if (!this.#conflicts(socket, address, port)) return port
    }
    return 0
  }

  #conflicts(socket: SimSocket, address: string, port: number): boolean {
    return (this.#byPort.get(port) ?? []).some(
      (other) =>
        overlap(socket, address, other, other.boundAddress) &&
        !(socket.reuseAddr && other.reuseAddr) &&
        !(socket.reusePort && other.reusePort),
    )
  }
}

function overlap(a: SimSocket, aAddress: string, b: SimSocket, bAddress: string): boolean {
  if (a.family === b.family) return aAddress === bAddress || isWildcard(aAddress) || isWildcard(bAddress)
  const [six, sixAddress] = a.family === 'IPv6' ? [a, aAddress] : [b, bAddress]
  return sixAddress === '::' && !six.ipv6Only
}

/** linux: from 127.0.0.1 to all of 127/8, and from an own address to itself. */
function loopbackSource(address: string): string {
  return address.startsWith('127.') ? '127.0.0.1' : address
}

function describe(address: string, prefix: number, internal: boolean): NetworkInterfaceInfo {
  const mac = internal ? '00:00:00:00:00:00' : '02:00:00:00:00:01'
  const cidr = `${address}/${prefix}`
  if (!isIPv6(address)) {
    return { address, netmask: prefix === 8 ? '255.0.0.0' : '255.255.255.0', family: 'IPv4', mac, internal, cidr }
  }
  const netmask = prefix === 128 ? 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff' : 'ffff:ffff:ffff:ffff::'
  return { address, netmask, family: 'IPv6', mac, internal, cidr, scopeid: 0 }
}
