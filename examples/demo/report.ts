// The tables at the end of the demo.

import Table from 'cli-table3'
import colors from 'picocolors'
import type { SegmentCounts, SenderState } from './origin.ts'
import { bytesText, countText, percentText, rateText, timeText } from './units.ts'

export interface Outcome {
  size: number
  ms: number
  verified: boolean
}

/** What was sent from the serving process to this one, and what of it arrived; both counted, by the stack of either side. */
export interface Passage {
  sent: number
  arrived: number
}

export function passages(server: SegmentCounts, client: SegmentCounts): { there: Passage; back: Passage } {
  return {
    there: { sent: server.sent, arrived: client.arrived },
    back: { sent: client.sent, arrived: server.arrived },
  }
}

/** The transfer across the impaired path, and what a plain UDP copy of the file would have lost on it. */
export function impairedReport(
  outcome: Outcome,
  sender: SenderState,
  { there, back }: { there: Passage; back: Passage },
): string {
  const { size, ms, verified } = outcome
  const lost = there.sent - there.arrived
  const share = there.sent === 0 ? 0 : lost / there.sent
  // A copy by plain UDP: the same file in datagrams of the same payload, each sent once, and of them the share lost that the
  // path really dropped from the packets above.
  const datagrams = Math.ceil(size / sender.mss)
  const missing = Math.round(datagrams * share)
  const table = makeTable(['', 'over sluice', 'by plain UDP, same path'])
  table.push(
    ['packets sent', countText(there.sent), countText(datagrams)],
    ['lost on the way', `${countText(lost)} (${percentText(share)})`, `${countText(missing)} (the same share)`],
    ['segments sent again', countText(sender.retransmitted), 'none: nobody knows'],
    ['acknowledgements lost', `${countText(back.sent - back.arrived)} of ${countText(back.sent)}`, '—'],
    [
      'bytes that arrived',
      bytesText(size),
      `${bytesText(Math.max(0, size - missing * sender.mss))}, ${countText(missing)} holes`,
    ],
    ['SHA-256', verdict(verified), missing > 0 ? colors.red('differs') : 'as it happens, equal'],
    ['time', timeText(ms), '—'],
    ['throughput', rateText((size / ms) * 1000), '—'],
    ['round trip', `${(sender.minRtt / 1000).toFixed(1)} ms at best, ${(sender.rtt / 1000).toFixed(1)} smoothed`, '—'],
  )
  return table.toString()
}

/** How far each congestion control came on the same path in the time that the first one took. */
export function controlsReport(names: readonly string[], outcomes: readonly Outcome[]): string {
  const table = makeTable(['congestion control', 'came through', 'in', 'throughput', 'SHA-256 so far'])
  outcomes.forEach(({ size, ms, verified }, i) => {
    table.push([names[i], bytesText(size), timeText(ms), rateText((size / ms) * 1000), verdict(verified)])
  })
  return table.toString()
}

/** Nothing in the way: sluice beside the kernel's TCP, the same transfer in the same run. */
export function sideBySideReport(size: number, sluice: Outcome[], kernel: Outcome[]): string {
  const table = makeTable(['', 'sluice', 'node:net', 'ratio'])
  const rate = (outcome: Outcome): number => (size / outcome.ms) * 1000
  const row = (name: string, a: number, b: number): string[] => [name, rateText(a), rateText(b), (a / b).toFixed(2)]
  sluice.forEach((outcome, index) => {
    table.push(row(`round ${index + 1}`, rate(outcome), rate(kernel[index])))
  })
  const all = (outcomes: Outcome[]): boolean => outcomes.every(({ verified }) => verified)
  if (sluice.length > 1) table.push(row('median', median(sluice.map(rate)), median(kernel.map(rate))))
  table.push(['SHA-256', verdict(all(sluice)), verdict(all(kernel)), ''])
  return table.toString()
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
}

function verdict(equal: boolean): string {
  return equal ? colors.green('equal') : colors.red('DIFFERS')
}

function makeTable(head: string[]): Table.Table {
  // No colours of the table's own: where there is no terminal, there are none.
  return new Table({ head, style: { head: colors.isColorSupported ? ['bold'] : [], border: [], compact: true } })
}
