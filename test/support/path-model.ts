import { type CongestionController, newRateSample, Pacer, pacingRate, RateSampler } from '../../src/congestion/index.ts'
import { Rng } from '../../src/impair/index.ts'

const NEVER = Number.POSITIVE_INFINITY
/** Packets delivered behind a missing one that show it lost. */
const REORDERING = 3
const RTO_MIN_US = 300_000

export interface PathOptions {
  /** Of the bottleneck, bytes a second; may be changed while it runs. */
  rateBps: number
  /** Round trip without a queue, µs; may be changed. */
  rttUs: number
  /** What the bottleneck's queue holds, bytes. */
  queueBytes?: number
  /** Share of packets lost at random. */
  loss?: number
  /** A token bucket: what exceeds it is dropped. */
  policer?: { rateBps: number; burstBytes: number }
  /** Acknowledgements are held and come together, once in so many µs. */
  ackEveryUs?: number
  /** Packets that find so much in the queue are marked. */
  markAboveBytes?: number
  /** The application produces no more than so many bytes a second. */
  appBps?: number
  mss?: number
  seed?: number
}

/** One transmission of one piece of data. */
interface Packet {
  data: number
  order: number
  sentTs: number
  again: boolean
  settled: boolean
  marked: boolean
  delivered: number
  deliveredTs: number
  firstSentTs: number
  appLimited: boolean
  txInFlight: number
  lost: number
}

/**
 * One sender with a controller, one bottleneck with a queue, a receiver that acknowledges each packet selectively: what a controller meets on a
 * path, without TCP. Data are pieces of one segment each. Loss is found three packets later, answered once an episode (a controller that does not
 * own its recovery gets its window set to `ssthresh` at once), and repaired by sending the piece again.
 */
export class PathModel {
  readonly controller: CongestionController
  readonly options: PathOptions
  readonly mss: number
  readonly sampler: RateSampler = new RateSampler()
  readonly sample: ReturnType<typeof newRateSample> = newRateSample()
  now: number
  inFlight = 0
  srtt = 0
  minRtt = NEVER
  /** Episodes of loss, timeouts, transmissions and how many of them were lost. */
  episodes = 0
  timeouts = 0
  sent = 0
  dropped = 0
  inRecovery = false
  /** What stood in the queue at the acknowledgements of the last `run`, on average, bytes. */
  meanQueued = 0
  /** Called after each acknowledgement. */
  onAck: ((path: PathModel) => void) | null = null
  readonly #pacer: Pacer
  readonly #rng: Rng
  /** In the order of sending: not known yet whether delivered. */
  #outstanding: Packet[] = []
  #outstandingHead = 0
  #acks: { at: number; packet: Packet }[] = []
  #acksHead = 0
  /** Pieces to be sent again. */
  #again: number[] = []
  #againHead = 0
  #arrived: boolean[] = []
  #una = 0
  #next = 0
  #order = 0
  #recoveryPoint = -1
  #linkFreeAt = 0
  #tokens = 0
  #tokensAt = 0
  #rtoAt = NEVER
  #backoff = 1
  #cwndLimited = false
  readonly #start: number

  constructor(controller: CongestionController, options: PathOptions, now = 0) {
    this.controller = controller
    this.options = options
    this.mss = options.mss ?? 1000
    this.now = now
    this.#start = now
    this.#pacer = new Pacer(10 * this.mss)
    this.#rng = new Rng(options.seed ?? 1)
    this.#tokens = options.policer?.burstBytes ?? 0
  }

  get deliveredBytes(): number {
    return this.sampler.delivered
  }

  /** What stands in the queue, bytes. */
  get queued(): number {
    return Math.max(0, ((this.#linkFreeAt - this.now) * this.options.rateBps) / 1e6)
  }

  /** What the path holds without a queue. */
  get bdp(): number {
    return (this.options.rateBps * this.options.rttUs) / 1e6
  }

  /** Time passes until `until`, µs, or until `done` says so after an acknowledgement. Returns bytes a second delivered meanwhile. */
  run(until: number, done: (path: PathModel) => boolean = () => false): number {
    const [from, before] = [this.now, this.sampler.delivered]
    let [queued, acks] = [0, 0]
    for (;;) {
      this.#fill()
      const at = Math.min(this.#nextAck(), this.#nextSend(), this.#rtoAt)
      if (at > until) {
        this.now = Math.max(this.now, until)
        break
      }
      this.now = Math.max(this.now, at)
      if (this.#nextAck() <= this.now) {
        this.#acknowledge()
        queued += this.queued
        acks++
        this.onAck?.(this)
        if (done(this)) break
      } else if (this.#rtoAt <= this.now) this.#timeout()
    }
    this.meanQueued = queued / Math.max(acks, 1)
    return ((this.sampler.delivered - before) * 1e6) / Math.max(this.now - from, 1)
  }

  // ---- Sending -------------------------------------------------------------------------------------------------------------------

  #fill(): void {
    while (this.#hasData()) {
      if (this.inFlight > 0 && this.inFlight + this.mss > this.controller.cwnd) {
        this.#cwndLimited = true
        return
      }
      if (!this.#pacer.canSend(this.now)) return
      this.#send()
    }
    if (this.options.appBps !== undefined) this.sampler.markAppLimited(this.inFlight)
  }

  #hasData(): boolean {
    return this.#againHead < this.#again.length || this.#next < this.#produced()
  }

  #produced(): number {
    const { appBps } = this.options
    return appBps === undefined ? NEVER : Math.floor(((this.now - this.#start) * appBps) / 1e6 / this.mss + 1e-9)
  }

  /** When something could be sent that cannot now. */
  #nextSend(): number {
    if (this.inFlight > 0 && this.inFlight + this.mss > this.controller.cwnd) return NEVER
    if (this.#hasData()) return Math.max(this.#pacer.nextSendAt, this.now)
    const { appBps } = this.options
    return appBps === undefined ? NEVER : Math.ceil(this.#start + ((this.#next + 1) * this.mss * 1e6) / appBps)
  }

  #send(): void {
    const { now, mss, sampler, controller } = this
    const again = this.#againHead < this.#again.length
    const data = again ? (this.#again[this.#againHead++] as number) : this.#next++
    const outstanding = (this.#next - this.#una) * mss - (again ? 0 : mss)
    this.inFlight += mss
    const packet: Packet = {
      data,
      order: this.#order++,
      sentTs: now,
      again,
      settled: false,
      marked: false,
      delivered: 0,
      deliveredTs: 0,
      firstSentTs: 0,
      appLimited: false,
      txInFlight: 0,
      lost: 0,
    }
    sampler.onSent(packet, now, outstanding, this.inFlight)
    this.#outstanding.push(packet)
    const rate = pacingRate(controller, this.inFlight, this.srtt, 200, 120)
    this.#pacer.onSent(now, mss, rate)
    controller.onSent?.(now, mss, this.inFlight, sampler.isAppLimited)
    this.sent++
    if (this.#rtoAt === NEVER) this.#armRto()
    this.#transmit(packet)
  }

  #transmit(packet: Packet): void {
    const { now, mss } = this
    const { rateBps, rttUs, queueBytes = NEVER, loss = 0, ackEveryUs = 0, markAboveBytes = NEVER } = this.options
    const { queued } = this
    if ((loss > 0 && this.#rng.next() < loss) || queued + mss > queueBytes || !this.#police()) {
      this.dropped++
      return
    }
    packet.marked = queued > markAboveBytes
    this.#linkFreeAt = Math.max(now, this.#linkFreeAt) + (mss * 1e6) / rateBps
    let at = Math.ceil(this.#linkFreeAt + rttUs)
    if (ackEveryUs > 0) at = Math.ceil(at / ackEveryUs) * ackEveryUs
    this.#acks.push({ at, packet })
  }

  #police(): boolean {
    const { policer } = this.options
    if (policer === undefined) return true
    const { now } = this
    this.#tokens = Math.min(policer.burstBytes, this.#tokens + ((now - this.#tokensAt) * policer.rateBps) / 1e6)
    this.#tokensAt = now
    if (this.#tokens < this.mss) return false
    this.#tokens -= this.mss
    return true
  }

  // ---- Acknowledgements ----------------------------------------------------------------------------------------------------------

  #nextAck(): number {
    return this.#acks[this.#acksHead]?.at ?? NEVER
  }

  #acknowledge(): void {
    const { now, mss, sample, sampler, controller } = this
    const unaBefore = this.#una
    sample.inFlightBefore = this.inFlight
    sample.ecnMarked = 0
    let [delivered, rtt, newest] = [0, -1, -1]
    while (this.#nextAck() <= now) {
      const { packet } = this.#acks[this.#acksHead++]!
      newest = Math.max(newest, packet.order)
      if (packet.marked) sample.ecnMarked += mss
      if (!packet.settled) {
        packet.settled = true
        this.inFlight -= mss
      }
      if (this.#arrived[packet.data] === true) continue
      this.#arrived[packet.data] = true
      delivered += mss
      sampler.onDelivered(packet, packet.sentTs)
      if (!packet.again) rtt = now - packet.sentTs
    }
    if (this.#acksHead > 10_000) {
      this.#acks = this.#acks.slice(this.#acksHead)
      this.#acksHead = 0
    }
    while (this.#arrived[this.#una] === true) this.#una++
    if (rtt >= 0) {
      this.minRtt = Math.min(this.minRtt, rtt)
      this.srtt = this.srtt === 0 ? rtt : (7 * this.srtt + rtt) / 8
    }
    sample.now = now
    sample.acked = (this.#una - unaBefore) * mss
    sample.sacked = Math.max(0, delivered - sample.acked)
    sample.rtt = rtt
    sample.srtt = this.srtt
    sample.minRtt = this.minRtt
    sample.mss = mss
    const lost = this.#detect(newest)
    sampler.generate(sample, now, delivered, lost, this.minRtt)
    sample.inFlight = this.inFlight
    sample.nextSendAt = this.#pacer.nextSendAt
    sample.cwndLimited = this.#cwndLimited
    this.#recover(lost)
    sample.inRecovery = this.inRecovery
    controller.onAck(sample)
    this.#cwndLimited = false
    if (sample.acked > 0) this.#backoff = 1
    if (delivered > 0) this.#armRto()
  }

  /** Packets sent well before `newest` that did not arrive are lost. */
  #detect(newest: number): number {
    let lost = 0
    const list = this.#outstanding
    for (; this.#outstandingHead < list.length; this.#outstandingHead++) {
      const packet = list[this.#outstandingHead]!
      if (packet.settled) continue
      if (packet.order > newest - REORDERING) break
      lost += this.#lose(packet)
    }
    if (this.#outstandingHead > 10_000) {
      this.#outstanding = list.slice(this.#outstandingHead)
      this.#outstandingHead = 0
    }
    return lost
  }

  #lose(packet: Packet): number {
    packet.settled = true
    this.inFlight -= this.mss
    if (this.#arrived[packet.data] !== true) this.#again.push(packet.data)
    return this.mss
  }

  #recover(lost: number): void {
    const { controller, sample } = this
    if (this.#recoveryPoint >= 0 && this.#una >= this.#recoveryPoint) {
      this.#recoveryPoint = -1
      this.inRecovery = false
      controller.onExitRecovery?.(this.now)
    }
    if (lost === 0) return
    if (this.#recoveryPoint >= 0) {
      controller.onLost?.(sample)
      return
    }
    this.episodes++
    this.#recoveryPoint = this.#next
    this.inRecovery = true
    controller.onEnterRecovery?.(sample)
    if (!controller.ownsRecovery) controller.cwnd = Math.min(controller.cwnd, controller.ssthresh)
  }

  #armRto(): void {
    const idle = this.#una === this.#next
    this.#rtoAt = idle ? NEVER : this.now + Math.max(RTO_MIN_US, 2 * this.srtt) * this.#backoff
  }

  #timeout(): void {
    this.timeouts++
    const { inFlight } = this
    const list = this.#outstanding
    let lost = 0
    for (; this.#outstandingHead < list.length; this.#outstandingHead++) {
      const packet = list[this.#outstandingHead]!
      if (!packet.settled) lost += this.#lose(packet)
    }
    this.sampler.onLost(lost)
    this.controller.onTimeout?.(this.now, inFlight, this.#backoff > 1)
    this.#recoveryPoint = this.#next
    this.inRecovery = false
    this.#backoff *= 2
    this.#armRto()
  }
}
