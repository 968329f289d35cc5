import type { Tracer } from '../observe/tracer.ts'
import { isFromPeer } from '../tcp/index.ts'
import { Flag, type Segment } from '../wire/index.ts'
import type { Endpoint } from './endpoint.ts'
import { flowKey, type PathFlows } from './flows.ts'
import type { Mib } from './mib.ts'

export interface RebindingHost {
  readonly mib: Mib
  readonly tracer?: Tracer | null
  ready(endpoint: Endpoint): void
}

/** Ways that a connection may be asked to take at a time; and how long one is remembered that does not answer, µs. */
const MOST_CANDIDATES = 3
const FORGOTTEN_US = 5_000_000
/** Connections with the same two ports. Where there are more, to find the one that is meant would cost a flood of guesses too little. */
const MOST_ALIKE = 64

/** A way on which it was asked whether anybody is there, for the connections whose peers seem to be. */
interface Asked {
  readonly flows: PathFlows
  readonly endpoints: Set<Endpoint>
  probedUs: number
}

interface Candidate {
  readonly endpoint: Endpoint
  readonly asked: Asked
  readonly untilUs: number
}

/**
 * Peers behind a NAT that forgets its mapping, in tunnel mode, where connections can be told by TCP's own ports. What comes from nowhere known and
 * can only be from one connection's peer (`isFromPeer`) is taken in, but all that is sent goes on the old way, until a probe of the new one is answered.
 * Copying a segment is not enough to be given a connection, nor is an address that somebody has: it takes both, and so to read along on the way.
 */
export class Rebinding {
  readonly #host: RebindingHost
  /** By their two TCP ports. */
  readonly #byPorts = new Map<number, Endpoint | Set<Endpoint>>()
  readonly #asked = new Map<PathFlows, Asked>()
  readonly #ofEndpoint = new Map<Endpoint, Candidate[]>()
  /** All, in the order in which they are forgotten. */
  readonly #candidates = new Set<Candidate>()

  constructor(host: RebindingHost) {
    this.#host = host
  }

  add(key: number, endpoint: Endpoint): void {
    const known = this.#byPorts.get(key)
    if (known === undefined) this.#byPorts.set(key, endpoint)
    else if (known instanceof Set) known.add(endpoint)
    else this.#byPorts.set(key, new Set([known, endpoint]))
  }

  remove(key: number, endpoint: Endpoint): void {
    const known = this.#byPorts.get(key)
    if (known === endpoint) this.#byPorts.delete(key)
    else if (known instanceof Set && known.delete(endpoint) && known.size === 0) this.#byPorts.delete(key)
    for (const candidate of [...(this.#ofEndpoint.get(endpoint) ?? [])]) this.#forget(candidate)
  }

  /** A segment of no connection of its path. `summed`: it had a checksum. False: it is of no connection at all. */
  arrives(flows: PathFlows, segment: Segment, summed: boolean, now: number): boolean {
    const { flags, hasTimestamps } = segment
    if (!hasTimestamps || (flags & (Flag.ACK | Flag.SYN | Flag.RST)) !== Flag.ACK) return false
    const alike = this.#byPorts.get(flowKey(segment.dstPort, segment.srcPort))
    if (alike === undefined) return false
    let meant: Endpoint | null = null
    let several = alike instanceof Set && alike.size > MOST_ALIKE
    if (!several) {
      for (const endpoint of alike instanceof Set ? alike : [alike]) {
        if (!this.#mayBe(endpoint, flows, segment, summed, now)) continue
        several = meant !== null
        meant = endpoint
        if (several) break
      }
    }
    const { mib } = this.#host
    if (several) {
      // No answer: a RST would end whichever was meant.
      mib.PathCandidatesIgnored++
      if (meant !== null) this.#tell(meant, now, 'ignored', flows, 'several connections may be meant')
      return true
    }
    // What is late on a way that is being asked belongs to the connection too.
    if (meant === null) return this.#isAsked(alike, flows)
    this.#consider(meant, flows, now)
    meant.connection.segmentArrives(segment, now)
    this.#host.ready(meant)
    return true
  }

  /** A probe of the path was answered: whoever waited for that takes it. */
  answered(flows: PathFlows, now: number): void {
    const asked = this.#asked.get(flows)
    if (asked === undefined) return
    for (const endpoint of [...asked.endpoints]) this.#move(endpoint, flows, now)
  }

  /** When `expire` wants to be called. */
  get deadline(): number {
    const next = this.#candidates.values().next()
    return next.done ? Infinity : next.value.untilUs
  }

  expire(now: number): void {
    for (const candidate of this.#candidates) {
      if (candidate.untilUs > now) return
      this.#tell(candidate.endpoint, now, 'forgotten', candidate.asked.flows, 'no probe was answered')
      this.#forget(candidate)
    }
  }

  #mayBe({ connection, path }: Endpoint, flows: PathFlows, segment: Segment, summed: boolean, now: number): boolean {
    // From where it came to must be from where the connection speaks: the peer has not chosen another of our addresses.
    if (path.localAddress !== flows.path.localAddress || path.localPort !== flows.path.localPort) return false
    return (summed || connection.checksumOffload) && isFromPeer(connection, segment, now)
  }

  #consider(endpoint: Endpoint, flows: PathFlows, now: number): void {
    const asked = this.#asked.get(flows) ?? { flows, endpoints: new Set(), probedUs: -Infinity }
    if (!asked.endpoints.has(endpoint) && !this.#adopt(endpoint, asked, now)) return
    // The probe or its answer may be lost: another segment draws another, which is never the longer of the two.
    if (now - asked.probedUs < endpoint.connection.rto) return
    asked.probedUs = now
    flows.path.probe()
  }

  #adopt(endpoint: Endpoint, asked: Asked, now: number): boolean {
    const { mib } = this.#host
    const { flows } = asked
    const own = this.#ofEndpoint.get(endpoint) ?? []
    if (own.length >= MOST_CANDIDATES) {
      mib.PathCandidatesIgnored++
      this.#tell(endpoint, now, 'ignored', flows, `${own.length} others are being asked`)
      return false
    }
    const candidate = { endpoint, asked, untilUs: now + FORGOTTEN_US }
    own.push(candidate)
    this.#ofEndpoint.set(endpoint, own)
    asked.endpoints.add(endpoint)
    this.#asked.set(flows, asked)
    this.#candidates.add(candidate)
    flows.retain()
    mib.PathCandidates++
    this.#tell(endpoint, now, 'asked', flows, 'its peer seems to be there')
    return true
  }

  #move(endpoint: Endpoint, flows: PathFlows, now: number): void {
    const { localPort, remotePort } = endpoint.connection
    const key = flowKey(localPort, remotePort)
    // Another connection has opened there meanwhile: it stays where it is, and is forgotten.
    if (flows.get(key) !== undefined) return
    const before = endpoint.path.user as PathFlows
    flows.retain()
    before.delete(key)
    flows.set(key, endpoint)
    flows.release()
    endpoint.moveTo(flows.path, now)
    this.#host.mib.PathMoves++
    this.#tell(endpoint, now, 'moved', flows, 'the probe was answered')
    this.#host.ready(endpoint)
  }

  #isAsked(alike: Endpoint | Set<Endpoint>, flows: PathFlows): boolean {
    const endpoints = this.#asked.get(flows)?.endpoints
    if (endpoints === undefined) return false
    for (const endpoint of alike instanceof Set ? alike : [alike]) if (endpoints.has(endpoint)) return true
    return false
  }

  #forget(candidate: Candidate): void {
    const { endpoint, asked } = candidate
    if (!this.#candidates.delete(candidate)) return
    const own = (this.#ofEndpoint.get(endpoint) ?? []).filter((other) => other !== candidate)
    if (own.length > 0) this.#ofEndpoint.set(endpoint, own)
    else this.#ofEndpoint.delete(endpoint)
    asked.endpoints.delete(endpoint)
    if (asked.endpoints.size === 0) this.#asked.delete(asked.flows)
    asked.flows.release()
  }

  #tell(endpoint: Endpoint, now: number, what: string, { path }: PathFlows, reason: string): void {
    this.#host.tracer?.pathEvent?.(endpoint.connection.id, now, what, path, reason)
  }
}
