import type { UdpPath } from './path.ts'

/** The paths of one unconnected socket: by remote address, then by port, which is faster than one key made of both. */
export class PathTable {
  readonly #byAddress = new Map<string, Map<number, UdpPath>>()
  #last: UdpPath | null = null
  size = 0

  find(address: string, port: number): UdpPath | null {
    const last = this.#last
    if (last !== null && last.remotePort === port && last.remoteAddress === address) return last
    const path = this.#byAddress.get(address)?.get(port) ?? null
    if (path !== null) this.#last = path
    return path
  }

  add(path: UdpPath): void {
    let byPort = this.#byAddress.get(path.remoteAddress)
    if (byPort === undefined) {
      byPort = new Map()
      this.#byAddress.set(path.remoteAddress, byPort)
    }
    byPort.set(path.remotePort, path)
    this.size++
  }

  remove(path: UdpPath): void {
    const byPort = this.#byAddress.get(path.remoteAddress)
    if (byPort === undefined || !byPort.delete(path.remotePort)) return
    if (byPort.size === 0) this.#byAddress.delete(path.remoteAddress)
    if (this.#last === path) this.#last = null
    this.size--
  }

  *[Symbol.iterator](): Generator<UdpPath> {
    for (const byPort of this.#byAddress.values()) yield* byPort.values()
  }
}
