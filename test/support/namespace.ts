import { execFileSync } from 'node:child_process'

// Network namespaces: machines of our own, as far as the network is concerned. Only root can make them.

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { encoding: 'utf8' })

export class Namespace {
  readonly name: string

  constructor(name: string) {
    this.name = name
    run('ip', 'netns', 'add', name)
    this.ip('link', 'set', 'lo', 'up')
  }

  /** What a program is to be run with so that it runs in here. */
  get wrapper(): string[] {
    return ['ip', 'netns', 'exec', this.name]
  }

  /** The command `ip`, in here. */
  ip(...args: string[]): string {
    return run('ip', '-netns', this.name, ...args)
  }

  /** Any command, in here. */
  run(command: string, ...args: string[]): string {
    return run('ip', 'netns', 'exec', this.name, command, ...args)
  }

  addAddress(device: string, address: string): void {
    // `nodad`: an IPv6 address can be used at once, and not after a second in which nobody objects.
    if (address.includes(':')) this.ip('addr', 'add', address, 'dev', device, 'nodad')
    else this.ip('addr', 'add', address, 'dev', device, 'broadcast', '+')
  }

  remove(): void {
    run('ip', 'netns', 'del', this.name)
  }
}

/** A cable between two namespaces: each gets an interface `eth0` with these addresses. */
export function cable(a: Namespace, aAddresses: string[], b: Namespace, bAddresses: string[]): void {
  run('ip', 'link', 'add', 'eth0', 'netns', a.name, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', b.name)
  for (const [namespace, addresses] of [[a, aAddresses] as const, [b, bAddresses] as const]) {
    for (const address of addresses) namespace.addAddress('eth0', address)
    namespace.ip('link', 'set', 'eth0', 'up')
  }
}
