import { bdp } from './bdp.ts'
import { bulk } from './bulk.ts'
import { connects } from './connects.ts'
import { crowd } from './crowd.ts'
import { http } from './http.ts'
import type { Measurement } from './measurement.ts'
import { memory } from './memory.ts'
import { ping } from './ping.ts'
import { writes } from './writes.ts'

export type { Figure, Measurement, Sample, Serving, Setting, Settings } from './measurement.ts'

/** In the order of the table's rows. */
export const measurements: readonly Measurement[] = [...bulk, ping, writes, connects, http, ...memory, ...crowd, ...bdp]
