import { readFileSync, writeFileSync } from 'node:fs'
import { InvalidArgumentError } from 'commander'

/** Largest buffers of sender and receiver, bytes; null: as the kernel has them. */
export type Buffers = number | null

/** `kernel`, or bytes: `32m`. */
export function parseBuffers(text: string): Buffers {
  if (text === 'kernel') return null
  const [, digits, unit] = /^(\d+)([km]?)$/i.exec(text) ?? []
  const bytes = Number(digits) * { '': 1, k: 2 ** 10, m: 2 ** 20 }[(unit ?? '').toLowerCase() as '' | 'k' | 'm']
  if (!(bytes >= 4096)) throw new InvalidArgumentError("expected 'kernel' or bytes, as in 32m")
  return bytes
}

export interface TcpBuffers {
  tcp_rmem: number[]
  tcp_wmem: number[]
}

/** Sets the buffers of this network namespace, and tells them: whoever is not the kernel takes the same. */
export function setBuffers(largest: Buffers): TcpBuffers {
  const set = (name: string): number[] => {
    const file = `/proc/sys/net/ipv4/${name}`
    const values = readFileSync(file, 'utf8').trim().split(/\s+/).map(Number)
    if (largest === null) return values
    const wanted = values.map((value, i) => (i === 2 ? largest : Math.min(value, largest)))
    writeFileSync(file, wanted.join(' '))
    return wanted
  }
  return { tcp_rmem: set('tcp_rmem'), tcp_wmem: set('tcp_wmem') }
}
