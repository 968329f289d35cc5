import { Impairment } from '../impair/index.ts'
import { readImpairFile } from './impairing.ts'
import type { StackOptions } from './options.ts'
import { Stack } from './stack.ts'
import { parseSysctlLine } from './sysctl.ts'

/** Shared by every copy of this module in the process, whatever module system loaded it. */
const KEY = Symbol.for('sluice.defaultStack')
const registry = globalThis as unknown as Record<symbol, Stack | undefined>

/** The stack that `import net from 'sluice'` uses: made on first use, from the environment. */
export function defaultStack(): Stack {
  const known = registry[KEY]
  if (known !== undefined) return known
  const stack = new Stack(optionsFromEnvironment(process.env))
  registry[KEY] = stack
  return stack
}

/** `SLUICE_SYSCTL`, `SLUICE_IMPAIR`, `SLUICE_OFFLOAD`, `SLUICE_CAPTURE` (a file, `%p` for the process's id) and `SLUICE_TUNNEL` (`9898` or `host:port`). A bad value throws and names the variable. */
export function optionsFromEnvironment(env: NodeJS.ProcessEnv): StackOptions {
  const options: StackOptions = {}
  if (env.SLUICE_SYSCTL) options.sysctl = Object.fromEntries(parseSysctlLine(env.SLUICE_SYSCTL))
  if (env.SLUICE_IMPAIR) options.impair = checkImpair(env.SLUICE_IMPAIR)
  if (env.SLUICE_TUNNEL) options.tunnel = parseTunnel(env.SLUICE_TUNNEL)
  if (env.SLUICE_CAPTURE) options.capture = env.SLUICE_CAPTURE
  if (env.SLUICE_OFFLOAD) options.offload = env.SLUICE_OFFLOAD as 'auto' | 'off' | 'require'
  return options
}

function checkImpair(text: string): string {
  try {
    Impairment.parse(text, { readFile: readImpairFile })
  } catch (error) {
    // What it says is right; where that stands would be missing.
    if (error instanceof Error) error.message = `SLUICE_IMPAIR: ${error.message}`
    throw error
  }
  return text
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
