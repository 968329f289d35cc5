import type { Net } from '../net/index.ts'
import type { Host, HostOptions } from './host.ts'
import { Network, type NetworkOptions } from './network.ts'

/** What the callback of `withNetwork` gets. */
export interface NetworkContext {
  readonly network: Network
  /** All of `net` on a host named `local`, whose loopback has the network's impairment. */
  readonly net: Net
  /** `network.host`. */
  host(name: string, options?: HostOptions): Host
}

/**
 * Runs `callback` with a network of its own, which ends with it. In virtual time (the default) time passes by itself while the
 * callback waits: minutes of protocol in milliseconds. An error of the callback is rejected with as it is, its message followed by a
 * report: seed, counters, sockets, last segments. Also rejects where the callback waits for what can never happen.
 *
 * @example
 * await withNetwork({ loss: '5%', seed: 7 }, async ({ net }) => {
 *   const server = net.createServer((socket) => socket.pipe(socket)).listen(7)
 *   const socket = net.connect(7)
 *   socket.end('hello')
 *   expect(await text(socket)).toBe('hello')
 * })
 */
export function withNetwork<T>(callback: (context: NetworkContext) => Promise<T> | T): Promise<T>
export function withNetwork<T>(
  options: NetworkOptions,
  callback: (context: NetworkContext) => Promise<T> | T,
): Promise<T>
export async function withNetwork<T>(
  first: NetworkOptions | ((context: NetworkContext) => Promise<T> | T),
  second?: (context: NetworkContext) => Promise<T> | T,
): Promise<T> {
  const [options, callback] = typeof first === 'function' ? [{}, first] : [first, second]
  if (typeof callback !== 'function') throw new TypeError('withNetwork wants a callback as its last argument')
  const network = new Network(options)
  try {
    return await network.run(() => callback(contextOf(network)))
  } catch (error) {
    throw explained(error, network)
  } finally {
    await network.close()
  }
}

/** A network that lives until it is closed, for `beforeEach` and `afterEach`. Its timers are those of all code meanwhile. */
export function createNetwork(options: NetworkOptions = {}): Network {
  return new Network(options, { everywhere: true })
}

export function contextOf(network: Network): NetworkContext {
  return {
    network,
    get net() {
      return network.net
    },
    host: (name, options) => network.host(name, options),
  }
}

/** The error with the network's report behind its message. */
export function explained(error: unknown, network: Network): unknown {
  if (!(error instanceof Error) && !isErrorLike(error)) return error
  const { message, stack } = error
  const longer = `${message}\n\n${network.report()}\n`
  try {
    error.message = longer
    // Runners print one or the other; the stack has had its message since it was made.
    if (stack !== undefined) error.stack = stack.replace(message, () => longer)
  } catch {
    // Frozen: it says what it says.
  }
  return error
}

/** Errors of another realm, as jest's sandbox has them, are no `instanceof Error` of this one. */
const isErrorLike = (error: unknown): error is Error =>
  typeof error === 'object' && error !== null && typeof (error as Error).message === 'string'
