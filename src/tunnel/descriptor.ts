import { readdirSync } from 'node:fs'
import type { Family } from './addresses.ts'
import type { NativeSockets } from './native.ts'

/**
 * linux: the descriptor under a socket that dgram opened, which does not tell it: of this process's UDP sockets the one that is bound to this
 * address. −1: there is no /proc, or two are bound to the same.
 */
export function descriptorOf(native: NativeSockets, family: Family, address: string, port: number): number {
  const bound = native.sockaddr?.(family, address, port) ?? null
  if (bound === null || native.isBoundTo === undefined) return -1
  let found = -1
  try {
    for (const name of readdirSync('/proc/self/fd')) {
      const fd = Number(name)
      if (!native.isBoundTo(fd, bound)) continue
      if (found >= 0) return -1
      found = fd
    }
  } catch {
    return -1
  }
  return found
}
