import type { StackOptions } from './options.ts'
import { Stack } from './stack.ts'
import { parseSysctlLine } from './sysctl.ts'

/** Shared by every copy of this module in the process, whatever module system loaded it. */
const KEY = Symbol.for('sluice.defaultStack')
const registry = globalThis as unknown as Record<symbol, Stack | undefined>

/** The stack that `import net from 'sluice'` uses: made on first use, from the environment. */
export function defaultStack(): Stack {
  registry[KEY] ??= new Stack(optionsFromEnvironment(process.env))
  return registry[KEY]
}

/** `SLUICE_SYSCTL`, `SLUICE_IMPAIR` and `SLUICE_TUNNEL` (`9898` or `host:port`). A bad value throws and names the variable. */
export function optionsFromEnvironment(env: NodeJS.ProcessEnv): StackOptions {
  const options: StackOptions = {}
  if (env.SLUICE_SYSCTL) options.sysctl = Object.fromEntries(parseSysctlLine(env.SLUICE_SYSCTL))
  if (env.SLUICE_IMPAIR) options.impair = env.SLUICE_IMPAIR
  if (env.SLUICE_TUNNEL) options.tunnel = parseTunnel(env.SLUICE_TUNNEL)
  return options
}

function parseTunnel(text: string): { port: number; host?: string } {
  const match = /^(?:(.+):)?(\d{1,5})$/.exec(text)
  const port = Number(match?.[2])
  if (match === null || port < 1 || port > 65_535) {
    throw new RangeError(`SLUICE_TUNNEL is ${JSON.stringify(text)}: a UDP port or host:port is wanted`)
  }
  const host = match[1]?.replace(/^\[(.*)\]$/, '$1')
  return host === undefined ? { port } : { port, host }
}
