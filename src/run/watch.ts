import { BaseTracer, formatEnd } from '../observe/index.ts'
import type { Ends, FrameVerdict } from '../observe/tracer.ts'
import { Flag, type Segment } from '../wire/index.ts'
import { addTraffic, type DestinationTraffic, type EndView, emptyTraffic } from './traffic.ts'

/** What one end of one connection has to remember to judge what it sees. */
interface Flow {
  readonly traffic: DestinationTraffic
  readonly view: EndView
  /** It is the end that connected. */
  readonly isClient: boolean
  /** Sequence numbers: of the SYN, the next to be sent, and what the peer has acknowledged. */
  readonly syn: number
  next: number
  acked: number
  /** What we have acknowledged; null: nothing yet. */
  received: number | null
  /** Behind the FINs, which are no bytes; null: not sent, not received. */
  fin: number | null
  peerFin: number | null
  /** When something began to wait for an acknowledgment; −1: nothing does. */
  waitingSince: number
  /** A segment whose acknowledgment is timed: none while `timedAt` is −1. */
  timedEnd: number
  timedAt: number
  wasReset: boolean
}

const TCP_HEADER = 20
/** `a` comes after `b`, as sequence numbers go. */
const after = (a: number, b: number): boolean => ((a - b) | 0) > 0

/** Round trips kept for each destination: then every second one, and so on. */
const MOST_SAMPLES = 4096
/** Connections remembered: the oldest are forgotten, and what they were counted as stays. */
const MOST_FLOWS = 20_000

/** Watches a host, and sums up for each destination what its connections went through. */
export class Watch extends BaseTracer {
  readonly #flows = new Map<string, Flow>()
  readonly #traffic = new Map<string, DestinationTraffic>()
  /** Connections by their ports, for timers that know no addresses. */
  readonly #byPorts = new Map<number, Flow>()
  readonly #portsOf = new Map<number, number>()

  /** What was seen so far. */
  summary(): DestinationTraffic[] {
    return [...this.#traffic.values()].map((one) => addTraffic(emptyTraffic(one.destination), one))
  }

  override segmentSent(id: number, _now: number, { srcPort, dstPort }: Segment): void {
    if (!this.#portsOf.has(id)) remember(this.#portsOf, id, srcPort * 65_536 + dstPort)
  }

  override timerFired(id: number, _now: number, timer: string): void {
    if (timer !== 'retransmit') return
    const flow = this.#byPorts.get(this.#portsOf.get(id) ?? -1)
    if (flow !== undefined) flow.traffic.timeouts++
  }

  override frameSent(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    if (end - start < TCP_HEADER) return
    const [source, target] = [buffer.readUInt16BE(start), buffer.readUInt16BE(start + 2)]
    const flags = buffer[start + 13] as number
    const key = `${ends.localAddress}|${source}|${ends.remoteAddress}|${target}`
    const isSyn = (flags & Flag.SYN) !== 0
    let flow = this.#flows.get(key)
    if (isSyn && (flow === undefined || flow.syn !== seqAt(buffer, start))) {
      const isClient = (flags & Flag.ACK) === 0
      flow = this.#begin(ends, source, target, isClient, seqAt(buffer, start))
      remember(this.#flows, key, flow)
      remember(this.#byPorts, source * 65_536 + target, flow)
    }
    if (flow === undefined) return
    if ((flags & Flag.RST) !== 0) this.#reset(flow)
    else if ((flags & Flag.ACK) !== 0) this.#acknowledge(flow, buffer.readInt32BE(start + 8))
    const length = lengthOf(buffer, start, end)
    const first = seqAt(buffer, start)
    const last = (first + length + (isSyn ? 1 : 0) + ((flags & Flag.FIN) !== 0 ? 1 : 0)) | 0
    if (last === first) return
    if ((flags & Flag.FIN) !== 0) flow.fin = last
    const { traffic } = flow
    traffic.segments++
    if (!after(last, flow.next)) {
      traffic.retransmissions++
      // rfc6298#3: of what was sent twice nobody knows which was acknowledged.
      flow.timedAt = -1
      return
    }
    flow.next = last
    if (flow.waitingSince < 0) flow.waitingSince = now
    if (flow.timedAt < 0) {
      flow.timedAt = now
      flow.timedEnd = last
    }
  }

  /** What is lost at once is not told of as sent. */
  override frameImpaired(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    { fate, delayedUs, copy, injected }: FrameVerdict,
  ): void {
    const isFirst = delayedUs === 0 && copy === 0 && !injected
    if (outgoing && fate === 'dropped' && isFirst) this.frameSent(now, ends, buffer, start, end)
  }

  override frameReceived(now: number, ends: Ends, buffer: Buffer, start: number, end: number): void {
    if (end - start < TCP_HEADER) return
    const [source, target] = [buffer.readUInt16BE(start), buffer.readUInt16BE(start + 2)]
    const flow = this.#flows.get(`${ends.localAddress}|${target}|${ends.remoteAddress}|${source}`)
    if (flow === undefined) return
    const flags = buffer[start + 13] as number
    if ((flags & Flag.RST) !== 0) this.#reset(flow)
    if ((flags & Flag.FIN) !== 0) flow.peerFin = (seqAt(buffer, start) + lengthOf(buffer, start, end) + 1) | 0
    const ack = buffer.readInt32BE(start + 8)
    if ((flags & Flag.ACK) === 0 || !after(ack, flow.acked) || after(ack, flow.next)) return
    const { traffic } = flow
    if (flow.timedAt >= 0 && !after(flow.timedEnd, ack)) {
      addSample(traffic, now - flow.timedAt)
      flow.timedAt = -1
    }
    if (flow.waitingSince >= 0) {
      const waited = now - flow.waitingSince
      traffic.busyUs += waited
      traffic.worstStallUs = Math.max(traffic.worstStallUs, waited)
    }
    // The number of the SYN is no byte.
    const bytes = bytesBetween(flow.acked, ack, flow.fin) - (flow.acked === flow.syn ? 1 : 0)
    traffic.sentBytes += bytes
    if (flow.isClient) flow.view.bytesUp += bytes
    else flow.view.bytesDown += bytes
    flow.acked = ack
    flow.waitingSince = after(flow.next, ack) ? now : -1
  }

  #begin(ends: Ends, source: number, target: number, isClient: boolean, sequence: number): Flow {
    const [address, port] = isClient ? [ends.remoteAddress, target] : [ends.localAddress, source]
    const destination = formatEnd(address, port)
    let traffic = this.#traffic.get(destination)
    if (traffic === undefined) {
      traffic = emptyTraffic(destination)
      this.#traffic.set(destination, traffic)
    }
    const view = isClient ? traffic.opened : traffic.accepted
    view.connections++
    const none = { waitingSince: -1, timedEnd: 0, timedAt: -1, wasReset: false }
    return {
      traffic,
      view,
      isClient,
      received: null,
      fin: null,
      peerFin: null,
      syn: sequence,
      next: sequence,
      acked: sequence,
      ...none,
    }
  }

  /** What we say that we have got. */
  #acknowledge(flow: Flow, ack: number): void {
    const before = flow.received ?? ack
    flow.received = ack
    if (!after(ack, before)) return
    const bytes = bytesBetween(before, ack, flow.peerFin)
    if (flow.isClient) flow.view.bytesDown += bytes
    else flow.view.bytesUp += bytes
  }

  #reset(flow: Flow): void {
    if (flow.wasReset) return
    flow.wasReset = true
    flow.view.resets++
  }
}

/** Bytes of data from one sequence number to another. */
const bytesBetween = (from: number, to: number, fin: number | null): number =>
  ((to - from) >>> 0) - (to === fin ? 1 : 0)
const lengthOf = (buffer: Buffer, start: number, end: number): number =>
  end - start - ((buffer[start + 12] as number) >> 4) * 4
function remember<Key, Value>(map: Map<Key, Value>, key: Key, value: Value): void {
  map.delete(key)
  map.set(key, value)
  if (map.size > MOST_FLOWS) map.delete(map.keys().next().value as Key)
}

const seqAt = (buffer: Buffer, start: number): number => buffer.readInt32BE(start + 4)

function addSample(traffic: DestinationTraffic, us: number): void {
  const { rttUs } = traffic
  rttUs.push(us)
  if (rttUs.length > MOST_SAMPLES) traffic.rttUs = rttUs.filter((_, i) => i % 2 === 0)
}
