// What the link needs of the machine, and why it cannot be had.

import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { Namespaces } from './namespaces.ts'

/** Null, or why the comparison cannot run here. `compiles`: the emulator is still to be built. */
export function whyNot(compiles: boolean): string | null {
  if (process.platform !== 'linux')
    return `it compares with Linux's TCP, in network namespaces; this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'network namespaces and TUN devices need root'
  if (!runs('ip', '-V') || !runs('ss', '-V')) return "iproute2 is missing: the commands 'ip' and 'ss'"
  try {
    accessSync('/dev/net/tun', constants.R_OK | constants.W_OK)
  } catch {
    return '/dev/net/tun cannot be opened: the kernel has no TUN devices, or this container may not use them'
  }
  if (compiles && !runs('cc', '--version'))
    return "a C compiler 'cc' is missing, for the link emulator; or give a compiled one with --linkem"
  try {
    new Namespaces().remove()
  } catch (error) {
    return `network namespaces cannot be made: ${String((error as { stderr?: Buffer }).stderr ?? error).trim()}`
  }
  return null
}

function runs(command: string, argument: string): boolean {
  try {
    execFileSync(command, [argument], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
