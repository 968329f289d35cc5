import { once } from 'node:events'
import type { ServerConstructor, SocketConstructor } from '../net/index.ts'
import type { SocketRecord } from '../stack/index.ts'
import type { Host, HostOptions, Network, SentSegment } from '../testing/index.ts'
import { Flows, type FlowsOptions } from '../testing/sim/flows.ts'
import type { Settings } from './experiment.ts'
import { type CurvesOptions, type Panel, type PanelsOptions, panelsPlot } from './panels.ts'
import type { Curve } from './plot.ts'

export type Socket = InstanceType<SocketConstructor>
type Server = InstanceType<ServerConstructor>

/** Something that an experiment claims, and whether it held. */
export interface Check {
  readonly claim: string
  readonly holds: boolean
  /** What was found, where it says more than the claim. */
  readonly found: string
}

/** A segment as it left, kept. */
export interface Seen extends Omit<SentSegment['segment'], 'payload'> {
  readonly time: number
  readonly lostBy: string | null
  readonly line: string
}

/** What a scene says while it runs. */
export interface Listener {
  segment(line: string): void
  note(text: string): void
  table(network: Network): void
}

/** The stage of an experiment: two hosts, what passes between them, and the claims about it. */
export class Scene {
  readonly network: Network
  readonly settings: Settings
  readonly checks: Check[] = []
  readonly seen: Seen[] = []
  /** Further graphs, by their names; the one without a name is the experiment's own. */
  readonly graphs = new Map<string, () => Promise<string>>()
  /** What they are drawn of, as CSV. */
  readonly data = new Map<string, string>()
  /** Captures of bulk transfers, by their names. */
  readonly captures = new Map<string, Buffer[]>()
  /** What bulk transfers amount to. */
  readonly bulk = { segments: 0, lost: 0, lasted: 0 }
  readonly #listener: Listener
  readonly #captures: boolean

  /** `captures`: whether anybody wants them. */
  constructor(network: Network, listener: Listener, settings: Settings = {}, captures = false) {
    this.network = network
    this.settings = settings
    this.#captures = captures
    this.#listener = listener
    network.watch(({ segment: { payload, ...segment }, time, lostBy, line }) => {
      this.seen.push({ ...segment, time, lostBy, line })
      listener.segment(line)
    })
  }

  get client(): Host {
    return this.network.host('client')
  }

  get server(): Host {
    return this.network.host('server')
  }

  host(name: string, options?: HostOptions): Host {
    return this.network.host(name, options)
  }

  /** A server on the host `server` that listens on port 80. */
  listen(onConnection: (socket: Socket) => void = (socket) => socket.resume(), options: object = {}): Server {
    const server = this.server.net.createServer({ allowHalfOpen: true, ...options }, (socket) => {
      socket.on('error', () => {})
      onConnection(socket)
    })
    server.listen({ port: 80, backlog: 511, ...options })
    return server
  }

  /** A socket of the host `client` that connects there. */
  connect(options: object = {}): Socket {
    const socket = this.client.net.connect({ port: 80, host: 'server', ...options })
    socket.on('error', () => {})
    return socket
  }

  /** Both ends of a new connection. */
  async establish(options: object = {}): Promise<[client: Socket, server: Socket]> {
    const server = this.listen()
    const socket = this.connect(options)
    return [socket, await this.established(server, socket)]
  }

  /** The server's end of a connection that is being made, when both ends have it. */
  async established(server: Server, socket: Socket): Promise<Socket> {
    const [[accepted]] = await Promise.all([once(server, 'connection'), once(socket, 'connect')])
    return accepted as Socket
  }

  /** The code of the error that a socket fails with; `'end'` where it ends without. */
  outcome(socket: Socket): Promise<string> {
    return new Promise((resolve) => {
      socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
      socket.once('close', () => resolve('end'))
    })
  }

  /** Lets time pass, in seconds. */
  pass(seconds: number): Promise<void> {
    return this.network.advance(seconds * 1000)
  }

  /** The times, in seconds from the first of them, of the segments that fit. */
  times(fits: (segment: Seen) => boolean): number[] {
    const found = this.seen.filter(fits)
    return found.map(({ time }) => (time - (found[0]?.time ?? 0)) / 1000)
  }

  /** The states that the connections of a host go through from now on. */
  states(host: Host): string[] {
    const states: string[] = []
    host.stack.trace((event) => {
      if (event.type === 'state') states.push(event.to)
    })
    return states
  }

  /** What `ss` shows of a host's connections. */
  connections(host: Host): SocketRecord[] {
    return host.sockets().filter(({ state }) => state !== 'LISTEN')
  }

  check(claim: string, holds: boolean, found = ''): void {
    this.checks.push({ claim, holds, found })
  }

  /** Claims that something is just this. */
  checkIs(claim: string, found: string | number, wanted: string | number): void {
    this.check(claim, found === wanted, String(found))
  }

  /** Claims that numbers are what was wanted, each to within a part of itself (and a hundredth). */
  checkNumbers(claim: string, found: readonly number[], wanted: readonly number[], part = 0.02): void {
    const holds =
      found.length === wanted.length &&
      found.every((value, i) => Math.abs(value - wanted[i]) <= Math.max(wanted[i] * part, 0.01))
    this.check(claim, holds, found.map((value) => Number(value.toFixed(3))).join(', '))
  }

  note(text: string): void {
    this.#listener.note(text)
  }

  /** Shows the sockets of all hosts, as ss would. */
  table(): void {
    this.#listener.table(this.network)
  }

  /** Bulk transfers over a bottleneck, at nobody's expense but the processor's. The first packets are captured as `name`; null: they are not. */
  flows(name: string | null, options: FlowsOptions): Flows {
    const flows = new Flows({ seed: this.network.seed, ...options })
    if (!this.#captures || name === null) return flows
    const pieces: Buffer[] = []
    const capture = flows.client.capture({ write: (bytes) => pieces.push(bytes) }, { snaplen: CAPTURED_BYTES })
    flows.world.at(CAPTURED_SECONDS * 1e6, () => capture.stop())
    this.captures.set(name, pieces)
    return flows
  }

  /** The bulk transfer is over: counts it, and keeps nothing of it. */
  done({ client, server, lost, world }: Flows): void {
    this.bulk.segments += client.counters().OutSegs + server.counters().OutSegs
    this.bulk.lost += lost.dropped
    this.bulk.lasted += world.nowUs / 1000
  }

  /** One more graph, and its numbers as CSV. Without a name: in place of the time-sequence graph. */
  graph(name: string, curves: readonly Curve[], options: CurvesOptions): void {
    const { unit, logarithmic, ...rest } = options
    this.panels(name, [{ curves, unit, logarithmic }], rest)
  }

  /** A graph of several fields, one beneath the other, over the same axis. */
  panels(name: string, panels: readonly Panel[], options: PanelsOptions = {}): void {
    this.graphs.set(name, () => panelsPlot(panels, options))
    const rows = panels.flatMap(({ unit, curves }) =>
      curves.flatMap((curve) => curve.points.map(([x, y]) => [unit, curve.name, x, y])),
    )
    this.csv(name, ['what', 'of', options.across ?? 'time, s', 'value'], rows)
  }

  /** Numbers, as CSV. */
  csv(name: string, columns: readonly string[], rows: readonly (readonly (string | number)[])[]): void {
    this.data.set(name, [columns, ...rows].map((row) => `${row.map(field).join(',')}\n`).join(''))
  }
}

/** Of a bulk transfer: headers, and the beginning of it. */
const CAPTURED_BYTES = 128
const CAPTURED_SECONDS = 5

/** rfc4180#2 */
const field = (value: string | number): string =>
  typeof value === 'number'
    ? String(Number(value.toPrecision(9)))
    : /[",\n]/.test(value)
      ? `"${value.replaceAll('"', '""')}"`
      : value
