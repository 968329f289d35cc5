import { AckAggregation } from '../bbr/aggregation.ts'
import { firstPacing, inNetworkAtNextSend, pacingFor } from '../bbr/model.ts'
import type { CongestionController, ControllerEnvironment, RateSample } from '../controller.ts'
import { numberOption } from '../options.ts'
import { Ecn } from './ecn.ts'
import { Model } from './model.ts'
import { CWND_GAIN, PACING_GAIN, Phase, ProbeBw } from './probe-bw.ts'
import { PROBE_RTT_CWND_GAIN, ProbeRtt } from './probe-rtt.ts'
import { Signals } from './signals.ts'
import {
  DRAIN_PACING_GAIN,
  FullBandwidth,
  STARTUP_CWND_GAIN,
  STARTUP_PACING_GAIN,
  startupLossTooHigh,
} from './startup.ts'

const State = { Startup: 'STARTUP', Drain: 'DRAIN', ProbeBw: 'PROBE_BW', ProbeRtt: 'PROBE_RTT' } as const
type State = (typeof State)[keyof typeof State]

/** linux v3: bbr_ecn_max_rtt_us */
const ECN_MAX_RTT_US = 5000

/**
 * BBR version 3 (draft-ietf-ccwg-bbr, where it is silent as Google's Linux tree has it): the model of version 1, and bounds on it that loss and
 * marks of Congestion Experienced set. A probe that costs more than 2 % of a flight fixes how much may ever be in flight (`inflight_hi`); loss
 * outside of a probe lowers rate and flight until the next (`bw_lo`, `inflight_lo`). Anchors `bbr3#` name sections of the draft, `BBR…` its
 * functions.
 *
 * Option: `ecnMaxRttUs`, the longest round trip at which marks are answered (5,000 µs; 0: any).
 */
export class Bbr3 implements CongestionController {
  readonly name: string = 'bbr3'
  readonly ownsRecovery: boolean = true
  cwnd: number
  ssthresh: number = Number.POSITIVE_INFINITY
  pacingBps = 0
  readonly #model: Model
  readonly #signals: Signals = new Signals()
  readonly #ecn: Ecn
  readonly #full: FullBandwidth = new FullBandwidth()
  readonly #probeBw: ProbeBw
  readonly #probeRtt: ProbeRtt
  readonly #aggregation: AckAggregation
  readonly #initialWindow: number
  #state: State = State.Startup
  #idleRestart = false
  #hasRtt: boolean
  /** The last window that no timeout and no PROBE_RTT had cut. */
  #priorCwnd = 0
  /** A timeout has cut the window, and what was outstanding then is not acknowledged yet. */
  #inLoss = false

  constructor(environment: ControllerEnvironment) {
    const { mss, now, initialWindow, random, options, srtt = 0, minRtt = Number.POSITIVE_INFINITY } = environment
    this.cwnd = initialWindow
    this.#initialWindow = initialWindow
    this.#model = new Model(mss, initialWindow, minRtt)
    this.#ecn = new Ecn(numberOption(options, 'ecnMaxRttUs', ECN_MAX_RTT_US, 0, 1e9))
    this.#probeBw = new ProbeBw(random)
    this.#probeRtt = new ProbeRtt(now)
    this.#aggregation = new AckAggregation(now)
    this.#hasRtt = srtt > 0
    this.#initPacing(srtt)
  }

  onSent(now: number, bytes: number, inFlight: number, appLimited = true): void {
    // BBRHandleRestartFromIdle
    if (inFlight > bytes || !appLimited) return
    this.#idleRestart = true
    this.#aggregation.restart(now)
    if (this.#state === State.ProbeBw) this.#setPacing(1)
    else if (this.#state === State.ProbeRtt && this.#probeRtt.isDone(now)) this.#leaveProbeRtt(now, null)
  }

  onAck(sample: RateSample): void {
    this.#updateModel(sample)
    if (!this.#hasRtt && sample.srtt > 0) {
      this.#hasRtt = true
      this.#initPacing(sample.srtt)
    }
    this.#setPacing(this.#pacingGain)
    this.#setCwnd(sample)
  }

  onEnterRecovery(_sample: RateSample): void {
    this.#saveCwnd()
    this.#model.save()
  }

  onExitRecovery(_now: number): void {
    this.#restoreCwnd()
  }

  onTimeout(_now: number, _inFlight: number, repeated: boolean): void {
    const model = this.#model
    if (!repeated) {
      this.#saveCwnd()
      model.save()
      // linux v3: the path may be another one now.
      this.#full.restart(0)
      if (!this.#isProbing && model.inflightLo === Number.POSITIVE_INFINITY)
        model.inflightLo = Math.max(this.cwnd, this.#priorCwnd)
    }
    this.#inLoss = true
    this.cwnd = model.mss
  }

  onUndo(): void {
    this.#full.restart(0)
    this.#signals.lossInRound = false
    this.#model.undo()
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd)
    this.#inLoss = false
  }

  onEcn(): void {
    // Each mark is counted as it comes, by `ecnMarked`.
  }

  onMss(mss: number): void {
    this.#model.mss = mss
    this.cwnd = Math.max(this.cwnd, this.#inLoss ? mss : this.#model.minPipe)
    this.ssthresh = Math.max(this.ssthresh, this.#model.minPipe)
  }

  info(): Record<string, number | string | boolean> {
    const model = this.#model
    return {
      state: this.state,
      bw: Math.round(model.bw),
      max_bw: Math.round(model.maxBw),
      bw_lo: bound(model.bwLo),
      inflight_hi: bound(model.inflightHi),
      inflight_lo: bound(model.inflightLo),
      min_rtt: model.minRtt === Number.POSITIVE_INFINITY ? 0 : model.minRtt,
      pacing_gain: this.#pacingGain,
      cwnd_gain: this.#cwndGain,
      pacing_rate: Math.round(this.pacingBps),
      round: model.round.count,
      full_bw_reached: this.#full.reached,
      extra_acked: Math.round(this.#aggregation.extraAcked),
      ecn_alpha: this.#ecn.alpha,
      prior_cwnd: this.#priorCwnd,
    }
  }

  get state(): string {
    return this.#state === State.ProbeBw ? this.#probeBw.phase : this.#state
  }

  get #pacingGain(): number {
    switch (this.#state) {
      case State.Startup:
        return STARTUP_PACING_GAIN
      case State.Drain:
        return DRAIN_PACING_GAIN
      case State.ProbeBw:
        return PACING_GAIN[this.#probeBw.phase]
      default:
        return 1
    }
  }

  get #cwndGain(): number {
    switch (this.#state) {
      case State.ProbeBw:
        return CWND_GAIN[this.#probeBw.phase]
      case State.ProbeRtt:
        return PROBE_RTT_CWND_GAIN
      default:
        return STARTUP_CWND_GAIN
    }
  }

  /** BBRIsProbingBW: more than known is asked of the path, so loss is to be expected and the lower bounds stay as they are. */
  get #isProbing(): boolean {
    if (this.#state !== State.ProbeBw) return this.#state === State.Startup
    return this.#probeBw.phase === Phase.Refill || this.#probeBw.phase === Phase.Up
  }

  /** BBRUpdateModelAndState */
  #updateModel(sample: RateSample): void {
    const model = this.#model
    const signals = this.#signals
    const { round } = model
    const inStartup = this.#state === State.Startup
    const appLimited = sample.appLimited || this.#probeRtt.held.covers(sample.priorDelivered)
    round.started = false
    signals.onAck(sample, model)
    if (sample.interval > 0) {
      round.update(sample.priorDelivered, sample.totalDelivered)
      model.onBandwidth(sample.rate, appLimited)
    }
    this.#ecn.onAck(sample, round.started, model.minRtt, inStartup)
    // Judged before the round's count of losses is given up.
    const tooMuch = inStartup && (startupLossTooHigh(sample, signals, model) || this.#ecn.endsStartup)
    signals.adapt(model, this.#ecn, this.cwnd, this.#isProbing)
    this.#aggregation.onAck(sample, round.started, model.bw, this.cwnd)
    model.extraAcked = this.#aggregation.allowance(model.bw)
    this.#full.onAck(sample, round.started, appLimited)
    if (tooMuch && !this.#full.reached) {
      this.#full.reached = true
      model.inflightHi = Math.max(model.bdp(model.bw, 1), model.inflightLatest)
    }
    this.#checkDrain(sample)
    this.#probeBw.onAck(
      sample,
      model,
      signals,
      this.#full,
      this.#ecn,
      this.cwnd,
      appLimited,
      this.#state === State.ProbeBw,
    )
    this.#checkProbeRtt(sample)
    signals.advance(sample, model)
  }

  #checkDrain(sample: RateSample): void {
    const model = this.#model
    if (this.#state === State.Startup && this.#full.reached) {
      this.#state = State.Drain
      this.ssthresh = model.inflight(model.maxBw, 1)
    }
    if (this.#state !== State.Drain) return
    const there = inNetworkAtNextSend(sample.inFlight, sample, model.bw, model.quantum, DRAIN_PACING_GAIN)
    if (there > model.inflight(model.maxBw, 1)) return
    this.#state = State.ProbeBw
    this.#probeBw.startDown(sample, sample.now, model, this.#signals)
  }

  /** BBRCheckProbeRTT */
  #checkProbeRtt(sample: RateSample): void {
    const model = this.#model
    const probeRtt = this.#probeRtt
    const expired = probeRtt.onRtt(sample, model)
    if (expired && !this.#idleRestart && this.#state !== State.ProbeRtt) {
      this.#saveCwnd()
      this.#state = State.ProbeRtt
      this.#probeBw.interrupt()
      model.round.restart(sample.totalDelivered)
      probeRtt.start(sample)
    }
    if (this.#state === State.ProbeRtt && probeRtt.onAck(sample, model.round, probeRtt.cwnd(model)))
      this.#leaveProbeRtt(sample.now, sample)
    if (sample.delivered > 0) this.#idleRestart = false
  }

  /** BBRExitProbeRTT: below what the path holds, so there is nothing to drain. */
  #leaveProbeRtt(now: number, sample: RateSample | null): void {
    this.#probeRtt.end(now)
    this.#model.resetLower()
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd)
    if (!this.#full.reached) {
      this.#state = State.Startup
      return
    }
    this.#state = State.ProbeBw
    this.#probeBw.startDown(sample, now, this.#model, this.#signals)
    this.#probeBw.startCruise()
  }

  /** BBRSaveCwnd */
  #saveCwnd(): void {
    const cut = this.#inLoss || this.#state === State.ProbeRtt
    this.#priorCwnd = cut ? Math.max(this.#priorCwnd, this.cwnd) : this.cwnd
  }

  #restoreCwnd(): void {
    if (!this.#inLoss) return
    this.#inLoss = false
    this.cwnd = Math.max(this.cwnd, this.#priorCwnd)
  }

  #initPacing(srtt: number): void {
    this.pacingBps = firstPacing(this.cwnd, srtt, STARTUP_PACING_GAIN)
    this.#model.onPacingRate(this.pacingBps)
  }

  /** BBRSetPacingRateWithGain */
  #setPacing(gain: number): void {
    const rate = pacingFor(this.#model.bw, gain)
    if (!this.#full.reached && rate <= this.pacingBps) return
    this.pacingBps = rate
    this.#model.onPacingRate(rate)
  }

  /** BBRSetCwnd */
  #setCwnd(sample: RateSample): void {
    const model = this.#model
    const { delivered } = sample
    const isUp = this.#state === State.ProbeBw && this.#probeBw.phase === Phase.Up
    const most = model.budget(model.bdp(model.bw, this.#cwndGain) + model.extraAcked, isUp)
    let { cwnd } = this
    if (this.#full.reached) cwnd = Math.min(cwnd + delivered, most)
    else if (cwnd < most || sample.totalDelivered < this.#initialWindow) cwnd += delivered
    // A timeout leaves one segment; what is delivered lets it grow from there.
    cwnd = Math.max(cwnd, delivered > 0 || !this.#inLoss ? model.minPipe : model.mss)
    if (this.#state === State.ProbeRtt) cwnd = Math.min(cwnd, this.#probeRtt.cwnd(model))
    this.cwnd = Math.floor(Math.min(cwnd, Math.max(this.#bound, model.minPipe)))
  }

  /** BBRBoundCwndForModel */
  get #bound(): number {
    const model = this.#model
    let bound = Number.POSITIVE_INFINITY
    if (this.#state === State.ProbeBw && this.#probeBw.phase !== Phase.Cruise) bound = model.inflightHi
    else if (this.#state === State.ProbeRtt || this.#state === State.ProbeBw) bound = model.withHeadroom
    return Math.min(bound, model.inflightLo)
  }
}

/** −1: none. */
const bound = (value: number): number => (value === Number.POSITIVE_INFINITY ? -1 : Math.round(value))
