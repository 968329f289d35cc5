import type { CongestionController, ControllerEnvironment, RateSample } from './controller.ts'
import { HyStart, HyStartPlusPlus, type SlowStartExit } from './hystart.ts'
import { booleanOption, numberOption, wordOption } from './options.ts'
import { MIN_SSTHRESH_SEGS, newlyAcked } from './reno.ts'

/** rfc9438#4.1.2, #4.6; segments per second³, and what remains of the window after loss. */
const C = 0.4
const BETA = 0.7
/** rfc8511#3.1: what remains after a mark of Congestion Experienced. */
const BETA_ECN = 0.85
/** rfc9438#4.2: the window is never aimed at more than half above itself, a round trip from now. */
const MOST_GROWTH = 1.5
/** linux: before anything is known of the path the window grows by a twentieth in a round trip at least (`cnt` ≤ 20). */
const SEARCHING_GROWTH = 1 / 20

/** Where the last growth came from, for `info()`. */
const Region = { SlowStart: 'slow start', Cubic: 'cubic', Reno: 'reno' } as const
type Region = (typeof Region)[keyof typeof Region]

/**
 * CUBIC (rfc9438): after a reduction the window returns to where it was lost along a cubic of *time*, flat around that point and steep behind
 * it; where Reno would be faster, it is as fast as Reno.
 *
 *     cwnd │ W_max ┄┄┄┄┄┄┄┄┄┄┄┄╭────────────╯ ╱      W(t) = C·(t − K)³ + W_max
 *          │             ╭────╯  concave │ convex
 *          │          ╭─╯                          K: the time to return to W_max
 *          │  cwnd_ep ╯
 *          ┼──────────┼───────────────────┼────▶ t
 *                     0                   K
 *
 * Options: `hystart` (`hystart++`, `hystart`, `off`), `fastConvergence`, `renoFriendly` (linux: tcp_friendliness), `abe`, `beta`, `c`.
 */
export class Cubic implements CongestionController {
  readonly name: string = 'cubic'
  readonly ownsRecovery: boolean = false
  cwnd: number
  ssthresh: number = Number.POSITIVE_INFINITY
  pacingBps = 0
  #mss: number
  readonly #c: number
  readonly #beta: number
  readonly #betaEcn: number
  /** What Reno would add in a round trip to have the same average, segments (rfc9438#4.3, α_cubic). */
  readonly #alpha: number
  readonly #fastConvergence: boolean
  readonly #renoFriendly: boolean
  readonly #slowStartExit: SlowStartExit | null

  /** The window when it was last reduced, lessened by fast convergence, bytes; 0: not since the start or a timeout. */
  #wMax = 0
  /** The window just before the last reduction. */
  #cwndPrior = 0
  /** When the present stage of congestion avoidance began, µs, less the time that the application was the limit; −1: none has. */
  #epochStart = -1
  /** Seconds from there to `#origin`. */
  #k = 0
  /** The plateau of the cubic in force. */
  #origin = 0
  /** The window that Reno would have. */
  #wEst = 0
  /** Part of a byte by which the window has yet to grow. */
  #fraction = 0
  /** Last time that growth was considered, and last time anything was sent. */
  #lastAckAt = 0
  #lastSentAt = 0
  #region: Region = Region.SlowStart

  // What the last reduction replaced (rfc9438#4.9).
  #undoWMax = 0
  #undoCwndPrior = 0
  #undoEpochStart = -1
  #undoK = 0
  #undoOrigin = 0
  #undoWEst = 0

  constructor({ mss, initialWindow, options, counters }: ControllerEnvironment) {
    this.#mss = mss
    this.cwnd = initialWindow
    this.#c = numberOption(options, 'c', C, 0.001, 100)
    this.#beta = numberOption(options, 'beta', BETA, 0.1, 0.99)
    this.#betaEcn = booleanOption(options, 'abe', true) ? Math.max(BETA_ECN, this.#beta) : this.#beta
    this.#alpha = (3 * (1 - this.#beta)) / (1 + this.#beta)
    this.#fastConvergence = booleanOption(options, 'fastConvergence', true)
    this.#renoFriendly = booleanOption(options, 'renoFriendly', true)
    const hystart = wordOption(options, 'hystart', 'hystart++', ['hystart++', 'hystart', 'off'])
    this.#slowStartExit =
      hystart === 'off' ? null : hystart === 'hystart' ? new HyStart(counters) : new HyStartPlusPlus(counters)
  }

  onSent(now: number, bytes: number, inFlight: number): void {
    // rfc9438#5.8, linux: CA_EVENT_TX_START; silence is no time in which the window might have grown.
    if (inFlight <= bytes) {
      this.#pause(Math.max(this.#lastAckAt, this.#lastSentAt), now)
      this.#lastAckAt = now
    }
    this.#lastSentAt = now
  }

  onAck(sample: RateSample): void {
    const { now } = sample
    if (sample.inRecovery || !sample.cwndLimited) {
      // rfc9438#5.8: nor is the time in which the application left the window unused.
      if (!sample.inRecovery) this.#pause(this.#lastAckAt, now)
      this.#lastAckAt = now
      return
    }
    this.#lastAckAt = now
    let acked = newlyAcked(sample)
    if (this.cwnd < this.ssthresh) {
      if (this.#leavesSlowStart(sample)) this.ssthresh = this.cwnd
      else acked = this.#slowStart(acked)
    }
    if (acked > 0) this.#avoid(acked, now, sample.srtt > 0 ? sample.srtt : 0)
  }

  onEnterRecovery(_sample: RateSample): void {
    this.#reduce(this.#beta)
  }

  onEcn(_now: number, _bytes: number): void {
    this.#reduce(this.#betaEcn)
  }

  onTimeout(_now: number, _inFlight: number, repeated: boolean): void {
    if (!repeated) {
      this.#reduce(this.#beta)
      // rfc9438#4.8: the next stage starts from the window that slow start reaches, as if there had been none before.
      this.#wMax = 0
      this.#slowStartExit?.reset()
    }
    this.cwnd = this.#mss
  }

  onUndo(): void {
    // rfc9438#4.9.2
    this.#wMax = this.#undoWMax
    this.#cwndPrior = this.#undoCwndPrior
    this.#epochStart = this.#undoEpochStart
    this.#k = this.#undoK
    this.#origin = this.#undoOrigin
    this.#wEst = this.#undoWEst
  }

  onMss(mss: number, keepBytes = false): void {
    // All windows stand for so many segments.
    const scale = keepBytes ? 1 : mss / this.#mss
    // The way back to W_max is shorter in larger segments: another curve, from here.
    if (keepBytes) this.#epochStart = -1
    this.cwnd = Math.max(mss, Math.round(this.cwnd * scale))
    if (this.ssthresh !== Number.POSITIVE_INFINITY) this.ssthresh = Math.round(this.ssthresh * scale)
    this.#wMax *= scale
    this.#cwndPrior *= scale
    this.#origin *= scale
    this.#wEst *= scale
    this.#undoWMax *= scale
    this.#undoCwndPrior *= scale
    this.#undoOrigin *= scale
    this.#undoWEst *= scale
    this.#fraction = 0
    this.#mss = mss
  }

  get state(): string {
    return this.cwnd < this.ssthresh ? Region.SlowStart : this.#region
  }

  info(): Record<string, number | string | boolean> {
    const slowStart = this.cwnd < this.ssthresh
    return {
      region: this.state,
      w_max: Math.round(this.#wMax),
      k: this.#k,
      epoch: this.#epochStart,
      w_est: Math.round(this.#wEst),
      beta: this.#beta,
      hystart: this.#slowStartExit === null ? 'off' : this.#slowStartExit.name,
      hystart_phase: slowStart && this.#slowStartExit !== null ? this.#slowStartExit.phase : '',
    }
  }

  #leavesSlowStart(sample: RateSample): boolean {
    const exit = this.#slowStartExit
    if (exit === null) return false
    // rfc9406#4.3: of use only while nothing is known of the path; the kernel's looks at every slow start.
    if (exit.name === 'hystart++' && this.ssthresh !== Number.POSITIVE_INFINITY) return false
    return exit.onAck(sample, this.cwnd)
  }

  /** Returns what is left for congestion avoidance. */
  #slowStart(acked: number): number {
    const exit = this.#slowStartExit
    const growth = exit !== null && this.ssthresh === Number.POSITIVE_INFINITY ? exit.growth(acked) : acked
    const room = this.ssthresh - this.cwnd
    if (growth < room) {
      this.#grow(growth)
      return 0
    }
    this.cwnd = this.ssthresh
    return growth - room
  }

  #avoid(acked: number, now: number, srtt: number): void {
    if (this.#epochStart < 0) this.#beginEpoch(now)
    const { cwnd } = this
    const t = (now - this.#epochStart) / 1e6
    // rfc9438#4.3
    const alpha = this.#wEst < this.#cwndPrior ? this.#alpha : 1
    this.#wEst += (alpha * acked * this.#mss) / cwnd
    if (this.#renoFriendly && this.#window(t) < this.#wEst) {
      this.#region = Region.Reno
      this.cwnd = Math.max(cwnd, Math.floor(this.#wEst))
      return
    }
    // rfc9438#4.4, #4.5: to be in a round trip where the cubic then is.
    this.#region = Region.Cubic
    const target = Math.min(Math.max(this.#window(t + srtt / 1e6), cwnd), MOST_GROWTH * cwnd)
    let growth = ((target - cwnd) * acked) / cwnd
    if (this.#wMax === 0) growth = Math.max(growth, acked * SEARCHING_GROWTH)
    this.#grow(growth)
  }

  /** The first ACK of a stage of congestion avoidance. */
  #beginEpoch(now: number): void {
    const { cwnd } = this
    this.#epochStart = now
    this.#wEst = cwnd
    if (this.#wMax > cwnd) {
      this.#origin = this.#wMax
      this.#k = Math.cbrt((this.#wMax - cwnd) / (this.#c * this.#mss))
    } else {
      // rfc9438#4.8, #4.10: nothing to return to; from here on outwards.
      this.#origin = cwnd
      this.#k = 0
    }
  }

  /** W_cubic(t), bytes; `t` in seconds. */
  #window(t: number): number {
    const d = t - this.#k
    return this.#c * this.#mss * d * d * d + this.#origin
  }

  #reduce(beta: number): void {
    const { cwnd } = this
    this.#undoWMax = this.#wMax
    this.#undoCwndPrior = this.#cwndPrior
    this.#undoEpochStart = this.#epochStart
    this.#undoK = this.#k
    this.#undoOrigin = this.#origin
    this.#undoWEst = this.#wEst

    this.#cwndPrior = cwnd
    // rfc9438#4.7: it fell short of where it was last: others have come, so leave them more room.
    this.#wMax = this.#fastConvergence && cwnd < this.#wMax ? (cwnd * (1 + beta)) / 2 : cwnd
    this.ssthresh = Math.max(Math.floor(cwnd * beta), MIN_SSTHRESH_SEGS * this.#mss)
    this.#epochStart = -1
    this.#fraction = 0
  }

  #grow(bytes: number): void {
    this.#fraction += bytes
    const whole = Math.floor(this.#fraction)
    this.#fraction -= whole
    this.cwnd += whole
  }

  /** The time from `since` does not count. */
  #pause(since: number, now: number): void {
    if (this.#epochStart >= 0 && now > since) this.#epochStart = Math.min(now, this.#epochStart + now - since)
  }
}
