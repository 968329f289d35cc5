// How much a machine has worked. What the kernel does in soft interrupts, and TCP does much there, is in no process's own account.

import { readFileSync } from 'node:fs'

/** linux: USER_HZ, of everything that is told in ticks. */
const TICKS = 100

/** Seconds that all processors together have worked since the machine began, by the text of `/proc/stat`; what a hypervisor took is not work. */
export function busySeconds(stat: string): number {
  const fields = /^cpu +(\d.*)$/m.exec(stat)?.[1].split(' ').map(Number)
  if (fields === undefined || fields.length < 7) throw new Error('/proc/stat has no line of all processors')
  const [user, nice, system, , , interrupts, softInterrupts] = fields
  return (user + nice + system + interrupts + softInterrupts) / TICKS
}

/** The same of this machine, now; null where there is no `/proc/stat`. */
export function machineBusySeconds(): number | null {
  if (process.platform !== 'linux') return null
  return busySeconds(readFileSync('/proc/stat', 'utf8'))
}

export function costPerGigabyte(before: number | null, after: number | null, bytes: number): number | null {
  return before === null || after === null || bytes === 0 ? null : (after - before) / (bytes / 1e9)
}
