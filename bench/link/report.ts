// What was measured, as tables and as JSON.

import os from 'node:os'
import Table from 'cli-table3'
import colors from 'picocolors'
import { cellText } from './cells.ts'
import { type Comparison, contenderText, type Sharing, sharingText, whyAbsent } from './contenders.ts'
import {
  type CellRuns,
  type Compared,
  compare,
  geometricMean,
  type Shared,
  type Spread,
  type Standing,
  share,
} from './results.ts'
import type { Flow } from './transfer.ts'

/** What a sluice as good as the other reaches. BBR is asked for more, for a path that loses is what it is for. */
const GOAL = {
  geometricMean: 0.95,
  bbrGeometricMean: 1,
  worstCell: 0.75,
  retransmittedFactor: 1.2,
  retransmittedBytes: 65_536,
}

const goalOf = ({ ours }: Comparison): number =>
  ours.algorithm.startsWith('bbr') ? GOAL.bbrGeometricMean : GOAL.geometricMean

function newTable(head: string[]): Table.Table {
  return new Table({
    head,
    colAligns: ['left', ...head.slice(1).map(() => 'right' as const)],
    style: { head: colors.isColorSupported ? ['bold'] : [], border: [], compact: true },
  })
}

export function comparisonTable(cells: readonly CellRuns[], comparison: Comparison): string {
  const { ours, theirs } = comparison
  const other = theirs === null ? '—' : contenderText(theirs)
  const results = compare(cells, comparison)
  const mean = geometricMean(results)
  const goal = goalOf(comparison)
  const table = newTable(['link', other, contenderText(ours), 'ratio', 'by seeds', 'sent again', 'queueing'])
  for (const result of results) {
    const { cell, ratio, pairedRatios } = result
    table.push([
      cellText(cell),
      goodputText(result.theirs?.goodput),
      goodputText(result.ours?.goodput),
      judged(ratio === null ? null : ratio.toFixed(2), ratio !== null && ratio >= GOAL.worstCell),
      pairedRatios === null ? '—' : `${pairedRatios.min.toFixed(2)}…${pairedRatios.max.toFixed(2)}`,
      `${judged(kilobytes(result.ours), isFrugal(result))} / ${kilobytes(result.theirs) ?? '—'}`,
      `${queueingText(result.ours?.queueing)} / ${queueingText(result.theirs?.queueing)}`,
    ])
  }
  const lines = [table.toString()]
  for (const contender of [ours, ...(theirs === null ? [] : [theirs])]) {
    const reason = whyAbsent(contender)
    if (reason !== null) lines.push(`${contenderText(contender)}: ${reason}`)
  }
  if (mean !== null) {
    const rest = `no cell below ${GOAL.worstCell}, sent again at most ${GOAL.retransmittedFactor} × theirs + 64 KB`
    lines.push(
      `geometric mean of the ratios: ${judged(mean.toFixed(3), mean >= goal)} (asked for: ${goal}, ${rest}; the latter two are ours / theirs)`,
    )
  }
  return lines.join('\n')
}

export function sharingTable(cells: readonly CellRuns[], flows: Sharing, settled: number): string {
  const names = flows.map(contenderText)
  const table = newTable(['link', ...names, 'all together', 'queueing'])
  for (const { cell, shares, goodput, queueing } of share(cells, flows, sharingText(flows), settled)) {
    table.push([cellText(cell), ...shares.map(shareText), goodputText(goodput), queueingText(queueing)])
  }
  const lines = [table.toString()]
  for (const flow of flows) {
    const reason = whyAbsent(flow)
    if (reason !== null) lines.push(`${contenderText(flow)}: ${reason}`)
  }
  return [...lines, `shares of what came after the first ${settled} s`].join('\n')
}

/** What no kernel TCP needs: whoever is above UDP can take no more than its socket can hold. */
export function bufferText(cells: readonly CellRuns[]): string {
  const flows: Flow[] = cells.flatMap(({ runs }) =>
    runs.flatMap(({ transfers }) => Object.values(transfers).flatMap((transfer) => transfer.flows)),
  )
  const known = flows.map(({ received }) => received).filter(({ udpBuffer }) => udpBuffer > 0)
  if (known.length === 0) return ''
  const granted = Math.min(...known.map(({ udpBuffer }) => udpBuffer))
  const drops = known.reduce((sum, { udpDrops }) => sum + udpDrops, 0)
  return `UDP receive buffers: ${Math.round(granted / 1024)} KB granted, as net.core.rmem_max allows; they were full ${drops} times`
}

function isFrugal({ ours, theirs }: Compared): boolean {
  if (ours === null || theirs === null) return true
  return ours.retransmitted <= theirs.retransmitted * GOAL.retransmittedFactor + GOAL.retransmittedBytes
}

function judged(text: string | null, good: boolean): string {
  return text === null ? '—' : good ? colors.green(text) : colors.red(text)
}

const goodputText = (value: Spread | null | undefined): string =>
  value == null ? '—' : `${value.mean.toFixed(2)} ± ${value.deviation.toFixed(2)} Mbit/s`

const shareText = (value: Spread | null): string =>
  value === null
    ? '—'
    : `${(value.mean * 100).toFixed(0)} % (${(value.min * 100).toFixed(0)}…${(value.max * 100).toFixed(0)})`

const queueingText = (value: number | null | undefined): string => (value == null ? '—' : `${value.toFixed(1)} ms`)

const kilobytes = (value: Standing | null): string | null =>
  value === null ? null : `${Math.round(value.retransmitted / 1024)} KB`

export function json(
  cells: readonly CellRuns[],
  comparisons: readonly Comparison[],
  sharings: readonly Sharing[],
  settled: number,
  options: Record<string, unknown>,
): string {
  const machine = {
    node: process.version,
    platform: `${process.platform} ${os.release()}`,
    cpus: os.cpus().length,
    cpu: os.cpus()[0]?.model,
    load: os.loadavg(),
  }
  const compared = comparisons.map((comparison) => {
    const results = compare(cells, comparison)
    return { ...comparison, geometricMean: geometricMean(results), goal: goalOf(comparison), cells: results }
  })
  const shared = sharings.map((flows): { flows: Sharing; settled: number; cells: Shared[] } => {
    return { flows, settled, cells: share(cells, flows, sharingText(flows), settled) }
  })
  const report = { date: new Date().toISOString(), machine, options, goal: GOAL, compared, shared, runs: cells }
  return `${JSON.stringify(report, null, 2)}\n`
}
