import { CloseReason, isSynchronized } from '../tcp/index.ts'
import type { Path, PathUser } from '../tunnel/index.ts'
import { Flag, hasChecksum, joinRun, ParseResult, parseSegment, type Segment, verifyChecksum } from '../wire/index.ts'
import type { Endpoint } from './endpoint.ts'
import { LoopbackLimit } from './loopback-limit.ts'
import type { Mib } from './mib.ts'
import type { Rebinding } from './rebinding.ts'
import { portPair, type Tuple, tupleHash } from './tuples.ts'

/** What a path's connections need from their stack. */
export interface FlowsHost {
  readonly mib: Mib
  readonly inSegment: Segment
  /** Bare encapsulation accepts segments without a checksum, always. */
  readonly bare: boolean
  /** The path has its first connection or record, or lost its last. */
  flowsBegan(flows: PathFlows): void
  flowsEnded(flows: PathFlows): void
  nowUs(): number
  /** Something changed about this endpoint. */
  ready(endpoint: Endpoint): void
  /** Sockets are scarce: the TIME_WAIT records that hold this path open are given up. */
  timeWaitReclaim(flows: PathFlows): void
  /** A segment of no connection of this path. `summed`: it had a checksum, a right one. */
  strangerArrives(flows: PathFlows, segment: Segment, summed: boolean, nowUs: number): void
  /** Null in direct mode, where nobody moves. */
  readonly rebinding: Rebinding | null
  /** Of what all tuples of a path have in common. */
  pathHash(path: Path): number
}

/** rfc9293#3.3.1: within a path, the two ports tell connections apart. */
export const flowKey: (localPort: number, remotePort: number) => number = portPair

/** The connections of one path: the last step of demultiplexing. */
export class PathFlows implements PathUser {
  readonly path: Path
  readonly udpPorts: number
  /** TIME_WAIT records that hold the path open. */
  waiting = 0
  /** Connections with something under way: the peer has something to do. */
  outstanding = 0
  /** Null where a network lies between. */
  readonly loopbackLimit: LoopbackLimit | null
  /** The largest window that the path's UDP socket can back: one function for all connections of the path. */
  readonly receiveLimit: () => number
  readonly #host: FlowsHost
  readonly #flows = new Map<number, Endpoint>()
  /** The flow that was heard last is the likeliest to be heard next. */
  #lastKey = -1
  #last: Endpoint | undefined
  /** Connections, TIME_WAIT records and handshakes that need the path. */
  #members = 0
  #hash = 0
  #hashed = false

  constructor(host: FlowsHost, path: Path) {
    this.#host = host
    this.path = path
    this.udpPorts = portPair(path.localPort, path.remotePort)
    this.receiveLimit = () => path.receiveBudget.windowLimit(path.maxSegment - 32)
    this.loopbackLimit = path.loopback ? new LoopbackLimit(path, (endpoint) => host.ready(endpoint)) : null
  }

  get(key: number): Endpoint | undefined {
    return this.#flows.get(key)
  }

  set(key: number, endpoint: Endpoint): void {
    this.#flows.set(key, endpoint)
    this.#host.rebinding?.add(key, endpoint)
    this.#lastKey = -1
    this.#last = undefined
    this.#usersChanged(1)
    this.retain()
  }

  delete(key: number): void {
    const endpoint = this.#flows.get(key)
    if (endpoint === undefined) return
    this.#flows.delete(key)
    this.#host.rebinding?.remove(key, endpoint)
    this.loopbackLimit?.removed(endpoint)
    this.#count(endpoint, false)
    this.#lastKey = -1
    this.#last = undefined
    this.#usersChanged(-1)
    this.release()
  }

  /** So many TIME_WAIT records more, or fewer, hold the path open. */
  waits(by: 1 | -1): void {
    this.waiting += by
    if (by > 0) this.retain()
    else this.release()
  }

  /** Somebody needs the path. */
  retain(): void {
    this.path.retain()
    if (++this.#members === 1) this.#host.flowsBegan(this)
  }

  release(): void {
    if (--this.#members === 0) this.#host.flowsEnded(this)
    this.path.release()
  }

  /** Hash of a connection's tuple. */
  hashOf(tcpPorts: number): number {
    if (!this.#hashed) {
      this.#hash = this.#host.pathHash(this.path)
      this.#hashed = true
    }
    return tupleHash(this.#hash, tcpPorts)
  }

  tuple(tcpPorts: number): Tuple {
    const { localAddress, remoteAddress } = this.path
    return { localAddress, remoteAddress, udpPorts: this.udpPorts, tcpPorts }
  }

  endpoints(): MapIterator<Endpoint> {
    return this.#flows.values()
  }

  runArrives(buffer: Buffer, start: number, end: number, readEnd: number, nowUs: number): number {
    return this.#arrives(buffer, start, end, readEnd, nowUs, false)
  }

  segmentArrives(buffer: Buffer, start: number, end: number, nowUs: number, marked = false): void {
    this.#arrives(buffer, start, end, end, nowUs, marked)
  }

  /** Returns where what was read goes on: beyond `end` where what lies behind it was taken along, up to `readEnd`. */
  #arrives(buffer: Buffer, start: number, end: number, readEnd: number, nowUs: number, marked: boolean): number {
    const { mib, inSegment: segment } = this.#host
    mib.InSegs++
    if (parseSegment(buffer, start, end, segment) !== ParseResult.Ok) {
      mib.InErrs++
      return end
    }
    segment.marked = marked
    const key = flowKey(segment.dstPort, segment.srcPort)
    let flow = this.#last
    if (key !== this.#lastKey || flow === undefined) {
      flow = this.#flows.get(key)
      if (flow !== undefined) {
        this.#lastKey = key
        this.#last = flow
      }
    }
    const summed = hasChecksum(buffer, start)
    if (summed ? !verifyChecksum(buffer, start, end) : !this.#mayLackChecksum(segment, flow)) {
      mib.InCsumErrors++
      mib.InErrs++
      return end
    }
    if (flow === undefined) {
      this.#host.strangerArrives(this, segment, summed, nowUs)
      return end
    }
    const next = readEnd > end && !summed ? joinRun(segment, buffer, start, readEnd) : end
    mib.InSegs += segment.count - 1
    flow.connection.segmentArrives(segment, nowUs)
    if (this.path.crowded) this.loopbackLimit?.update(flow)
    this.#count(flow)
    this.#host.ready(flow)
    return next
  }

  /** A turn has looked at `endpoint`. */
  settled(endpoint: Endpoint): void {
    this.loopbackLimit?.settled(endpoint)
    this.#count(endpoint)
  }

  refused(nowUs: number): void {
    for (const flow of this.#flows.values()) {
      flow.connection.pathRefused(nowUs)
      this.#host.ready(flow)
    }
  }

  reclaim(): void {
    this.#host.timeWaitReclaim(this)
  }

  unreachable(code: string, nowUs: number): void {
    const reason = code === 'EHOSTUNREACH' ? CloseReason.HostUnreachable : CloseReason.NetUnreachable
    for (const flow of this.endpoints()) {
      flow.connection.pathUnreachable(reason, nowUs)
      this.#host.ready(flow)
    }
  }

  writable(): void {
    for (const flow of this.endpoints()) if (flow.connection.awaitsSink) this.#host.ready(flow)
  }

  probeAnswered(nowUs: number): void {
    this.#host.rebinding?.answered(this, nowUs)
  }

  /** ours: a probe keeps the NAT's mapping, but of one that was forgotten before, only a segment can tell whose it was. */
  keptAlive(): void {
    for (const flow of this.endpoints()) {
      // In direct mode the peer's UDP port is its TCP port, and there it would be in vain.
      if (flow.connection.remotePort === this.path.remotePort || !isSynchronized(flow.connection.state)) continue
      flow.connection.ackPolicy.now = true
      this.#host.ready(flow)
    }
  }

  maxSegmentChanged(): void {
    for (const flow of this.endpoints()) {
      flow.connection.setMaxSegment(this.path.maxSegment, this.#host.nowUs())
      this.#host.ready(flow)
    }
  }

  #count(endpoint: Endpoint, outstanding = endpoint.connection.sender.board.inFlightSegs > 0): void {
    if (outstanding === endpoint.outstanding) return
    endpoint.outstanding = outstanding
    this.outstanding += outstanding ? 1 : -1
  }

  /** rfc9293#3.1 MUST-3, and the cases in which the UDP checksum stands for it. What is kept without a path is asked later. */
  #mayLackChecksum(segment: Segment, flow: Endpoint | undefined): boolean {
    if (this.#host.bare) return true
    // A SYN always carries one: nothing is agreed yet.
    if ((segment.flags & Flag.SYN) !== 0) return false
    return flow === undefined || flow.connection.checksumOffload
  }

  #usersChanged(by: 1 | -1): void {
    this.path.active = this.#flows.size > 0
    this.path.receiveBudget.users += by
  }
}
