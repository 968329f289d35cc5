import { State } from '../tcp/index.ts'
import type { Endpoint } from './endpoint.ts'
import type { FastOpenCache } from './fast-open.ts'
import { flowKey, type PathFlows } from './flows.ts'
import type { Memory } from './memory.ts'
import type { Metrics } from './metrics.ts'
import type { Mib } from './mib.ts'
import type { SysctlValues } from './sysctl-table.ts'
import type { TimeWaitTable } from './time-wait.ts'
import { isOver } from './turn.ts'
import type { Wheel, WheelItem } from './wheel.ts'

export interface UpkeepHost {
  readonly mib: Mib
  readonly sysctl: SysctlValues
  readonly wheel: Wheel<WheelItem>
  readonly timeWait: TimeWaitTable
  readonly memory: Memory
  readonly metrics: Metrics
  readonly fastOpenCache: FastOpenCache
  ready(endpoint: Endpoint): void
}

/** The stack's books of its connections: deadlines, memory, orphans, and what is kept of those that end. */
export class Upkeep {
  readonly #host: UpkeepHost
  #orphans = 0

  constructor(host: UpkeepHost) {
    this.#host = host
  }

  /** A turn has looked at `endpoint`: files its deadline, and takes it out of the stack if it is done. */
  settled(endpoint: Endpoint, now: number): void {
    if (endpoint.detached) return
    const { wheel, memory } = this.#host
    const { connection } = endpoint
    this.#noteFastOpen(endpoint, now)
    const over = isOver(endpoint)
    this.#account(endpoint, over ? 0 : connection.memory)
    if (memory.isFull && connection.receiver.reassembly.length > 0) this.#prune(endpoint)
    if (over) {
      this.#ended(endpoint, now)
      return
    }
    ;(endpoint.path.user as PathFlows).settled(endpoint)
    this.#countOrphan(endpoint)
    endpoint.updateHold()
    wheel.schedule(endpoint)
    // linux: tcp_data_snd_check; what was sent just now may have made room, and where little may wait the next ACK is too late.
    const { sender } = connection
    if (sender.notSentLowat < sender.sndBuf && sender.hasRoom) this.#host.ready(endpoint)
  }

  /** linux: tcp_close, tcp_check_oom; whoever lets go of one too many, or of any where memory has run out, loses what is not delivered. */
  orphaned(endpoint: Endpoint, now: number): void {
    const { mib, sysctl, memory } = this.#host
    this.#countOrphan(endpoint)
    if (!endpoint.countsAsOrphan) return
    if (this.#orphans <= sysctl.tcp_max_orphans && !memory.isFull) return
    mib.TCPAbortOnMemory++
    endpoint.connection.abort(now)
  }

  #ended(endpoint: Endpoint, now: number): void {
    const { sysctl, metrics, wheel, timeWait } = this.#host
    const { connection } = endpoint
    endpoint.detached = true
    this.#countOrphan(endpoint)
    if (sysctl.tcp_no_metrics_save === 0)
      metrics.save(endpoint.remoteAddress, connection, sysctl.tcp_no_ssthresh_metrics_save === 0)
    wheel.remove(endpoint)
    const flows = endpoint.path.user as PathFlows
    if (connection.state === State.TIME_WAIT) timeWait.add(connection, flows, now)
    flows.delete(flowKey(connection.localPort, connection.remotePort))
    endpoint.updateHold()
  }

  /** linux: a connection that nobody owns any more and that still has to deliver; in FIN_WAIT_2 it has. */
  #countOrphan(endpoint: Endpoint): void {
    const { connection } = endpoint
    const counts = connection.orphan && !endpoint.detached && connection.owes
    if (counts === endpoint.countsAsOrphan) return
    endpoint.countsAsOrphan = counts
    this.#orphans += counts ? 1 : -1
  }

  #account(endpoint: Endpoint, bytes: number): void {
    const { memory, sysctl } = this.#host
    endpoint.accounted = memory.account(endpoint.accounted, bytes, sysctl.tcp_mem)
  }

  /** linux: tcp_prune_ofo_queue; beyond the last mark of `tcp_mem` what came out of order goes first, for the peer still has it. */
  #prune(endpoint: Endpoint): void {
    endpoint.connection.prune()
    this.#host.mib.PruneCalled++
    this.#host.mib.OfoPruned++
    this.#account(endpoint, endpoint.connection.memory)
  }

  /** What Fast Open has to remember of a connection. */
  #noteFastOpen(endpoint: Endpoint, now: number): void {
    const { fastOpenCache } = this.#host
    const { connection, earlyAt, remoteAddress } = endpoint
    const { fastOpen } = connection
    if (earlyAt !== null && (connection.state !== State.SYN_RECV || endpoint.detached)) {
      endpoint.earlyAt = null
      earlyAt.endedEarly()
    }
    if (fastOpen === null) return
    if (fastOpen.received !== null) fastOpenCache.learn(remoteAddress, fastOpen.received, connection.peerMss)
    else if (fastOpen.lost) fastOpenCache.lost(remoteAddress, now)
    fastOpen.received = null
    fastOpen.lost = false
  }
}
