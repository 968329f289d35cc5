// One side of one sample, in a process of its own: started by `sample.ts`, told by the first message what to do.

import { measurements, type Sample, type Settings } from './measurements/index.ts'
import { type Address, transportKinds, type Variant } from './transports/index.ts'

export interface Task {
  measurement: string
  variant: Variant
  settings: Settings
  /** Where to connect to; absent: this is the serving side. */
  addresses?: Address[]
  /** Where to write what the process was at; absent: nowhere. `interval`: µs. */
  profile?: { file: string; interval: number }
}

export type Order = { task: Task } | { finish: true }
export type Answer = { addresses: Address[] } | { sample: Sample } | { error: string }

if (process.send === undefined) throw new Error('bench/peer.ts is started by npm run bench')
const answer = (message: Answer): void => void process.send?.(message)
const failed = (error: unknown): void => answer({ error: error instanceof Error ? error.message : String(error) })

// Nobody is left to measure for: whatever is under way ends here.
process.on('disconnect', () => process.exit())
process.on('uncaughtException', failed)

let endProfile: (() => void) | null = null
let finish: (() => Sample | Promise<Sample>) | null = null
process.on('message', (order: Order) => {
  if ('task' in order) work(order.task).catch(failed)
  else end().catch(failed)
})

async function end(): Promise<void> {
  endProfile?.()
  answer({ sample: (await finish?.()) ?? {} })
}

async function work({ measurement, variant, settings, addresses, profile }: Task): Promise<void> {
  const what = measurements.find(({ name }) => name === measurement)!
  const transport = await transportKinds.find(({ name }) => name === variant.kind)!.open(variant.options)
  // Not what it takes to get there.
  if (profile !== undefined) {
    const { recordProfile } = await import('./profile/recorder.ts')
    endProfile = recordProfile(profile.file, profile.interval)
  }
  if (addresses !== undefined) {
    const sample = await what.drive(transport, addresses, settings)
    endProfile?.()
    answer({ sample })
  } else {
    const serving = await what.serve(transport, settings)
    finish = serving.finish
    answer({ addresses: serving.addresses })
  }
}
