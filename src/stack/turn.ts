import { State } from '../tcp/index.ts'
import type { Endpoint } from './endpoint.ts'
import type { PathFlows } from './flows.ts'

export interface TurnHost {
  nowUs(): number
  /** An endpoint was looked at: file its deadline, and take it out of the stack if it is done. */
  settled(endpoint: Endpoint, now: number): void
  /** Sends what the paths have gathered. */
  flush(now: number): void
}

/**
 * When owners take their time, what the first of them have to say leaves meanwhile, so that their peers are at work while the others are told: µs
 * after which a turn sends what there is. Not sooner: what leaves together comes back together, and each turn costs as much as some messages.
 */
const SEND_MEANWHILE_US = 4000
/** When owners took this long, what is sent then bears a later time than the turn began at: round trips are counted from when a segment leaves, µs. */
const STALE_US = 1000

/**
 * One turn of a stack: all input of the event loop's turn has been read when it begins. Owners hear what happened, then connections are pulled,
 * then each path's batch leaves, in one go or, where there are many owners or slow ones, in several. So ACKs merge, answers ride on them, and user code
 * runs only while every connection is consistent and nothing waits that was pulled.
 */
export class Turn {
  readonly #host: TurnHost
  #ready: Endpoint[] = []
  /** Of the next turn: what pulling makes ready, and what is postponed. */
  #next: Endpoint[] = []
  /** So many of `#ready` were pulled. */
  #pulled = 0
  #pulling = false
  #running = false
  /** When what is sent next is sent. */
  #time = 0

  constructor(host: TurnHost) {
    this.#host = host
  }

  get isRunning(): boolean {
    return this.#running
  }

  get isEmpty(): boolean {
    return this.#ready.length === 0
  }

  add(endpoint: Endpoint): void {
    if (endpoint.isReady) return
    endpoint.isReady = true
    if (this.#pulling) this.#next.push(endpoint)
    else this.#ready.push(endpoint)
  }

  /** `now` is the time at which the turn begins. */
  run(now: number): void {
    if (this.#running) return
    this.#running = true
    this.#time = now
    try {
      this.#dispatch()
      const after = this.#host.nowUs()
      if (after - this.#time >= STALE_US) this.#time = after
      this.#pull(this.#ready.length)
    } finally {
      this.#running = false
      this.#over()
      this.#host.flush(this.#time)
    }
  }

  /** User code may write to other endpoints, which join the list; those that have been told stay in it to be pulled. */
  #dispatch(): void {
    const half = this.#half()
    for (let i = 0; i < this.#ready.length; i++) {
      ;(this.#ready[i] as Endpoint).dispatch()
      if (i + 1 === this.#ready.length) break
      const now = this.#host.nowUs()
      // In virtual time nothing takes any, and nobody gains.
      if (now - this.#time < (i + 1 === half ? 1 : SEND_MEANWHILE_US)) continue
      this.#time = now
      this.#pull(i + 1)
      this.#host.flush(now)
    }
  }

  /**
   * So many owners are answered for first; 0: all at once. Where nothing is under way to a peer, it may wait for us. Connections whose messages travel
   * in one datagram would keep in step for ever, and each side wait while the other works: half of them make two groups of them. Of several paths the
   * first stands for all; one that has closed meanwhile has nobody who counts.
   */
  #half(): number {
    const ready = this.#ready
    if (ready.length < 2) return 0
    const { outstanding } = (ready[0] as Endpoint).path.user as Partial<PathFlows>
    return outstanding === 0 ? ready.length >> 1 : 0
  }

  /** Up to the endpoint `end` of the list. */
  #pull(end: number): void {
    const ready = this.#ready
    const now = this.#time
    this.#pulling = true
    try {
      while (this.#pulled < end) {
        const endpoint = ready[this.#pulled++] as Endpoint
        if (endpoint.postponed && !endpoint.detached) {
          this.#next.push(endpoint)
          continue
        }
        endpoint.isReady = false
        const { connection, path } = endpoint
        if (!endpoint.detached) while (connection.fill(path, now));
        this.#host.settled(endpoint, now)
      }
    } finally {
      this.#pulling = false
    }
  }

  /** What was not pulled, for user code has thrown, is told of again. */
  #over(): void {
    const left = this.#pulled < this.#ready.length ? this.#ready.slice(this.#pulled) : NOTHING
    this.#ready = this.#next
    this.#next = []
    this.#pulled = 0
    for (const endpoint of left) this.#ready.push(endpoint)
  }
}

const NOTHING: readonly Endpoint[] = []

/** Nothing more will be sent or received for a connection in this state. */
export const isOver = (endpoint: Endpoint): boolean => {
  const { connection } = endpoint
  return connection.isDone || (connection.state === State.TIME_WAIT && !connection.ackPolicy.now && !connection.blocked)
}
