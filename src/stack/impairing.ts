import { readFileSync } from 'node:fs'
import type { ImpairTarget } from '../impair/index.ts'
import type { UdpTunnel } from '../tunnel/index.ts'

/** Distributions and traces that a spec names. */
export const readImpairFile = (path: string): string => readFileSync(path, 'utf8')

/** A stack's traffic, as its `impair` acts on it. */
export function impairTarget(tunnel: UdpTunnel, changed: () => void): ImpairTarget {
  return {
    readFile: readImpairFile,
    get seed() {
      return tunnel.impairSeed
    },
    set(impairment) {
      tunnel.setImpair(impairment)
      changed()
    },
    report: () => tunnel.impairReport(),
  }
}
