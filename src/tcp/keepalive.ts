import type { TcpSysctl } from './host.ts'

/** Keepalive (rfc9293#3.8.4): off unless asked for (MUST-25), with times of its own where the application set them. */
export class Keepalive {
  on = false
  /** Idle time before the first probe, seconds; 0 follows `tcp_keepalive_time`. */
  time = 0
  intvl = 0
  probes = 0
  /** Probes sent and not answered. */
  probesOut = 0

  /** Times in seconds; of what is 0 or less, what was set before holds. */
  set(on: boolean, time: number, intvl: number, probes: number): void {
    this.on = on
    if (time > 0) this.time = time
    if (intvl > 0) this.intvl = intvl
    if (probes > 0) this.probes = probes
  }

  timeUs(sysctl: TcpSysctl): number {
    return (this.time || sysctl.tcp_keepalive_time) * 1_000_000
  }

  intvlUs(sysctl: TcpSysctl): number {
    return (this.intvl || sysctl.tcp_keepalive_intvl) * 1_000_000
  }

  maxProbes(sysctl: TcpSysctl): number {
    return this.probes || sysctl.tcp_keepalive_probes
  }
}

/** Of those that were never asked to, which is most; nothing is written to it but what it holds. */
export const NO_KEEPALIVE: Keepalive = new Keepalive()
