// How numbers and verdicts are written, in the terminal and in the documentation.

import { transportKinds } from '../transports/index.ts'
import type { Row, Value } from './results.ts'

/** Kinds that a table has columns for, in the order of the columns. */
export function kindsOf(rows: readonly Row[]): string[] {
  return transportKinds.map(({ name }) => name).filter((name) => rows.some(({ values }) => values[name] !== undefined))
}

export function labelOf(kind: string): string {
  return transportKinds.find(({ name }) => name === kind)?.label ?? kind
}

export function titleOf({ result, setting }: Row): string {
  return setting === '' ? result.title : `${result.title}; ${setting}`
}

/** `—` for what was not measured, `failed` for what was tried in vain. */
export function valueText(value: Value | undefined, unit: string): string {
  if (value === undefined || value.reason !== null) return '—'
  if (value.median === null) return value.samples.length > 0 ? 'failed' : '—'
  return `${numberText(value.median)} ${unit}`
}

function numberText(value: number): string {
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2
  return value.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits })
}

export function ratioText(ratio: number | null | undefined): string {
  return ratio == null ? '—' : ratio.toFixed(2)
}

export function metText(met: boolean | null | undefined): string {
  return met === undefined ? '' : met === null ? '?' : met ? 'yes' : 'no'
}

/** What could not be measured, and why: a line each. */
export function reasonsOf(rows: readonly Row[]): string[] {
  const lines = rows.flatMap(({ result, values }) =>
    Object.values(values)
      .filter(({ reason }) => reason !== null)
      .map(({ kind, reason }) => `${labelOf(kind)}, ${result.measurement}: ${reason}`),
  )
  return [...new Set(lines)]
}
