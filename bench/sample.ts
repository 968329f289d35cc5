// Takes one sample: two processes, one serves, one drives; none is left when it is done.

import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { compiledPeer } from './compiled-peer.ts'
import type { Measurement, Sample, Settings } from './measurements/index.ts'
import type { Answer, Order, Task } from './peer.ts'
import { PeerProcess } from './peer-process.ts'
import type { Variant } from './transports/index.ts'

const SOURCE = fileURLToPath(new URL('peer.ts', import.meta.url))
/** Something is broken when a sample takes so many times as long as it should, and this much longer. */
const PATIENCE = 4
const MORE_PATIENCE_SECONDS = 60

/** `profile`: records what each side is at, into files of those names. */
export async function takeSample(
  measurement: Measurement,
  variant: Variant,
  settings: Settings,
  profile?: { server: string; client: string; interval: number },
): Promise<Sample> {
  const limit = PATIENCE * measurement.seconds(settings) + MORE_PATIENCE_SECONDS
  // A profile is to name the folders of src, which what is published does not know any more.
  const program = profile === undefined ? await compiledPeer('.') : SOURCE
  // Both begin at once: it is their start that takes the time.
  const server = new Peer(program, limit)
  const client = new Peer(program, limit)
  const timer = setTimeout(() => {
    server.kill()
    client.kill()
  }, limit * 1000)
  try {
    const task: Task = { measurement: measurement.name, variant, settings }
    const { addresses } = await server.ask<'addresses'>({ task: { ...task, ...profiled(profile, 'server') } })
    const { sample } = await client.ask<'sample'>({ task: { ...task, ...profiled(profile, 'client'), addresses } })
    const { sample: served } = await server.ask<'sample'>({ finish: true })
    return { ...sample, ...served }
  } finally {
    clearTimeout(timer)
    await Promise.all([client.end(), server.end()])
  }
}

function profiled(profile: Parameters<typeof takeSample>[3], side: 'server' | 'client'): Partial<Task> {
  return profile === undefined ? {} : { profile: { file: profile[side], interval: profile.interval } }
}

type Reply<Key extends string> = Extract<Answer, Record<Key, unknown>>

class Peer extends PeerProcess {
  readonly #limit: number

  constructor(program: string, limit: number) {
    const how =
      program === SOURCE
        ? { execArgv: [...process.execArgv, '--expose-gc'], env: { ...process.env, SLUICE_BENCH_SOURCES: '1' } }
        : { execArgv: ['--expose-gc'] }
    super(fork(program, [], how))
    this.#limit = limit
    // What goes wrong with it shows in its end.
    this.child.on('error', () => {})
  }

  ask<Key extends 'addresses' | 'sample'>(order: Order): Promise<Reply<Key>> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error(`the process ended, or was ended after ${Math.round(this.#limit)} s`))
      if (!this.child.connected) return gone()
      this.child.once('exit', gone)
      this.child.once('message', (answer: Answer) => {
        this.child.off('exit', gone)
        if ('error' in answer) reject(new Error(answer.error))
        else resolve(answer as Reply<Key>)
      })
      this.child.send(order)
    })
  }
}
