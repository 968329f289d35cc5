import type { Tracer } from './tracer.ts'

/** Several tracers as one: each hears all, in this order. */
export function tee(all: readonly Tracer[]): Tracer | null {
  if (all.length < 2) return all[0] ?? null
  // A copy: who is taken out while one hears is not to make another deaf.
  const tracers = [...all]
  return {
    segmentSent: (...args) => {
      for (const tracer of tracers) tracer.segmentSent(...args)
    },
    segmentReceived: (...args) => {
      for (const tracer of tracers) tracer.segmentReceived(...args)
    },
    stateChanged: (...args) => {
      for (const tracer of tracers) tracer.stateChanged(...args)
    },
    caStateChanged: (...args) => {
      for (const tracer of tracers) tracer.caStateChanged(...args)
    },
    cwndChanged: (...args) => {
      for (const tracer of tracers) tracer.cwndChanged(...args)
    },
    ccStateChanged: (...args) => {
      for (const tracer of tracers) tracer.ccStateChanged?.(...args)
    },
    timerFired: (...args) => {
      for (const tracer of tracers) tracer.timerFired(...args)
    },
    softError: (...args) => {
      for (const tracer of tracers) tracer.softError?.(...args)
    },
    urgentData: (...args) => {
      for (const tracer of tracers) tracer.urgentData?.(...args)
    },
    pathEvent: (...args) => {
      for (const tracer of tracers) tracer.pathEvent?.(...args)
    },
    frameSent: (...args) => {
      for (const tracer of tracers) tracer.frameSent?.(...args)
    },
    frameReceived: (...args) => {
      for (const tracer of tracers) tracer.frameReceived?.(...args)
    },
    frameDropped: (...args) => {
      for (const tracer of tracers) tracer.frameDropped?.(...args)
    },
    frameImpaired: (...args) => {
      for (const tracer of tracers) tracer.frameImpaired?.(...args)
    },
  }
}
