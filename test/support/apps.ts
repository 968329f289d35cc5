import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { onTestFinished } from 'vitest'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

/** What `npm run build` makes of the sources as they are, without declarations, in a folder that finds the packages it needs. */
export class Built {
  readonly #folder: string

  constructor() {
    mkdirSync(`${ROOT}node_modules/.cache`, { recursive: true })
    // Its own, whatever else builds meanwhile.
    this.#folder = mkdtempSync(`${ROOT}node_modules/.cache/sluice-`)
    execFileSync(process.execPath, ['--import', 'tsx', 'scripts/build.ts', `${this.#folder}/dist`, '--bundle'], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    })
  }

  /** `register.mjs`, `cli.cjs` … */
  path(file: string): string {
    return `${this.#folder}/dist/${file}`
  }

  url(file: string): string {
    return pathToFileURL(this.path(file)).href
  }

  remove(): void {
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export const APPS = fileURLToPath(new URL('apps/', import.meta.url))

export interface Outcome {
  lines: string[]
  errors: string
  status: number | null
}

/** Runs a program of `test/support/apps` to its end. */
export async function runApp(
  app: string,
  flags: readonly string[],
  env: Record<string, string> = {},
): Promise<Outcome> {
  const child = spawn(process.execPath, [...flags, `${APPS}${app}`], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
  })
  // Whoever does not read has ended already.
  child.stdin.on('error', () => {}).end('go on\n')
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text) => {
    errors += text
  })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text) => {
    output += text
  })
  let isOver = false
  onTestFinished(() => {
    if (!isOver) child.kill('SIGKILL')
  })
  const [status] = await once(child, 'close')
  isOver = true
  return { lines: output.trimEnd().split('\n'), errors, status }
}
