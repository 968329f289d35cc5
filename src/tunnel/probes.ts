import type { TunnelOwner } from './datagrams.ts'
import type { UdpPath } from './path.ts'

/** Probes a second that are answered where no connection is. */
const IDLE_PROBES = 10
/** Paths are looked at no more often than this. */
const LOOK_US = 1_000_000

/** Which probes are answered, and which paths are probed to keep a NAT's mapping alive. */
export class Prober {
  readonly #owner: TunnelOwner
  /** Those that we opened and that leave this machine. */
  readonly #paths = new Set<UdpPath>()
  #left = IDLE_PROBES
  #leftAtUs = -Infinity
  /** When to look at the paths again. */
  deadline = Infinity

  constructor(owner: TunnelOwner) {
    this.#owner = owner
  }

  /** Whether a probe may be answered that came by a path without a connection: ten a second, whoever asks. */
  allow(nowUs: number): boolean {
    if (nowUs - this.#leftAtUs >= 1_000_000) {
      this.#leftAtUs = nowUs
      this.#left = IDLE_PROBES
    }
    return this.#left > 0 && this.#left-- > 0
  }

  add(path: UdpPath, nowUs: number): void {
    // Nothing between two sockets of this machine forgets them, and in bare mode there is nothing to probe with.
    if (!path.opened || path.loopback || !path.framed) return
    this.#paths.add(path)
    this.deadline = Math.min(this.deadline, nowUs + this.#periodUs())
  }

  remove(path: UdpPath): void {
    this.#paths.delete(path)
    if (this.#paths.size === 0) this.deadline = Infinity
  }

  clear(): void {
    this.#paths.clear()
    this.deadline = Infinity
  }

  /** Probes what has been idle for too long. */
  look(nowUs: number): void {
    const period = this.#periodUs()
    let next = Infinity
    for (const path of this.#paths) {
      const quietSince = Math.max(path.lastHeardUs, path.lastSentUs)
      if (path.active && nowUs - quietSince >= period) {
        path.user.keptAlive?.()
        path.probe()
      }
      const due = Math.max(path.lastHeardUs, path.lastSentUs) + period
      // Without connections it is looked at again once a period, in case it gets one.
      next = Math.min(next, path.active ? due : nowUs + period)
    }
    this.deadline = this.#paths.size === 0 ? Infinity : Math.max(next, nowUs + LOOK_US)
  }

  #periodUs(): number {
    const seconds = this.#owner.settings.path_keepalive
    return seconds > 0 ? seconds * 1_000_000 : Infinity
  }
}
