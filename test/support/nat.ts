import type dgram from 'node:dgram'
import type { SimHost } from '../../src/testing/sim/sim-host.ts'

/** A NAT on a simulated host between one client and one server: whoever speaks to its `port` is passed on, from a port of its own. */
export class Nat {
  readonly #host: SimHost
  readonly #inside: dgram.Socket
  readonly #server: { address: string; port: number }
  #outside!: dgram.Socket
  #client: { address: string; port: number } | null = null

  constructor(host: SimHost, port: number, server: { address: string; port: number }) {
    this.#host = host
    this.#server = server
    this.#inside = host.dgram.createSocket('udp4')
    this.#inside.bind(port)
    this.#inside.on('message', (message, { address, port }) => {
      this.#client = { address, port }
      this.#outside.send(message, server.port, server.address)
    })
    this.rebind()
  }

  /** Forgets its mapping: from now on the client has another port, and another address where one is given. What comes to the old one is lost. */
  rebind(address: string = this.#host.addresses[0]): void {
    this.#outside?.close()
    this.#outside = this.#host.dgram.createSocket('udp4')
    this.#outside.bind(0, address)
    this.#outside.on('message', (message, from) => {
      if (this.#client === null || from.address !== this.#server.address) return
      this.#inside.send(message, this.#client.port, this.#client.address)
    })
  }

  /** As if the client had sent it. */
  passOn(message: Buffer): void {
    this.#outside.send(message, this.#server.port, this.#server.address)
  }

  get port(): number {
    return this.#outside.address().port
  }
}
