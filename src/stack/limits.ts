import { readFileSync } from 'node:fs'

/** Where the system does not say: what macOS allows a process of Node, roughly. */
const USUAL_DESCRIPTORS = 4096

/** linux: tcp_init_mem; an eighth of the memory, in pages, is where pressure begins. */
export function tcpMemDefault(totalBytes: number): [number, number, number] {
  const limit = Math.max(128, Math.floor(totalBytes / 4096 / 8))
  const low = Math.floor(limit / 4) * 3
  return [low, limit, low * 2]
}

/** How many descriptors this process may have open (`ulimit -n`; Node raises the soft limit to the hard one at its start). */
export function descriptorLimit(read: () => string = () => readFileSync('/proc/self/limits', 'latin1')): number {
  try {
    const limit = /^Max open files\s+(\d+|unlimited)/m.exec(read())?.[1]
    if (limit === 'unlimited') return 2 ** 31 - 1
    return limit === undefined ? USUAL_DESCRIPTORS : Math.min(Number(limit), 2 ** 31 - 1)
  } catch {
    return USUAL_DESCRIPTORS
  }
}
