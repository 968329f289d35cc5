import type { Machine } from './machine.ts'
import type { Row } from './results.ts'

export interface Report {
  date: Date
  machine: Machine
  options: Record<string, unknown>
  rows: readonly Row[]
}

/** All there is to know, to be read by programs and compared from run to run. */
export function jsonText({ date, machine, options, rows }: Report): string {
  const results = [...new Set(rows.map(({ result }) => result))]
  const verdicts = rows
    .filter(({ verdict }) => verdict !== null)
    .map(({ verdict, ratios }) => ({ ...verdict?.target, text: verdict?.text, met: verdict?.met, ratios }))
  return `${JSON.stringify({ date: date.toISOString(), machine, options, results, verdicts }, null, 2)}\n`
}
