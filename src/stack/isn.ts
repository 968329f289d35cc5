import { type Seq, toSeq } from '../wire/index.ts'
import type { Random } from './random.ts'
import { Purpose, TupleHash } from './tuple-hash.ts'

/** The numbers that a connection begins with. */
export interface StartingNumbers {
  isn(localAddress: string, localPort: number, remoteAddress: string, remotePort: number, nowUs: number): Seq
  /** What is added to the timestamp clock. */
  timestampOffset(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): Seq
}

/** Numbers such that nobody off a connection's path can guess them. */
export class SequenceNumbers implements StartingNumbers {
  readonly #hash: TupleHash

  /** The secret is made anew with each stack. */
  constructor(random: Random) {
    this.#hash = new TupleHash(random.secret(16))
  }

  /**
   * rfc6528#3: ISN = M + F(local address, local port, remote address, remote port, secret). M goes up by one every 4 µs, so that
   * incarnations of one connection follow each other in sequence space; F makes those of others a different start.
   */
  isn(localAddress: string, localPort: number, remoteAddress: string, remotePort: number, nowUs: number): Seq {
    this.#hash.hash(Purpose.InitialSequence, localAddress, localPort, remoteAddress, remotePort)
    return toSeq(this.#hash.lo + Math.floor(nowUs / 4))
  }

  /**
   * What is added to the timestamp clock (rfc7323#5.4). A hash and not chance: it is the same in every incarnation of the
   * connection, as PAWS and the reuse of TIME_WAIT want it, and a SYN cookie need not carry it.
   */
  timestampOffset(localAddress: string, localPort: number, remoteAddress: string, remotePort: number): Seq {
    this.#hash.hash(Purpose.TimestampOffset, localAddress, localPort, remoteAddress, remotePort)
    return toSeq(this.#hash.lo)
  }
}
