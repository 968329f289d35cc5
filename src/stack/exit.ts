import timers from 'node:timers'
import type { Stack } from './stack.ts'

// Captured at load, as in `clock.ts`.
const { setTimeout } = timers

/** What ends a process unless somebody handles it. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** ms after the last connection for which the handlers stay: setting them for each of many short connections would cost as much as the half of one. */
const LINGER_MS = 1000

/** Stacks that have something to close. */
const open = new Set<Stack>()
/** What others have to do after that. */
const last: (() => void)[] = []
let watching = false
let lingering: NodeJS.Timeout | null = null
/** By this a handler of ours is known for what it is, that of another copy of this module too. */
const OURS = Symbol.for('sluice.exit')

/**
 * At the end of the process (normal, thrown, or by a signal that nobody else handles) the peers of every open connection get its last segment, as
 * the kernel would see to. Handlers are in place only while a stack has connections, and shortly after, so that an idle program is left alone.
 */
export function closeAtExit(stack: Stack): void {
  watch()
  open.add(stack)
}

/** Calls `action` then too, when the stacks have closed. From now on the handlers stay. */
export function callAtExit(action: () => void): void {
  watch()
  last.push(action)
}

function watch(): void {
  if (watching) return
  watching = true
  process.on('exit', closeAll)
  // Before any listener that is to be called once, which would be gone from the list by the time that we look.
  for (const signal of SIGNALS) process.prependListener(signal, onSignal)
}

export function nothingToClose(stack: Stack): void {
  if (!open.delete(stack) || open.size > 0 || lingering !== null) return
  lingering = setTimeout(unwatch, LINGER_MS)
  lingering.unref()
}

function unwatch(): void {
  lingering = null
  if (open.size > 0 || last.length > 0) return
  watching = false
  process.off('exit', closeAll)
  for (const signal of SIGNALS) process.off(signal, onSignal)
}

function closeAll(): void {
  for (const stack of open) stack.closeNow()
  for (const action of last) action()
}

function onSignal(signal: NodeJS.Signals): void {
  // Another listener decides what becomes of the process; if it ends, 'exit' follows.
  if (process.listeners(signal).some((listener) => !(OURS in listener))) return
  closeAll()
  process.off(signal, onSignal)
  // What would have happened without us, the exit status included.
  process.kill(process.pid, signal)
}
Object.defineProperty(onSignal, OURS, { value: true })
