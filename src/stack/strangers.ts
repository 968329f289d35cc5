import { FastOpen, resetFor, type SynRecord } from '../tcp/index.ts'
import { Flag, type Segment, type Seq } from '../wire/index.ts'
import { Endpoint, type EndpointHost } from './endpoint.ts'
import { CookieVerdict, type FastOpenKeys } from './fast-open.ts'
import { flowKey, type PathFlows } from './flows.ts'
import type { Listener } from './listener.ts'
import type { Memory } from './memory.ts'
import type { Mib } from './mib.ts'
import type { Opening } from './opening.ts'
import type { Rebinding } from './rebinding.ts'
import type { SynQueue } from './syn-queue.ts'
import type { SysctlValues } from './sysctl-table.ts'
import type { TimeWaitTable } from './time-wait.ts'

export interface StrangersHost extends EndpointHost {
  readonly mib: Mib
  readonly sysctl: SysctlValues
  /** Bare encapsulation accepts segments without a checksum, always. */
  readonly bare: boolean
  readonly timeWait: TimeWaitTable
  readonly synQueue: SynQueue
  readonly memory: Memory
  readonly opening: Opening
  readonly fastOpenKeys: FastOpenKeys
  /** Null in direct mode, where nobody moves. */
  readonly rebinding: Rebinding | null
  /** Who listens where a segment of this path came to. */
  listenerAt(flows: PathFlows, port: number): Listener | null
  reply(flows: PathFlows, request: Segment | null, fill: (out: Segment) => boolean): void
}

/** Segments of no connection: what they may be, and the connections that they open. */
export class Strangers {
  readonly #host: StrangersHost

  constructor(host: StrangersHost) {
    this.#host = host
  }

  /**
   * A segment of no connection: for what is left of one, or for one that is not there yet, or to a listener if it is a SYN, or it draws a RST
   * (rfc9293#3.10.7.1, #3.10.7.2). `summed`: it had a checksum.
   */
  arrives(flows: PathFlows, segment: Segment, summed: boolean, now: number): void {
    const { timeWait, synQueue, bare } = this.#host
    const tcpPorts = flowKey(segment.dstPort, segment.srcPort)
    const mayLackChecksum = summed || bare
    let iss: Seq | null = null

    const entry = timeWait.find(flows, tcpPorts)
    if (entry !== undefined) {
      if (!mayLackChecksum && !entry.checksumOffload) {
        this.#damaged()
        return
      }
      // A new incarnation: on to the listener with it, if there is one.
      iss = timeWait.arrives(entry, flows, segment, now)
      if (iss === null) return
    }
    const record = synQueue.find(flows, tcpPorts)
    if (record !== undefined) {
      if (!mayLackChecksum && !record.checksumOffload) this.#damaged()
      else if (synQueue.arrives(record, flows, segment, now)) {
        this.#accept(record.listener, record, flows, segment, now)
        // Not before: it may be what holds the path.
        synQueue.completed(record)
      }
      return
    }
    if (this.#host.rebinding?.arrives(flows, segment, summed || bare, now)) return
    const listener = (segment.flags & Flag.RST) === 0 ? this.#host.listenerAt(flows, segment.dstPort) : null
    if (listener !== null && this.#toListener(listener, flows, segment, tcpPorts, iss, summed, now)) return
    // rfc9293#3.10.7.2: what a listener gets before any SYN is from another life.
    this.#host.reply(flows, segment, (out) => resetFor(segment, out))
  }

  /** False: it is nothing that opens a connection. */
  #toListener(
    listener: Listener,
    flows: PathFlows,
    segment: Segment,
    tcpPorts: number,
    iss: Seq | null,
    summed: boolean,
    now: number,
  ): boolean {
    const { synQueue, memory, mib, sysctl } = this.#host
    const { flags } = segment
    if ((flags & (Flag.ACK | Flag.SYN)) === Flag.SYN) {
      // linux: a SYN with FIN is no way to begin.
      if ((flags & Flag.FIN) !== 0) return true
      // linux: beyond the last mark of tcp_mem nobody new is let in.
      if (memory.isFull) mib.ListenDrops++
      else synQueue.syn(listener, flows, segment, tcpPorts, iss, now)
      return true
    }
    if ((flags & (Flag.ACK | Flag.SYN)) !== Flag.ACK) return false
    const cookie = synQueue.fromCookie(listener, flows, segment, tcpPorts, summed, now)
    if (cookie === null) return false
    if (listener.isAcceptQueueFull(sysctl.somaxconn) || memory.isFull) {
      mib.ListenOverflows++
      mib.ListenDrops++
    } else this.#accept(listener, cookie, flows, segment, now)
    return true
  }

  /** `segment` completes the handshake of `record`. */
  #accept(listener: Listener, record: SynRecord, flows: PathFlows, segment: Segment, now: number): void {
    const { path } = flows
    const { dstPort, srcPort } = segment
    const connection = this.#host.opening.make(path, dstPort, srcPort, listener.tcp, now, record.iss)
    connection.openFromSynRecv(record, now)
    const endpoint = new Endpoint(this.#host, connection, path, null)
    listener.enqueue(endpoint)
    flows.set(flowKey(dstPort, srcPort), endpoint)
    connection.segmentArrives(segment, now)
    this.#host.ready(endpoint)
  }

  /** linux: tcp_try_fastopen. True: the SYN has opened a connection; else the cookie to answer with. */
  tryFastOpen(listener: Listener, flows: PathFlows, segment: Segment, now: number): true | Buffer | null {
    const { mib, sysctl, fastOpenKeys, opening } = this.#host
    const { path } = flows
    const cookie = segment.fastOpenCookie
    if (cookie === null) return null
    if (cookie.length === 0) mib.TCPFastOpenCookieReqd++
    if ((sysctl.tcp_fastopen & 2) === 0 || !listener.isFastOpenOn) return null
    if (listener.isFastOpenFull(sysctl.somaxconn)) {
      mib.TCPFastOpenListenOverflow++
      return null
    }
    if (cookie.length === 0) return fastOpenKeys.cookie(path, now)
    const verdict = fastOpenKeys.check(cookie, path, now)
    if (verdict === CookieVerdict.Wrong) {
      mib.TCPFastOpenPassiveFail++
      return fastOpenKeys.cookie(path, now)
    }
    mib.TCPFastOpenPassive++
    const { dstPort, srcPort } = segment
    const connection = opening.make(path, dstPort, srcPort, listener.tcp, now, null)
    if (verdict === CookieVerdict.Old) {
      mib.TCPFastOpenPassiveAltKey++
      connection.fastOpen = new FastOpen(fastOpenKeys.cookie(path, now), 0, segment.fastOpenExperimental)
    }
    const endpoint = new Endpoint(this.#host, connection, path, null)
    endpoint.earlyAt = listener
    listener.beganEarly()
    listener.enqueue(endpoint)
    flows.set(flowKey(dstPort, srcPort), endpoint)
    connection.openFast(segment, now)
    this.#host.ready(endpoint)
    return true
  }

  #damaged(): void {
    this.#host.mib.InCsumErrors++
    this.#host.mib.InErrs++
  }
}
