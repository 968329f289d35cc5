import { canonicalAddress } from '../tunnel/index.ts'
import type { Random } from './random.ts'
import { Purpose, TupleHash } from './tuple-hash.ts'

/** First and last (`ip_local_port_range`). */
export type PortRange = readonly [low: number, high: number]

/** Counters shared by destinations that hash to the same; as in Linux, many, so that one tells little of another. */
const COUNTERS = 4096

/**
 * Local ports for connections that asked for none, so that nobody off the path can guess the next one (rfc6056#3.1), and yet each
 * destination gets one after the other, so that a port in TIME_WAIT comes up again as late as can be.
 */
export class EphemeralPorts {
  readonly #random: Random
  readonly #hash: TupleHash
  /** Made with the first use: most stacks need few ports, and tests make thousands of stacks. */
  #counters: Uint32Array | null = null

  constructor(random: Random) {
    this.#random = random
    this.#hash = new TupleHash(random.secret(16))
  }

  /**
   * A port for a connection to `remoteAddress` and `remotePort`; null when every one of `range` is taken.
   *
   * rfc6056#3.3.4 (double-hash port selection), with steps of random length as in rfc6056#3.3.5.
   */
  pick(
    localAddress: string,
    remoteAddress: string,
    remotePort: number,
    range: PortRange,
    isTaken: (port: number) => boolean,
  ): number | null {
    this.#counters ??= filled(this.#random)
    this.#hash.hash(Purpose.EphemeralPort, localAddress, 0, remoteAddress, remotePort)
    const count = range[1] - range[0] + 1
    const index = this.#hash.hi & (COUNTERS - 1)
    const start = (this.#hash.lo >>> 0) + this.#counters[index]
    for (let i = 0; i < count; i++) {
      const port = range[0] + ((start + i) % count)
      if (isTaken(port)) continue
      // linux: __inet_hash_connect steps on by up to eight more, so that a counter does not tell how many were opened.
      this.#counters[index] += i + 1 + Math.floor(this.#random.public() * 8)
      return port
    }
    return null
  }

  /** Any free port, for a listener that asked for 0; null when every one of `range` is taken. */
  any(range: PortRange, isTaken: (port: number) => boolean): number | null {
    const count = range[1] - range[0] + 1
    const start = Math.floor(this.#random.public() * count)
    for (let i = 0; i < count; i++) {
      const port = range[0] + ((start + i) % count)
      if (!isTaken(port)) return port
    }
    return null
  }
}

function filled(random: Random): Uint32Array {
  const bytes = random.secret(COUNTERS * 4)
  return new Uint32Array(bytes.buffer, bytes.byteOffset, COUNTERS)
}

/** Whether a source port would make a bare segment look like a frame: stacks in bare mode never pick these. */
export function looksLikeShim(port: number): boolean {
  return port >= 0x0a10 && port <= 0x0a1f
}

export interface BindRequest {
  /** An IP literal; undefined is `::`. */
  address: string | undefined
  port: number
  /** A wildcard of IPv6 that leaves IPv4 alone. */
  ipv6Only: boolean
  /** May share its address with others that say so too. */
  reusePort: boolean
}

interface Binding<Owner> {
  readonly owner: Owner
  readonly address: string
  /** What a wildcard stands for; both false for a single address. */
  readonly any4: boolean
  readonly any6: boolean
  readonly reusePort: boolean
}

/** The TCP ports on which a host listens, and who does; for tunnel mode, where no kernel watches over them. */
export class ListenPorts<Owner> {
  readonly #ports = new Map<number, Binding<Owner>[]>()

  /** `EADDRINUSE` where the kernel's bind says so. The port is a number from 1 on: see {@link EphemeralPorts.any}. */
  bind(request: BindRequest, owner: Owner): 'EADDRINUSE' | null {
    const wanted = request.address ?? '::'
    const address = canonicalAddress(wanted) ?? wanted
    const binding: Binding<Owner> = {
      owner,
      address,
      any4: address === '0.0.0.0' || (address === '::' && !request.ipv6Only),
      any6: address === '::',
      reusePort: request.reusePort,
    }
    const others = this.#ports.get(request.port)
    if (others === undefined) {
      this.#ports.set(request.port, [binding])
      return null
    }
    if (others.some((other) => conflict(binding, other))) return 'EADDRINUSE'
    others.push(binding)
    return null
  }

  release(port: number, owner: Owner): void {
    const rest = this.#ports.get(port)?.filter((binding) => binding.owner !== owner)
    if (rest === undefined) return
    if (rest.length === 0) this.#ports.delete(port)
    else this.#ports.set(port, rest)
  }

  /** Whether anybody listens on the port, at whatever address. */
  has(port: number): boolean {
    return this.#ports.has(port)
  }

  /**
   * Who listens for what comes to `address`, in canonical form, and `port`: the address itself goes before a wildcard, and a
   * wildcard of its own family before one of both. `choice` decides among those who share an address.
   */
  find(address: string, port: number, choice = 0): Owner | null {
    const bindings = this.#ports.get(port)
    if (bindings === undefined) return null
    const v6 = address.includes(':')
    let best = 0
    let among: Binding<Owner>[] = []
    for (const binding of bindings) {
      const score = fitness(binding, address, v6)
      if (score === 0 || score < best) continue
      if (score > best) among = []
      best = score
      among.push(binding)
    }
    return among.length === 0 ? null : among[(choice >>> 0) % among.length].owner
  }
}

/** linux: compute_score of inet_hashtables.c */
function fitness(binding: Binding<unknown>, address: string, v6: boolean): number {
  if (binding.address === address) return 3
  if (!(v6 ? binding.any6 : binding.any4)) return 0
  return binding.any4 && binding.any6 ? 1 : 2
}

/** linux: inet_rcv_saddr_equal: a wildcard collides with all that it would hear. */
function conflict(a: Binding<unknown>, b: Binding<unknown>): boolean {
  if (a.reusePort && b.reusePort) return false
  return a.address === b.address || covers(a, b) || covers(b, a)
}

function covers(wildcard: Binding<unknown>, other: Binding<unknown>): boolean {
  const any = other.any4 || other.any6
  const v4 = any ? other.any4 : !other.address.includes(':')
  const v6 = any ? other.any6 : !v4
  return (wildcard.any4 && v4) || (wildcard.any6 && v6)
}
