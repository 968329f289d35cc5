import { Rng } from '../../src/impair/index.ts'
import { CloseReason, type Endpoint, type EndpointOwner, Stack, type StackOptions } from '../../src/stack/index.ts'
import { fillPattern, patternMismatch } from './pattern.ts'
import { SimNet, type SimNetOptions } from './simnet.ts'
import { World } from './world.ts'

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
}

export interface TransferPlan {
  seed: number
  link: NonNullable<SimNetOptions['link']>
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
  endpoint: Endpoint | null = null
  readonly #world: World
  readonly #plan: EndPlan
  readonly #sendKey: number
  readonly #receiveKey: number
  #written = 0
  #ended = false
  #peerFinished = false
  #readScheduled = false
  received = 0
  reason: CloseReason | null = null
  wrong: string | null = null

  constructor(world: World, plan: EndPlan, sendKey: number, receiveKey: number) {
    this.#world = world
    this.#plan = plan
    this.#sendKey = sendKey
    this.#receiveKey = receiveKey
  }

  connected(): void {
    this.#write()
  }

  writable(): void {
    this.#write()
  }

  readable(): void {
    const { readEveryUs } = this.#plan
    if (readEveryUs === 0) {
      while (this.#readOne());
      return
    }
    if (this.#readScheduled) return
    this.#readScheduled = true
    this.#world.after(readEveryUs, () => {
      this.#readScheduled = false
      if (this.#readOne()) this.readable()
    })
  }

  peerFinished(): void {
    this.#peerFinished = true
    this.#write()
  }

  closed(reason: CloseReason): void {
    this.reason = reason
  }

  #readOne(): boolean {
    const data = this.endpoint?.read() ?? null
    if (data === null) return false
    const mismatch = patternMismatch(data, this.#receiveKey, this.received)
    if (mismatch >= 0) this.wrong ??= `byte ${mismatch} is wrong`
    this.received += data.length
    return true
  }

  #write(): void {
    const { endpoint } = this
    if (endpoint === null || this.#ended) return
    const { size, chunk, endsLast } = this.#plan
    while (this.#written < size) {
      const piece = fillPattern(Buffer.alloc(Math.min(chunk, size - this.#written)), this.#sendKey, this.#written)
      const taken = endpoint.write(piece)
      this.#written += taken
      if (taken < piece.length) return
    }
    if (endsLast && !this.#peerFinished) return
    this.#ended = true
    endpoint.end()
  }
}

const CLIENT_KEY = 0x1234_5678
const SERVER_KEY = 0x0bad_cafe
/** Longer than any plan takes: a transfer that is not over by then hangs. */
const LIMIT_US = 3600 * 1_000_000

/**
 * Runs a plan in virtual time and checks it at every step. Throws an error that names the seed where a byte is lost, doubled or out of order, an
 * invariant is broken, an end does not reach CLOSED, or a timer, socket or hold on the process is left.
 */
export function runTransfer(plan: TransferPlan): TransferResult {
  const fail = (what: string): never => {
    throw new Error(`seed ${plan.seed}: ${what}\n${JSON.stringify(plan)}`)
  }
  const world = new World({ seed: plan.seed })
  const net = new SimNet(world, { link: plan.link })
  const [hostA, hostB] = [net.host('client'), net.host('server')]
  const client = new Stack({ ...plan.clientStack, ...hostA.seams() })
  const server = new Stack({ ...plan.serverStack, ...hostB.seams() })
  const clientEnd = new End(world, plan.client, CLIENT_KEY, SERVER_KEY)
  const serverEnd = new End(world, plan.server, SERVER_KEY, CLIENT_KEY)

  const listener = server.listen(
    { address: hostB.addresses[0], port: 7000, backlog: 8, ipv6Only: false, reusePort: false, exclusive: false },
    {
      accepted: (endpoint) => {
        serverEnd.endpoint = endpoint
        world.after(0, () => serverEnd.connected())
        return serverEnd
      },
    },
  )
  if (typeof listener === 'string') return fail(`listen: ${listener}`)
  const endpoint = client.connect({ address: hostB.addresses[0] as string, port: 7000 }, clientEnd)
  if (typeof endpoint === 'string') return fail(`connect: ${endpoint}`)
  clientEnd.endpoint = endpoint

  world.afterEvent(() => {
    for (const end of [clientEnd, serverEnd]) {
      const wrong = end.wrong ?? end.endpoint?.connection.check()
      if (typeof wrong === 'string') fail(`${end === clientEnd ? 'client' : 'server'} at ${world.nowUs} µs: ${wrong}`)
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
  return { durationUs, client, server }
}
