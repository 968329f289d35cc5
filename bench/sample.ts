// Takes one sample: two processes, one serves, one drives; none is left when it is done.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Measurement, Sample, Settings } from './measurements/index.ts'
import type { Answer, Order, Task } from './peer.ts'
import type { Variant } from './transports/index.ts'

const PEER = fileURLToPath(new URL('peer.ts', import.meta.url))
/** Something is broken when a sample takes this long, ms. */
const LIMIT = 120_000

export async function takeSample(measurement: Measurement, variant: Variant, settings: Settings): Promise<Sample> {
  // Both begin at once: it is their start that takes the time.
  const server = new Peer()
  const client = new Peer()
  const timer = setTimeout(() => {
    server.kill()
    client.kill()
  }, LIMIT)
  try {
    const task: Task = { measurement: measurement.name, variant, settings }
    const { address } = await server.ask<'address'>({ task })
    const { sample } = await client.ask<'sample'>({ task: { ...task, address } })
    const { sample: served } = await server.ask<'sample'>({ finish: true })
    return { ...sample, ...served }
  } finally {
    clearTimeout(timer)
    await Promise.all([client.end(), server.end()])
  }
}

type Reply<Key extends string> = Extract<Answer, Record<Key, unknown>>

class Peer {
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>

  constructor() {
    this.#child = fork(PEER, [], { execArgv: [...process.execArgv, '--expose-gc'] })
    // What goes wrong with it shows in its end.
    this.#child.on('error', () => {})
    this.#gone = new Promise((resolve) => this.#child.once('exit', resolve))
  }

  ask<Key extends 'address' | 'sample'>(order: Order): Promise<Reply<Key>> {
    return new Promise((resolve, reject) => {
      const gone = (): void => reject(new Error('the process ended, or was ended after two minutes'))
      if (!this.#child.connected) return gone()
      this.#child.once('exit', gone)
      this.#child.once('message', (answer: Answer) => {
        this.#child.off('exit', gone)
        if ('error' in answer) reject(new Error(answer.error))
        else resolve(answer as Reply<Key>)
      })
      this.#child.send(order)
    })
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async end(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    // It exits by itself then, unless its event loop is stuck.
    const timer = setTimeout(() => this.kill(), 3000)
    await this.#gone
    clearTimeout(timer)
  }
}
