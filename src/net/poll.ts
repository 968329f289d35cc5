// The event loop calls back for one handle after the other, and between two of them runs the ticks and promises that the first has left. A
// stack's turn tells of all its connections in one immediate: what this file has makes of each of these a callback of its own.

import type { Stack } from '../stack/index.ts'

const { _tickCallback } = process as unknown as { _tickCallback?: () => void }

let depth = 0

/** Runs what ticks and promises wait. What they throw is thrown. */
export const runTicks: () => void = _tickCallback ?? (() => {})

/** From here to `leavePoll` is what the loop would run when it reads sockets, before its immediates. */
export function enterPoll(): void {
  depth++
}

export function leavePoll(): void {
  depth--
}

export const isInPoll = (): boolean => depth > 0

/** Calls back from the root of the event loop: what ticks and promises wait belong to the callback. */
export function callBack(run: () => void): void {
  enterPoll()
  try {
    run()
    runTicks()
  } finally {
    leavePoll()
  }
}

/** Not in virtual time, which has an order of things of its own, nor inside a call of the user's, unless `alone` in an immediate. */
export function isPolling(stack: Stack, alone = false): boolean {
  return (alone || stack.isInTurn) && stack.setup.clock === undefined
}
