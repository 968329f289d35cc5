import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { expect, it, onTestFinished } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { newStack } from '../support/stacks.ts'

const HOST = '127.0.0.1'
const PROGRAM = new URL('../support/programs/thread.ts', import.meta.url)
/** A thread does not inherit what makes TypeScript of this process's modules. */
const CODE = `import('tsx/esm/api').then(({ register }) => (register(), import(${JSON.stringify(PROGRAM.href)})))`

/** A thread whose server listens on `port`, which it shares. */
async function thread(name: string, port: number): Promise<{ worker: Worker; port: number }> {
  const worker = new Worker(CODE, { eval: true, workerData: { name, port } })
  onTestFinished(async () => {
    await worker.terminate()
  })
  const [own] = await once(worker, 'message')
  return { worker, port: own }
}

it('divides the clients of a port among worker threads, each of which takes its own along when it ends', async () => {
  const one = await thread('one', 0)
  await thread('two', one.port)
  const { net } = newStack()
  const clients = Array.from({ length: 24 }, (_, i): Socket => {
    const client = net.connect({ port: one.port, host: HOST, localAddress: `127.0.0.${i + 2}` })
    client.on('error', () => {})
    onTestFinished(() => void client.destroy())
    return client.setEncoding('utf8') as Socket
  })
  const answer = async (client: Socket): Promise<string | undefined> => {
    // An acknowledgement that it owed may have met the end of its thread already.
    if (client.destroyed) return (client.errored as NodeJS.ErrnoException).code
    client.write('who are you?')
    return (await once(client, 'data').catch((error: NodeJS.ErrnoException) => [error.code]))[0]
  }
  const before = await Promise.all(clients.map(answer))
  expect(new Set(before)).toEqual(new Set(['one', 'two']))
  await one.worker.terminate()
  const after = await Promise.all(clients.map(answer))
  expect(after).toEqual(before.map((name) => (name === 'one' ? 'ECONNRESET' : name)))
})
