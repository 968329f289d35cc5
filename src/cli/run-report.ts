import { readFileSync, writeFileSync } from 'node:fs'
import Table from 'cli-table3'
import {
  addTraffic,
  type DestinationTraffic,
  emptyTraffic,
  type ProcessReport,
  type RunPlan,
  sessionFiles,
  type UdpTraffic,
} from '../run/index.ts'

/** What the impairment did to what goes to and from a destination. */
type Injected = Record<
  'dropped' | 'delayed' | 'duplicated' | 'reordered' | 'corrupted' | 'marked' | 'resets',
  number
> & {
  packets: number
  droppedBy: Record<string, number>
}

interface DestinationReport {
  destination: string
  connections: number
  bytesUp: number
  bytesDown: number
  /** Bits a second, while there was something to acknowledge; null: never. */
  goodput: number | null
  segments: number
  retransmissions: number
  /** Milliseconds. */
  rtt: { p50: number; p95: number; p99: number } | null
  worstStall: number
  timeouts: number
  resets: number
  injected: Injected
}

interface RunReport {
  seed: number
  impair: string
  processes: { ordinal: number; pid: number; command: readonly string[] }[]
  destinations: DestinationReport[]
  /** What this machine lost of it: neither injected nor the network's doing. */
  udp: UdpTraffic
}

/** Prints on standard error what the processes of a run reported, or writes it into a file. */
export function printReport(folder: string, plan: RunPlan, format: 'text' | 'json', file: string | undefined): void {
  const report = merge(folder, plan)
  const text = format === 'json' ? `${JSON.stringify(report)}\n` : asText(report)
  if (file !== undefined) writeFileSync(file, text)
  else process.stderr.write(text)
}

function merge(folder: string, { seed, impair }: RunPlan): RunReport {
  const parts: ProcessReport[] = sessionFiles(folder, 'report-').map((file) => JSON.parse(readFileSync(file, 'utf8')))
  const traffic = new Map<string, DestinationTraffic>()
  const injected = new Map<string, Injected>()
  const udp: UdpTraffic = { received: 0, overflowed: 0, unsent: 0 }
  for (const part of parts) {
    for (const name of ['received', 'overflowed', 'unsent'] as const) udp[name] += part.udp[name]
    for (const one of part.traffic) {
      traffic.set(one.destination, addTraffic(traffic.get(one.destination) ?? emptyTraffic(one.destination), one))
    }
    for (const { destination, counters } of part.injected) {
      const sum = injected.get(destination) ?? nothing()
      sum.packets += counters.in
      for (const name of ['dropped', 'delayed', 'duplicated', 'reordered', 'corrupted', 'marked'] as const) {
        sum[name] += counters[name]
      }
      sum.resets += counters.injected
      for (const [by, count] of Object.entries(counters.droppedBy)) sum.droppedBy[by] = (sum.droppedBy[by] ?? 0) + count
      injected.set(destination, sum)
    }
  }
  return {
    seed,
    impair,
    processes: parts.map(({ ordinal, pid, command }) => ({ ordinal, pid, command })),
    destinations: [...traffic.values()].map((one) => describe(one, injected.get(one.destination) ?? nothing())),
    udp,
  }
}

const nothing = (): Injected => ({
  packets: 0,
  dropped: 0,
  delayed: 0,
  duplicated: 0,
  reordered: 0,
  corrupted: 0,
  marked: 0,
  resets: 0,
  droppedBy: {},
})

function describe(traffic: DestinationTraffic, injected: Injected): DestinationReport {
  const { destination, opened, accepted, sentBytes, busyUs, segments, retransmissions } = traffic
  const { timeouts, worstStallUs, rttUs } = traffic
  const { connections, bytesUp, bytesDown, resets } = opened.connections > 0 ? opened : accepted
  const sorted = Float64Array.from(rttUs).sort()
  const ms = (share: number): number =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] as number) / 1000
  return {
    destination,
    connections,
    bytesUp,
    bytesDown,
    goodput: busyUs > 0 ? Math.round((sentBytes * 8e6) / busyUs) : null,
    segments,
    retransmissions,
    rtt: sorted.length > 0 ? { p50: ms(0.5), p95: ms(0.95), p99: ms(0.99) } : null,
    worstStall: worstStallUs / 1000,
    timeouts,
    resets,
    injected,
  }
}

function asText({ seed, impair, processes, destinations, udp }: RunReport): string {
  const lines = [
    `sluice run: ${impair === '' ? 'nothing impaired' : impair}, seed ${seed}, ${count(processes.length, 'process', 'es')}`,
  ]
  if (destinations.length === 0) return `${lines[0]}; no connection went through sluice\n`
  const table = new Table({
    head: [
      'destination',
      'connections',
      'up',
      'down',
      'goodput',
      'sent again',
      'round trip',
      'worst stall',
      'timeouts',
      'resets',
    ],
    colAligns: ['left', ...Array<'right'>(9).fill('right')],
    style: { head: [], border: [], compact: true },
  })
  for (const one of destinations) {
    const { rtt } = one
    table.push([
      one.destination,
      one.connections,
      bytes(one.bytesUp),
      bytes(one.bytesDown),
      one.goodput === null ? '–' : rate(one.goodput),
      `${one.retransmissions} of ${one.segments}`,
      rtt === null ? '–' : `${[rtt.p50, rtt.p95, rtt.p99].map(milliseconds).join('/')} ms`,
      `${Math.round(one.worstStall)} ms`,
      one.timeouts,
      one.resets,
    ])
  }
  lines.push(table.toString(), 'round trip: half, 95 and 99 of 100 took at most so long')
  for (const { destination, injected } of destinations) {
    const done = ['dropped', 'delayed', 'duplicated', 'reordered', 'corrupted', 'marked', 'resets'] as const
    const said = done.filter((name) => injected[name] > 0).map((name) => `${injected[name]} ${name}`)
    if (said.length > 0) lines.push(`injected, ${destination}: of ${injected.packets} packets ${said.join(', ')}`)
  }
  const lost = [
    udp.overflowed > 0 ? `${udp.overflowed} found no room in a socket’s receive buffer` : '',
    udp.unsent > 0 ? `${udp.unsent} could not be sent` : '',
  ].filter((words) => words !== '')
  if (lost.length > 0)
    lines.push(`not injected, UDP of this machine: of ${udp.received + udp.overflowed} datagrams ${lost.join(', ')}`)
  return `${lines.join('\n')}\n`
}

const count = (n: number, what: string, plural: string): string => `${n} ${what}${n === 1 ? '' : plural}`

function bytes(n: number): string {
  if (n < 10_000) return `${n} B`
  return n < 10_000_000 ? `${Math.round(n / 1000)} kB` : `${Math.round(n / 1e6)} MB`
}

function milliseconds(ms: number): string {
  return ms < 10 ? ms.toFixed(1) : String(Math.round(ms))
}

function rate(bits: number): string {
  return bits < 10_000_000 ? `${Math.round(bits / 1000)} kbit/s` : `${Math.round(bits / 1e6)} Mbit/s`
}
