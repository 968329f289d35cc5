import type { Stack } from './stack.ts'

/** What ends a process unless somebody handles it. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Stacks that have something to close. */
const open = new Set<Stack>()

/**
 * At the end of the process (normal, thrown, or by a signal that nobody else handles) the peers of every open connection get its last segment, as
 * the kernel would see to. Handlers are in place only while a stack has connections, so that an idle program is left alone.
 */
export function closeAtExit(stack: Stack): void {
  if (open.size === 0) {
    process.on('exit', closeAll)
    for (const signal of SIGNALS) process.on(signal, onSignal)
  }
  open.add(stack)
}

export function nothingToClose(stack: Stack): void {
  if (!open.delete(stack) || open.size > 0) return
  process.off('exit', closeAll)
  for (const signal of SIGNALS) process.off(signal, onSignal)
}

function closeAll(): void {
  for (const stack of open) stack.closeNow()
}

function onSignal(signal: NodeJS.Signals): void {
  // Another listener decides what becomes of the process; if it ends, 'exit' follows.
  if (process.listenerCount(signal) > 1) return
  closeAll()
  process.off(signal, onSignal)
  // What would have happened without us, the exit status included.
  process.kill(process.pid, signal)
}
