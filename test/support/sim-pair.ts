import {
  CloseReason,
  type ConnectRequest,
  type Endpoint,
  type EndpointOwner,
  Stack,
  type StackOptions,
} from '../../src/stack/index.ts'
import type { SimHost, SimHostOptions } from '../../src/testing/sim/sim-host.ts'
import { SimNet, type SimNetOptions } from '../../src/testing/sim/simnet.ts'
import { World } from '../../src/testing/sim/world.ts'

/** An end of a connection that takes what comes and keeps count. */
export class Ear implements EndpointOwner {
  endpoint!: Endpoint
  isConnected = false
  received = 0
  hasEnded = false
  reason: CloseReason | null = null
  /** False leaves data in the connection. */
  reading = true
  /** Called for each piece. */
  onData: ((data: Buffer) => void) | null = null

  connected(): void {
    this.isConnected = true
  }

  readable(): void {
    if (!this.reading) return
    for (let data = this.endpoint.read(); data !== null; data = this.endpoint.read()) {
      this.received += data.length
      this.onData?.(data)
    }
  }

  peerFinished(): void {
    this.hasEnded = true
  }

  writable(): void {}

  closed(reason: CloseReason): void {
    this.reason = reason
  }
}

export interface SimPairOptions extends SimNetOptions {
  seed?: number
  client?: StackOptions
  server?: StackOptions
  host?: SimHostOptions
}

const PORT = 7000
const SECOND = 1_000_000

/** Two hosts with a stack each, of which the second listens on port 7000. */
export class SimPair {
  readonly world: World
  readonly net: SimNet
  readonly clientHost: SimHost
  readonly serverHost: SimHost
  readonly client: Stack
  server: Stack
  /** The server's ends, in the order in which they were accepted. */
  readonly accepted: Ear[] = []
  readonly #serverOptions: StackOptions

  constructor({ seed = 1, client, server, host, ...net }: SimPairOptions = {}) {
    this.world = new World({ seed })
    this.net = new SimNet(this.world, net)
    this.clientHost = this.net.host('client', undefined, host)
    this.serverHost = this.net.host('server', undefined, host)
    this.#serverOptions = server ?? {}
    this.client = new Stack({ ...client, ...this.clientHost.seams() })
    this.server = this.#serve()
  }

  connect(more: Partial<ConnectRequest> = {}): Ear {
    const ear = this.tryConnect(more)
    if (typeof ear === 'string') throw new Error(ear)
    return ear
  }

  /** The code where it cannot be tried. */
  tryConnect(more: Partial<ConnectRequest> = {}): Ear | string {
    const ear = new Ear()
    const endpoint = this.client.connect({ address: this.serverHost.addresses[0], port: PORT, ...more }, ear)
    if (typeof endpoint === 'string') return endpoint
    ear.endpoint = endpoint
    return ear
  }

  /** Both ends of a new connection, established. */
  establish(): [Ear, Ear] {
    const known = this.accepted.length
    const client = this.connect()
    if (!this.world.run(() => client.isConnected && this.accepted.length > known, this.world.nowUs + 60 * SECOND)) {
      throw new Error('no connection comes about')
    }
    return [client, this.accepted[known]]
  }

  /** The server's process is gone without a word, and another one takes its place. */
  restartServer(): void {
    this.serverHost.kill()
    this.accepted.length = 0
    this.server = this.#serve()
  }

  /** Lets time pass. */
  pass(seconds: number): void {
    this.world.run(this.world.nowUs + seconds * SECOND)
  }

  /** Until something is so; fails after ten minutes. */
  until(what: () => boolean): void {
    if (!this.world.run(what, this.world.nowUs + 600 * SECOND)) throw new Error('it never came to that')
  }

  #serve(): Stack {
    const stack = new Stack({ ...this.#serverOptions, ...this.serverHost.seams() })
    const address = this.serverHost.addresses[0]
    const listener = stack.listen(
      { address, port: PORT, backlog: 4096, ipv6Only: false, reusePort: false, exclusive: false },
      {
        accepted: (endpoint) => {
          const ear = new Ear()
          ear.endpoint = endpoint
          ear.isConnected = true
          this.accepted.push(ear)
          return ear
        },
      },
    )
    if (typeof listener === 'string') throw new Error(listener)
    return stack
  }
}

export { CloseReason, PORT, SECOND }
