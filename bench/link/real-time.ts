import { execFileSync } from 'node:child_process'

/** The link before its ends, as a wire waits for nobody. */
export const Importance = { Peer: 1, Link: 2 } as const
export type Importance = (typeof Importance)[keyof typeof Importance]

/**
 * Lets a process run before all others but those of greater importance. The kernel's TCP runs in interrupts: it does not wait for a processor. Nor
 * shall ours, or what else the machine is busy with would be part of its round-trip time. Best effort: without `chrt` (util-linux), or where a
 * container forbids it, it is measured as it is.
 */
export function runBefore(importance: Importance, pid: number): void {
  try {
    execFileSync('chrt', ['--all-tasks', '--rr', '--pid', `${importance}`, `${pid}`], { stdio: 'ignore' })
  } catch {}
}
