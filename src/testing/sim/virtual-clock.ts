import type { Clock } from '../../stack/index.ts'
import { Phase, type Task, type World } from './world.ts'

/** A wake-up as late as this lets sockets be read first, as the clock of a real loop does. */
const LATE_US = 10_000

export interface LoopOptions {
  /** Wake-ups come at multiples of this only, as those of `setTimeout` come a millisecond apart. Default 1: exact. */
  timerGranularityUs?: number
}

/** The event loop of one simulated process: what all clocks and sockets in it share. */
export class VirtualLoop {
  readonly world: World
  readonly timerGranularityUs: number
  readonly clocks: VirtualClock[] = []
  /** Until when it is busy with something else. */
  #busyUntilUs = 0

  constructor(world: World, { timerGranularityUs = 1 }: LoopOptions = {}) {
    this.world = world
    this.timerGranularityUs = timerGranularityUs
  }

  /** Blocks the loop: no timer, no read and no turn before `us` have passed. What is due then comes in Node's order. */
  stall(us: number): void {
    this.#busyUntilUs = Math.max(this.#busyUntilUs, this.world.nowUs + Math.ceil(us))
  }

  /** 0 when it is not stalled, else when it goes on. */
  get resumesUs(): number {
    return this.#busyUntilUs > this.world.nowUs ? this.#busyUntilUs : 0
  }

  /** A clock on this loop. `originUs`: when, in the world's time, its own began. */
  clock(originUs = 0): VirtualClock {
    const clock = new VirtualClock(this, originUs)
    this.clocks.push(clock)
    return clock
  }

  /** Whether a clock holds the process open. */
  get held(): boolean {
    return this.clocks.some((clock) => clock.held)
  }
}

/** A stack's clock in virtual time. It also tells tests what is set on it. */
export class VirtualClock implements Clock {
  readonly #loop: VirtualLoop
  readonly #world: World
  readonly #originUs: number
  #onWake: ((nowUs: number) => void) | null = null
  #onTurn: ((nowUs: number) => void) | null = null
  /** What was asked for, in the world's time. */
  #wakeUs = Infinity
  /** The event that will look at `#wakeUs`: at that time or, if it moved later since, before. */
  #eventUs = Infinity
  #turnDue = false
  #inTurn = false
  #held = false
  #stopped = false
  /** How often either callback came. */
  wakes = 0
  turns = 0

  constructor(loop: VirtualLoop, originUs: number) {
    this.#loop = loop
    this.#world = loop.world
    this.#originUs = originUs
  }

  nowUs(): number {
    return this.#world.nowUs - this.#originUs
  }

  start(onWake: (nowUs: number) => void, onTurn: (nowUs: number) => void): void {
    this.#onWake = onWake
    this.#onTurn = onTurn
  }

  wakeAt(us: number): void {
    if (this.#stopped) return
    const grain = this.#loop.timerGranularityUs
    this.#wakeUs = us === Infinity ? Infinity : Math.ceil((us + this.#originUs) / grain) * grain
    if (this.#wakeUs < this.#eventUs) this.#arm(this.#wakeUs, Phase.Timers)
  }

  soon(): void {
    if (this.#turnDue || this.#stopped) return
    this.#turnDue = true
    // An immediate asked for by an immediate comes after the loop has polled once more.
    this.#world.schedule(this.#world.nowUs, this.#turn, this.#inTurn ? Phase.Again : Phase.Check)
  }

  hold(on: boolean): void {
    if (!this.#stopped) this.#held = on
  }

  stop(): void {
    this.#stopped = true
    this.#held = false
    this.#turnDue = false
    this.#wakeUs = Infinity
    this.#onWake = null
    this.#onTurn = null
  }

  /** It keeps the process from ending. */
  get held(): boolean {
    return this.#held
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** When the next `onWake` is due, by this clock; `Infinity`: none is. */
  get nextWakeUs(): number {
    return this.#wakeUs - this.#originUs
  }

  /** A turn was asked for and has not come. */
  get turnDue(): boolean {
    return this.#turnDue
  }

  #arm(us: number, phase: Phase): void {
    this.#eventUs = Math.max(us, this.#world.nowUs)
    this.#world.schedule(us, phase === Phase.Late ? this.#late : this.#wake, phase)
  }

  #fire(nowUs: number, afterRead: boolean): void {
    this.#eventUs = Infinity
    const resumesUs = this.#loop.resumesUs
    if (resumesUs > 0) this.#arm(resumesUs, Phase.Timers)
    else if (this.#wakeUs > nowUs) this.#arm(this.#wakeUs, Phase.Timers)
    else if (!afterRead && nowUs - this.#wakeUs >= LATE_US) this.#arm(nowUs, Phase.Late)
    else {
      this.#wakeUs = Infinity
      this.wakes++
      this.#onWake?.(nowUs - this.#originUs)
    }
  }

  /** Stands only for the time that it was last armed for, and while anybody waits. */
  readonly #isDue = (us: number): boolean => {
    if (us !== this.#eventUs) return false
    if (this.#wakeUs !== Infinity) return true
    this.#eventUs = Infinity
    return false
  }

  readonly #wake: Task = { fire: (nowUs) => this.#fire(nowUs, false), isDue: this.#isDue }
  readonly #late: Task = { fire: (nowUs) => this.#fire(nowUs, true), isDue: this.#isDue }

  readonly #turn: Task = {
    fire: (nowUs) => {
      const resumesUs = this.#loop.resumesUs
      if (resumesUs > 0) {
        this.#world.schedule(resumesUs, this.#turn, Phase.Check)
        return
      }
      this.#turnDue = false
      this.turns++
      this.#inTurn = true
      this.#onTurn?.(nowUs - this.#originUs)
      this.#inTurn = false
    },
    isDue: () => this.#turnDue,
  }
}
