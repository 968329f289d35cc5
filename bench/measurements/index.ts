import { bulk } from './bulk.ts'
import { connects } from './connects.ts'
import type { Measurement } from './measurement.ts'
import { memory } from './memory.ts'
import { ping } from './ping.ts'

export type { Figure, Measurement, Sample, Serving, Settings } from './measurement.ts'

/** In the order of the table's rows. */
export const measurements: readonly Measurement[] = [bulk, ping, connects, memory]
