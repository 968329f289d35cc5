import process from 'node:process'
import timers from 'node:timers'
import type { World } from './sim/world.ts'

// Captured at load: fake timers of a test runner must not be able to stop a network.
const { setImmediate, setTimeout, clearTimeout } = timers

/** So long nothing at all may go on, in real milliseconds, before the code under test is told that it waits in vain. */
const STALLED_MS = 1000
/** Turns of the event loop that code under test may take at one instant, before time goes on all the same. */
const MOST_TURNS = 10_000
/** Of the system's answers: files and names, which take no time in a simulation. */
const REQUEST = /^(FSReq|FileHandleCloseReq|CloseReq|GetAddrInfoReq|GetNameInfoReq|QueryReq|TCPConnect|PipeConnect)/

/** Immediates of pumps, in this process: they are not the work of anybody. */
let ownImmediates = 0

function turn(): Promise<void> {
  ownImmediates++
  return new Promise((resolve) =>
    setImmediate(() => {
      ownImmediates--
      resolve()
    }),
  )
}

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
  #stopped = false
  #held = 0
  #resume: (() => void) | null = null

  constructor(world: World, limitUs: number, onFailure: (error: Error) => void) {
    this.#world = world
    this.#limitUs = limitUs
    this.#onFailure = onFailure
    world.onScheduled = () => this.#wake()
  }

  start(): void {
    this.#run().catch(this.#onFailure)
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

  async #run(): Promise<void> {
    const world = this.#world
    await turn()
    while (!this.#stopped) {
      await this.#settle()
      if (this.#stopped) return
      if (this.#held > 0) await this.#woken(null).then(turn)
      else if (world.nextUs === Infinity) await this.#idle().then(turn)
      else if (world.nextUs > this.#limitUs) {
        throw new Error(
          `The code under test still waits at ${seconds(world.nowUs)} of virtual time, and option 'limit' lets no more pass`,
        )
      } else await this.#instant()
    }
  }

  /** All that happens at the next time at which anything does. */
  async #instant(): Promise<void> {
    const world = this.#world
    const us = world.nextUs
    while (!this.#stopped && this.#held === 0 && world.nextUs === us) {
      world.step()
      await turn()
    }
  }

  /** Everybody has had a turn: until nobody wants another. */
  async #settle(): Promise<void> {
    for (let turns = 0; turns < MOST_TURNS && !this.#stopped && isBusy(); turns++) await turn()
  }

  /** Nothing is left to happen: perhaps code outside goes on, and asks for more. */
  async #idle(): Promise<void> {
    if (await this.#woken(STALLED_MS)) return
    if (isBusy() || this.#world.nextUs !== Infinity || this.#stopped) return
    throw new Error(
      `Nothing is left to happen at ${seconds(this.#world.nowUs)} of virtual time, and the code under test still waits`,
    )
  }

  /** True: something happened; false: `ms` passed without. */
  #woken(ms: number | null): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = ms === null ? null : setTimeout(() => done(false), ms)
      const done = (woken: boolean): void => {
        if (timer !== null) clearTimeout(timer)
        this.#resume = null
        resolve(woken)
      }
      this.#resume = () => done(true)
    })
  }

  #wake(): void {
    this.#resume?.()
  }
}

export const seconds = (us: number): string => `${(us / 1e6).toFixed(6)} s`
