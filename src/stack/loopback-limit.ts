import { datagramCharge, type Path } from '../tunnel/index.ts'
import type { Endpoint } from './endpoint.ts'

/**
 * What a loopback path has under way, held to what the UDP socket at its other end can take.
 *
 * ours: no queue of a link is between two sockets of one machine: what is sent lies in the receive buffer at once, and a window is promised to each
 * connection by itself. Some hundreds of connections that write in the same moment would fill that buffer several times over, and then wait for
 * their retransmission timers. So those that come too late wait for the ACKs of the others instead, in the order in which they came.
 */
export class LoopbackLimit {
  readonly #path: Path
  /** Bytes of a receive buffer. The peer's is taken to be like ours; what is left over is for what no window governs. */
  readonly #limit: number
  readonly #ready: (endpoint: Endpoint) => void
  #underWay = 0
  /** Those before `#first` have been served. */
  readonly #waiting: Endpoint[] = []
  #first = 0

  constructor(path: Path, ready: (endpoint: Endpoint) => void) {
    const { granted } = path.receiveBudget
    this.#path = path
    this.#limit = granted - (granted >> 3)
    this.#ready = ready
  }

  /** A turn has looked at `endpoint`. */
  settled(endpoint: Endpoint): void {
    if (endpoint.connection.blocked && this.#path.crowded && !endpoint.awaitsRoom) {
      endpoint.awaitsRoom = true
      this.#waiting.push(endpoint)
    }
    this.update(endpoint)
  }

  /** What `endpoint` has under way may have changed. */
  update(endpoint: Endpoint): void {
    const { inFlight, inFlightSegs } = endpoint.connection.sender.board
    this.#charge(endpoint, inFlightSegs === 0 ? 0 : inFlightSegs * datagramCharge(inFlight / inFlightSegs))
    this.#admit()
  }

  removed(endpoint: Endpoint): void {
    endpoint.awaitsRoom = false
    this.#charge(endpoint, 0)
    this.#admit()
  }

  #charge(endpoint: Endpoint, bytes: number): void {
    this.#underWay += bytes - endpoint.underWay
    endpoint.underWay = bytes
    this.#path.crowded = this.#underWay >= this.#limit
  }

  /** As many of those that wait as will have found room when each has sent a segment. */
  #admit(): void {
    const waiting = this.#waiting
    if (waiting.length === 0 || this.#path.crowded) return
    let room = this.#limit - this.#underWay
    while (room > 0 && this.#first < waiting.length) {
      const endpoint = waiting[this.#first++] as Endpoint
      if (!endpoint.awaitsRoom) continue
      endpoint.awaitsRoom = false
      const { mss, notSent } = endpoint.connection.sender
      room -= datagramCharge(Math.min(mss, notSent))
      this.#ready(endpoint)
    }
    // Those that are served are cut off together: one by one, each would move all that wait.
    if (this.#first * 2 < waiting.length) return
    waiting.splice(0, this.#first)
    this.#first = 0
  }
}
