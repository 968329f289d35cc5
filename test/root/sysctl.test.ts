import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { newSysctl, sysctlKey, sysctlNames } from '../../src/stack/index.ts'

if (spawnSync('sysctl', ['--version']).error !== undefined) {
  throw new Error('sysctl is not to be found: it judges here (package procps)')
}

const ROOT = path.join(import.meta.dirname, '../..')

/** What the real sysctl prints where the kernel's parameters are ours. */
function real(args: readonly string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'sluice-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const sysctl = newSysctl()
  for (const name of sysctlNames) {
    const file = path.join(folder, 'sys', sysctlKey(name).replaceAll('.', '/'))
    mkdirSync(path.dirname(file), { recursive: true })
    writeFileSync(file, `${sysctl.text(name)}\n`)
  }
  // A /proc of our own, which only this command sees.
  const script = 'mount --bind "$0" /proc && exec sysctl "$@"'
  return execFileSync('unshare', ['--mount', 'sh', '-c', script, folder, ...args], {
    encoding: 'utf8',
    timeout: 10_000,
  })
}

const ours = (args: readonly string[]): string =>
  execFileSync(process.execPath, ['--import', 'tsx', 'src/cli/index.ts', 'sysctl', ...args], {
    cwd: ROOT,
    encoding: 'utf8',
    env: { ...process.env, SLUICE_SYSCTL: undefined },
  })

describe('sysctl, beside the real one', () => {
  const names = sysctlNames.map(sysctlKey)
  it.each([
    ['every name', names],
    ['values only', ['-n', ...names]],
    ['names only', ['-N', ...names]],
    ['without line ends', ['-b', 'net.ipv4.tcp_rmem', 'net.core.somaxconn']],
    ['with slashes', ['net/ipv4/tcp_rmem']],
    ['set', ['-w', 'net.ipv4.tcp_sack=0', 'net.ipv4.tcp_retries2=8']],
    ['set, quietly', ['-q', '-w', 'net.ipv4.tcp_sack=0']],
    ['passing over what there is not', ['-e', 'net.ipv4.nothing', 'net.ipv4.tcp_sack']],
  ])('prints the same text: %s', (_, args) => {
    expect(ours(args)).toBe(real(args))
  })

  it('-a prints what it prints of each, in the order of the names', () => {
    expect(ours(['-a'])).toBe(real([...names].sort()))
  })
})
