import { AsyncResource } from 'node:async_hooks'
import type { Endpoint, EndpointOwner, ListenerOwner, Stack } from '../stack/index.ts'
import { outside } from './at-start.ts'
import { type Family, Handle } from './handle.ts'
import { enterPoll, isPolling, leavePoll, runTicks } from './poll.ts'

/**
 * A handle for a connection that came from the network: none of our callers began it. On a simulated network somebody did: whoever
 * made the network, in whose context the server listens.
 */
export function acceptedHandle(endpoint: Endpoint, family: Family, stack: Stack): Handle {
  const make = (): Handle => new Handle(null)
  const handle = stack.setup.clock === undefined ? outside.runInAsyncScope(make) : make()
  handle.accept(endpoint, family, stack)
  // Now, for whoever is told of the connection may throw, and it lives on.
  endpoint.owner = handle
  return handle
}

/** Who accepts for a server: gets the endpoints of a listener, in the context in which it was made. */
export class ListenHandle extends AsyncResource implements ListenerOwner {
  readonly #accept: (endpoint: Endpoint) => EndpointOwner | null

  readonly #stack: Stack

  constructor(stack: Stack, accept: (endpoint: Endpoint) => EndpointOwner | null) {
    super('SLUICESERVER', { requireManualDestroy: true })
    this.#accept = accept
    this.#stack = stack
  }

  accepted(endpoint: Endpoint): EndpointOwner | null {
    enterPoll()
    try {
      const owner = this.runInAsyncScope(this.#accept, undefined, endpoint)
      if (isPolling(this.#stack)) runTicks()
      // Destroyed by its listener: nothing more is to be heard, and nothing to be kept.
      return owner instanceof Handle && owner.user === null ? deafOwner : owner
    } finally {
      leavePoll()
    }
  }
}

/** Owner of a connection that nobody wants to hear of. */
export const deafOwner: EndpointOwner = {
  connected() {},
  readable() {},
  peerFinished() {},
  writable() {},
  closed() {},
}
