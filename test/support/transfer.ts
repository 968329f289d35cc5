import { type DirectionFields, Rng } from '../../src/impair/index.ts'
import type { Tracer } from '../../src/observe/tracer.ts'
import { CloseReason, type Endpoint, type EndpointOwner, Stack, type StackOptions } from '../../src/stack/index.ts'
import type { Connection } from '../../src/tcp/index.ts'
import type { SimHost, SimHostOptions } from '../../src/testing/sim/sim-host.ts'
import { SimNet, type SimNetOptions } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'
import { toSeq } from '../../src/wire/index.ts'
import { fillPattern, patternMismatch } from './pattern.ts'
import { Watch } from './watch.ts'
import { makeWeather, type WeatherPlan } from './weather.ts'

/** How one end of a simulated transfer behaves. */
export interface EndPlan {
  /** Bytes that it sends, then ends. */
  size: number
  /** Largest piece that it writes at once. */
  chunk: number
  /** Ends only after the peer has ended: a half-close by the other side. */
  endsLast: boolean
  /** µs between reads; 0 reads at once. */
  readEveryUs: number
  /** µs between writes; absent: as fast as they are taken. */
  writeEveryUs?: number
  /** Stops reading for so many ms, each time that it has read so many bytes. */
  pauses?: { every: number; ms: number; times: number }
  /** Its event loop is busy with something else: from when and for how long, ms. */
  stalls?: { at: number; ms: number }[]
  noDelay?: boolean
  /** ms after which what the cork holds back is let go. */
  corkMs?: number
  keepAliveMs?: number
  userTimeoutMs?: number
  /** What its sequence numbers begin with, and what is added to its timestamp clock. */
  iss?: number
  tsOffset?: number
}

export interface TransferPlan {
  seed: number
  link: NonNullable<SimNetOptions['link']>
  /** From the server to the client, where it is not as the other way. */
  back?: NonNullable<SimNetOptions['link']>
  /** What changes on either way. */
  weather?: { there?: WeatherPlan; back?: WeatherPlan }
  family?: 'IPv4' | 'IPv6'
  /** Both machines. */
  hosts?: SimHostOptions
  client: EndPlan
  server: EndPlan
  clientStack: StackOptions
  serverStack: StackOptions
}

export interface TransferResult {
  /** Virtual time that it took, µs. */
  durationUs: number
  client: Stack
  server: Stack
  /** Datagrams for which a UDP socket had no room. */
  overflowed: number
}

export interface TransferHooks {
  /** Hear of what either side does. */
  clientTracer?: Tracer
  serverTracer?: Tracer
  /** Before anything moves: to look at the world or to change it. */
  begin?: (scene: TransferScene) => void
}

/** What a transfer is made of; the client's part first. */
export interface TransferScene {
  readonly world: World
  readonly net: SimNet
  readonly hosts: readonly [SimHost, SimHost]
  readonly stacks: readonly [Stack, Stack]
  /** Of each side, once it has one. */
  connections(): [Connection | null, Connection | null]
}

/** Draws a plan from a seed: loss to 30 %, reordering, duplication, delay, buffers, half-closes in either direction. */
export function randomPlan(seed: number): TransferPlan {
  const rng = new Rng(seed).fork('plan')
  const chance = (p: number): boolean => rng.next() < p
  const between = (low: number, high: number): number => low + rng.nextInt(high - low + 1)
  const end = (): EndPlan => ({
    size: chance(0.15) ? between(0, 3) : between(1, 2 ** between(4, 16)),
    chunk: chance(0.2) ? between(1, 200) : between(200, 40_000),
    endsLast: false,
    readEveryUs: chance(0.2) ? between(100, 30_000) : 0,
  })
  const client = end()
  const server = end()
  if (chance(0.4)) {
    if (chance(0.5)) client.endsLast = true
    else server.endsLast = true
  }
  const link: TransferPlan['link'] = { delay: between(0, 60) }
  if (chance(0.7)) link.loss = rng.next() * (chance(0.3) ? 0.3 : 0.08)
  if (chance(0.4)) link.duplicate = rng.next() * 0.1
  if (chance(0.4)) link.reorder = { probability: rng.next() * 0.2, by: between(1, 20) }
  if (chance(0.3)) link.jitter = rng.next() * (link.delay as number)
  const stack = (): StackOptions => {
    const sysctl: Record<string, unknown> = {}
    if (chance(0.3)) sysctl.tcp_sack = 0
    if (chance(0.3)) sysctl.tcp_timestamps = 0
    if (chance(0.2)) sysctl.tcp_window_scaling = 0
    if (chance(0.3)) sysctl.tcp_rmem = [4096, between(4096, 40_000), 6_291_456]
    if (chance(0.3)) sysctl.tcp_wmem = [4096, between(4096, 40_000), 4_194_304]
    return { sysctl, mtu: chance(0.3) ? between(576, 9000) : 'auto', checksum: chance(0.3) ? 'always' : 'offload' }
  }
  return { seed, link, client, server, clientStack: stack(), serverStack: stack() }
}

/** One end in action; keeps the books of what it read. */
class End implements EndpointOwner {
  readonly watch: Watch
  readonly #world: World
  readonly #plan: EndPlan
  readonly #sendKey: number
  readonly #receiveKey: number
  #endpoint: Endpoint | null = null
  #written = 0
  #ended = false
  #peerFinished = false
  #readScheduled = false
  #writeScheduled = false
  #pauses = 0
  received = 0
  reason: CloseReason | null = null
  wrong: string | null = null

  constructor(world: World, watch: Watch, plan: EndPlan, sendKey: number, receiveKey: number) {
    this.#world = world
    this.watch = watch
    this.#plan = plan
    this.#sendKey = sendKey
    this.#receiveKey = receiveKey
  }

  get endpoint(): Endpoint | null {
    return this.#endpoint
  }

  begin(endpoint: Endpoint): void {
    this.#endpoint = endpoint
    this.watch.connection = endpoint.connection
    const { noDelay, corkMs, keepAliveMs, userTimeoutMs } = this.#plan
    if (noDelay !== undefined) endpoint.setNoDelay(noDelay)
    if (keepAliveMs !== undefined) endpoint.setKeepAlive(true, keepAliveMs)
    if (userTimeoutMs !== undefined) endpoint.userTimeout = userTimeoutMs
    if (corkMs !== undefined) this.#cork(endpoint, corkMs)
  }

  connected(): void {
    this.#write()
  }

  writable(): void {
    this.#write()
  }

  readable(): void {
    const { readEveryUs } = this.#plan
    if (this.#readScheduled) return
    if (readEveryUs === 0) {
      while (!this.#readScheduled && this.#readOne());
      return
    }
    this.#readAfter(readEveryUs)
  }

  peerFinished(): void {
    this.#peerFinished = true
    this.#write()
  }

  closed(reason: CloseReason): void {
    this.reason = reason
  }

  /** What is wrong, or null. */
  look(): string | null {
    return this.wrong ?? this.watch.look()
  }

  #cork(endpoint: Endpoint, ms: number): void {
    endpoint.cork()
    this.#world.after(ms * 1000, () => {
      if (this.reason !== null) return
      endpoint.uncork()
      // After a turn, in which what was held leaves.
      if (!this.#ended) this.#world.after(1000, () => this.#cork(endpoint, ms))
    })
  }

  #readAfter(us: number): void {
    this.#readScheduled = true
    this.#world.after(us, () => {
      this.#readScheduled = false
      if (this.#readOne()) this.readable()
    })
  }

  #readOne(): boolean {
    const data = this.#endpoint?.read() ?? null
    if (data === null) return false
    this.watch.touch()
    const mismatch = patternMismatch(data, this.#receiveKey, this.received)
    if (mismatch >= 0) this.wrong ??= `byte ${mismatch} is wrong`
    this.received += data.length
    const { pauses } = this.#plan
    if (pauses !== undefined && this.#pauses < pauses.times && this.received >= (this.#pauses + 1) * pauses.every) {
      this.#pauses++
      this.#readAfter(pauses.ms * 1000)
    }
    return true
  }

  #write(): void {
    const endpoint = this.#endpoint
    if (endpoint === null || this.#ended || this.#writeScheduled) return
    const { size, chunk, endsLast, writeEveryUs = 0 } = this.#plan
    this.watch.touch()
    while (this.#written < size) {
      const piece = fillPattern(Buffer.alloc(Math.min(chunk, size - this.#written)), this.#sendKey, this.#written)
      const taken = endpoint.write(piece)
      this.#written += taken
      if (taken < piece.length) return
      if (writeEveryUs > 0 && this.#written < size) {
        this.#writeScheduled = true
        this.#world.after(writeEveryUs, () => {
          this.#writeScheduled = false
          this.#write()
        })
        return
      }
    }
    if (endsLast && !this.#peerFinished) return
    this.#ended = true
    endpoint.end()
  }
}

const CLIENT_KEY = 0x1234_5678
const SERVER_KEY = 0x0bad_cafe
const PORT = 7000
/** Longer than any plan takes: a transfer that is not over by then hangs. */
const LIMIT_US = 12 * 3600 * 1_000_000

/** The numbers that an end is to begin with, where its plan says. */
function numbersOf({ iss, tsOffset }: EndPlan): Pick<StackOptions, 'numbers'> {
  if (iss === undefined) return {}
  return { numbers: { isn: () => toSeq(iss), timestampOffset: () => toSeq(tsOffset ?? 0) } }
}

/** µs that a link takes at least. */
function leastDelayUs({ delay = 0, jitter = 0, reorder }: DirectionFields): number {
  // What is reordered as netem does it skips the delay.
  const skips = typeof reorder === 'object' ? reorder.by === undefined : reorder !== undefined
  return skips ? 0 : Math.floor(Math.max(0, Number(delay) - Number(jitter)) * 1000)
}

/**
 * Runs a plan in virtual time and checks it at every step. Throws an error that names the seed where a byte is lost, doubled or out of order, an
 * invariant is broken, an end does not reach CLOSED, or a timer, socket or hold on the process is left.
 */
export function runTransfer(plan: TransferPlan, hooks: TransferHooks = {}): TransferResult {
  const fail = (what: string): never => {
    throw new Error(`seed ${plan.seed}: ${what}\n${JSON.stringify(plan)}`)
  }
  const { link, back = link, weather, family = 'IPv4' } = plan
  const world = new World({ seed: plan.seed })
  const net = new SimNet(world, { link })
  const [hostA, hostB] = [net.host('client', undefined, plan.hosts), net.host('server', undefined, plan.hosts)]
  if (plan.back !== undefined) net.connect(hostA, hostB, link, back)
  const storms = world.rng.fork('weather')
  if (weather?.there !== undefined)
    makeWeather(world, net.link(hostA, hostB), link, weather.there, storms.fork('there'))
  if (weather?.back !== undefined) makeWeather(world, net.link(hostB, hostA), back, weather.back, storms.fork('back'))
  for (const [host, { stalls = [] }] of [
    [hostA, plan.client],
    [hostB, plan.server],
  ] as const) {
    for (const { at, ms } of stalls) world.at(at * 1000, () => host.stall(ms * 1000))
  }

  const client = new Stack({ ...plan.clientStack, ...numbersOf(plan.client), ...hostA.seams() })
  const server = new Stack({ ...plan.serverStack, ...numbersOf(plan.server), ...hostB.seams() })
  const leastRtt = leastDelayUs(link) + leastDelayUs(back)
  const [watchA, watchB] = [
    new Watch(hostA.clock, leastRtt, hooks.clientTracer),
    new Watch(hostB.clock, leastRtt, hooks.serverTracer),
  ]
  watchA.peer = watchB
  watchB.peer = watchA
  client.tracer = watchA
  server.tracer = watchB
  const clientEnd = new End(world, watchA, plan.client, CLIENT_KEY, SERVER_KEY)
  const serverEnd = new End(world, watchB, plan.server, SERVER_KEY, CLIENT_KEY)
  hooks.begin?.({
    world,
    net,
    hosts: [hostA, hostB],
    stacks: [client, server],
    connections: () => [watchA.connection, watchB.connection],
  })

  const address = hostB.addresses[family === 'IPv4' ? 0 : 1] as string
  const listener = server.listen(
    { address, port: PORT, backlog: 8, ipv6Only: false, reusePort: false, exclusive: false },
    {
      accepted: (endpoint) => {
        serverEnd.begin(endpoint)
        world.after(0, () => serverEnd.connected())
        return serverEnd
      },
    },
  )
  if (typeof listener === 'string') return fail(`listen: ${listener}`)
  const endpoint = client.connect({ address, port: PORT }, clientEnd)
  if (typeof endpoint === 'string') return fail(`connect: ${endpoint}`)
  clientEnd.begin(endpoint)

  world.afterEvent(() => {
    for (const end of [clientEnd, serverEnd]) {
      const wrong = end.look()
      if (wrong !== null) fail(`${end === clientEnd ? 'client' : 'server'} at ${world.nowUs} µs: ${wrong}`)
    }
  })
  if (!world.run(() => clientEnd.reason !== null && serverEnd.reason !== null, LIMIT_US)) {
    fail(
      `not over at ${world.nowUs} µs: client ${endpoint.info().state_name} read ${clientEnd.received}, server ${serverEnd.endpoint?.info().state_name} read ${serverEnd.received}`,
    )
  }
  const durationUs = world.nowUs
  // Whose last ACK was lost every time until the peer's TIME_WAIT was over is not told by a path that the peer has closed: it times out.
  const reasons = [clientEnd.reason, serverEnd.reason]
  if (
    !reasons.includes(CloseReason.Normal) ||
    !reasons.every((r) => r === CloseReason.Normal || r === CloseReason.TimedOut)
  )
    fail(`closed for reasons ${reasons.join(' and ')}`)
  if (serverEnd.received !== plan.client.size) fail(`the server read ${serverEnd.received} of ${plan.client.size}`)
  if (clientEnd.received !== plan.server.size) fail(`the client read ${clientEnd.received} of ${plan.server.size}`)

  // Nothing is left behind: not in the stacks, not in the network, not on the clocks once TIME_WAIT is over.
  listener.close()
  endpoint.close()
  serverEnd.endpoint?.close()
  if (
    !world.run(
      () => hostA.sockets.length + hostB.sockets.length === 0 && world.nextUs === Infinity,
      world.nowUs + LIMIT_US,
    )
  )
    fail(`sockets are left: ${hostA.sockets.length} and ${hostB.sockets.length}; next event at ${world.nextUs}`)
  for (const host of [hostA, hostB]) if (host.alive) fail(`${host.name} would not exit`)
  if (client.sockets().length + server.sockets().length > 0) fail('connections are left')
  if (client.mib.CurrEstab + server.mib.CurrEstab !== 0) fail('connections are counted that are not there')
  return { durationUs, client, server, overflowed: hostA.overflowed + hostB.overflowed }
}
