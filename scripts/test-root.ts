/** Runs the checks that need root: network namespaces, addresses of their own, the kernel's TCP behind a TUN device. */
import { spawnSync } from 'node:child_process'
import { createRequire } from 'node:module'

const hindrance = whyNot()
if (hindrance !== null) {
  console.error(`test:root cannot run here: ${hindrance}`)
  process.exitCode = 1
} else {
  const vitest = createRequire(import.meta.url)
    .resolve('vitest/package.json')
    .replace(/package\.json$/, 'vitest.mjs')
  const args = [vitest, 'run', '--config', 'vitest.root.config.ts', ...process.argv.slice(2)]
  process.exitCode = spawnSync(process.execPath, args, { stdio: 'inherit' }).status ?? 1
}

function whyNot(): string | null {
  if (process.platform !== 'linux') return `network namespaces are Linux's, and this is ${process.platform}`
  if (process.getuid?.() !== 0) return 'it makes network namespaces, which takes root (try sudo)'
  if (spawnSync('ip', ['-V']).status !== 0) return 'it needs the command ip (package iproute2)'
  const { status, stderr } = spawnSync('unshare', ['--net', 'true'], { encoding: 'utf8' })
  if (status !== 0)
    return `a network namespace cannot be made, not even by root (${stderr?.trim() || 'no command unshare'})`
  return null
}
