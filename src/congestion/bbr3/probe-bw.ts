import { inNetworkAtNextSend } from '../bbr/model.ts'
import type { RateSample } from '../controller.ts'
import type { Ecn } from './ecn.ts'
import { BETA, inflightAtLoss, type Model } from './model.ts'
import type { Signals } from './signals.ts'
import type { FullBandwidth } from './startup.ts'

export const Phase = { Down: 'PROBE_DOWN', Cruise: 'PROBE_CRUISE', Refill: 'PROBE_REFILL', Up: 'PROBE_UP' } as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** bbr3#4.3.3; the gains of the pace and of the window. */
export const PACING_GAIN: Readonly<Record<Phase, number>> = {
  [Phase.Down]: 0.9,
  [Phase.Cruise]: 1,
  [Phase.Refill]: 1,
  [Phase.Up]: 1.25,
}
export const CWND_GAIN: Readonly<Record<Phase, number>> = {
  [Phase.Down]: 2,
  [Phase.Cruise]: 2,
  [Phase.Refill]: 2,
  [Phase.Up]: 2.25,
}

/** Which part of a probe the acknowledgements that come now tell of: they are a round trip behind. */
const Acks = { Init: 0, Refilling: 1, ProbeStarting: 2, ProbeFeedback: 3, ProbeStopping: 4 } as const
type Acks = (typeof Acks)[keyof typeof Acks]

/** BBRPickProbeWait: two to three seconds between probes, or so many rounds as Reno would take to need as much. */
const WAIT_MIN_US = 2_000_000
const WAIT_RANDOM_US = 1_000_000
const MAX_ROUNDS = 63
/** BBRRaiseInflightHiSlope */
const MAX_SLOPE_ROUNDS = 30

/**
 * Probing for bandwidth and for room, every two to three seconds:
 *
 *     DOWN ──headroom, queue gone──▶ CRUISE ──time──▶ REFILL ──a round──▶ UP ──full, or too much loss──▶ DOWN
 *     0.9                            1.0              1.0                 1.25
 *
 * REFILL drops what the last rounds warned of and fills the pipe to the known level, so that UP probes beyond it and nothing else.
 */
export class ProbeBw {
  phase: Phase = Phase.Down
  /** Loss now acknowledged was caused by a probe: the upper bound answers. */
  #probeSamples = false
  #acks: Acks = Acks.Init
  #phaseStart = 0
  #wait = 0
  #roundsSinceProbe = 0
  #upRounds = 0
  /** Bytes to be acknowledged for each byte that `inflight_hi` grows, and the part of a byte that it has yet to. */
  #upDivisor = Number.POSITIVE_INFINITY
  #upFraction = 0
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  /** BBRStartProbeBW_DOWN */
  startDown(sample: RateSample | null, now: number, model: Model, signals: Signals): void {
    signals.reset(model)
    this.#upDivisor = Number.POSITIVE_INFINITY
    this.#roundsSinceProbe = this.#random() < 0.5 ? 0 : 1
    this.#wait = WAIT_MIN_US + this.#random() * WAIT_RANDOM_US
    this.#phaseStart = now
    this.#acks = Acks.ProbeStopping
    if (sample !== null) model.round.restart(sample.totalDelivered)
    this.phase = Phase.Down
  }

  startCruise(): void {
    this.phase = Phase.Cruise
  }

  /** PROBE_RTT ends what probe there was. */
  interrupt(): void {
    this.#acks = Acks.ProbeStopping
  }

  /**
   * BBRUpdateProbeBWCyclePhase. `inProbeBw` false: another state; only the bounds are kept up.
   */
  onAck(
    sample: RateSample,
    model: Model,
    signals: Signals,
    full: FullBandwidth,
    ecn: Ecn,
    cwnd: number,
    appLimited: boolean,
    inProbeBw: boolean,
  ): void {
    if (model.round.started) this.#roundsSinceProbe++
    if (!full.reached) return
    // Asked before the bound rises: it rises by less than a segment at a time, and the window follows with the next ACK.
    const bounded = sample.cwndLimited && cwnd >= model.inflightHi
    if (this.#adaptUpper(sample, model, signals, ecn, cwnd, appLimited, inProbeBw) || !inProbeBw) return
    switch (this.phase) {
      case Phase.Down:
        if (!this.#refillIfTime(sample, model, cwnd) && this.#mayCruise(sample, model)) this.startCruise()
        break
      case Phase.Cruise:
        this.#refillIfTime(sample, model, cwnd)
        break
      case Phase.Refill:
        if (model.round.started) this.#startUp(sample, model, full, cwnd)
        break
      default:
        // BBRIsTimeToGoDown; the bound, not the path, may be what keeps the bandwidth from growing.
        if (bounded) full.restart(sample.rate)
        else if (full.now) this.startDown(sample, sample.now, model, signals)
    }
  }

  /** BBRAdaptLongTermModel. True: the phase has changed. */
  #adaptUpper(
    sample: RateSample,
    model: Model,
    signals: Signals,
    ecn: Ecn,
    cwnd: number,
    appLimited: boolean,
    inProbeBw: boolean,
  ): boolean {
    if (model.round.started) {
      if (this.#acks === Acks.ProbeStarting) this.#acks = Acks.ProbeFeedback
      else if (this.#acks === Acks.ProbeStopping) {
        this.#probeSamples = false
        this.#acks = Acks.Init
        if (inProbeBw && !appLimited) model.advanceCycle()
      }
    }
    if (model.lossTooHigh(sample) || ecn.tooHigh) {
      return this.#probeSamples && this.#tooHigh(sample, model, signals, cwnd, appLimited, inProbeBw)
    }
    if (model.inflightHi === Number.POSITIVE_INFINITY) return false
    // Whatever went through safely is no bound.
    const { txInFlight } = sample
    if (txInFlight > model.inflightHi) model.inflightHi = txInFlight
    if (inProbeBw && this.phase === Phase.Up) this.#raise(sample, model, cwnd)
    return false
  }

  /** BBRHandleInflightTooHigh; once a probe. */
  #tooHigh(
    sample: RateSample,
    model: Model,
    signals: Signals,
    cwnd: number,
    appLimited: boolean,
    inProbeBw: boolean,
  ): boolean {
    this.#probeSamples = false
    if (!appLimited) model.inflightHi = Math.floor(Math.max(inflightAtLoss(sample), model.target(cwnd) * BETA))
    if (!inProbeBw || this.phase !== Phase.Up) return false
    this.startDown(sample, sample.now, model, signals)
    return true
  }

  /** BBRProbeInflightHiUpward: a segment in the first round, two in the second, four … while the bound is what limits. */
  #raise(sample: RateSample, model: Model, cwnd: number): void {
    if (!sample.cwndLimited || cwnd < model.inflightHi) return
    this.#upFraction += sample.delivered / this.#upDivisor
    const whole = Math.floor(this.#upFraction)
    this.#upFraction -= whole
    model.inflightHi += whole
    if (model.round.started) this.#steepen(model, cwnd)
  }

  /** BBRRaiseInflightHiSlope */
  #steepen(model: Model, cwnd: number): void {
    const growth = model.mss * 2 ** this.#upRounds
    this.#upRounds = Math.min(this.#upRounds + 1, MAX_SLOPE_ROUNDS)
    this.#upDivisor = Math.max(cwnd / growth, 1)
  }

  /** BBRIsTimeToProbeBW */
  #refillIfTime(sample: RateSample, model: Model, cwnd: number): boolean {
    const renoRounds = Math.min(model.target(cwnd) / model.mss, MAX_ROUNDS)
    if (sample.now <= this.#phaseStart + this.#wait && this.#roundsSinceProbe < renoRounds) return false
    model.resetLower()
    this.#upRounds = 0
    this.#upFraction = 0
    this.#acks = Acks.Refilling
    model.round.restart(sample.totalDelivered)
    this.phase = Phase.Refill
    return true
  }

  /** BBRIsTimeToCruise */
  #mayCruise(sample: RateSample, model: Model): boolean {
    const { inFlight } = sample
    const there = inNetworkAtNextSend(inFlight, sample, model.bw, model.quantum, PACING_GAIN[Phase.Down])
    return there <= model.withHeadroom && there <= model.inflight(model.maxBw, 1)
  }

  #startUp(sample: RateSample, model: Model, full: FullBandwidth, cwnd: number): void {
    this.#probeSamples = true
    this.#acks = Acks.ProbeStarting
    model.round.restart(sample.totalDelivered)
    full.restart(sample.rate)
    this.#phaseStart = sample.now
    this.phase = Phase.Up
    this.#steepen(model, cwnd)
  }
}
