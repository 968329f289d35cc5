import { readFileSync } from 'node:fs'

/** Where the system does not say: what macOS allows a process of Node, roughly. */
const USUAL_DESCRIPTORS = 4096

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
