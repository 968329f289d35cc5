/** Simulated transfers over random networks, with every invariant on, for as long as is asked for. */
import { Command, InvalidArgumentError } from 'commander'
import { LineTracer } from '../test/support/line-tracer.ts'
import { drawPlan } from '../test/support/plans.ts'
import { recoveryCounters } from '../test/support/recovery-counters.ts'
import { runTransfer } from '../test/support/transfer.ts'

interface Options {
  minutes?: number
  count?: number
  seed?: number
  controller?: string
  trace: boolean
}

const positive = (text: string): number => {
  const number = Number(text)
  if (!(number > 0)) throw new InvalidArgumentError('A number above 0 is needed.')
  return number
}

const whole = (text: string): number => {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.')
  return Number(text)
}

const program = new Command('npm run soak --')
  .description(
    'Runs simulated transfers, each drawn from its seed, and prints the seed and the plan of every one that fails.',
  )
  .option('--minutes <n>', 'for so long (default: 1, unless --count says when to stop)', positive)
  .option('--count <n>', 'so many transfers at most', whole)
  .option('--seed <n>', 'the first seed; the others follow it (default: a fresh one)', whole)
  .option('--controller <name>', 'both sides send by this congestion control (default: drawn)')
  .option('--trace', 'print every segment and decision', false)
  .parse()

const PROGRESS_MS = 10_000
/** A transfer that takes so long is worth a look. */
const SLOW_MS = 5000

function soak({ minutes, count = Infinity, seed, controller, trace }: Options): boolean {
  const first = seed ?? Math.floor(Math.random() * 1e9) * 1000
  const endMs = minutes === undefined && count < Infinity ? Infinity : Date.now() + (minutes ?? 1) * 60_000
  const beganMs = Date.now()
  const moved = new Map<string, number>(recoveryCounters.map((name) => [name, 0]))
  const failed: number[] = []
  let [done, bytes, virtualUs, shownMs] = [0, 0, 0, beganMs]

  const progress = (): void => {
    const seconds = (Date.now() - beganMs) / 1000
    console.log(
      `${seconds.toFixed(0)} s: ${done} transfers from seed ${first} on, ${(bytes / 1e6).toFixed(0)} MB, ` +
        `${(virtualUs / 3.6e9).toFixed(1)} h of virtual time, ${failed.length} failed`,
    )
  }

  console.log(`First seed: ${first}`)
  while (done < count && Date.now() < endMs) {
    const plan = drawPlan(first + done, controller)
    const startedMs = Date.now()
    try {
      const tracers = trace ? { clientTracer: new LineTracer('client'), serverTracer: new LineTracer('server') } : {}
      const { client, server, durationUs } = runTransfer(plan, tracers)
      for (const name of moved.keys())
        moved.set(name, (moved.get(name) as number) + client.counters()[name] + server.counters()[name])
      bytes += plan.client.size + plan.server.size
      virtualUs += durationUs
    } catch (error) {
      failed.push(plan.seed)
      console.error(`${(error as Error).stack}\nAgain: npm run soak -- --seed ${plan.seed} --count 1 --trace`)
    }
    done++
    const tookMs = Date.now() - startedMs
    if (tookMs > SLOW_MS) console.log(`Seed ${plan.seed} took ${(tookMs / 1000).toFixed(0)} s`)
    if (Date.now() - shownMs > PROGRESS_MS) {
      shownMs = Date.now()
      progress()
    }
  }
  progress()
  console.log([...moved].map(([name, n]) => `${name} ${n}`).join(', '))
  if (failed.length > 0) console.error(`Failed: ${failed.join(' ')}`)
  return failed.length === 0
}

if (!soak(program.opts<Options>())) process.exitCode = 1
