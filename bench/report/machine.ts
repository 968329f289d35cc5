import { readFileSync } from 'node:fs'
import os from 'node:os'
import { machineBusySeconds } from '../busy.ts'

/** Where figures come from: without it they say nothing. */
export interface Machine {
  node: string
  system: string
  arch: string
  cpus: number
  cpu: string
  memoryGb: number
  /** What it was busy with by itself before the run, % of all processors; null: it cannot be told here. */
  busyBefore: number | null
  /** Linux: the largest SO_RCVBUF that may be asked for, bytes. */
  rmemMax: number | null
}

/** Takes `ms` to see how quiet the machine is. */
export async function lookAtMachine(ms: number): Promise<Machine> {
  const before = machineBusySeconds()
  const began = performance.now()
  await new Promise((resolve) => setTimeout(resolve, ms))
  const after = machineBusySeconds()
  const cpus = os.cpus()
  const passed = ((performance.now() - began) / 1000) * cpus.length
  return {
    node: process.version,
    system: `${os.type()} ${os.release()}`,
    arch: process.arch,
    cpus: cpus.length,
    cpu: cpus[0]?.model ?? 'unknown',
    memoryGb: Math.round(os.totalmem() / 2 ** 30),
    busyBefore: before === null || after === null ? null : ((after - before) / passed) * 100,
    rmemMax: rmemMax(),
  }
}

function rmemMax(): number | null {
  try {
    return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  } catch {
    return null
  }
}

export function machineText({ node, system, arch, cpus, cpu, memoryGb, busyBefore, rmemMax }: Machine): string {
  return [
    `Node ${node}`,
    `${system} ${arch}`,
    `${cpus} × ${cpu}`,
    `${memoryGb} GB`,
    ...(rmemMax === null ? [] : [`net.core.rmem_max ${rmemMax}`]),
    ...(busyBefore === null ? [] : [`busy by itself before the run: ${Math.max(0, busyBefore).toFixed(0)} %`]),
  ].join(', ')
}
