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
  { name: 'run', summary: 'run a program under packet loss, delay and the like', load: () => import('./run.ts') },
  { name: 'sysctl', summary: 'show parameters, and try settings', load: () => import('./sysctl.ts') },
  { name: 'gateway', summary: 'relay between the kernel’s TCP and sluice', load: () => import('./gateway.ts') },
  { name: 'dump', summary: 'segments of a capture, as tcpdump prints them', load: () => import('./dump/index.ts') },
  { name: 'ping', summary: 'ask a port whether it speaks sluice', load: () => import('./ping.ts') },
  { name: 'netstat', summary: 'counters of a stack, as netstat -s words them', load: () => import('./netstat.ts') },
  { name: 'proxy', summary: 'proxies with toxics, driven by toxiproxy’s HTTP API', load: () => import('./proxy.ts') },
  { name: 'lab', summary: 'experiments that show how TCP works', load: () => import('./lab.ts') },
]
