// Counts what code does instead of how long it takes: with virtual time the same run does the same on every machine.

import { Session } from 'node:inspector'

/** Where our code lies: `…/src/tcp/sender.ts`. */
const LAYER = /\/src\/([a-z]+)\/[^?]*\.ts/

/** Without them V8 counts only where it has not made the code fast, or has forgotten it. */
export const COUNTER_FLAGS: readonly string[] = ['--no-opt', '--no-sparkplug', '--no-maglev', '--no-flush-bytecode']

/**
 * How often functions are called and loops go round again, by folders of src. A branch counts nothing: what is counted is how much work is
 * asked for, not how it is written down. It hears only of code that is loaded after it.
 */
export class OperationCounter {
  readonly #session = new Session()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  during(action: () => void): Record<string, number> {
    this.#take()
    action()
    return this.#take()
  }

  /** Since it was last asked. */
  #take(): Record<string, number> {
    const counts: Record<string, number> = {}
    this.#session.post('Profiler.takePreciseCoverage', (error, taken) => {
      if (error !== null) throw error
      for (const { url, functions } of taken.result) {
        const layer = LAYER.exec(url)?.[1]
        if (layer === undefined) continue
        for (const { ranges } of functions) counts[layer] = (counts[layer] ?? 0) + operationsOf(ranges)
      }
    })
    return counts
  }
}

export interface Range {
  startOffset: number
  endOffset: number
  count: number
}

/** Of one function: its calls, and what a block inside ran more often than the block around it. Outer blocks come before inner ones. */
export function operationsOf(ranges: readonly Range[]): number {
  let sum = ranges[0].count
  const around: Range[] = [ranges[0]]
  for (const range of ranges.slice(1)) {
    while ((around.at(-1) as Range).endOffset < range.endOffset) around.pop()
    sum += Math.max(0, range.count - (around.at(-1) as Range).count)
    around.push(range)
  }
  return sum
}
