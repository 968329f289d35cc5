import { addCounters, type ImpairCounters, makeCounters } from './counters.ts'

/** What was done to the traffic of one destination in one direction. */
export interface ImpairReportEntry {
  /** Which rule of the spec, from 0; −1: none any more. */
  readonly rule: number
  /** The `to` of the rule; null: it is for all. */
  readonly to: string | null
  /** `address:port` of what was connected to; the address alone of peers that connected to us. */
  readonly destination: string
  readonly direction: 'in' | 'out'
  /** What decided: the same seed decides the same again. */
  readonly seed: number
  /** The rule for this direction, as text. */
  readonly spec: string
  readonly counters: ImpairCounters
}

/** Destinations that are told apart; what goes beyond is summed up. */
const MAX_ENTRIES = 4096

/** Sums of what many pipelines did. */
export class ReportTable {
  readonly #entries = new Map<string, ImpairReportEntry>()

  add(entry: ImpairReportEntry): void {
    const named = this.#entries.size < MAX_ENTRIES ? entry : { ...entry, destination: 'others' }
    const key = [named.rule, named.spec, named.destination, named.direction, named.seed].join('|')
    let sum = this.#entries.get(key)
    if (sum === undefined) {
      sum = { ...named, counters: makeCounters() }
      this.#entries.set(key, sum)
    }
    addCounters(sum.counters, entry.counters)
  }

  /** Those to which anything came, copied. */
  toArray(): ImpairReportEntry[] {
    return [...this.#entries.values()].filter(({ counters }) => counters.in > 0)
  }

  copy(): ReportTable {
    const copy = new ReportTable()
    for (const entry of this.#entries.values()) copy.add(entry)
    return copy
  }
}
