import { isIP } from 'node:net'
import { type Net, netFor } from '../net/index.ts'
import type { Capture } from '../observe/index.ts'
import { type Lookup, type SocketRecord, Stack, type StackOptions } from '../stack/index.ts'
import type { NetworkCaptureOptions } from './capture.ts'
import type { Network } from './network.ts'
import { systemError } from './sim/sim-errors.ts'

// Captured at load: jest's fake timers have ticks too.
const { nextTick } = process

/** How a host is set up: what a stack takes, except what the network gives it. */
export interface HostOptions
  extends Omit<
    StackOptions,
    'clock' | 'random' | 'dgram' | 'interfaces' | 'timers' | 'lookup' | 'seed' | 'capture' | 'encapsulation' | 'impair'
  > {
  /** Its addresses; default: an IPv4 and an IPv6 one of the network's. Virtual time only. */
  addresses?: readonly string[]
}

/** What is beneath a host: simulated, or sockets of this machine. */
export interface Machine {
  readonly name: string
  readonly addresses: readonly string[]
  /** What its loopback name means. */
  readonly localhost: string
  readonly seams: Partial<StackOptions>
  /** The process is gone without a word; null where that cannot be had. */
  readonly kill: (() => void) | null
  readonly stall: ((us: number) => void) | null
}

/** A machine in a network: a stack of its own, with its own `net`, address, parameters and counters. */
export class Host {
  readonly network: Network
  readonly name: string
  readonly stack: Stack
  /** All of `net`, on this host. Hosts find each other by name: `net.connect(80, 'server')`. */
  readonly net: Net
  readonly #machine: Machine

  constructor(network: Network, machine: Machine, options: StackOptions) {
    this.network = network
    this.name = machine.name
    this.#machine = machine
    this.stack = new Stack({ ...options, ...machine.seams, lookup: this.#lookup })
    this.net = netFor(this.stack)
  }

  get addresses(): readonly string[] {
    return this.#machine.addresses
  }

  /** The first of its addresses. */
  get address(): string {
    return this.#machine.addresses[0]
  }

  /** Its parameters, to be read and set by Linux's names. */
  get sysctl(): Stack['sysctl'] {
    return this.stack.sysctl
  }

  /** Its counters, by the kernel's names. */
  counters(): Record<string, number> {
    return this.stack.counters()
  }

  /** Its listeners and connections, as `ss` shows them. */
  sockets(): SocketRecord[] {
    return this.stack.sockets()
  }

  /** Captures what this host sends and gets, and what the network loses of it, as pcapng: into a file or a stream. */
  capture(target: Parameters<Stack['capture']>[0], options: NetworkCaptureOptions = {}): Capture {
    return this.network.capture(target, { ...options, host: this })
  }

  /** The process on it dies: nothing says goodbye, and from now on its ports refuse. In virtual time only. */
  kill(): void {
    if (this.#machine.kill === null) throw new Error('A host can be killed in virtual time only')
    this.#machine.kill()
  }

  /** Its event loop is busy for so many milliseconds: no timer, no read. In virtual time only. */
  stall(ms: number): void {
    if (this.#machine.stall === null) throw new Error('A host can be stalled in virtual time only')
    this.#machine.stall(ms * 1000)
  }

  readonly #lookup: Lookup = (hostname, options, callback) => {
    const family = Number(options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0))
    const all = this.#addressesOf(hostname).filter((address) => family === 0 || isIP(address) === family)
    // One family, so that a lost SYN is sent again and not given up for the other family's address.
    const known = all.filter((address) => isIP(address) === isIP(all[0]))
    nextTick(() => {
      if (known.length === 0) callback(systemError('ENOTFOUND', 'getaddrinfo', hostname), options.all ? [] : '', 0)
      else if (options.all)
        callback(
          null,
          known.map((address) => ({ address, family: isIP(address) })),
        )
      else callback(null, known[0], isIP(known[0]))
    })
  }

  #addressesOf(hostname: string): readonly string[] {
    if (isIP(hostname) !== 0) return [hostname]
    if (hostname === 'localhost') return [this.#machine.localhost]
    return this.network.find(hostname)?.addresses ?? []
  }
}
