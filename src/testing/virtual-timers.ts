import { AsyncLocalStorage, AsyncResource } from 'node:async_hooks'
import { syncBuiltinESMExports } from 'node:module'
import timersPromises from 'node:timers/promises'
import { promisify } from 'node:util'
import type { StackTimers } from '../stack/index.ts'
import { Phase, type Task, type World } from './sim/world.ts'

/** A timer in virtual time, with the methods of Node's. */
export class VirtualTimer implements Task {
  readonly #world: World
  readonly #callback: () => void
  readonly #us: number
  readonly #repeats: boolean
  #dueUs = Infinity
  #referenced = true

  constructor(world: World, callback: () => void, ms: number, repeats: boolean) {
    this.#world = world
    this.#callback = callback
    // As Node has it: a delay that is none is a millisecond.
    this.#us = (ms >= 1 && ms <= 0x7fffffff ? Math.trunc(ms) : 1) * 1000
    this.#repeats = repeats
    this.refresh()
  }

  fire(): void {
    this.#dueUs = Infinity
    if (this.#repeats) this.refresh()
    this.#callback()
  }

  isDue(us: number): boolean {
    return us === this.#dueUs
  }

  refresh(): this {
    this.#dueUs = this.#world.nowUs + this.#us
    this.#world.schedule(this.#dueUs, this, Phase.Timers)
    return this
  }

  close(): this {
    this.#dueUs = Infinity
    return this
  }

  ref(): this {
    this.#referenced = true
    return this
  }

  unref(): this {
    this.#referenced = false
    return this
  }

  hasRef(): boolean {
    return this.#referenced
  }

  [Symbol.toPrimitive](): number {
    return Number.NaN
  }

  [Symbol.dispose](): void {
    this.close()
  }
}

/** `setTimeout` and its like in the time of a world. */
export function timersIn(world: World): StackTimers {
  return {
    setTimeout: (callback, ms) => new VirtualTimer(world, callback, ms, false) as unknown as NodeJS.Timeout,
    clearTimeout: (timer) => void (timer as unknown as VirtualTimer).close(),
  }
}

// ---- The timers of the code under test. Which world a call belongs to tells the asynchronous context that it comes from, so that
// tests may run side by side, and a test runner's own timers stay what they are.

/** Which network a piece of code is run for; its world is null in real time. */
export interface Scope {
  readonly world: World | null
}

const scopes = new AsyncLocalStorage<Scope>()
/** For what runs in no context of ours, between the hooks of a fixture. */
let ambient: Scope | null = null
let users = 0
let restore: (() => void) | null = null

/** The scope of whoever asks. */
export const currentScope = (): Scope | null => scopes.getStore() ?? ambient
const current = (): World | null => currentScope()?.world ?? null

/** Runs `action` so that it, and all that it begins, is in `scope`: its timers are those of the scope's world, if they are in place. */
export const runIn = <T>(scope: Scope, action: () => T): T => scopes.run(scope, action)

/** Puts timers in place that ask which world they are of; returns what takes them away again. */
export function installTimers(): () => void {
  if (users++ === 0) restore = patch()
  return () => {
    if (--users === 0) {
      restore?.()
      restore = null
    }
  }
}

/** Makes `scope` that of all code that is in none; null: of none any more. */
export function setAmbient(scope: Scope | null): void {
  ambient = scope
}

type Callback = (...args: unknown[]) => void

function patch(): () => void {
  const real = {
    setTimeout: globalThis.setTimeout,
    setInterval: globalThis.setInterval,
    clearTimeout: globalThis.clearTimeout,
    clearInterval: globalThis.clearInterval,
  }
  // Whoever has put fake timers in place wants to move them by hand.
  if ('clock' in real.setTimeout) return () => {}
  const make =
    (repeats: boolean, fallback: (callback: Callback, ms?: number, ...args: unknown[]) => unknown) =>
    (callback: Callback, ms?: number, ...args: unknown[]): unknown => {
      const world = current()
      if (world === null || typeof callback !== 'function') return fallback(callback, ms, ...args)
      const bound = AsyncResource.bind(() => callback(...args))
      return new VirtualTimer(world, bound, Number(ms ?? 1), repeats)
    }
  const clear =
    (fallback: (timer: never) => void) =>
    (timer?: unknown): void => {
      if (timer instanceof VirtualTimer) timer.close()
      else fallback(timer as never)
    }
  const ours = {
    setTimeout: make(false, real.setTimeout as never),
    setInterval: make(true, real.setInterval as never),
    clearTimeout: clear(real.clearTimeout),
    clearInterval: clear(real.clearInterval),
  }
  const promised = { real: timersPromises.setTimeout, ours: patchedPromise(timersPromises.setTimeout) }
  Object.defineProperty(ours.setTimeout, promisify.custom, { value: promised.ours })
  Object.assign(globalThis, ours)
  timersPromises.setTimeout = promised.ours
  syncBuiltinESMExports()
  return () => {
    for (const [name, fn] of Object.entries(ours)) {
      // Fake timers that came meanwhile stay.
      const key = name as keyof typeof real
      if ((globalThis[key] as unknown) === fn) Object.assign(globalThis, { [key]: real[key] })
    }
    if (timersPromises.setTimeout === promised.ours) timersPromises.setTimeout = promised.real
    syncBuiltinESMExports()
  }
}

function patchedPromise(real: typeof timersPromises.setTimeout): typeof timersPromises.setTimeout {
  return ((ms?: number, value?: unknown, options?: { signal?: AbortSignal }) => {
    const world = current()
    if (world === null) return real(ms, value, options)
    return new Promise((resolve, reject) => {
      const signal = options?.signal
      const timer = new VirtualTimer(world, () => resolve(value as never), Number(ms ?? 1), false)
      const abort = (): void => {
        timer.close()
        reject(Object.assign(new Error('The operation was aborted', { cause: signal?.reason }), aborted))
      }
      if (signal?.aborted) abort()
      else signal?.addEventListener('abort', abort, { once: true })
    })
  }) as typeof timersPromises.setTimeout
}

const aborted = { name: 'AbortError', code: 'ABORT_ERR' }
