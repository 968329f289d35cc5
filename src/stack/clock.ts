import { performance } from 'node:perf_hooks'
import timers from 'node:timers'
import { BusyPoll } from './busy-poll.ts'

// Captured at load: test runners that install fake timers later must not be able to stop a stack.
const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate } = timers
const monotonicMs = performance.now.bind(performance)

/**
 * Where a stack gets its time from, and who calls it back. Times are microseconds since the stack began. The virtual clock of
 * simulations implements the same, so nothing above may touch a timer of Node's.
 *
 * Callbacks come from the event loop only, never from inside one of these methods.
 */
export interface Clock {
  nowUs(): number
  /** Called once, before anything else: `onWake` answers `wakeAt`, `onTurn` answers `soon`. */
  start(onWake: (nowUs: number) => void, onTurn: (nowUs: number) => void): void
  /** Asks for one `onWake` at `us` or shortly after; replaces what was asked before. `Infinity`: no more. */
  wakeAt(us: number): void
  /**
   * Asks for one `onTurn` after what the event loop is now delivering; asking twice changes nothing. `bytes`: so long a datagram was read, and where
   * many were, more may wait, which is to be read before the turn.
   */
  soon(bytes?: number): void
  /** Whether the event loop is to be kept open. Nothing else here keeps a process alive, a turn that is due excepted. */
  hold(on: boolean): void
  /** No callback comes after this. */
  stop(): void
}

/**
 * A wake-up as late as this means that the loop was stalled: Node then fires timers before it reads sockets, so that the
 * acknowledgements which would have stopped a retransmission still lie in the kernel.
 */
const STALLED_US = 10_000
/** Of larger datagrams (an Ethernet frame's and more) few come at once, and the tunnel asks for turns between them. */
const SMALL = 1500
/** What libuv reads from one socket before it lets the loop go on (uv__udp_recvmsg). */
const READ_AT_ONCE = 32
/**
 * After a stall what came meanwhile is read in so many goes, and no longer than this: an acknowledgement, or a send, that knows of a part of it only
 * would take the path for faster than it is when the rest follows in no time. Linux looks at all that a poll of the card brought, too.
 */
const MOST_GOES = 8
const MOST_READING_US = 2000
/** Polling lets the event loop look at everything else this often, µs. */
const POLL_SLICE_US = 20
/** An event loop that takes longer to come round has work; and one that does more than once in a wait would not have slept, µs. */
const OTHER_WORK_US = 10
const HICCUPS = 1
/** The longest delay that `setTimeout` takes; a longer one would fire at once. */
const LONGEST_MS = 0x7fffffff

/** What a clock polls, instead of letting the process sleep. */
export interface Polled {
  /** µs for which to look for what comes next (`net.core.busy_poll`); 0: not at all. */
  limit(): number
  /** Reads, past the event loop, what there is, and asks for a turn where that is something. False: it is the event loop's to find. */
  readAgain(): boolean
}

const NOTHING_POLLED: Polled = { limit: () => 0, readAgain: () => false }
/** Of all clocks: what each of them polls for may be waiting for the turn of another. */
let turnsDue = 0

/** Real time. */
export class LoopClock implements Clock {
  readonly #origin = monotonicMs()
  #onWake: ((nowUs: number) => void) | null = null
  #onTurn: ((nowUs: number) => void) | null = null

  /** What `wakeAt` was last asked for. */
  #wakeUs = Infinity
  #timer: NodeJS.Timeout | null = null
  /** When `#timer` fires; it may be earlier than `#wakeUs`, never much later. */
  #timerUs = Infinity
  /** A late wake-up that waits for the sockets to be read. */
  #late: NodeJS.Immediate | null = null
  #turn: NodeJS.Immediate | null = null
  /** Datagrams read since the loop polled last, how often the turn was put off for more of them, and when that was first. */
  #reads = 0
  #goes = 0
  #readingSince = 0
  readonly #polled: Polled
  readonly #busyPoll = new BusyPoll()
  #poll: NodeJS.Immediate | null = null
  /** Until when, and when it was last put off to let the loop go on. */
  #pollUs = 0
  #polledUs = 0
  /** How often the loop had work meanwhile. */
  #hiccups = 0
  /** What is being read is followed at once by its turn, once that is asked for. */
  #polling = false
  #isDue = false
  #keeper: NodeJS.Timeout | null = null
  #held = false
  #stopped = false

  constructor(polled: Polled = NOTHING_POLLED) {
    this.#polled = polled
  }

  nowUs(): number {
    return Math.floor((monotonicMs() - this.#origin) * 1000)
  }

  start(onWake: (nowUs: number) => void, onTurn: (nowUs: number) => void): void {
    this.#onWake = onWake
    this.#onTurn = onTurn
  }

  wakeAt(us: number): void {
    if (this.#stopped) return
    this.#wakeUs = us
    // A timer that fires earlier looks again when it does. Deadlines mostly move later, with every acknowledgement, and
    // clearing and setting a timer each time costs fifty times as much as this comparison.
    if (us < this.#timerUs) this.#arm(us)
  }

  soon(bytes = 0): void {
    if (bytes > 0) {
      if (bytes <= SMALL) this.#reads++
      if (this.#hiccups > HICCUPS) this.#busyPoll.forget()
      if (this.#busyPoll.isWaiting) this.#busyPoll.arrived(this.nowUs())
    }
    if (this.#stopped || this.#turn !== null) return
    if (this.#polling) this.#isDue = true
    else this.#askForTurn()
  }

  #askForTurn(): void {
    turnsDue++
    this.#turn = setImmediate(this.#onTurnDue)
  }

  hold(on: boolean): void {
    if (on === this.#held || this.#stopped) return
    this.#held = on
    if (this.#keeper === null) this.#keeper = setInterval(nothing, LONGEST_MS)
    if (on) this.#keeper.ref()
    else this.#keeper.unref()
  }

  stop(): void {
    this.#stopped = true
    this.#held = false
    this.#wakeUs = Infinity
    this.#disarm()
    if (this.#late !== null) clearImmediate(this.#late)
    if (this.#turn !== null) {
      clearImmediate(this.#turn)
      turnsDue--
    }
    if (this.#poll !== null) clearImmediate(this.#poll)
    if (this.#keeper !== null) clearInterval(this.#keeper)
    this.#late = null
    this.#turn = null
    this.#poll = null
    this.#keeper = null
    this.#onWake = null
    this.#onTurn = null
  }

  #arm(us: number): void {
    this.#disarm()
    const delay = Math.min(Math.max(1, Math.ceil((us - this.nowUs()) / 1000)), LONGEST_MS)
    this.#timerUs = us
    this.#timer = setTimeout(this.#onTimer, delay)
    this.#timer.unref()
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#timerUs = Infinity
  }

  readonly #onTimer = (): void => {
    this.#timer = null
    this.#timerUs = Infinity
    if (this.#wakeUs === Infinity || this.#late !== null) return
    const now = this.nowUs()
    // Early: the deadline moved, or the loop's own time, from which Node counts delays, was behind when the timer was set.
    if (now < this.#wakeUs) this.#arm(this.#wakeUs)
    else if (now - this.#wakeUs >= STALLED_US || this.#goes > 0) this.#late = setImmediate(this.#onLate)
    else this.#wake(now)
  }

  readonly #onLate = (): void => {
    this.#late = null
    if (this.#wakeUs === Infinity) return
    const now = this.nowUs()
    // What was read meanwhile may have moved the deadline.
    if (now >= this.#wakeUs) this.#wake(now)
    else if (this.#wakeUs < this.#timerUs) this.#arm(this.#wakeUs)
  }

  #wake(now: number): void {
    this.#wakeUs = Infinity
    this.#onWake?.(now)
  }

  readonly #onTurnDue = (): void => {
    turnsDue--
    this.#turn = null
    const now = this.nowUs()
    if (this.#readsOn(now)) {
      this.#askForTurn()
      return
    }
    this.#goes = 0
    this.#run(now)
  }

  #run(now: number): void {
    this.#reads = 0
    this.#onTurn?.(now)
    const limit = this.#pollLimit
    if (limit === 0 && !this.#busyPoll.isWaiting) return
    const after = this.nowUs()
    this.#hiccups = 0
    this.#pollUs = this.#busyPoll.begin(after, limit)
    if (this.#pollUs > 0) this.#pollAgain(after)
  }

  /** Who keeps no loop open has nobody that waits. */
  get #pollLimit(): number {
    return this.#held ? this.#polled.limit() : 0
  }

  #pollAgain(now: number): void {
    this.#polledUs = now
    this.#poll ??= setImmediate(this.#onPoll)
  }

  readonly #onPoll = (): void => {
    this.#poll = null
    // Something came, or a turn is wanted: behind it the wait begins anew.
    if (!this.#busyPoll.isWaiting || this.#turn !== null) return
    let now = this.nowUs()
    const isIdle = now - this.#polledUs <= OTHER_WORK_US && turnsDue === 0
    if (!isIdle) this.#hiccups++
    // One look is always worth it; more, while the event loop would sleep.
    const until = isIdle ? Math.min(this.#pollUs, now + POLL_SLICE_US) : now
    let looks: boolean
    do {
      looks = this.#readAgain()
      now = this.nowUs()
      if (this.#isDue) {
        this.#isDue = false
        this.#run(now)
        return
      }
    } while (looks && now < until)
    if (this.#pollLimit === 0 || (now >= this.#pollUs && this.#hiccups > HICCUPS)) this.#busyPoll.forget()
    else if (now < this.#pollUs) this.#pollAgain(now)
    else this.#busyPoll.missed(now)
  }

  #readAgain(): boolean {
    let threw = true
    this.#polling = true
    try {
      const looked = this.#polled.readAgain()
      threw = false
      return looked
    } finally {
      this.#polling = false
      // Where much was read, user code has heard of a part of it, and may throw.
      if (threw) {
        this.#isDue = false
        this.soon()
      }
    }
  }

  /** Whether a socket may hold more than was read, and there is time to look. */
  #readsOn(now: number): boolean {
    const full = this.#reads >= READ_AT_ONCE
    this.#reads = 0
    if (!full || this.#stopped) return false
    if (this.#goes === 0) this.#readingSince = now
    return ++this.#goes <= MOST_GOES && now - this.#readingSince < MOST_READING_US
  }
}

function nothing(): void {}
