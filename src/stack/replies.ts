import { encodeHeader, Flag, optionsLength, type Segment, writeChecksum } from '../wire/index.ts'
import type { PathFlows } from './flows.ts'
import type { Mib } from './mib.ts'

/** Writes what is sent without a connection: SYN-ACKs, resets, ACKs of TIME_WAIT. */
export class Replies {
  readonly #mib: Pick<Mib, 'OutSegs' | 'OutRsts'>
  readonly #out: Segment

  /** `out` is filled anew for each. */
  constructor(mib: Pick<Mib, 'OutSegs' | 'OutRsts'>, out: Segment) {
    this.#mib = mib
    this.#out = out
  }

  /**
   * Sends what `fill` writes, nothing where it returns false. Without a request, `fill` names the ports. An answer is no longer than what drew it
   * (a RST, or a bare ACK with timestamps only where there were some).
   */
  send({ path }: PathFlows, request: Segment | null, fill: (out: Segment) => boolean): void {
    const out = this.#out
    if (!fill(out)) return
    if (request !== null) {
      out.srcPort = request.dstPort
      out.dstPort = request.srcPort
      if (!request.hasTimestamps) out.hasTimestamps = false
    }
    const length = 20 + optionsLength(out)
    if (!path.reserve(length)) return
    const { buffer, offset } = path
    encodeHeader(out, buffer, offset)
    writeChecksum(buffer, offset, offset + length)
    path.commit(length)
    this.#mib.OutSegs++
    if ((out.flags & Flag.RST) !== 0) this.#mib.OutRsts++
  }
}
