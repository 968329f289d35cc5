import nodeNet, { type AddressInfo } from 'node:net'
import { defaultStack, type Listener, type Stack } from '../stack/index.ts'
import { validateBoolean, validatePort, validateString } from './args.ts'
import { addressError, handleAdopted, invalidType, invalidValue, notAvailable } from './errors.ts'
import { kStack } from './internals.ts'
import type { BoundSocketOptions, StackSource } from './types.ts'

/** A port of a stack that nobody listens on yet. */
export interface Reservation {
  readonly stack: Stack
  readonly ipv6Only: boolean
  readonly reusePort: boolean
  /** Holds the port; closed by whoever takes it over, in the same turn in which that binds it. */
  readonly listener: Listener
}

/** A pipe's reservation is Node's own. */
interface KernelBound {
  address(): unknown
  fd(): number
  close(): void
}

const KernelBoundSocket = (nodeNet as unknown as { BoundSocket?: new (options: object) => KernelBound }).BoundSocket

/** Set on the class by whoever makes it for a stack. */
interface StackedClass {
  [kStack]?: StackSource
}

/**
 * A port, or a path, that is taken before a server listens on it or a socket connects from it: `server.listen(bound)`,
 * `new Socket({ handle: bound })`. Errors of the bind (`EADDRINUSE`, `EADDRNOTAVAIL`) are thrown. As Node has it since 24.19, on every Node; a
 * `path` needs a Node that has it.
 */
export class BoundSocket {
  #bound: Reservation | KernelBound | null
  readonly #address: AddressInfo | string

  constructor(options: BoundSocketOptions = {}) {
    if (typeof options !== 'object' || options === null) throw invalidType('options', 'of type object', options)
    if (options.path !== undefined) {
      this.#bound = bindPipe(options)
      this.#address = options.path
      return
    }
    const source = (new.target as StackedClass)[kStack] ?? defaultStack
    const reservation = bindPort(options, options.stack ?? source())
    const { address, family, port } = reservation.listener
    this.#bound = reservation
    this.#address = { address, family, port }
  }

  /** Where it is bound; throws `ERR_SOCKET_HANDLE_ADOPTED` once it was taken over or closed. */
  address(): AddressInfo | string {
    void this.#held
    return this.#address
  }

  /** The descriptor of a pipe; −1 for a port of a stack, which has none. */
  fd(): number {
    const bound = this.#held
    return 'listener' in bound ? -1 : bound.fd()
  }

  /** Gives up what was never taken over. */
  close(): void {
    release(this.#held)
    this.#bound = null
  }

  [Symbol.dispose](): void {
    if (this.#bound !== null) this.close()
  }

  get isPipe(): boolean {
    return typeof this.#address === 'string'
  }

  /** @internal The port, or Node's own for a pipe, from now on the caller's. */
  static take(socket: BoundSocket): Reservation | KernelBound {
    const bound = socket.#held
    socket.#bound = null
    return bound
  }

  get #held(): Reservation | KernelBound {
    if (this.#bound === null) throw handleAdopted()
    return this.#bound
  }
}

function release(bound: Reservation | KernelBound): void {
  if ('listener' in bound) bound.listener.close()
  else bound.close()
}

/** The class for a stack. */
export function boundSocketOf(source: StackSource): typeof BoundSocket {
  const Bound = class BoundSocket extends Base {}
  Object.defineProperty(Bound, kStack, { value: source })
  return Bound
}

const Base = BoundSocket

function bindPort(options: BoundSocketOptions, stack: Stack): Reservation {
  const given: unknown = options.port ?? 0
  validatePort(given, 'options.port')
  const port = Number(given)
  const ipv6Only: unknown = options.ipv6Only ?? false
  validateBoolean(ipv6Only, 'options.ipv6Only')
  const reusePort: unknown = options.reusePort ?? false
  validateBoolean(reusePort, 'options.reusePort')
  const host: unknown = options.host ?? (ipv6Only ? '::' : '0.0.0.0')
  validateString(host, 'options.host')
  if (nodeNet.isIP(host) === 0) {
    const why = 'must be a numeric IP address; net.BoundSocket does not perform DNS resolution'
    throw invalidValue('options.host', host, why)
  }
  const wish = { address: host, port, backlog: 0, ipv6Only, reusePort, exclusive: true, reserve: true }
  const listener = stack.listen(wish, { accepted: () => null })
  if (typeof listener === 'string') throw addressError(listener, 'bind', host, port)
  // A bound socket of the kernel holds no process either.
  listener.unref()
  return { stack, ipv6Only, reusePort, listener }
}

function bindPipe(options: BoundSocketOptions): KernelBound {
  const { path, host, port, ipv6Only, reusePort } = options
  if (host !== undefined || port !== undefined || ipv6Only !== undefined || reusePort !== undefined) {
    throw invalidValue('options', options, 'path is mutually exclusive with host, port, ipv6Only, and reusePort')
  }
  validateString(path, 'options.path')
  if (KernelBoundSocket === undefined || !('isPipe' in KernelBoundSocket.prototype)) {
    throw notAvailable(
      `This Node cannot bind ${path} ahead of listening on it: update Node to 24.20 or 26.7, or listen at once`,
    )
  }
  return new KernelBoundSocket({ path })
}
