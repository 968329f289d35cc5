import { readFileSync } from 'node:fs'

/** For all else that a process has open. */
const SPARE = 100

/** Beyond these, opening them takes minutes or fails. */
const MOST: Readonly<Record<string, number>> = { udx: 10_000, utp: 1000 }

/** The transports that can be asked for so many connections. */
export function kindsForMany(connections: number): string[] {
  return ['net', 'sluice', 'udx', 'utp'].filter((kind) => connections <= (MOST[kind] ?? Number.POSITIVE_INFINITY))
}

/** Why a process cannot hold so many connections: the kernel's take a file descriptor each. Null: it can. */
export function whyTooMany(kind: string, connections: number, limits = readLimits()): string | null {
  if (kind !== 'net') return null
  const limit = /^Max open files +\d+ +(\d+)/m.exec(limits)?.[1]
  if (limit === undefined || Number(limit) >= connections + SPARE) return null
  return `${connections + SPARE} open files are needed, and a process may have ${limit} (ulimit -Hn)`
}

function readLimits(): string {
  return process.platform === 'linux' ? readFileSync('/proc/self/limits', 'utf8') : ''
}
