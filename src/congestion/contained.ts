import type { CongestionController, ControllerEnvironment, RateSample, UndoKind } from './controller.ts'
import { createCongestionControl } from './registry.ts'
import { Reno } from './reno.ts'

/** What a controller did wrong. */
export interface ControllerFault {
  /** Its name, as it was asked for. */
  controller: string
  /** The call that it failed in: `onAck`, …; `create` for its factory. */
  call: string
  /** What it did: `cwnd is NaN`, or what it threw. */
  problem: string
  /** What it threw; undefined if it threw nothing. */
  error: unknown
}

/**
 * Keeps a controller from taking its connection down: one that throws, or leaves a window that is no number above 0, is replaced by Reno, with the
 * last window that was good, and the call that it failed in goes to Reno instead. `onFault` is called once, from within that call.
 *
 * The sender uses this in place of the controller: it has the same members. What the sender writes to `cwnd` and `ssthresh` reaches the
 * controller with the next call.
 */
export class ContainedController implements CongestionController {
  cwnd: number
  ssthresh: number
  pacingBps: number
  ownsRecovery: boolean
  /** The controller has failed, and Reno is at work. */
  failed = false
  #inner!: CongestionController
  readonly #requested: string
  readonly #onFault: (fault: ControllerFault) => void
  #mss: number

  /** @param requested name by which the controller was asked for */
  constructor(
    requested: string,
    make: (environment: ControllerEnvironment) => CongestionController,
    environment: ControllerEnvironment,
    onFault: (fault: ControllerFault) => void,
  ) {
    this.#requested = requested
    this.#onFault = onFault
    this.#mss = environment.mss
    this.cwnd = environment.initialWindow
    this.ssthresh = Number.POSITIVE_INFINITY
    this.pacingBps = 0
    this.ownsRecovery = false
    let made: CongestionController
    try {
      made = make(environment)
      if (typeof made?.onAck !== 'function') throw new TypeError('the factory made no controller')
    } catch (error) {
      this.#replace('create', describe(error), error)
      return
    }
    this.#inner = made
    try {
      if (this.#take('create')) this.ownsRecovery = made.ownsRecovery === true
    } catch (error) {
      this.#replace('create', describe(error), error)
    }
  }

  get name(): string {
    return this.failed ? this.#inner.name : this.#requested
  }

  get state(): string {
    try {
      const { state } = this.#inner
      return typeof state === 'string' ? state : ''
    } catch {
      return ''
    }
  }

  /** The controller itself, or the Reno that took its place. */
  get inner(): CongestionController {
    return this.#inner
  }

  onSent(now: number, bytes: number, inFlight: number, appLimited?: boolean): void {
    // The one call for each segment: most have nothing to do in it.
    if (this.#inner.onSent === undefined) return
    try {
      this.#give()
      this.#inner.onSent(now, bytes, inFlight, appLimited)
      this.#take('onSent')
    } catch (error) {
      this.#replace('onSent', describe(error), error)
    }
  }

  onAck(sample: RateSample): void {
    let good = false
    try {
      this.#give()
      this.#inner.onAck(sample)
      good = this.#take('onAck')
    } catch (error) {
      this.#replace('onAck', describe(error), error)
    }
    if (!good) this.onAck(sample)
  }

  onEnterRecovery(sample: RateSample): void {
    this.#call('onEnterRecovery', (inner) => inner.onEnterRecovery?.(sample))
  }

  onLost(sample: RateSample): void {
    if (this.#inner.onLost !== undefined) this.#call('onLost', (inner) => inner.onLost?.(sample))
  }

  onExitRecovery(now: number): void {
    this.#call('onExitRecovery', (inner) => inner.onExitRecovery?.(now))
  }

  onTimeout(now: number, inFlight: number, repeated: boolean): void {
    this.#call('onTimeout', (inner) => inner.onTimeout?.(now, inFlight, repeated))
  }

  onUndo(kind: UndoKind): void {
    this.#call('onUndo', (inner) => inner.onUndo?.(kind))
  }

  /** A controller that does not know of marks takes them for loss (rfc3168#6.1.2). */
  onEcn(now: number, bytes: number, sample: RateSample): void {
    this.#call('onEcn', (inner) => {
      if (inner.onEcn !== undefined) inner.onEcn(now, bytes, sample)
      else inner.onEnterRecovery?.(sample)
    })
  }

  onIdleRestart(now: number, idleUs: number): void {
    this.#call('onIdleRestart', (inner) => inner.onIdleRestart?.(now, idleUs))
  }

  onMss(mss: number, keepBytes = false): void {
    this.#call('onMss', (inner) => inner.onMss?.(mss, keepBytes))
    this.#mss = mss
  }

  info(): Record<string, number | string | boolean> {
    let info: Record<string, number | string | boolean> | undefined
    try {
      info = this.#inner.info?.()
    } catch (error) {
      this.#replace('info', describe(error), error)
    }
    return this.failed ? { ...info, replaced: this.#requested } : (info ?? {})
  }

  /** One of the calls that are rare enough for a closure. */
  #call(name: string, call: (inner: CongestionController) => void): void {
    let good = false
    try {
      this.#give()
      call(this.#inner)
      good = this.#take(name)
    } catch (error) {
      this.#replace(name, describe(error), error)
    }
    if (good) return
    this.#give()
    call(this.#inner)
    this.#take(name)
  }

  #give(): void {
    const inner = this.#inner
    inner.cwnd = this.cwnd
    inner.ssthresh = this.ssthresh
  }

  /** False: what the controller left was bad, and another has its place. */
  #take(call: string): boolean {
    const { cwnd, ssthresh, pacingBps } = this.#inner
    // Comparisons that NaN fails.
    if (!(Number.isFinite(cwnd) && cwnd > 0)) return this.#replace(call, `cwnd is ${String(cwnd)}`)
    if (!(typeof ssthresh === 'number' && ssthresh > 0)) return this.#replace(call, `ssthresh is ${String(ssthresh)}`)
    if (!(typeof pacingBps === 'number' && pacingBps >= 0))
      return this.#replace(call, `pacingBps is ${String(pacingBps)}`)
    this.cwnd = cwnd
    this.ssthresh = ssthresh
    this.pacingBps = pacingBps
    return true
  }

  #replace(call: string, problem: string, error?: unknown): false {
    const reno = new Reno({ mss: this.#mss, now: 0, initialWindow: this.cwnd, random: () => 0, options: {} })
    reno.ssthresh = this.ssthresh
    this.#inner = reno
    this.pacingBps = 0
    this.ownsRecovery = false
    if (!this.failed) {
      this.failed = true
      this.#onFault({ controller: this.#requested, call, problem, error })
    }
    return false
  }
}

const describe = (error: unknown): string => {
  try {
    return error instanceof Error ? `threw ${error.name}: ${error.message}` : `threw ${String(error)}`
  } catch {
    return 'threw'
  }
}

/**
 * Makes a controller by name, contained. The name must be registered.
 *
 * @param onFault told once, should the controller be replaced
 */
export const createContainedControl = (
  name: string,
  environment: ControllerEnvironment,
  onFault: (fault: ControllerFault) => void,
): ContainedController =>
  new ContainedController(name, (made) => createCongestionControl(name, made), environment, onFault)
