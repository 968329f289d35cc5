import type { Tracer } from '../../src/observe/tracer.ts'

const ignore = (): void => {}

/** A tracer that heeds nothing; tests put over it what they want to hear. */
export const deafTracer: Tracer = {
  segmentSent: ignore,
  segmentReceived: ignore,
  stateChanged: ignore,
  caStateChanged: ignore,
  cwndChanged: ignore,
  timerFired: ignore,
}
