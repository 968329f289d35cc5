import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import path from 'node:path'
import { Mib } from '../../src/stack/mib.ts'

const NOTES = path.join(import.meta.dirname, '../../node_modules/.cache/sluice-counters')

/** Moved only by what needs a kernel that drops, or fails, on demand. */
const ELSEWHERE: readonly string[] = []

/** Once before all tests, and once behind them: where the whole suite ran, a counter that no test ever moved fails it. */
export default function setup(): () => void {
  rmSync(NOTES, { recursive: true, force: true })
  return () => {
    const words = process.argv.slice(2)
    const isWhole = words.length === 1 && words[0] === 'run'
    if (!isWhole || !existsSync(NOTES)) return
    const seen = new Set<string>(ELSEWHERE)
    for (const file of readdirSync(NOTES)) {
      for (const name of JSON.parse(readFileSync(path.join(NOTES, file), 'utf8')) as string[]) seen.add(name)
    }
    const unmoved = Object.keys(new Mib()).filter((name) => !seen.has(name))
    if (unmoved.length === 0) return
    console.error(`No test moves these counters: ${unmoved.join(', ')}`)
    process.exitCode = 1
  }
}
