import { State } from '../tcp/index.ts'
import type { Endpoint } from './endpoint.ts'

export interface TurnHost {
  /** An endpoint was looked at: file its deadline, and take it out of the stack if it is done. */
  settled(endpoint: Endpoint, now: number): void
  /** Sends what the paths have gathered. */
  flush(now: number): void
}

/**
 * One turn of a stack: all input of the event loop's turn has been read when it begins. Owners hear what happened, then connections are pulled,
 * then each path's batch leaves. So ACKs merge, answers ride on them, and user code runs only while every connection is consistent.
 */
export class Turn {
  readonly #host: TurnHost
  #ready: Endpoint[] = []
  #running = false

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
    this.#ready.push(endpoint)
  }

  /** `now` is the time of the turn: read once, for everything that it sends. */
  run(now: number): void {
    if (this.#running) return
    this.#running = true
    try {
      this.#dispatch()
      this.#pull(now)
    } finally {
      this.#running = false
      this.#host.flush(now)
    }
  }

  /** User code may write to other endpoints, which join the list; those that have been told stay in it to be pulled. */
  #dispatch(): void {
    for (let i = 0; i < this.#ready.length; i++) {
      const endpoint = this.#ready[i] as Endpoint
      endpoint.dispatch()
    }
  }

  #pull(now: number): void {
    const ready = this.#ready
    this.#ready = []
    for (const endpoint of ready) {
      endpoint.isReady = false
      const { connection, path } = endpoint
      if (!endpoint.detached) while (connection.fill(path, now));
      this.#host.settled(endpoint, now)
    }
  }
}

/** Nothing more will be sent or received for a connection in this state. */
export const isOver = (endpoint: Endpoint): boolean => {
  const { connection } = endpoint
  return connection.isDone || (connection.state === State.TIME_WAIT && !connection.ackPolicy.now && !connection.blocked)
}
