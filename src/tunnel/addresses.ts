import { isIPv4, SocketAddress } from 'node:net'
import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os'
import type { ErrorCode } from './datagrams.ts'

export type Family = 'IPv4' | 'IPv6'

/** What `os.networkInterfaces` answers. */
export type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>

const MAPPED = '::ffff:'

/**
 * The one way in which this folder writes an address: IPv6 as the kernel prints it, an IPv4 address mapped into IPv6 as the
 * IPv4 address that it is. Null where it is no address.
 */
export function canonicalAddress(address: string): string | null {
  if (isIPv4(address)) return address
  const [bare, zone] = address.split('%', 2)
  if (!bare.includes(':') || zone === '') return null
  let printed: string
  try {
    // Not `isIPv6`: its regular expression is compiled with the first call, for 5 ms.
    printed = new SocketAddress({ address: bare, family: 'ipv6' }).address
  } catch {
    return null
  }
  if (printed.startsWith(MAPPED) && isIPv4(printed.slice(MAPPED.length))) return printed.slice(MAPPED.length)
  // A zone says something only where an address can mean a different machine on each link.
  return zone !== undefined && isLinkLocal(printed) ? `${printed}%${zone}` : printed
}

export function familyOf(canonical: string): Family {
  return canonical.includes(':') ? 'IPv6' : 'IPv4'
}

/** 0.0.0.0 or ::, the addresses that mean every address. */
export function isUnspecified(canonical: string): boolean {
  return canonical === '0.0.0.0' || canonical === '::'
}

/** 127/8 and ::1. */
export function isLoopbackAddress(canonical: string): boolean {
  return canonical.startsWith('127.') || canonical === '::1'
}

/** rfc4291#2.5.6: fe80::/10, each meaningful on one link only. */
export function isLinkLocal(canonical: string): boolean {
  return /^fe[89ab][0-9a-f]:/i.test(canonical)
}

/** 224/4 and ff00::/8. */
export function isMulticast(canonical: string): boolean {
  if (canonical.includes(':')) return /^ff[0-9a-f]{2}:/i.test(canonical)
  const first = Number.parseInt(canonical, 10)
  return first >= 224 && first <= 239
}

/** 240/4, the limited broadcast 255.255.255.255 included. */
function isClassE(canonical: string): boolean {
  return !canonical.includes(':') && Number.parseInt(canonical, 10) >= 240
}

/**
 * Why nothing may be sent to a destination, or null. These are the codes that the kernel's TCP gives, where its UDP would send
 * happily (multicast) or say EACCES (broadcast).
 */
export function destinationRefused(canonical: string, local: LocalAddresses): ErrorCode | null {
  if (isMulticast(canonical) || isClassE(canonical) || local.isBroadcast(canonical)) return 'ENETUNREACH'
  if (isLinkLocal(canonical) && !canonical.includes('%')) return 'EINVAL'
  return null
}

/** No address that a single machine can send from (rfc1122#3.2.1.3): only an attacker writes it as a source. */
export function isNobody(canonical: string, local: LocalAddresses): boolean {
  return isUnspecified(canonical) || isMulticast(canonical) || isClassE(canonical) || local.isBroadcast(canonical)
}

/** The addresses of this machine, looked at anew when what is known has grown old. */
export class LocalAddresses {
  readonly #read: () => Interfaces
  /** False: they are told once and for all. */
  readonly mayChange: boolean
  #readAtUs = -Infinity
  #broadcasts = new Set<string>()
  #own = new Set<string>()
  /** Every address that a wildcard stands for, as `bind` takes it. */
  ipv4: readonly string[] = []
  ipv6: readonly string[] = []

  constructor(interfaces: (() => Interfaces) | Interfaces = networkInterfaces) {
    this.mayChange = typeof interfaces === 'function'
    this.#read = typeof interfaces === 'function' ? interfaces : () => interfaces
  }

  /** Looks again if the last look is older than `maxAgeUs`. True: something changed. */
  refresh(nowUs: number, maxAgeUs: number): boolean {
    if (nowUs - this.#readAtUs < maxAgeUs) return false
    this.#readAtUs = nowUs
    const own = new Set<string>()
    const broadcasts = new Set<string>()
    for (const [name, entries] of Object.entries(this.#interfaces())) {
      for (const entry of entries ?? []) {
        const address = canonicalAddress(entry.address)
        if (address === null || isUnspecified(address)) continue
        own.add(isLinkLocal(address) && !address.includes('%') ? `${address}%${name}` : address)
        const broadcast = broadcastOf(address, entry)
        if (broadcast !== null) broadcasts.add(broadcast)
      }
    }
    if (own.size === this.#own.size && [...own].every((address) => this.#own.has(address))) return false
    this.#own = own
    this.#broadcasts = broadcasts
    this.ipv4 = [...own].filter((address) => !address.includes(':'))
    this.ipv6 = [...own].filter((address) => address.includes(':'))
    return true
  }

  /** Datagrams to this address never leave the machine. */
  isLoopback(canonical: string): boolean {
    return isLoopbackAddress(canonical) || this.#own.has(canonical)
  }

  /** An interface has it. */
  isOwn(canonical: string): boolean {
    return this.#own.has(canonical)
  }

  isBroadcast(canonical: string): boolean {
    return canonical === '255.255.255.255' || this.#broadcasts.has(canonical)
  }

  #interfaces(): Interfaces {
    try {
      return this.#read()
    } catch {
      // Some sandboxes forbid the question. What every machine has is better than nothing.
      return {
        lo: [
          { address: '127.0.0.1', netmask: '255.0.0.0', family: 'IPv4', mac: '', internal: true, cidr: '127.0.0.1/8' },
          { address: '::1', netmask: '', family: 'IPv6', mac: '', internal: true, cidr: '::1/128', scopeid: 0 },
        ],
      }
    }
  }
}

/** The broadcast address of the network that an interface's address lies in; point-to-point links have none. */
function broadcastOf(address: string, entry: NetworkInterfaceInfo): string | null {
  if (address.includes(':') || !isIPv4(entry.netmask)) return null
  const mask = entry.netmask.split('.').map(Number)
  if (mask[3] >= 254) return null
  return address
    .split('.')
    .map((part, i) => Number(part) | (~mask[i] & 0xff))
    .join('.')
}
