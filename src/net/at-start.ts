import { AsyncResource } from 'node:async_hooks'
import timers from 'node:timers'

// What is taken of Node at the start: the rest of this folder may be loaded with the first connection, when a test runner has put fake timers in
// their place, and within the asynchronous context of whoever connects.

const { setTimeout, clearTimeout, setImmediate } = timers
const { nextTick } = process

export { clearTimeout, nextTick, setImmediate, setTimeout }

/** The context of nobody's: what belongs to no `connect` and no `listen` runs in it. */
export const outside: AsyncResource = new AsyncResource('SLUICE', { requireManualDestroy: true })
