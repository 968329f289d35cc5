import type { CongestionController } from '../../congestion/index.ts'
import type { Scoreboard } from '../scoreboard.ts'

/** What an ACK of the episode did, for a reduction. */
export interface ReductionInput {
  delivered: number
  /** It advanced SND.UNA. */
  advanced: boolean
  /** It showed new loss. */
  lost: boolean
  mss: number
}

/**
 * How the window comes down to `ssthresh` in the course of an episode (`cwnd_reduction`). It writes `cwnd`; a controller that owns its
 * recovery is never handed to one.
 */
export interface Reduction {
  readonly name: string
  /** The episode begins; the controller has set `ssthresh`, its `cwnd` still is the old one. */
  begin(controller: CongestionController, board: Scoreboard): void
  /** After each ACK of the episode, the first included. */
  onAck(controller: CongestionController, board: Scoreboard, input: ReductionInput): void
  onSent(bytes: number): void
  /** The episode is over. */
  end(controller: CongestionController): void
}

const settle = (controller: CongestionController): void => {
  if (controller.ssthresh !== Number.POSITIVE_INFINITY) controller.cwnd = controller.ssthresh
}

/**
 * Proportional rate reduction (rfc9937, rfc6937): what leaves follows what was delivered, so that the window has come down when the episode
 * ends and sending never stops. Under `ssthresh` it follows the slow-start bound while ACKs make progress, the conservative one otherwise.
 */
class Prr implements Reduction {
  readonly name: string = 'prr'
  /** The window when the episode began (RecoverFS). */
  #priorCwnd = 0
  /** prr_delivered, prr_out */
  delivered = 0
  out = 0

  begin(controller: CongestionController): void {
    // Where a timeout has left less than the threshold, nothing is to be reduced: one leaves for each that arrives.
    this.#priorCwnd = Math.max(controller.cwnd, Math.min(controller.ssthresh, Number.MAX_SAFE_INTEGER))
    this.delivered = 0
    this.out = 0
  }

  onAck(controller: CongestionController, board: Scoreboard, { delivered, advanced, lost, mss }: ReductionInput): void {
    if (delivered <= 0 || this.#priorCwnd === 0) return
    const { ssthresh } = controller
    const { inFlight } = board
    this.delivered += delivered
    let send: number
    if (inFlight > ssthresh) {
      send = Math.ceil((this.delivered * ssthresh) / this.#priorCwnd) - this.out
    } else {
      send = Math.max(this.delivered - this.out, delivered)
      // rfc9937#6.2: the ACK is safe; grow as slow start would.
      if (advanced && !lost) send += mss
      send = Math.min(send, ssthresh - inFlight)
    }
    // The first retransmission always leaves.
    send = Math.max(send, this.out === 0 ? mss : 0)
    controller.cwnd = Math.max(inFlight + send, mss)
  }

  onSent(bytes: number): void {
    this.out += bytes
  }

  end(controller: CongestionController): void {
    settle(controller)
  }
}

/** Rate halving (linux before 3.2: tcp_cwnd_down): one segment leaves for every two that arrive, until the window is down. */
class RateHalving implements Reduction {
  readonly name: string = 'rate_halving'
  #halves = 0
  /** Half of what was delivered since the episode began, less what was sent: ACKs may come many at a time. */
  #allowance = 0

  begin(): void {
    this.#halves = 0
    this.#allowance = 0
  }

  onAck(controller: CongestionController, board: Scoreboard, { delivered, mss }: ReductionInput): void {
    this.#halves += delivered
    const segments = Math.floor(this.#halves / (2 * mss))
    this.#halves -= segments * 2 * mss
    this.#allowance += delivered / 2
    const down = Math.max(controller.cwnd - segments * mss, controller.ssthresh)
    controller.cwnd = Math.max(Math.min(down, board.inFlight + Math.max(mss, Math.ceil(this.#allowance))), mss)
  }

  onSent(bytes: number): void {
    this.#allowance = Math.max(0, this.#allowance - bytes)
  }

  end(controller: CongestionController): void {
    settle(controller)
  }
}

/** rfc6675#5: the window falls at once, and what is in the network (`pipe`) decides when sending goes on. */
class ImmediateCut implements Reduction {
  readonly name: string = 'rfc6675'

  begin(controller: CongestionController): void {
    settle(controller)
  }

  onAck(): void {}

  onSent(): void {}

  end(controller: CongestionController): void {
    settle(controller)
  }
}

/**
 * Window inflation (rfc5681#3.2 steps 3 to 6, rfc6582#3.2): half at once, plus a segment for each duplicate, less what a partial ACK
 * acknowledged. It reckons with all that is outstanding; our senders with what is in the network, so the difference is made up for.
 */
class Inflation implements Reduction {
  readonly name: string = 'rfc5681'

  begin(controller: CongestionController, board: Scoreboard): void {
    this.#set(controller, board)
  }

  onAck(controller: CongestionController, board: Scoreboard): void {
    this.#set(controller, board)
  }

  onSent(): void {}

  end(controller: CongestionController): void {
    settle(controller)
  }

  #set(controller: CongestionController, board: Scoreboard): void {
    if (controller.ssthresh === Number.POSITIVE_INFINITY) return
    controller.cwnd = Math.max(controller.ssthresh - board.lostOut + board.retransOut, 1)
  }
}

export function createReduction(name: string): Reduction {
  switch (name) {
    case 'rate_halving':
      return new RateHalving()
    case 'rfc6675':
      return new ImmediateCut()
    case 'rfc5681':
      return new Inflation()
    default:
      return new Prr()
  }
}
