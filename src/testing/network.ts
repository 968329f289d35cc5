import { randomInt } from 'node:crypto'
import diagnostics from 'node:diagnostics_channel'
import { performance } from 'node:perf_hooks'
import timers from 'node:timers'
import { type DirectionFields, parsePipelineSpec, Rng } from '../impair/index.ts'
import { type Net, type SocketConstructor, stackOf } from '../net/index.ts'
import { type Capture, CaptureFile, type WritableLike } from '../observe/index.ts'
import type { Stack, StackOptions } from '../stack/index.ts'
import { NetworkCapture, type NetworkCaptureOptions } from './capture.ts'
import { datagramOf, type ForgedSegment } from './forged.ts'
import { Host, type HostOptions, type Machine } from './host.ts'
import { type Drop, type Hold, Medium, type SegmentListener } from './medium.ts'
import { Pump } from './pump.ts'
import { type RealMachine, RealNet } from './real-net.ts'
import { report } from './report.ts'
import type { LinkSegment } from './segments.ts'
import type { SimHost } from './sim/sim-host.ts'
import type { Flow, SimLink } from './sim/sim-link.ts'
import { SimNet } from './sim/simnet.ts'
import { World } from './sim/world.ts'
import { currentScope, installTimers, runIn, type Scope, setAmbient, timersIn } from './virtual-timers.ts'

// Captured at load: fake timers of a test runner must not be able to stop a network.
const { setTimeout } = timers
const { timeOrigin } = performance
const sinceOriginMs = performance.now.bind(performance)

/** How a network is set up. Members of an impairment at the top (`loss`, `delay`, `rate` …) hold for every link, each direction by itself. */
export interface NetworkOptions extends DirectionFields {
  /** Decides every choice: which segments are lost, ports, sequence numbers. Default: `SLUICE_SEED`, else another one each time. A failure prints it. */
  seed?: number
  /** `'virtual'` (default): time jumps from event to event. `'real'`: over UDP sockets of this machine's loopback. */
  time?: 'virtual' | 'real'
  /** Parameters of every host, by Linux's names. */
  sysctl?: Readonly<Record<string, unknown>>
  /** Bytes of the largest IP packet, also on loopback. Default 1500. */
  mtu?: number
  /** `'framed'` (default) or `'bare'`, as of a stack. */
  encapsulation?: 'framed' | 'bare'
  /** How many segments are kept for `network.trace()` and for the report of a failure. Default 40; `Infinity` for all. */
  keep?: number
  /** Hours of virtual time after which code that still waits is given up. Default 4: more than keepalive takes by default. */
  limit?: number
  /** False leaves `setTimeout` and `setInterval` of the code under test in real time. Default true: they are virtual where time is. */
  timers?: boolean
}

/** A host, or its name. */
export type HostName = Host | string

type Socket = InstanceType<SocketConstructor>

const OWN = ['seed', 'time', 'sysctl', 'mtu', 'encapsulation', 'keep', 'limit', 'timers'] as const
const DEFAULT_KEEP = 40
const DEFAULT_LIMIT_HOURS = 4
const HOUR_US = 3_600_000_000
/** Real loopback has a latency of its own. */
const LINK_DELAY_MS = 0.05
const LOOPBACK_DELAY_MS = 0.01
const LARGEST_SEED = 2 ** 32

/**
 * Hosts with links between them, in virtual time or real: made by `withNetwork`, or by `createNetwork` where a test runner's hooks
 * suit better. Then it is to be closed.
 */
export class Network {
  readonly seed: number
  readonly time: 'virtual' | 'real'
  readonly #options: NetworkOptions
  readonly #fields: DirectionFields
  readonly #medium: Medium
  readonly #world: World | null
  readonly #sim: SimNet | null
  readonly #real: RealNet | null
  readonly #pump: Pump | null
  readonly #hosts = new Map<string, Host>()
  readonly #machines = new Map<string, SimHost | RealMachine>()
  readonly #sockets = new Set<Socket>()
  readonly #waiting = new Set<() => void>()
  readonly #fail: (error: Error) => void
  /** Rejects when time cannot go on. */
  readonly #failed: Promise<never>
  readonly #scope: NetworkScope
  #removeTimers: (() => void) | null = null
  #closed = false

  constructor(options: NetworkOptions = {}, { everywhere = false } = {}) {
    this.#options = options
    this.seed = options.seed ?? seedFromEnvironment() ?? randomInt(LARGEST_SEED)
    this.time = options.time ?? 'virtual'
    if (this.time !== 'virtual' && this.time !== 'real') {
      throw new RangeError(`Option 'time' must be 'virtual' or 'real'. Received ${JSON.stringify(this.time)}`)
    }
    this.#fields = fieldsOf(options)
    // Before anything is made of them: an error should name the field.
    parsePipelineSpec(this.#fields)
    let fail: (error: Error) => void = () => {}
    this.#failed = new Promise<never>((_, reject) => {
      fail = reject
    })
    this.#failed.catch(() => {})
    this.#fail = fail
    const rng = new Rng(this.seed)
    const framed = options.encapsulation !== 'bare'
    this.#medium = new Medium(() => this.nowUs, { keep: options.keep ?? DEFAULT_KEEP, framed })
    if (this.time === 'real') {
      this.#world = null
      this.#sim = null
      this.#pump = null
      this.#real = new RealNet({ link: this.#fields, rng, watcher: this.#medium })
    } else {
      this.#world = new World({ seed: this.seed })
      this.#sim = new SimNet(this.#world, {
        link: { delay: LINK_DELAY_MS, ...this.#fields },
        loopback: { delay: LOOPBACK_DELAY_MS, ...this.#fields },
        unit: 'segment',
        watcher: this.#medium,
      })
      this.#real = null
      this.#pump = new Pump(this.#world, (options.limit ?? DEFAULT_LIMIT_HOURS) * HOUR_US, this.#fail)
      this.#world.afterEvent(() => this.#look())
      if (options.timers !== false) this.#removeTimers = installTimers()
    }
    this.#scope = { world: this.#world, network: this }
    if (everywhere) setAmbient(this.#scope)
    for (const name of CHANNELS) diagnostics.subscribe(name, this.#onSocket)
    this.#pump?.start()
  }

  /** The network that a stack is part of, if it is. */
  static of(stack: Stack | undefined): Network | undefined {
    return stack === undefined ? undefined : networks.get(stack)
  }

  // ---- Hosts and links

  /** The host of that name, which is made if there is none yet. Options are for a new one. */
  host(name: string, options: HostOptions = {}): Host {
    const known = this.#hosts.get(name)
    if (known !== undefined) return known
    const { addresses, sysctl, ...stack } = options
    const machine = this.#sim !== null ? this.#simulated(this.#sim, name, addresses) : this.#onSockets(name)
    const host = new Host(this, machine, {
      mtu: this.#options.mtu ?? 1500,
      ...stack,
      encapsulation: this.#options.encapsulation,
      offload: 'off',
      seed: this.seed,
      sysctl: { ...this.#options.sysctl, ...sysctl },
    } as StackOptions)
    this.#hosts.set(name, host)
    networks.set(host.stack, this)
    return host
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()]
  }

  /** The host of that name, if there is one. */
  find(name: string): Host | undefined {
    return this.#hosts.get(name)
  }

  /** `net` of a host named `local`, for tests that need one machine only: its loopback is a link like others. */
  get net(): Net {
    return this.host('local').net
  }

  /** Sets what happens between two hosts: `there` from `a` to `b`, `back` the other way, by default the same. Replaces what was set before. */
  link(a: HostName, b: HostName, there: DirectionFields, back: DirectionFields = there): void {
    this.#link(a, b).set(this.#withDelay(there))
    this.#link(b, a).set(this.#withDelay(back))
  }

  // ---- Faults

  /** Cuts two hosts off from each other, one off from all others, or everybody from everybody. What is under way arrives. */
  partition(a?: HostName, b?: HostName): void {
    const [from, to] = [nameOf(a), nameOf(b)]
    this.#medium.cuts.push({ from, to }, { from: to, to: from })
  }

  /** Ends a partition: the one between these two, those of this one, or all. */
  heal(a?: HostName, b?: HostName): void {
    const names = [nameOf(a), nameOf(b)].filter((name) => name !== null)
    const { cuts } = this.#medium
    const kept = cuts.filter(({ from, to }) => !names.every((name) => name === from || name === to))
    cuts.splice(0, Infinity, ...kept)
  }

  /** Loses the segments for which `predicate` returns true, `times` of them at most: `seg => seg.syn && seg.ack && seg.attempt === 1`. */
  drop(predicate: (segment: LinkSegment) => boolean, { times = Infinity }: { times?: number } = {}): Drop {
    return this.#medium.addDrop(predicate, times)
  }

  /** Keeps the segments for which `predicate` returns true, `times` of them at most, until they are released. In virtual time only. */
  hold(predicate: (segment: LinkSegment) => boolean, { times = Infinity }: { times?: number } = {}): Hold {
    if (this.#sim === null) throw new Error('Segments can be held in virtual time only')
    return this.#medium.addHold(predicate, times)
  }

  /**
   * Sends a segment that `from` knows nothing of on its link to `to`, from whatever address it claims; answers go to that address. In virtual
   * time only.
   */
  inject(from: HostName, to: HostName, segment: ForgedSegment): void {
    if (this.#sim === null) throw new Error('Segments can be injected in virtual time only')
    const link = this.#link(from, to)
    const { address = (link.from as SimHost).addresses[0], srcPort, dstPort } = segment
    const isSix = address.includes(':')
    const flow: Flow = {
      family: isSix ? 'IPv6' : 'IPv4',
      sourceAddress: address,
      sourcePort: srcPort,
      address: (link.to as SimHost).addresses.find((one) => one.includes(':') === isSix) ?? '',
      port: dstPort,
      link,
      refused: null,
      sink: null,
      sinkVersion: -1,
    }
    const datagram = datagramOf(segment, this.#options.encapsulation !== 'bare')
    link.transmit(datagram, 0, datagram.length, flow)
  }

  /** Resets a connection from the network's middle, as a firewall does: both ends get a RST, now and whenever they send. Throws where no segment of it was seen. */
  reset(socket: Socket): void {
    const { localAddress, localPort, remoteAddress, remotePort } = socket
    const [here, there] = [plain(localAddress), plain(remoteAddress)]
    const { streams } = this.#medium
    const out = streams.find(here, localPort ?? 0, there, remotePort ?? 0)
    const back = streams.find(there, remotePort ?? 0, here, localPort ?? 0)
    if (!this.#medium.reset([out, back])) throw new Error('The network has seen nothing of this connection')
  }

  // ---- Time

  /** Microseconds since the network began. */
  get nowUs(): number {
    return this.#world?.nowUs ?? this.#real?.time.nowUs ?? 0
  }

  /** Milliseconds since the network began, in its own time. */
  now(): number {
    return this.nowUs / 1000
  }

  /** Lets so many milliseconds of the network's time pass. In virtual time that takes as long as what happens in them. */
  advance(ms: number): Promise<void> {
    if (!(ms >= 0)) throw new RangeError(`A network can be advanced by milliseconds from 0 on. Received ${ms}`)
    const world = this.#world
    const passed = new Promise<void>((resolve) => {
      if (world === null) setTimeout(resolve, ms)
      else world.after(ms * 1000, resolve)
    })
    return Promise.race([passed, this.#failed])
  }

  /** Waits until `condition` holds, asked after everything that happens; false: it did not within `ms` milliseconds of the network's time. */
  async until(condition: () => boolean, ms = 600_000): Promise<boolean> {
    const deadlineUs = this.nowUs + ms * 1000
    if (condition()) return true
    const world = this.#world
    if (world === null) {
      while (this.nowUs < deadlineUs && !condition()) await new Promise((resolve) => setTimeout(resolve, 1))
      return condition()
    }
    const met = new Promise<boolean>((resolve) => {
      const done = (): void => {
        const holds = condition()
        if (!holds && world.nowUs < deadlineUs) return
        this.#waiting.delete(done)
        resolve(holds)
      }
      this.#waiting.add(done)
      // So that something happens then.
      world.at(deadlineUs, () => {})
    })
    return Promise.race([met, this.#failed])
  }

  /** Lets virtual time stand still until `work` is done that the simulation does not see: a child process, a worker, a real server. */
  async outside<T>(work: Promise<T>): Promise<T> {
    this.#pump?.hold()
    try {
      return await work
    } finally {
      this.#pump?.release()
    }
  }

  // ---- What is to be seen

  /** The last segments on all links, one line each as tcpdump prints them, with the network's time and what became of them. */
  trace(): string {
    return this.#medium.log
      .lines()
      .map((line) => `${line}\n`)
      .join('')
  }

  /** Calls `listener` for every segment when it leaves its host; what it returns ends that. What it is given is borrowed until it returns. */
  watch(listener: SegmentListener): () => void {
    const { watchers } = this.#medium
    watchers.add(listener)
    return () => watchers.delete(listener)
  }

  /** Segments so far on all links: sent, sent again, and lost by what. */
  statistics(): { segments: number; retransmitted: number; lost: number; lostBy: Record<string, number> } {
    const { log, retransmitted, lostCount, lostBy } = this.#medium
    return { segments: log.total, retransmitted, lost: lostCount, lostBy: Object.fromEntries(lostBy) }
  }

  /** Captures what a host (default: the first) sends and gets, and what the network loses of it, as pcapng: into a file or a stream. */
  capture(target: string | WritableLike, options: NetworkCaptureOptions & { host?: HostName } = {}): Capture {
    const { host = this.hosts[0] ?? 'local', ...rest } = options
    // Virtual time begins in 1970, so that captures of one scenario are the same each time.
    const epochUs = this.#world === null ? Math.round((timeOrigin + sinceOriginMs()) * 1000) - this.nowUs : 0
    const { captures } = this.#medium
    const file = new CaptureFile(target, rest, epochUs, () => captures.delete(capture))
    const capture = new NetworkCapture(file, nameOf(host) as string, this.seed)
    captures.add(capture)
    return file
  }

  /** Seed, counters, sockets and the last segments, in words: what a failing test prints. */
  report(): string {
    return report(this)
  }

  // ---- Life

  /** Runs `action` with virtual timers, if this network has them; fails when time cannot go on. */
  run<T>(action: () => Promise<T> | T): Promise<T> {
    return Promise.race([runIn(this.#scope, async () => action()), this.#failed])
  }

  /** Destroys all sockets and ends all hosts, without waiting for anything to be delivered. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    for (const name of CHANNELS) diagnostics.unsubscribe(name, this.#onSocket)
    for (const socket of this.#sockets) {
      // A test that is over wants to hear of nothing.
      socket.on('error', () => {})
      socket.destroy()
    }
    this.#pump?.stop()
    for (const capture of this.#medium.captures) capture.file.stop()
    const closing = this.hosts.map((host) => host.stack.close({ abort: true }))
    if (this.#world === null) await Promise.all(closing)
    else for (const host of this.hosts) host.kill()
    if (currentScope() === this.#scope) setAmbient(null)
    this.#removeTimers?.()
  }

  // ---- Inside

  #simulated(sim: SimNet, name: string, addresses: readonly string[] | undefined): Machine {
    const host = sim.host(name, addresses)
    this.#machines.set(name, host)
    return {
      name,
      addresses: host.addresses,
      localhost: '127.0.0.1',
      seams: { ...host.seams(), interfaces: host.interfaces(), timers: timersIn(sim.world) },
      kill: () => host.kill(),
      stall: (us) => host.stall(us),
    }
  }

  #onSockets(name: string): Machine {
    const machine = (this.#real as RealNet).machine(name)
    this.#machines.set(name, machine)
    return {
      name,
      addresses: [machine.address],
      localhost: machine.address,
      seams: { dgram: machine.dgram, interfaces: machine.interfaces() },
      kill: null,
      stall: null,
    }
  }

  #link(from: HostName, to: HostName): SimLink {
    const [a, b] = [this.#machine(from), this.#machine(to)]
    return this.#sim !== null
      ? this.#sim.link(a as SimHost, b as SimHost)
      : (this.#real as RealNet).link(a as RealMachine, b as RealMachine)
  }

  #machine(host: HostName): SimHost | RealMachine {
    const machine = this.#machines.get(nameOf(host) as string)
    if (machine === undefined) throw new RangeError(`There is no host ${JSON.stringify(nameOf(host))} in this network`)
    return machine
  }

  #withDelay(fields: DirectionFields): DirectionFields {
    return this.#sim === null ? fields : { delay: LINK_DELAY_MS, ...fields }
  }

  #look(): void {
    for (const waiting of this.#waiting) waiting()
  }

  readonly #onSocket = (message: unknown): void => {
    const { socket } = message as { socket: Socket }
    const stack = stackOf(socket)
    if (stack === undefined || !this.hosts.some((host) => host.stack === stack)) return
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }
}

interface NetworkScope extends Scope {
  readonly network: Network
}

/** The network that the caller runs in, if it runs in one. */
export const currentNetwork = (): Network | undefined => (currentScope() as NetworkScope | null)?.network

const networks = new WeakMap<Stack, Network>()

const CHANNELS = ['net.client.socket', 'net.server.socket'] as const

/** The members of options that are the links'. */
function fieldsOf(options: NetworkOptions): DirectionFields {
  const fields = { ...options }
  for (const name of OWN) delete fields[name]
  return fields
}

const nameOf = (host: HostName | undefined): string | null =>
  host === undefined ? null : typeof host === 'string' ? host : host.name

const plain = (address: string | undefined): string => (address ?? '').replace(/^::ffff:/, '')

function seedFromEnvironment(): number | undefined {
  const text = process.env.SLUICE_SEED
  if (text === undefined || text === '') return undefined
  const seed = Number(text)
  if (!Number.isSafeInteger(seed) || seed < 0)
    throw new RangeError(`SLUICE_SEED is ${JSON.stringify(text)}: a whole number is wanted`)
  return seed
}
