import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import type { Socket } from '../../src/index.ts'
import { patternMismatch } from '../support/pattern.ts'
import { Program } from '../support/program.ts'
import { listen, newStack } from '../support/stacks.ts'

interface Delivery {
  data: Buffer
  /** 'end', or the code of an error. */
  outcome: string
  program: Program
}

async function deliver(args: (string | number)[], env: Record<string, string> = {}): Promise<Delivery> {
  const { server, port } = await listen(newStack().net)
  const program = new Program('deliver', { args: [port, ...args], env })
  const [socket] = (await once(server, 'connection')) as [Socket]
  const pieces: Buffer[] = []
  socket.on('data', (data) => pieces.push(data))
  const outcome = await new Promise<string>((resolve) => {
    socket.once('end', () => resolve('end'))
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
  })
  return { data: Buffer.concat(pieces), outcome, program }
}

describe('a program that writes, ends and lets its event loop run empty', () => {
  it.each([
    ['on a good path', {}],
    ['across 5 % loss', { SLUICE_IMPAIR: 'loss=5%,seed=11' }],
    ['across 5 % loss and 20 ms each way', { SLUICE_IMPAIR: 'loss=5%,delay=20ms,seed=12' }],
  ] as [string, Record<string, string>][])('delivers every byte of 1 MiB %s, then exits by itself', async (_, env) => {
    const { data, outcome, program } = await deliver([2 ** 20], env)
    expect(outcome).toBe('end')
    expect(data.length).toBe(2 ** 20)
    expect(patternMismatch(data, 1, 0)).toBe(-1)
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.errors).toBe('')
  })

  it("does not wait for the delivery where the socket is unref'd, but sends what it can", async () => {
    const { data, program } = await deliver([1000, 'unref'])
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(data.length).toBe(1000)
  })

  it('waits no longer than `exit_linger` for somebody who does not answer', async () => {
    const stack = newStack()
    const { server, port } = await listen(stack.net)
    // From now on nothing arrives, and nothing leaves.
    server.on('connection', () => {
      stack.impair = { loss: 1 }
    })
    const program = new Program('deliver', { args: [port, 1000, 'close'], env: { SLUICE_SYSCTL: 'exit_linger=1' } })
    await once(server, 'connection')
    expect(await program.exited).toEqual({ code: 0, signal: null })
  })

  it('delivers what it wrote before it closed, and waits for nothing more', async () => {
    const { data, outcome, program } = await deliver([300_000, 'close'], { SLUICE_IMPAIR: 'loss=5%,seed=13' })
    expect(outcome).toBe('end')
    expect(patternMismatch(data, 1, 0)).toBe(-1)
    expect(data.length).toBe(300_000)
    expect(await program.exited).toEqual({ code: 0, signal: null })
  })
})

describe('a program that calls process.exit() right after end()', () => {
  it('delivers what one flush can: all of it where the window allows', async () => {
    const { data, outcome, program } = await deliver([50_000, 'exit'])
    expect(outcome).toBe('end')
    expect(data.length).toBe(50_000)
    expect(patternMismatch(data, 1, 0)).toBe(-1)
    expect(await program.exited).toEqual({ code: 0, signal: null })
  })

  it('delivers the first window of more than that, and the peer learns that it was cut off', async () => {
    const { data, outcome, program } = await deliver([4 * 2 ** 20, 'exit'])
    expect(outcome).toBe('ECONNRESET')
    expect(data.length).toBeGreaterThanOrEqual(50_000)
    expect(data.length).toBeLessThan(4 * 2 ** 20)
    expect(patternMismatch(data, 1, 0)).toBe(-1)
    expect(await program.exited).toEqual({ code: 0, signal: null })
  })

  it('leaves nothing behind where it was not connected yet', async () => {
    const stack = newStack()
    const { server, port } = await listen(stack.net)
    let connections = 0
    server.on('connection', () => connections++)
    const program = new Program('deliver', { args: [port, 1000, 'exit-at-once'] })
    expect(await program.exited).toEqual({ code: 0, signal: null })
    expect(program.errors).toBe('')
    expect(connections).toBe(0)
  })

  it('delivers it through an impairment that holds segments back', async () => {
    const { data, outcome } = await deliver([10_000, 'exit'], { SLUICE_IMPAIR: 'delay=300ms' })
    expect(outcome).toBe('end')
    expect(data.length).toBe(10_000)
  })
})
