import type { Cluster, Worker } from 'node:cluster'

const { getBuiltinModule } = process
/** Only a process with a channel to its parent can be a worker: others need not load what tells. */
const hasParent = process.send !== undefined

let worker: Worker | undefined | null = null

/** Whether this process is a worker of `cluster`. */
export function isClusterWorker(): boolean {
  if (worker === null) {
    worker = hasParent ? (getBuiltinModule('node:cluster') as unknown as Cluster).worker : undefined
  }
  return worker !== undefined
}
