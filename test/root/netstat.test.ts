import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { counterText } from '../../src/cli/counters.ts'
import { Mib, mibGroups } from '../../src/stack/mib.ts'

if (spawnSync('netstat', ['--version']).error !== undefined) {
  throw new Error('netstat is not to be found: it judges here (package net-tools)')
}

/** What the real netstat prints where the kernel's counters are these. */
function realNetstat(counters: Record<string, number>): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  mkdirSync(path.join(folder, 'net'))
  const table = (group: string, names: readonly string[]): string =>
    `${group}: ${names.join(' ')}\n${group}: ${names.map((name) => counters[name]).join(' ')}\n`
  writeFileSync(path.join(folder, 'net/snmp'), table('Tcp', mibGroups.Tcp))
  writeFileSync(path.join(folder, 'net/netstat'), table('TcpExt', mibGroups.TcpExt))
  // A /proc of our own, which only this command sees.
  const script = 'mount --bind "$1" /proc && exec netstat -s'
  return execFileSync('unshare', ['--mount', 'sh', '-c', script, 'sh', folder], { encoding: 'utf8' })
}

const ours = (counters: Record<string, number>): string => counterText(counters).replace(/^Sluice:\n[\s\S]*/m, '')

describe('netstat -s, beside the real one', () => {
  it.each([
    ['all different', (i: number) => 1000 + i],
    ['all one', () => 1],
    ['all zero', () => 0],
    ['every other zero', (i: number) => (i % 2) * (2 ** 40 + i)],
  ])('prints the same text: %s', (_, value) => {
    const counters: Record<string, number> = new Mib().toObject()
    for (const [i, name] of Object.keys(counters).entries()) counters[name] = value(i)
    expect(ours(counters)).toBe(realNetstat(counters))
  })
})
