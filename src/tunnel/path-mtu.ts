import { FrameKind, SHIM_LENGTH, writeProbe } from '../wire/frame.ts'
import type { BatchPool } from './batch.ts'
import type { TunnelOwner } from './datagrams.ts'
import { headerBytes } from './mtu.ts'
import { MtuSearch } from './mtu-search.ts'
import type { UdpPath } from './path.ts'

/** Paths are looked at no more often than this. */
const LOOK_US = 10_000
/** Tokens of one path that are remembered: of a probe, and of those that were given up just before. */
const TOKENS = 4

/** The search of one path, and the tokens of its probes. */
export class PathMtu {
  readonly search: MtuSearch
  readonly linkMtu: number
  readonly #tokens: { token: bigint; size: number }[] = []

  constructor(least: number, linkMtu: number) {
    this.linkMtu = linkMtu
    this.search = new MtuSearch({ least, most: linkMtu })
  }

  note(token: bigint, size: number): void {
    this.#tokens.push({ token, size })
    if (this.#tokens.length > TOKENS) this.#tokens.shift()
  }

  /** The size of the probe that had this token, which is used up; 0: none had. */
  take(token: bigint): number {
    const at = this.#tokens.findIndex((noted) => noted.token === token)
    return at < 0 ? 0 : (this.#tokens.splice(at, 1)[0]?.size ?? 0)
  }
}

/** Looks for the largest packets that paths take, as long as they carry connections (`mtu: 'probe'`, rfc8899). */
export class MtuProber {
  readonly #owner: TunnelOwner
  readonly #pool: BatchPool
  readonly #paths = new Set<UdpPath>()
  /** When to look at the paths again. */
  deadline = Infinity

  constructor(owner: TunnelOwner, pool: BatchPool) {
    this.#owner = owner
    this.#pool = pool
  }

  /** The path carries connections, or something happened to its search. */
  add(path: UdpPath, nowUs: number): void {
    if (path.mtuSearch === null || path.closed) return
    this.#paths.add(path)
    this.deadline = Math.min(this.deadline, Math.max(nowUs, path.mtuSearch.search.deadline))
  }

  remove(path: UdpPath): void {
    this.#paths.delete(path)
    if (this.#paths.size === 0) this.deadline = Infinity
  }

  look(nowUs: number): void {
    const raiseUs = this.#owner.settings.tcp_probe_interval * 1_000_000
    let next = Infinity
    for (const path of this.#paths) {
      const { mtuSearch } = path
      // Nobody answers for a path without connections; it comes back with the next one.
      if (mtuSearch === null || !path.active) {
        this.#paths.delete(path)
        continue
      }
      const size = mtuSearch.search.next(nowUs, raiseUs)
      path.mtuChanged()
      if (size > 0) this.#probe(path, mtuSearch, size, nowUs)
      next = Math.min(next, mtuSearch.search.deadline)
    }
    this.deadline = next === Infinity ? next : Math.max(next, nowUs + LOOK_US)
  }

  /** A probe that makes a packet of `size` bytes, by itself. */
  #probe(path: UdpPath, mtuSearch: PathMtu, size: number, nowUs: number): void {
    const token = this.#owner.randomToken()
    mtuSearch.note(token, size)
    this.#owner.counters.PathMtuProbesSent++
    // Other probes pass the impairment, which is not for them.
    if (path.impairment !== null && size > path.impairment.mtu) return
    const length = size - headerBytes(path.family)
    const batch = this.#pool.take(path, length)
    batch.append(writeProbe(batch.buffer, 0, FrameKind.Probe, token, length - SHIM_LENGTH), 0)
    path.send(batch, nowUs)
  }

  clear(): void {
    this.#paths.clear()
    this.deadline = Infinity
  }
}
