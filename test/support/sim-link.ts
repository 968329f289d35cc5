import { type DirectionFields, Pipeline, parsePipelineSpec, type Rng } from '../../src/impair/index.ts'
import type { SimHost } from './sim-host.ts'
import type { SimSocket } from './sim-socket.ts'
import { Phase, type Task, type World } from './world.ts'

/** The way of a datagram: from one UDP address to another. Sockets keep theirs, so that a datagram needs none of its own. */
export interface Flow {
  readonly family: 'IPv4' | 'IPv6'
  readonly sourceAddress: string
  readonly sourcePort: number
  readonly address: string
  readonly port: number
  readonly link: SimLink
  /** Not a datagram, but the ICMP message that nobody has the port that one of this flow was for. */
  readonly refused: Flow | null
  /** The socket that took the last one, and the state of its host's table then. */
  sink: SimSocket | null
  sinkVersion: number
}

/** Looks at a datagram that is about to cross a link; false loses it. */
export type Tap = (datagram: Buffer, flow: Flow) => boolean

/** One direction of a link between two hosts: an impairment pipeline for whole datagrams. */
export class SimLink {
  readonly from: SimHost
  readonly to: SimHost
  readonly pipeline: Pipeline<Flow>
  /** A dead link loses everything, silently; what is under way arrives. */
  down = false
  tap: Tap | null = null
  /** Datagrams that `down` or a tap lost. */
  cut = 0

  readonly #world: World
  #eventUs = Infinity
  /** The sender's buffer while it is being sent: what comes out in the same moment has to be copied. */
  #sending: Buffer | null = null

  constructor(world: World, from: SimHost, to: SimHost, fields: DirectionFields, rng: Rng) {
    this.#world = world
    this.from = from
    this.to = to
    this.pipeline = new Pipeline<Flow>(parsePipelineSpec(fields) ?? {}, rng, { unit: 'datagram' })
  }

  /** What happens to datagrams from now on. */
  set(fields: DirectionFields): void {
    this.pipeline.setSpec(parsePipelineSpec(fields) ?? {})
  }

  /** The bytes are the caller's again on return. */
  transmit(buffer: Buffer, start: number, end: number, flow: Flow): void {
    if (this.down || (this.tap !== null && !this.tap(buffer.subarray(start, end), flow))) {
      this.cut++
      return
    }
    this.#sending = buffer
    this.pipeline.push(buffer, start, end, this.#world.nowUs, this.#emit, flow)
    this.#sending = null
    this.#arm()
  }

  readonly #emit = (buffer: Buffer, start: number, end: number, flow: Flow): void => {
    this.to.arrive(buffer === this.#sending ? Buffer.from(buffer.subarray(start, end)) : buffer, flow)
  }

  #arm(): void {
    const { deadline } = this.pipeline
    if (deadline >= this.#eventUs) return
    this.#eventUs = deadline
    this.#world.schedule(deadline, this.#task, Phase.Poll)
  }

  readonly #task: Task = {
    fire: (nowUs) => {
      this.#eventUs = Infinity
      this.pipeline.release(nowUs, this.#emit)
      this.#arm()
    },
    isDue: (us) => us === this.#eventUs,
  }
}
