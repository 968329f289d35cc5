import timers from 'node:timers'
import { Heap, Rng } from '../../impair/index.ts'

// Captured at load, so that fake timers cannot stop a world.
const { setImmediate } = timers

/** The phases of one instant, in the order in which Node's event loop has them. */
export const Phase = {
  /** Timers that are due. */
  Timers: 0,
  /** The network moves, and sockets are read. */
  Poll: 1,
  /** Timers that a stalled loop was too late for: after what waited to be read. */
  Late: 2,
  /** `setImmediate`. */
  Check: 3,
  /** The loop comes round once more without time passing. */
  Again: 4,
} as const
export type Phase = (typeof Phase)[keyof typeof Phase]

/** Something that happens at a time. */
export interface Task {
  fire(nowUs: number): void
  /** False: it was put off or called off since it was scheduled for `us`, and nobody waits for that time. Absent: it stands. */
  isDue?(us: number): boolean
}

interface Event {
  us: number
  /** Phase and order of insertion in one number. */
  rank: number
  task: Task
}

const PHASE = 2 ** 48
/** So many events without time passing are a circle. */
const STANDSTILL = 1_000_000

/**
 * Virtual time for any number of hosts: microseconds since the world began. Time jumps from event to event; nothing happens
 * between. The same seed and the same calls give the same run.
 */
export class World {
  /** Random numbers of this world; fork it by name. */
  readonly rng: Rng
  readonly seed: number
  #nowUs = 0
  readonly #events = new Heap<Event>((a, b) => a.us < b.us || (a.us === b.us && a.rank < b.rank))
  #inserted = 0
  #fired = 0
  #atThisInstant = 0
  /** What `nextTick` collected. */
  #ticks: (() => void)[] = []
  readonly #checks: (() => void)[] = []
  /** Called whenever something new is going to happen: for whoever waits because nothing was. */
  onScheduled: (() => void) | null = null

  constructor({ seed = 1 }: { seed?: number } = {}) {
    this.seed = seed
    this.rng = new Rng(seed)
  }

  get nowUs(): number {
    return this.#nowUs
  }

  /** Events so far. */
  get fired(): number {
    return this.#fired
  }

  /** Calls `action` at a time; at once, but never from within this call, when that is over. */
  at(us: number, action: () => void): void {
    this.schedule(us, { fire: action })
  }

  after(us: number, action: () => void): void {
    this.at(this.#nowUs + us, action)
  }

  schedule(us: number, task: Task, phase: Phase = Phase.Poll): void {
    this.#events.push({ us: Math.max(Math.ceil(us), this.#nowUs), rank: phase * PHASE + this.#inserted++, task })
    this.onScheduled?.()
  }

  /** `process.nextTick` of this world: after the callback at hand, before anything else happens. */
  nextTick(action: () => void): void {
    this.#ticks.push(action)
    this.onScheduled?.()
  }

  /** Runs what `nextTick` collected: whatever calls several callbacks in one event does so after each. */
  drainTicks(): void {
    for (let i = 0; i < this.#ticks.length; i++) this.#ticks[i]()
    if (this.#ticks.length > 0) this.#ticks = []
  }

  /** `check` runs after every event: for invariants. */
  afterEvent(check: () => void): void {
    this.#checks.push(check)
  }

  /** When the next event is; `Infinity`: never. */
  get nextUs(): number {
    this.#dropStale()
    return this.#ticks.length > 0 ? this.#nowUs : (this.#events.first?.us ?? Infinity)
  }

  /** One event. False: there is none. */
  step(): boolean {
    if (this.#ticks.length > 0) {
      this.drainTicks()
      return true
    }
    this.#dropStale()
    if (this.#events.size === 0) return false
    const { us, task } = this.#events.pop()
    if (us > this.#nowUs) {
      this.#nowUs = us
      this.#atThisInstant = 0
    } else if (++this.#atThisInstant > STANDSTILL) {
      throw new Error(`Virtual time stands still at ${us} µs`)
    }
    this.#fired++
    task.fire(us)
    this.drainTicks()
    for (const check of this.#checks) check()
    return true
  }

  /**
   * Lets time pass: until a time, which it then is, or until `until()` holds, asked after every event. Without an argument:
   * until nothing is left to happen. False: the condition was not reached before `limitUs`, or before nothing was left.
   */
  run(until: number | (() => boolean) = Infinity, limitUs = Infinity): boolean {
    const [done, endUs] = bounds(until, limitUs)
    while (!done()) {
      const nextUs = this.nextUs
      if (nextUs > endUs || nextUs === Infinity) return this.#cameTo(endUs, until)
      this.step()
    }
    return true
  }

  /**
   * The same for code that also waits for Node's own ticks and promises, as streams do: they get their turn after every event,
   * and before the first.
   */
  async runAsync(until: number | (() => boolean) = Infinity, limitUs = Infinity): Promise<boolean> {
    const [done, endUs] = bounds(until, limitUs)
    await immediate()
    while (!done()) {
      const nextUs = this.nextUs
      if (nextUs > endUs || nextUs === Infinity) return this.#cameTo(endUs, until)
      this.step()
      await immediate()
    }
    return true
  }

  #cameTo(endUs: number, until: number | (() => boolean)): boolean {
    // Nothing happens in between, so this is the time that has passed.
    if (endUs !== Infinity && endUs > this.#nowUs) {
      this.#nowUs = endUs
      this.#atThisInstant = 0
    }
    return typeof until === 'number'
  }

  #dropStale(): void {
    for (let event = this.#events.first; event !== undefined; event = this.#events.first) {
      if (event.task.isDue?.(event.us) ?? true) return
      this.#events.pop()
    }
  }
}

function bounds(until: number | (() => boolean), limitUs: number): [() => boolean, number] {
  return typeof until === 'number' ? [() => false, Math.min(until, limitUs)] : [until, limitUs]
}

const immediate = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
