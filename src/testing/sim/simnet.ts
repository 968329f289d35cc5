import type { DirectionFields } from '../../impair/index.ts'
import { Links } from './links.ts'
import { SimHost, type SimHostOptions } from './sim-host.ts'
import { type Flow, type LinkWatcher, SimLink, type Tap } from './sim-link.ts'
import type { World } from './world.ts'

export interface SimNetOptions {
  /** Of links that were not set: by default 50 µs each way. */
  link?: DirectionFields
  /** Of every host's loopback: by default 10 µs. 0 makes refusals immediate, as Linux's are. */
  loopback?: DirectionFields
  /** What links carry, and lose, as one. Default: whole datagrams. */
  unit?: SimLink['unit']
  /** Is shown every segment of every link. */
  watcher?: LinkWatcher
}

const PORT_UNREACHABLE = Buffer.from('port unreachable')

/** A network of simulated hosts in a world: every two of them have a link, with impairment in each direction. */
export class SimNet {
  readonly world: World
  /** Has no addresses and no sockets, and everything that is for nobody. */
  readonly nowhere: SimHost
  readonly #hosts = new Map<string, SimHost>()
  readonly #byAddress = new Map<string, SimHost>()
  readonly #links = new Links<SimHost>((from, to) => this.#newLink(from, to))
  readonly #link: DirectionFields
  readonly #loopback: DirectionFields
  readonly #unit: SimLink['unit']
  readonly #watcher: LinkWatcher | null
  #tap: Tap | null = null
  #version = 0

  constructor(world: World, options: SimNetOptions = {}) {
    const { link = { delay: 0.05 }, loopback = { delay: 0.01 }, unit = 'datagram', watcher = null } = options
    this.world = world
    this.#unit = unit
    this.#watcher = watcher
    this.#link = link
    this.#loopback = loopback
    this.nowhere = new SimHost(this, 'nowhere', [], { refuses: false })
  }

  /** A new host. Its name decides its random numbers; without addresses it gets an IPv4 and an IPv6 one. */
  host(name: string, addresses?: readonly string[], options?: SimHostOptions): SimHost {
    if (this.#hosts.has(name)) throw new Error(`There is a host '${name}' already`)
    const number = this.#hosts.size + 1
    const host = new SimHost(this, name, addresses ?? [`10.0.0.${number}`, `fd00::${number}`], options)
    this.#hosts.set(name, host)
    this.moveAddresses(host, [], host.addresses)
    return host
  }

  get hosts(): SimHost[] {
    return [...this.#hosts.values()]
  }

  /** Moves when addresses do. */
  get version(): number {
    return this.#version
  }

  hostOf(address: string): SimHost | undefined {
    return this.#byAddress.get(address)
  }

  moveAddresses(host: SimHost, from: readonly string[], to: readonly string[]): void {
    this.#version++
    for (const address of from) this.#byAddress.delete(address)
    for (const address of to) {
      if (this.#byAddress.has(address)) throw new Error(`${address} is taken`)
      this.#byAddress.set(address, host)
    }
  }

  /** The direction of a link. */
  link(from: SimHost, to: SimHost): SimLink {
    return this.#links.between(from, to)
  }

  #newLink(from: SimHost, to: SimHost): SimLink {
    const fields = from === to ? this.#loopback : this.#link
    const rng = this.world.rng.fork('link').fork(from.name).fork(to.name)
    const unit = this.#unit === 'datagram' ? { unit: this.#unit } : this.#links.segments(from, to)
    const link = new SimLink(this.world, from, to, fields, rng, unit)
    link.watcher = this.#watcher
    link.tap = this.#tap
    return link
  }

  /** What happens between two hosts: `there` from `a` to `b`, `back` the other way, by default the same (a delay counts twice). */
  connect(a: SimHost, b: SimHost, there: DirectionFields, back: DirectionFields = there): void {
    this.link(a, b).set(there)
    this.link(b, a).set(back)
  }

  /** Cuts two hosts off from each other, or joins them again; what is under way arrives. */
  partition(a: SimHost, b: SimHost, down = true): void {
    this.link(a, b).down = down
    this.link(b, a).down = down
  }

  /** Shows every datagram that is sent to `tap`, which can lose it. Replaces the taps of all links. */
  tap(tap: Tap | null): void {
    this.#tap = tap
    for (const link of this.#links) link.tap = tap
  }

  /** Answers a datagram to a port that nobody has; the answer may be lost like all else. */
  refuse(host: SimHost, flow: Flow): void {
    const answer: Flow = {
      family: flow.family,
      sourceAddress: flow.address,
      sourcePort: flow.port,
      address: flow.sourceAddress,
      port: flow.sourcePort,
      link: this.link(host, flow.link.from as SimHost),
      refused: flow,
      sink: null,
      sinkVersion: -1,
    }
    answer.link.transmit(PORT_UNREACHABLE, 0, PORT_UNREACHABLE.length, answer)
  }
}
