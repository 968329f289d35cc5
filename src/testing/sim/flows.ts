import { type DirectionFields, type ImpairFields, Rng } from '../../impair/index.ts'
import { type Endpoint, type EndpointOwner, Stack } from '../../stack/index.ts'
import type { SimLink } from './sim-link.ts'
import { SimNet } from './simnet.ts'
import { World } from './world.ts'

const MIB = 1024 * 1024
const PORT = 7000
const US = 1_000_000

export interface FlowOptions {
  congestionControl: string
  congestionOptions?: Record<string, unknown>
  /** Begins so late, ms. */
  startMs?: number
  maxPacingRate?: number
  /** Buffers set by hand, as SO_SNDBUF here and SO_RCVBUF there; absent: they are tuned. */
  sndbuf?: number
  rcvbuf?: number
  /** Bytes a second that the application produces; absent: whatever is taken. */
  appBps?: number
}

export interface FlowsOptions {
  /** Bits a second of the bottleneck; absent: none. */
  rate?: number
  rttMs: number
  /** What the bottleneck's queue holds, bytes. */
  queue?: number
  loss?: number
  /** More of the way there. */
  there?: DirectionFields
  flows: readonly FlowOptions[]
  sysctl?: Record<string, unknown>
  /** Upper bound of both buffers. */
  buffers?: number
  seed?: number
  tracer?: NonNullable<Stack['tracer']>
  /** Of the sending stack. */
  impair?: ImpairFields
}

/** One sender that has always something to send, and what arrived of it. */
class SimFlow implements EndpointOwner {
  readonly endpoint: Endpoint
  received = 0
  readonly #world: World
  readonly #appBps: number
  #owed = 0

  constructor(world: World, open: (owner: EndpointOwner) => Endpoint | string, appBps = Infinity) {
    this.#world = world
    this.#appBps = appBps
    const endpoint = open(this)
    if (typeof endpoint === 'string') throw new Error(endpoint)
    this.endpoint = endpoint
  }

  get connection(): Endpoint['connection'] {
    return this.endpoint.connection
  }

  connected(): void {
    if (this.#appBps === Infinity) this.writable()
    else this.#produce()
  }

  writable(): void {
    if (this.#appBps === Infinity) while (this.endpoint.write(PIECE) === PIECE.length);
  }

  readable(): void {}
  peerFinished(): void {}
  closed(): void {}

  #produce(): void {
    const everyUs = 5000
    this.#owed = Math.min(this.#owed + (this.#appBps * everyUs) / US, MIB)
    while (this.#owed >= 1) {
      const piece = PIECE.subarray(0, Math.min(PIECE.length, Math.floor(this.#owed)))
      const taken = this.endpoint.write(piece)
      this.#owed -= taken
      if (taken < piece.length) break
    }
    this.#world.after(everyUs, () => this.#produce())
  }
}

const PIECE = Buffer.alloc(65_536)

/** Bulk transfers over one bottleneck, in virtual time: real connections, between two stacks. Nothing is checked; measure what you like. */
export class Flows {
  readonly world: World
  readonly net: SimNet
  readonly flows: SimFlow[] = []
  readonly client: Stack
  readonly server: Stack
  /** Of the receiver. */
  readonly address: string
  readonly options: FlowsOptions
  readonly #link: SimLink
  #rate: number | undefined

  constructor(options: FlowsOptions) {
    this.options = options
    const { rate, rttMs, flows, buffers = 32 * MIB, seed = 1 } = options
    this.#rate = rate
    this.world = new World({ seed: new Rng(seed).nextInt(2 ** 31) })
    this.net = new SimNet(this.world, { link: { delay: rttMs / 2 } })
    const memory = { rmemMax: 256 * MIB }
    const [a, b] = [this.net.host('a', undefined, memory), this.net.host('b', undefined, memory)]
    this.#link = this.net.link(a, b)
    this.#set()
    const sysctl = { tcp_rmem: [4096, 131_072, buffers], tcp_wmem: [4096, 16_384, buffers], ...options.sysctl }
    const common = { sysctl, recvBufferSize: 128 * MIB, mtu: 1500 } as const
    this.client = new Stack({ ...common, impair: options.impair ?? null, seed, ...a.seams() })
    this.server = new Stack({ ...common, ...b.seams() })
    if (options.tracer !== undefined) this.client.tracer = options.tracer
    this.address = b.addresses[0] as string
    for (const [i, flow] of flows.entries()) {
      const start = (): void => {
        this.flows[i] = this.#start(flow, this.server, this.address, PORT + i)
      }
      if (flow.startMs === undefined) start()
      else this.world.at(flow.startMs * 1000, start)
    }
  }

  /** What the bottleneck dropped so far, and of that, for want of room. */
  get lost(): { dropped: number; overflowed: number } {
    return this.#link.pipeline.counters
  }

  /** Changes the bottleneck. */
  setRate(rate: number): void {
    this.#rate = rate
    this.#set()
  }

  /** Lets time pass until `ms`; `look` is called every so often. */
  run(ms: number, everyMs = ms, look: (ms: number) => void = () => {}): this {
    for (let at = this.world.nowUs / 1000 + everyMs; at < ms; at += everyMs) {
      this.world.run(at * 1000)
      look(at)
    }
    this.world.run(ms * 1000)
    look(ms)
    return this
  }

  /** Bits a second that arrived of each flow between now and `ms`. */
  goodput(ms: number): number[] {
    const [from, before] = [this.world.nowUs, this.flows.map((flow) => flow.received)]
    this.run(ms)
    const seconds = (this.world.nowUs - from) / US
    return this.flows.map((flow, i) => ((flow.received - (before[i] ?? 0)) * 8) / seconds)
  }

  #set(): void {
    const { rttMs, queue, loss, there } = this.options
    const fields: DirectionFields = { delay: rttMs / 2, ...there }
    if (this.#rate !== undefined) {
      fields.rate = this.#rate
      if (queue !== undefined) fields.queue = { bytes: queue }
    }
    if (loss !== undefined && loss > 0) fields.loss = loss
    this.#link.set(fields)
  }

  #start(flow: FlowOptions, server: Stack, address: string, port: number): SimFlow {
    let sink: SimFlow | null = null
    const listener = server.listen(
      { address, port, backlog: 8, ipv6Only: false, reusePort: false, exclusive: false, tcp: { rcvbuf: flow.rcvbuf } },
      {
        accepted: (endpoint) => ({
          connected() {},
          readable() {
            for (let data = endpoint.read(); data !== null; data = endpoint.read())
              if (sink !== null) sink.received += data.length
          },
          peerFinished() {},
          writable() {},
          closed() {},
        }),
      },
    )
    if (typeof listener === 'string') throw new Error(listener)
    const { congestionControl, congestionOptions, maxPacingRate, sndbuf } = flow
    sink = new SimFlow(
      this.world,
      (owner) =>
        this.client.connect({ address, port, congestionControl, congestionOptions, maxPacingRate, sndbuf }, owner),
      flow.appBps,
    )
    return sink
  }
}
