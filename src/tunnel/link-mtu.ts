import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'

const ETHERNET = 1500
/** How old what is known may be: strangers who come by the thousand must not make us look as often. */
const AGE_US = 10_000_000

/** What the interfaces of this machine take, as far as the system says (linux: sysfs). */
export class LinkMtus {
  readonly #known = new Map<string, number>()
  #untilUs = -Infinity

  /** Bytes of the largest packet that the interface with this address takes. */
  of(address: string, nowUs: number): number {
    if (nowUs >= this.#untilUs) {
      this.#known.clear()
      this.#untilUs = nowUs + AGE_US
      for (const [name, own = []] of Object.entries(networkInterfaces())) {
        const mtu = mtuOf(name)
        for (const entry of own) this.#known.set(entry.address, mtu)
      }
    }
    return this.#known.get(address.split('%')[0] as string) ?? ETHERNET
  }
}

function mtuOf(name: string): number {
  try {
    return Number.parseInt(readFileSync(`/sys/class/net/${name}/mtu`, 'utf8'), 10) || ETHERNET
  } catch {
    return ETHERNET
  }
}
