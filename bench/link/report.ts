// What was measured, as a table and as JSON.

import os from 'node:os'
import Table from 'cli-table3'
import colors from 'picocolors'
import { type Cell, cellText } from './cells.ts'
import type { Side } from './peer.ts'
import type { Transfer } from './transfer.ts'

export interface Pair {
  seed: number
  /** Null where it failed, or was not asked for. */
  kernel: Transfer | null
  sluice: Transfer | null
}

export interface CellPairs {
  cell: Cell
  pairs: Pair[]
}

interface Spread {
  mean: number
  deviation: number
  min: number
  max: number
}

export interface CellResult {
  cell: Cell
  /** Mbit/s. */
  goodput: Record<Side, Spread | null>
  /** Mean of sluice over mean of the kernel; null where there is not both. */
  ratio: number | null
  /** Of the seeds, each over its own twin. */
  pairedRatios: Spread | null
  /** Mean bytes. */
  retransmitted: Record<Side, number | null>
  pairs: Pair[]
}

/** What a sluice as good as the kernel reaches. */
export const GOAL = { geometricMean: 0.95, worstCell: 0.75, retransmittedFactor: 1.2, retransmittedBytes: 65_536 }

export function results(cells: readonly CellPairs[]): CellResult[] {
  return cells.map(({ cell, pairs }) => {
    const of = (side: Side): Transfer[] => pairs.map((pair) => pair[side]).filter((transfer) => transfer !== null)
    const goodput = { kernel: spread(goodputs(of('kernel'))), sluice: spread(goodputs(of('sluice'))) }
    const both = pairs.filter(({ kernel, sluice }) => kernel !== null && sluice !== null && kernel.goodput > 0)
    const retransmitted = (side: Side): number | null =>
      spread(of(side).map((transfer) => transfer.retransmitted))?.mean ?? null
    return {
      cell,
      goodput,
      ratio:
        goodput.kernel !== null && goodput.sluice !== null && goodput.kernel.mean > 0
          ? goodput.sluice.mean / goodput.kernel.mean
          : null,
      pairedRatios: spread(both.map(({ kernel, sluice }) => sluice!.goodput / kernel!.goodput)),
      retransmitted: { kernel: retransmitted('kernel'), sluice: retransmitted('sluice') },
      pairs,
    }
  })
}

const goodputs = (transfers: readonly Transfer[]): number[] => transfers.map(({ goodput }) => goodput)

function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0
  return { mean, deviation, min: Math.min(...values), max: Math.max(...values) }
}

/** Over the cells that have a ratio; null without any. */
export function geometricMean(results: readonly CellResult[]): number | null {
  const ratios = results.map(({ ratio }) => ratio).filter((ratio) => ratio !== null)
  if (ratios.length === 0) return null
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
}

export function table(results: readonly CellResult[], algorithm: string): string {
  const table = new Table({
    head: ['link', `kernel ${algorithm}`, `sluice ${algorithm}`, 'ratio', 'by seeds', 'sent again', 'of the kernel'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: colors.isColorSupported ? ['bold'] : [], border: [], compact: true },
  })
  for (const { cell, goodput, ratio, pairedRatios, retransmitted } of results) {
    table.push([
      cellText(cell),
      spreadText(goodput.kernel),
      spreadText(goodput.sluice),
      judged(ratio === null ? null : ratio.toFixed(2), ratio !== null && ratio >= GOAL.worstCell),
      pairedRatios === null ? '—' : `${pairedRatios.min.toFixed(2)}…${pairedRatios.max.toFixed(2)}`,
      judged(kilobytes(retransmitted.sluice), isFrugal(retransmitted)),
      kilobytes(retransmitted.kernel) ?? '—',
    ])
  }
  const lines = [table.toString(), ...bufferText(results)]
  const mean = geometricMean(results)
  if (mean === null) return lines.join('\n')
  const goal = `asked for: ${GOAL.geometricMean}, no cell below ${GOAL.worstCell}, sent again at most ${GOAL.retransmittedFactor} × the kernel's + 64 KB`
  lines.push(`geometric mean of the ratios: ${judged(mean.toFixed(3), mean >= GOAL.geometricMean)} (${goal})`)
  return lines.join('\n')
}

/** What no kernel TCP needs: sluice promises no more than its UDP socket can hold. */
function bufferText(results: readonly CellResult[]): string[] {
  const received = results.flatMap(({ pairs }) => pairs.map(({ sluice }) => sluice?.received ?? null))
  const known = received.filter((one) => one !== null)
  if (known.length === 0) return []
  const granted = Math.min(...known.map(({ udpBuffer }) => udpBuffer))
  const drops = known.reduce((sum, { udpDrops }) => sum + udpDrops, 0)
  return [
    `sluice's UDP receive buffer: ${kilobytes(granted)} granted, as net.core.rmem_max allows; it was full ${drops} times`,
  ]
}

function isFrugal({ kernel, sluice }: Record<Side, number | null>): boolean {
  if (kernel === null || sluice === null) return true
  return sluice <= kernel * GOAL.retransmittedFactor + GOAL.retransmittedBytes
}

function judged(text: string | null, good: boolean): string {
  return text === null ? '—' : good ? colors.green(text) : colors.red(text)
}

const spreadText = (value: Spread | null): string =>
  value === null ? '—' : `${value.mean.toFixed(2)} ± ${value.deviation.toFixed(2)} Mbit/s`

const kilobytes = (bytes: number | null): string | null => (bytes === null ? null : `${Math.round(bytes / 1024)} KB`)

export function json(results: readonly CellResult[], options: Record<string, unknown>): string {
  const machine = {
    node: process.version,
    platform: `${process.platform} ${os.release()}`,
    cpus: os.cpus().length,
    cpu: os.cpus()[0]?.model,
    load: os.loadavg(),
  }
  const report = {
    date: new Date().toISOString(),
    machine,
    options,
    goal: GOAL,
    geometricMean: geometricMean(results),
    cells: results,
  }
  return `${JSON.stringify(report, null, 2)}\n`
}
