import { Flag, formatBytes, formatSegment, type Segment } from '../wire/index.ts'
import { formatEnd } from './address.ts'
import { CA_STATES } from './events.ts'
import type { Ends, FrameVerdict, Tracer } from './tracer.ts'

/**
 * Tells in words what is decided: states, what is sent again and by which timer, recoveries, what the impairment did to a segment. Segments
 * as such are not told of, but for SYNs: captures have them.
 */
export class DecisionTracer implements Tracer {
  readonly #tell: (line: string) => void
  readonly #stateName: (state: number) => string
  readonly #errorCode: (reason: number) => string

  constructor(
    tell: (line: string) => void,
    stateName: (state: number) => string,
    errorCode: (reason: number) => string,
  ) {
    this.#tell = tell
    this.#stateName = stateName
    this.#errorCode = errorCode
  }

  segmentSent(id: number, now: number, segment: Segment, retransmission: boolean): void {
    if (retransmission) this.#of(id, now, `sends again: ${formatSegment(segment)}`)
    else if ((segment.flags & Flag.SYN) !== 0) this.#of(id, now, `opens: ${formatSegment(segment)}`)
    else if ((segment.flags & Flag.RST) !== 0) this.#of(id, now, `resets: ${formatSegment(segment)}`)
  }

  segmentReceived(id: number, now: number, segment: Segment): void {
    if ((segment.flags & Flag.RST) !== 0) this.#of(id, now, `is reset: ${formatSegment(segment)}`)
  }

  stateChanged(id: number, now: number, from: number, to: number): void {
    this.#of(id, now, `${this.#stateName(from)} → ${this.#stateName(to)}`)
  }

  caStateChanged(id: number, now: number, from: number, to: number, reason: string): void {
    this.#of(id, now, `${CA_STATES[from]} → ${CA_STATES[to]}: ${reason}`)
  }

  cwndChanged(): void {}

  timerFired(id: number, now: number, timer: string): void {
    this.#of(id, now, `timer: ${timer}`)
  }

  ccStateChanged(id: number, now: number, from: string, to: string, name: string): void {
    this.#of(id, now, `${name}: ${from === '' ? '' : `${from} → `}${to}`)
  }

  softError(id: number, now: number, reason: number): void {
    this.#of(id, now, `goes on in spite of ${this.#errorCode(reason)}`)
  }

  pathEvent(id: number, now: number, what: string, { remoteAddress, remotePort }: Ends, reason: string): void {
    this.#of(id, now, `path to ${formatEnd(remoteAddress, remotePort)} ${what}: ${reason}`)
  }

  frameImpaired(
    now: number,
    ends: Ends,
    outgoing: boolean,
    buffer: Buffer,
    start: number,
    end: number,
    verdict: FrameVerdict,
    seed: number,
  ): void {
    const { fate, by, index, copy, connection, corrupted, marked, reordered, injected } = verdict
    const done = [
      fate === 'dropped' ? `dropped by ${by}` : '',
      corrupted ? 'corrupted' : '',
      marked ? 'marked' : '',
      reordered ? 'reordered' : '',
      copy > 0 ? 'a copy' : '',
      injected ? 'made by the impairment' : '',
    ].filter((word) => word !== '')
    if (done.length === 0) return
    const which = `packet ${index} of connection ${connection} ${outgoing ? 'to' : 'from'}`
    const path = formatEnd(ends.remoteAddress, ends.remotePort)
    const what = `${done.join(', ')}, seed ${seed}: ${formatBytes(buffer, start, end)}`
    this.#tell(`${seconds(now)} ${which} ${path}: ${what}`)
  }

  #of(id: number, now: number, what: string): void {
    this.#tell(`${seconds(now)} connection ${id}: ${what}`)
  }
}

const seconds = (us: number): string => (us / 1e6).toFixed(6)
