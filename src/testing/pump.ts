import { AsyncResource } from 'node:async_hooks'
import process from 'node:process'
import timers from 'node:timers'
import type { World } from './sim/world.ts'

// Captured at load: fake timers of a test runner must not be able to stop a network.
const { setImmediate, setTimeout, clearTimeout } = timers

/** So long nothing at all may go on, in real milliseconds, before the code under test is told that it waits in vain. */
const STALLED_MS = 1000
/** Turns of the event loop that code under test may take at one instant, before time goes on all the same. */
const MOST_TURNS = 10_000
const NEVER = -1
/** Of the system's answers: files and names, which take no time in a simulation. */
const REQUEST = /^(FSReq|FileHandleCloseReq|CloseReq|GetAddrInfoReq|GetNameInfoReq|QueryReq|TCPConnect|PipeConnect)/

/** Immediates of pumps, in this process: they are not the work of anybody. */
let ownImmediates = 0

/** Whether code in this process has asked for a turn, or waits for the system: then time stands still. */
function isBusy(): boolean {
  let immediates = 0
  for (const resource of process.getActiveResourcesInfo()) {
    if (resource === 'Immediate') immediates++
    else if (REQUEST.test(resource)) return true
  }
  return immediates > ownImmediates
}

/**
 * Lets virtual time pass while other code waits. Between two events that code has its turn: ticks, promises, immediates and what it
 * asked the file system or the resolver for. Time jumps to the next event only when all of that is done.
 */
export class Pump {
  readonly #world: World
  readonly #limitUs: number
  readonly #onFailure: (error: Error) => void
  /** Goes on where nothing went on, as what made the network would: whoever woke the pump may be of another network. */
  readonly #goOn = AsyncResource.bind(() => this.#takeTurn())
  #stopped = false
  #held = 0
  /** The time at which things happen: until all of them have, nobody is asked whether he is busy. */
  #instantUs = NEVER
  /** Turns that others took since. */
  #turns = 0
  #waits = false
  #stalled: NodeJS.Timeout | null = null

  constructor(world: World, limitUs: number, onFailure: (error: Error) => void) {
    this.#world = world
    this.#limitUs = limitUs
    this.#onFailure = onFailure
    world.onScheduled = () => this.#wake()
  }

  start(): void {
    this.#takeTurn()
  }

  stop(): void {
    this.#stopped = true
    this.#wake()
  }

  /** Time stands still until `release` was called as often. */
  hold(): void {
    this.#held++
  }

  release(): void {
    this.#held--
    this.#wake()
  }

  #takeTurn(): void {
    ownImmediates++
    setImmediate(this.#turn)
  }

  // No promises here: in a process that has just begun they are most of what a simulated event costs.
  readonly #turn = (): void => {
    ownImmediates--
    if (this.#stopped) return
    try {
      this.#look()
    } catch (error) {
      this.#onFailure(error as Error)
    }
  }

  /** Everybody else has had a turn. */
  #look(): void {
    const world = this.#world
    const { nextUs } = world
    if (this.#held === 0 && nextUs === this.#instantUs) {
      this.#step()
      return
    }
    this.#instantUs = NEVER
    if (this.#turns++ < MOST_TURNS && isBusy()) this.#takeTurn()
    else if (this.#held > 0) this.#wait(null)
    else if (nextUs === Infinity) this.#wait(STALLED_MS)
    else if (nextUs > this.#limitUs) {
      throw new Error(
        `The code under test still waits at ${seconds(world.nowUs)} of virtual time, and option 'limit' lets no more pass`,
      )
    } else this.#step()
  }

  #step(): void {
    this.#instantUs = this.#world.nextUs
    this.#turns = 0
    this.#world.step()
    this.#takeTurn()
  }

  /** Until something new is going to happen, at most `ms`: perhaps code outside goes on, and asks for more. */
  #wait(ms: number | null): void {
    this.#waits = true
    this.#turns = 0
    if (ms !== null) this.#stalled = setTimeout(this.#inVain, ms)
  }

  readonly #inVain = (): void => {
    if (isBusy()) this.#wake()
    else {
      this.#onFailure(
        new Error(
          `Nothing is left to happen at ${seconds(this.#world.nowUs)} of virtual time, and the code under test still waits`,
        ),
      )
    }
  }

  #wake(): void {
    if (!this.#waits) return
    this.#waits = false
    if (this.#stalled !== null) clearTimeout(this.#stalled)
    this.#stalled = null
    this.#goOn()
  }
}

export const seconds = (us: number): string => `${(us / 1e6).toFixed(6)} s`
