import type { UdpListener } from '../tunnel/index.ts'
import type { Endpoint, EndpointOwner } from './endpoint.ts'
import type { Mib } from './mib.ts'

export interface ListenOptions {
  /** Undefined: every address, IPv6 too where there is any. */
  address: string | undefined
  /** 0: one is chosen. */
  port: number
  backlog: number
  ipv6Only: boolean
  reusePort: boolean
  exclusive: boolean
}

/** Hears of connections that came to a listener. */
export interface ListenerOwner {
  /** Takes a connection and says who will hear of it; null: nobody wants it, the stack resets it. */
  accepted(endpoint: Endpoint): EndpointOwner | null
}

export interface ListenerHost {
  readonly mib: Mib
  held(by: 1 | -1): void
  listenerClosed(listener: Listener): void
  /** Half-open connections kept: no more than `tcp_max_syn_backlog`, nor than `min(somaxconn, backlog)`. */
  synLimit(backlog: number): number
}

/** A port that accepts connections. */
export class Listener {
  readonly port: number
  readonly address: string
  readonly family: 'IPv4' | 'IPv6'
  readonly backlog: number
  readonly #host: ListenerHost
  readonly #udp: UdpListener
  readonly #owner: ListenerOwner
  /** Half-open connections. */
  readonly #halfOpen = new Set<Endpoint>()
  #wantsRef = true
  #holding = false
  #closed = false

  constructor(
    host: ListenerHost,
    owner: ListenerOwner,
    udp: UdpListener,
    address: string,
    port: number,
    backlog: number,
  ) {
    this.#host = host
    this.#owner = owner
    this.#udp = udp
    this.port = port
    this.address = address
    this.family = address.includes(':') ? 'IPv6' : 'IPv4'
    this.backlog = backlog
  }

  /** It is in the stack's port table from now on. */
  open(): void {
    this.#updateHold()
  }

  /** Handshakes under way. */
  get halfOpen(): number {
    return this.#halfOpen.size
  }

  /** Whether there is room for one more handshake; counts what is turned away. */
  admits(): boolean {
    const { mib } = this.#host
    if (this.#halfOpen.size >= this.#host.synLimit(this.backlog)) {
      mib.TCPReqQFullDrop++
      mib.ListenDrops++
      return false
    }
    return true
  }

  began(endpoint: Endpoint): void {
    this.#halfOpen.add(endpoint)
    endpoint.listener = this
  }

  /** The handshake is done: called from the turn. User code runs in here. */
  established(endpoint: Endpoint): void {
    this.#halfOpen.delete(endpoint)
    const owner = this.#closed ? null : this.#owner.accepted(endpoint)
    if (owner === null) {
      endpoint.abort()
      return
    }
    endpoint.owner = owner
    endpoint.updateHold()
  }

  /** A half-open connection came to nothing. */
  failed(endpoint: Endpoint): void {
    this.#halfOpen.delete(endpoint)
  }

  /** Takes no more connections; those established go on, half-open ones end. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const endpoint of this.#halfOpen) endpoint.abort()
    this.#halfOpen.clear()
    this.#updateHold()
    this.#host.listenerClosed(this)
    this.#udp.close()
  }

  ref(): void {
    this.#wantsRef = true
    this.#updateHold()
  }

  unref(): void {
    this.#wantsRef = false
    this.#updateHold()
  }

  hasRef(): boolean {
    return this.#wantsRef
  }

  #updateHold(): void {
    const hold = this.#wantsRef && !this.#closed
    if (hold === this.#holding) return
    this.#holding = hold
    this.#host.held(hold ? 1 : -1)
  }
}
