// One side of one sample, in a process of its own: started by `sample.ts`, told by the first message what to do.

import { measurements, type Sample, type Settings } from './measurements/index.ts'
import { type Address, transportKinds, type Variant } from './transports/index.ts'

export interface Task {
  measurement: string
  variant: Variant
  settings: Settings
  /** Where to connect to; absent: this is the serving side. */
  address?: Address
}

export type Order = { task: Task } | { finish: true }
export type Answer = { address: Address } | { sample: Sample } | { error: string }

if (process.send === undefined) throw new Error('bench/peer.ts is started by npm run bench')
const answer = (message: Answer): void => void process.send?.(message)
const failed = (error: unknown): void => answer({ error: error instanceof Error ? error.message : String(error) })

// Nobody is left to measure for: whatever is under way ends here.
process.on('disconnect', () => process.exit())
process.on('uncaughtException', failed)

let finish: (() => Sample) | null = null
process.on('message', (order: Order) => {
  if ('task' in order) work(order.task).catch(failed)
  else {
    try {
      answer({ sample: finish?.() ?? {} })
    } catch (error) {
      failed(error)
    }
  }
})

async function work({ measurement, variant, settings, address }: Task): Promise<void> {
  const what = measurements.find(({ name }) => name === measurement)!
  const transport = await transportKinds.find(({ name }) => name === variant.kind)!.open(variant.options)
  if (address !== undefined) answer({ sample: await what.drive(transport, address, settings) })
  else {
    const serving = await what.serve(transport, settings)
    finish = serving.finish
    answer({ address: serving.address })
  }
}
