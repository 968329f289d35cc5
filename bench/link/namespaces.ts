import { execFileSync } from 'node:child_process'
import { readdirSync } from 'node:fs'

const PREFIX = 'sluice-link-'

/** Two network namespaces, named after this process, so that what a killed one left behind can be told from what is in use. */
export class Namespaces {
  readonly sender = `${PREFIX}${process.pid}-a`
  readonly receiver = `${PREFIX}${process.pid}-b`
  #made: string[] = []

  constructor() {
    try {
      for (const name of [this.sender, this.receiver]) {
        ip('netns', 'add', name)
        this.#made.push(name)
        // A device that comes up asks for IPv6 routers, when it likes: no packet but those of the transfer is to be counted.
        ip(
          'netns',
          'exec',
          name,
          'sh',
          '-c',
          'for f in /proc/sys/net/ipv6/conf/*/disable_ipv6; do echo 1 > $f; done; :',
        )
      }
    } catch (error) {
      this.remove()
      throw error
    }
  }

  /** May be called twice. Synchronous, for it must work while the process ends. */
  remove(): void {
    for (const name of this.#made.splice(0)) ip('netns', 'delete', name)
  }
}

/** Removes what earlier runs left, that were killed before they could clean up. */
export function removeForgotten(): void {
  for (const name of namespaces()) {
    const pid = name.startsWith(PREFIX) ? Number.parseInt(name.slice(PREFIX.length), 10) : Number.NaN
    if (!Number.isNaN(pid) && !isAlive(pid)) ip('netns', 'delete', name)
  }
}

function namespaces(): string[] {
  try {
    return readdirSync('/var/run/netns')
  } catch {
    return []
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function ip(...args: string[]): void {
  execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'pipe'] })
}
