import type { UdpListener } from '../tunnel/index.ts'

/** The UDP side of listeners of one stack that share a port (SO_REUSEPORT): the kernel has it once, and it closes with the last of them. */
export class SharedUdp implements UdpListener {
  readonly #udp: UdpListener
  #users = 1

  constructor(udp: UdpListener) {
    this.#udp = udp
  }

  get port(): number {
    return this.#udp.port
  }

  get address(): string {
    return this.#udp.address
  }

  get family(): 'IPv4' | 'IPv6' {
    return this.#udp.family
  }

  share(): this {
    this.#users++
    return this
  }

  close(): void {
    if (--this.#users === 0) this.#udp.close()
  }
}
