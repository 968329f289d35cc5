import type { CongestionController } from '../../congestion/index.ts'

/**
 * How the window comes down to `ssthresh` in the course of an episode (`cwnd_reduction`). It writes `cwnd`; a controller that owns its
 * recovery is never handed to one.
 */
export interface Reduction {
  readonly name: string
  /** The episode begins; the controller has set `ssthresh`, its `cwnd` still is the old one. */
  begin(controller: CongestionController, inFlight: number): void
  /** After each ACK of the episode; `progress`: it advanced SND.UNA and showed no new loss. */
  onAck(controller: CongestionController, delivered: number, inFlight: number, progress: boolean, mss: number): void
  onSent(bytes: number): void
  /** The episode is over. */
  end(controller: CongestionController): void
}

/**
 * Proportional rate reduction (rfc9937, rfc6937): what leaves follows what was delivered, so that the window has come down when the episode
 * ends and sending never stops. Under `ssthresh` it follows the slow-start bound while ACKs make progress, the conservative one otherwise.
 */
export class Prr implements Reduction {
  readonly name: string = 'prr'
  /** Bytes in flight allowed when the episode began (RecoverFS). */
  #priorCwnd = 0
  #delivered = 0
  #out = 0

  get delivered(): number {
    return this.#delivered
  }

  get out(): number {
    return this.#out
  }

  begin(controller: CongestionController): void {
    this.#priorCwnd = controller.cwnd
    this.#delivered = 0
    this.#out = 0
  }

  onAck(controller: CongestionController, delivered: number, inFlight: number, progress: boolean, mss: number): void {
    if (delivered <= 0 || this.#priorCwnd === 0) return
    const { ssthresh } = controller
    this.#delivered += delivered
    let send: number
    if (inFlight > ssthresh) {
      send = Math.ceil((this.#delivered * ssthresh) / this.#priorCwnd) - this.#out
    } else {
      send = Math.max(this.#delivered - this.#out, delivered)
      if (progress) send += mss
      send = Math.min(send, ssthresh - inFlight)
    }
    // rfc9937#6.2: the first retransmission always leaves.
    send = Math.max(send, this.#out === 0 ? mss : 0)
    controller.cwnd = Math.max(inFlight + send, mss)
  }

  onSent(bytes: number): void {
    this.#out += bytes
  }

  end(controller: CongestionController): void {
    if (controller.ssthresh !== Number.POSITIVE_INFINITY) controller.cwnd = controller.ssthresh
  }
}
