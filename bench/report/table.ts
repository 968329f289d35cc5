import Table from 'cli-table3'
import colors from 'picocolors'
import type { Row } from './results.ts'
import { kindsOf, labelOf, metText, ratioText, reasonsOf, titleOf, valueText } from './texts.ts'

/** The table that the command prints: medians, sluice over each of the others, and targets. */
export function tableText(rows: readonly Row[]): string {
  const kinds = kindsOf(rows)
  const others = kinds.filter((kind) => kind !== 'sluice')
  const right = (names: readonly string[]) => names.map(() => 'right' as const)
  const table = new Table({
    head: ['median', ...kinds.map(labelOf), ...others.map((kind) => `sluice / ${kind}`), 'better', 'target', 'met'],
    colAligns: ['left', ...right(kinds), ...right(others), 'left', 'left', 'left'],
    style: { head: colors.isColorSupported ? ['bold'] : [], border: [], compact: true },
  })
  for (const row of rows) {
    const { result, values, ratios, verdict } = row
    table.push([
      titleOf(row),
      ...kinds.map((kind) => failedRed(valueText(values[kind], result.unit))),
      ...others.map((kind) => ratioText(ratios[kind])),
      result.better,
      verdict?.text ?? '',
      judged(verdict?.met),
    ])
  }
  return [table.toString(), ...reasonsOf(rows)].join('\n')
}

function failedRed(text: string): string {
  return text === 'failed' ? colors.red(text) : text
}

function judged(met: boolean | null | undefined): string {
  const text = metText(met)
  return met === true ? colors.green(text) : met === false ? colors.red(text) : text
}
