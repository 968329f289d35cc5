import type { CongestionController, ControllerEnvironment, RateSample } from '../controller.ts'
import { AckAggregation } from './aggregation.ts'
import { LongTerm } from './long-term.ts'
import { BW_ROUNDS, firstPacing, inNetworkAtNextSend, Model, pacingFor } from './model.ts'
import { ProbeBw } from './probe-bw.ts'
import { ProbeRtt } from './probe-rtt.ts'
import { RecoveryWindow } from './recovery.ts'
import { DRAIN_GAIN, FullPipe, GROWTH, HIGH_GAIN, Overshoot } from './startup.ts'

const State = { Startup: 'STARTUP', Drain: 'DRAIN', ProbeBw: 'PROBE_BW', ProbeRtt: 'PROBE_RTT' } as const
type State = (typeof State)[keyof typeof State]

/** linux: bbr_cwnd_gain; twice what the path holds, so that delayed and bunched ACKs do not stop sending. */
const CWND_GAIN = 2
/** ours: a path is slower, when its best of ten rounds falls to so much at once. */
const SLOWER = 0.8
/** ours: as long as it takes to slow-start to 4,000 segments. */
const REBUILD_ROUNDS = 12

/**
 * BBR version 1 (Cardwell, Cheng, Gunn, Yeganeh and Jacobson 2016; draft-cardwell-iccrg-bbr-congestion-control-00; linux: tcp_bbr.c): it measures the
 * bandwidth of the bottleneck and the round trip without a queue, sends at that bandwidth, and holds no more in flight than these two make.
 *
 *     STARTUP ──three rounds without more──▶ DRAIN ──queue gone──▶ PROBE_BW ◀──▶ PROBE_RTT
 *     gain 2.89                              0.35                 5/4 3/4 1 1 1 1 1 1   4 segments, 200 ms in 10 s
 *
 * Marks of Congestion Experienced mean nothing to it, loss only that a round be sent with care, or, in numbers, that a policer is at work.
 */
export class Bbr implements CongestionController {
  readonly name: string = 'bbr'
  readonly ownsRecovery: boolean = true
  cwnd: number
  ssthresh: number = Number.POSITIVE_INFINITY
  pacingBps = 0
  readonly #model: Model
  readonly #fullPipe: FullPipe = new FullPipe()
  readonly #overshoot: Overshoot = new Overshoot()
  readonly #probeBw: ProbeBw = new ProbeBw()
  readonly #probeRtt: ProbeRtt
  readonly #longTerm: LongTerm = new LongTerm()
  readonly #aggregation: AckAggregation
  readonly #recovery: RecoveryWindow = new RecoveryWindow()
  readonly #random: () => number
  readonly #initialWindow: number
  #state: State = State.Startup
  #pacingGain: number = HIGH_GAIN
  #cwndGain: number = HIGH_GAIN
  /** Sending began anew after the application had nothing to send, and nothing of it is acknowledged yet. */
  #idleRestart = false
  #hasRtt: boolean
  #totalDelivered = -0
  /** The round in which a timeout took the window away. */
  #cutRound = Number.NEGATIVE_INFINITY

  constructor({ mss, now, initialWindow, random, srtt = 0, minRtt = Number.POSITIVE_INFINITY }: ControllerEnvironment) {
    this.cwnd = initialWindow
    this.#initialWindow = initialWindow
    this.#random = random
    this.#model = new Model(mss, initialWindow, minRtt)
    this.#probeRtt = new ProbeRtt(now)
    this.#aggregation = new AckAggregation(now)
    this.#hasRtt = srtt > 0
    this.#initPacing(srtt)
  }

  onSent(now: number, bytes: number, inFlight: number, appLimited = true): void {
    // linux: CA_EVENT_TX_START
    if (inFlight > bytes || !appLimited) return
    this.#idleRestart = true
    this.#aggregation.restart(now)
    // No more than the estimate: there is no queue to fill first.
    if (this.#state === State.ProbeBw) this.#setPacing(this.#bwBps, 1)
    else if (this.#state === State.ProbeRtt && this.#probeRtt.isDone(now)) this.#leaveProbeRtt(now)
  }

  onAck(sample: RateSample): void {
    const model = this.#model
    this.#totalDelivered = sample.totalDelivered
    this.#updateModel(sample)
    this.#updateGains()
    if (!this.#hasRtt && sample.srtt > 0) {
      this.#hasRtt = true
      this.#initPacing(sample.srtt)
    }
    const bw = this.#bwBps
    this.#setPacing(bw, this.#pacingGain)
    this.#setCwnd(sample, bw)
    if (this.#state === State.ProbeRtt) this.cwnd = Math.min(this.cwnd, model.minWindow)
  }

  onEnterRecovery(_sample: RateSample): void {
    this.#recovery.save(this.cwnd, this.#state === State.ProbeRtt)
    this.#recovery.enter()
  }

  onExitRecovery(_now: number): void {
    this.#recovery.leave()
  }

  onTimeout(now: number, _inFlight: number, repeated: boolean): void {
    if (!repeated) {
      this.#recovery.save(this.cwnd, this.#state === State.ProbeRtt)
      this.#fullPipe.lookAgain()
      this.#longTerm.onTimeout(now, this.#totalDelivered, this.#state === State.ProbeBw)
    }
    if (!this.#isRebuilding) this.#cutRound = this.#model.round.count
    this.#recovery.enterLoss()
    this.cwnd = this.#model.mss
  }

  onUndo(): void {
    // linux: bbr_undo_cwnd; what slowed the flow down was no loss, and no policer.
    this.#fullPipe.lookAgain()
    this.#longTerm.reset(0, this.#totalDelivered)
    this.#recovery.leave()
  }

  onEcn(): void {
    // Version 1 does not know of marks.
  }

  onMss(mss: number): void {
    this.#model.mss = mss
    this.cwnd = Math.max(this.cwnd, this.#recovery.inEpisode ? mss : this.#model.minWindow)
    this.ssthresh = Math.max(this.ssthresh, this.#model.minWindow)
  }

  info(): Record<string, number | string | boolean> {
    const model = this.#model
    return {
      state: this.#state,
      bw: Math.round(this.#bwBps),
      min_rtt: model.minRtt === Number.POSITIVE_INFINITY ? 0 : model.minRtt,
      pacing_gain: this.#pacingGain,
      cwnd_gain: this.#cwndGain,
      pacing_rate: Math.round(this.pacingBps),
      round: model.round.count,
      phase: this.#state === State.ProbeBw ? this.#probeBw.phase : -1,
      full_bw_reached: this.#fullPipe.reached,
      lt_bw: this.#longTerm.inUse ? Math.round(this.#longTerm.bwBps) : 0,
      extra_acked: Math.round(this.#aggregation.extraAcked),
      packet_conservation: this.#recovery.conserving,
      prior_cwnd: this.#recovery.priorCwnd,
    }
  }

  get state(): string {
    return this.#state
  }

  get #bwBps(): number {
    return this.#longTerm.inUse ? this.#longTerm.bwBps : this.#model.maxBwBps
  }

  get #isUp(): boolean {
    return this.#state === State.ProbeBw && this.#probeBw.isUp
  }

  /** ours: the window that a timeout took away comes back in slow start; what it brings meanwhile is no news of the path. */
  get #isRebuilding(): boolean {
    return this.#model.round.count - this.#cutRound < REBUILD_ROUNDS
  }

  /** The flight that this sample is of could not have been as fast as the best, or `gain` times as fast, whatever the path. */
  #isTooSmall({ txInFlight }: RateSample, gain = 1): boolean {
    return txInFlight > 0 && txInFlight < this.#model.bdp(this.#model.maxBwBps, gain)
  }

  /** linux: bbr_update_model */
  #updateModel(sample: RateSample): void {
    const { now, interval } = sample
    const { round } = this.#model
    const model = this.#model
    const appLimited = sample.appLimited || this.#probeRtt.held.covers(sample.priorDelivered)
    round.started = false
    if (interval > 0) {
      round.update(sample.priorDelivered, sample.totalDelivered)
      if (round.started) this.#recovery.conserving = false
      if (this.#longTerm.onAck(sample, appLimited, round.started, this.#state === State.ProbeBw))
        this.#enterProbeBw(now)
      const before = model.maxBwBps
      model.onBandwidth(sample.rate, appLimited || (this.#isRebuilding && this.#isTooSmall(sample)))
      // ours: the path has become slower, and what is in flight was measured for what it was; the gains of PROBE_BW would take minutes to drain it.
      const isSlower = model.maxBwBps < before * SLOWER || this.#overshoot.isFound(model.maxBwBps, round.count)
      if (this.#state === State.ProbeBw && isSlower) this.#state = State.Drain
    }
    const bw = this.#bwBps
    this.#aggregation.onAck(sample, round.started, bw, this.cwnd)
    if (this.#state === State.ProbeBw) this.#probeBw.onAck(sample, model, this.#pacingGain, bw)
    // ours: nor does a flight judge that was too small to be as fast as the best, as where a recovery has just cut it; but one does, once anything was
    // lost, that could have been faster by what counts as growth. Linux waits for one that nothing limited, for seconds where losses hold the send
    // buffer full. Before any loss it is the application, or a slow start of the process, that limits.
    const couldGrow = sample.totalLost > 0 && sample.txInFlight > 0 && !this.#isTooSmall(sample, GROWTH)
    const tellsNothing = (appLimited && !couldGrow) || this.#isTooSmall(sample)
    this.#fullPipe.onAck(model.maxBwBps, round.started, tellsNothing)
    this.#checkDrain(sample)
    this.#checkProbeRtt(sample)
  }

  #checkDrain(sample: RateSample): void {
    const model = this.#model
    if (this.#state === State.Startup && this.#fullPipe.reached) {
      this.#state = State.Drain
      this.ssthresh = model.inflight(model.maxBwBps, 1, false)
      this.#overshoot.start(model.maxBwBps, model.round.count, BW_ROUNDS)
    }
    if (this.#state !== State.Drain) return
    const inFlight = inNetworkAtNextSend(sample.inFlight, sample, this.#bwBps, model.quantum, this.#pacingGain)
    if (inFlight <= model.inflight(model.maxBwBps, 1, false)) this.#enterProbeBw(sample.now)
  }

  #checkProbeRtt(sample: RateSample): void {
    const probeRtt = this.#probeRtt
    const expired = probeRtt.onRtt(sample, this.#model)
    // After silence there is no queue to drain, and the next round trips will tell.
    if (expired && !this.#idleRestart && this.#state !== State.ProbeRtt) {
      this.#recovery.save(this.cwnd, false)
      this.#state = State.ProbeRtt
      probeRtt.start(sample)
    }
    if (this.#state === State.ProbeRtt && probeRtt.onAck(sample, this.#model.round, this.#model.minWindow))
      this.#leaveProbeRtt(sample.now)
    if (sample.delivered > 0) this.#idleRestart = false
  }

  #leaveProbeRtt(now: number): void {
    this.#probeRtt.end(now)
    this.cwnd = Math.max(this.cwnd, this.#recovery.priorCwnd)
    if (this.#fullPipe.reached) this.#enterProbeBw(now)
    else this.#state = State.Startup
  }

  #enterProbeBw(now: number): void {
    this.#state = State.ProbeBw
    this.#probeBw.start(now, this.#random)
  }

  /** linux: bbr_update_gains */
  #updateGains(): void {
    switch (this.#state) {
      case State.Startup:
        this.#pacingGain = HIGH_GAIN
        this.#cwndGain = HIGH_GAIN
        break
      case State.Drain:
        this.#pacingGain = DRAIN_GAIN
        this.#cwndGain = HIGH_GAIN
        break
      case State.ProbeBw:
        this.#pacingGain = this.#longTerm.inUse ? 1 : this.#probeBw.gain
        this.#cwndGain = CWND_GAIN
        break
      default:
        this.#pacingGain = 1
        this.#cwndGain = 1
    }
  }

  #initPacing(srtt: number): void {
    this.pacingBps = firstPacing(this.cwnd, srtt, HIGH_GAIN)
    this.#model.onPacingRate(this.pacingBps)
  }

  /** linux: bbr_set_pacing_rate; in STARTUP the rate never falls, for a slow start of the application says nothing. */
  #setPacing(bwBps: number, gain: number): void {
    const rate = pacingFor(bwBps, gain)
    if (!this.#fullPipe.reached && rate <= this.pacingBps) return
    this.pacingBps = rate
    this.#model.onPacingRate(rate)
  }

  /** linux: bbr_set_cwnd */
  #setCwnd(sample: RateSample, bwBps: number): void {
    const { delivered } = sample
    if (delivered <= 0) return
    const model = this.#model
    // ours: what PROBE_RTT left in flight is no measure of what the path holds, and the windows that follow would be too small to measure by.
    const heldDown = this.#probeRtt.held.covers(sample.priorDelivered)
    const cwnd = this.#recovery.onAck(sample, this.cwnd, model.round, heldDown ? model.bdp(bwBps, 1) : 0)
    if (this.#recovery.conserving) {
      this.cwnd = cwnd
      return
    }
    const full = this.#fullPipe.reached
    const held = full ? this.#aggregation.allowance(bwBps) : 0
    const target = model.budget(model.bdp(bwBps, this.#cwndGain) + held, this.#isUp)
    let next = cwnd
    if (full) next = Math.min(cwnd + delivered, target)
    else if (cwnd < target || sample.totalDelivered < this.#initialWindow) next = cwnd + delivered
    this.cwnd = Math.max(next, model.minWindow)
  }
}
