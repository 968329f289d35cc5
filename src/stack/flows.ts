import { CloseReason } from '../tcp/index.ts'
import type { Path, PathUser } from '../tunnel/index.ts'
import { Flag, hasChecksum, ParseResult, parseSegment, type Segment, verifyChecksum } from '../wire/index.ts'
import { Endpoint } from './endpoint.ts'
import type { Mib } from './mib.ts'
import type { TimeWaitEntry } from './time-wait.ts'

/** What a path's connections need from their stack. */
export interface FlowsHost {
  readonly mib: Mib
  readonly inSegment: Segment
  /** Bare encapsulation accepts segments without a checksum, always. */
  readonly bare: boolean
  /** The path has its first connection or record, or lost its last. */
  flowsBegan(flows: PathFlows): void
  flowsEnded(flows: PathFlows): void
  /** Something changed about this endpoint. */
  ready(endpoint: Endpoint): void
  /** A segment for a record in TIME_WAIT. True: it belongs to a new incarnation, go on. */
  timeWaitArrives(flows: PathFlows, entry: TimeWaitEntry, segment: Segment, nowUs: number): boolean
  /** A record is given up before its time. */
  timeWaitReclaim(entry: TimeWaitEntry): void
  /** A segment that nobody on this path waits for. */
  strangerArrives(flows: PathFlows, segment: Segment, nowUs: number): void
}

/** rfc9293#3.3.1: within a path, the two ports tell connections apart. */
export const flowKey = (localPort: number, remotePort: number): number => localPort * 65_536 + remotePort

/** The connections and TIME_WAIT records of one path: the last step of demultiplexing. */
export class PathFlows implements PathUser {
  readonly path: Path
  readonly #host: FlowsHost
  readonly #flows = new Map<number, Endpoint | TimeWaitEntry>()
  /** The flow that was heard last is the likeliest to be heard next. */
  #lastKey = -1
  #last: Endpoint | TimeWaitEntry | undefined
  #endpoints = 0

  constructor(host: FlowsHost, path: Path) {
    this.#host = host
    this.path = path
  }

  get(key: number): Endpoint | TimeWaitEntry | undefined {
    return this.#flows.get(key)
  }

  set(key: number, flow: Endpoint | TimeWaitEntry): void {
    const before = this.#flows.get(key)
    this.#flows.set(key, flow)
    if (before === undefined) this.path.retain()
    if (this.#flows.size === 1) this.#host.flowsBegan(this)
    this.#count(before, -1)
    this.#count(flow, 1)
    this.#lastKey = -1
    this.#last = undefined
  }

  delete(key: number): void {
    const before = this.#flows.get(key)
    if (before === undefined) return
    this.#flows.delete(key)
    this.#count(before, -1)
    this.#lastKey = -1
    this.#last = undefined
    if (this.#flows.size === 0) this.#host.flowsEnded(this)
    this.path.release()
  }

  *endpoints(): Generator<Endpoint> {
    for (const flow of this.#flows.values()) if (flow instanceof Endpoint) yield flow
  }

  segmentArrives(buffer: Buffer, start: number, end: number, nowUs: number): void {
    const { mib, inSegment: segment } = this.#host
    mib.InSegs++
    if (parseSegment(buffer, start, end, segment) !== ParseResult.Ok) {
      mib.InErrs++
      return
    }
    const key = flowKey(segment.dstPort, segment.srcPort)
    let flow = this.#last
    if (key !== this.#lastKey) {
      flow = this.#flows.get(key)
      if (flow !== undefined) {
        this.#lastKey = key
        this.#last = flow
      }
    }
    if (!this.#isIntact(segment, flow, buffer, start, end)) {
      mib.InCsumErrors++
      mib.InErrs++
      return
    }
    if (flow instanceof Endpoint) {
      flow.connection.segmentArrives(segment, nowUs)
      this.#host.ready(flow)
      return
    }
    if (flow !== undefined && !this.#host.timeWaitArrives(this, flow, segment, nowUs)) return
    this.#host.strangerArrives(this, segment, nowUs)
  }

  refused(nowUs: number): void {
    for (const flow of this.#flows.values()) {
      if (!(flow instanceof Endpoint)) continue
      flow.connection.pathRefused(nowUs)
      this.#host.ready(flow)
    }
  }

  /** Sockets are scarce: TIME_WAIT records let go of theirs. */
  reclaim(): void {
    for (const flow of [...this.#flows.values()]) if (!(flow instanceof Endpoint)) this.#host.timeWaitReclaim(flow)
  }

  unreachable(code: string, nowUs: number): void {
    const reason = code === 'EHOSTUNREACH' ? CloseReason.HostUnreachable : CloseReason.NetUnreachable
    for (const flow of this.endpoints()) {
      flow.connection.pathUnreachable(reason, nowUs)
      this.#host.ready(flow)
    }
  }

  writable(): void {
    for (const flow of this.endpoints()) if (flow.connection.blocked) this.#host.ready(flow)
  }

  maxSegmentChanged(): void {
    for (const flow of this.endpoints()) {
      flow.connection.setMaxSegment(this.path.maxSegment)
      this.#host.ready(flow)
    }
  }

  /** rfc9293#3.1 MUST-3, and the cases in which the UDP checksum stands for it. */
  #isIntact(
    segment: Segment,
    flow: Endpoint | TimeWaitEntry | undefined,
    buffer: Buffer,
    start: number,
    end: number,
  ): boolean {
    if (hasChecksum(buffer, start)) return verifyChecksum(buffer, start, end)
    if (this.#host.bare) return true
    // A SYN always carries one: nothing is agreed yet.
    if ((segment.flags & Flag.SYN) !== 0) return false
    if (flow === undefined) return true
    return flow instanceof Endpoint ? flow.connection.checksumOffload : flow.checksumOffload
  }

  #count(flow: Endpoint | TimeWaitEntry | undefined, by: 1 | -1): void {
    if (!(flow instanceof Endpoint)) return
    this.#endpoints += by
    this.path.active = this.#endpoints > 0
    this.path.receiveBudget.users += by
  }
}
