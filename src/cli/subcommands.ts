import type { Command } from 'commander'

/** One subcommand: its name and summary here, so that `sluice --help` loads none of them; all else in a file of its own. */
export interface Subcommand {
  readonly name: string
  readonly summary: string
  /** Loads the file that holds it. It sets `process.exitCode` when the status is not 0. */
  load(): Promise<{ command(): Command }>
}

/** In the order in which `--help` lists them. */
export const subcommands: readonly Subcommand[] = [
  { name: 'sysctl', summary: 'show parameters, and try settings', load: () => import('./sysctl.ts') },
  { name: 'netstat', summary: 'counters of a stack, as netstat -s words them', load: () => import('./netstat.ts') },
]
