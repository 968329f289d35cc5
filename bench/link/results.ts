// What transfers over one link come to.

import type { Cell } from './cells.ts'
import { type Comparison, type Contender, contenderText, type Sharing } from './contenders.ts'
import type { Flow, Transfer } from './transfer.ts'

/** Of one seed over one link, by the text of the contender or of the sharing; absent: it failed, or cannot run here. */
export interface Run {
  seed: number
  transfers: Record<string, Transfer>
}

export interface CellRuns {
  cell: Cell
  runs: Run[]
}

export interface Spread {
  mean: number
  deviation: number
  min: number
  max: number
}

/** One contender over one link, alone on it. */
export interface Standing {
  /** Mbit/s. */
  goodput: Spread
  /** Mean bytes. */
  retransmitted: number
  /** Mean ms that the queues added to the round trip; null: the emulator does not say. */
  queueing: number | null
}

export interface Compared {
  cell: Cell
  ours: Standing | null
  theirs: Standing | null
  /** Mean of ours over mean of theirs; null where there is not both. */
  ratio: number | null
  /** Of the seeds, each over its own twin. */
  pairedRatios: Spread | null
}

/** Flows that shared one link. */
export interface Shared {
  cell: Cell
  /** Of what all of them moved once they had settled, the part of each. */
  shares: (Spread | null)[]
  /** Mbit/s, all together, from the beginning. */
  goodput: Spread | null
  queueing: number | null
}

export function compare(cells: readonly CellRuns[], { ours, theirs }: Comparison): Compared[] {
  return cells.map(({ cell, runs }) => {
    const [a, b] = [standing(runs, ours), theirs === null ? null : standing(runs, theirs)]
    const ratios = runs.flatMap(({ transfers }) => {
      const mine = transfers[contenderText(ours)]?.flows[0].goodput
      const other = theirs === null ? undefined : transfers[contenderText(theirs)]?.flows[0].goodput
      return mine !== undefined && other !== undefined && other > 0 ? [mine / other] : []
    })
    const ratio = a !== null && b !== null && b.goodput.mean > 0 ? a.goodput.mean / b.goodput.mean : null
    return { cell, ours: a, theirs: b, ratio, pairedRatios: spread(ratios) }
  })
}

function standing(runs: readonly Run[], contender: Contender): Standing | null {
  const transfers = runs.flatMap((run) => run.transfers[contenderText(contender)] ?? [])
  const goodput = spread(transfers.map(({ flows }) => flows[0].goodput))
  const retransmitted = spread(transfers.map(({ flows }) => flows[0].retransmitted))
  if (goodput === null || retransmitted === null) return null
  return { goodput, retransmitted: retransmitted.mean, queueing: meanQueueing(transfers) }
}

/** `settled`: seconds after which the shares count. */
export function share(cells: readonly CellRuns[], flows: Sharing, name: string, settled: number): Shared[] {
  return cells.map(({ cell, runs }) => {
    const transfers = runs.flatMap((run) => run.transfers[name] ?? [])
    const shares = flows.map((_, i) => spread(transfers.map((transfer) => shareOf(transfer.flows, i, settled))))
    const total = transfers.map((transfer) => transfer.flows.reduce((sum, { goodput }) => sum + goodput, 0))
    return { cell, shares, goodput: spread(total), queueing: meanQueueing(transfers) }
  })
}

function shareOf(flows: readonly Flow[], index: number, settled: number): number {
  const late = flows.map(({ received }) => received.perSecond.slice(settled).reduce((sum, bytes) => sum + bytes, 0))
  const total = late.reduce((sum, bytes) => sum + bytes, 0)
  return total === 0 ? 0 : late[index] / total
}

function meanQueueing(transfers: readonly Transfer[]): number | null {
  const known = transfers.flatMap(({ queueing }) => queueing ?? [])
  return spread(known)?.mean ?? null
}

function spread(values: readonly number[]): Spread | null {
  if (values.length === 0) return null
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0)
  const deviation = values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0
  return { mean, deviation, min: Math.min(...values), max: Math.max(...values) }
}

/** Over the cells that have a ratio; null without any. */
export function geometricMean(results: readonly Compared[]): number | null {
  const ratios = results.map(({ ratio }) => ratio).filter((ratio) => ratio !== null)
  if (ratios.length === 0) return null
  return Math.exp(ratios.reduce((sum, ratio) => sum + Math.log(ratio), 0) / ratios.length)
}
