// One transfer over one link: two namespaces, the emulator and two processes, none of which is left when it is done.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Cell } from './cells.ts'
import type { Emulator, LinkCounters } from './emulator.ts'
import { Namespaces } from './namespaces.ts'
import type { Answer, Order, Received, Sent, Side, Task } from './peer.ts'

const PEER = fileURLToPath(new URL('peer.ts', import.meta.url))
/** Beyond the time of the transfer; something is broken then, ms. */
const LIMIT = 30_000

export interface TransferOptions {
  cell: Cell
  seed: number
  side: Side
  algorithm: string
  seconds: number
  queue: number
  sampleEvery: number
  /** Directory for traces of sluice. */
  trace: string | null
}

export interface Transfer {
  /** Mbit/s that the receiving application has read. */
  goodput: number
  /** Bytes. */
  retransmitted: number
  received: Received
  sent: Sent
  /** From the sender to the receiver, and back. */
  link: { ab: LinkCounters; ba: LinkCounters }
}

/** What is to be undone, should the process be told to end. */
const cleanups = new Set<() => void>()

/** At once, whatever is under way: kills what runs and removes the namespaces. */
export function cleanUp(): void {
  for (const clean of [...cleanups].reverse()) clean()
  cleanups.clear()
}

export async function transfer(emulator: Emulator, options: TransferOptions): Promise<Transfer> {
  const { cell, seed, side, algorithm, seconds, queue, sampleEvery } = options
  const undo: (() => void)[] = []
  const clean = (): void => {
    for (const step of undo.splice(0).reverse()) step()
  }
  cleanups.add(clean)
  try {
    const namespaces = new Namespaces()
    undo.push(() => namespaces.remove())
    const link = emulator.start(namespaces, cell, queue, seed)
    undo.push(() => link.kill())
    await link.ready
    const receiver = new Peer(namespaces.receiver)
    undo.push(() => receiver.kill())
    const sender = new Peer(namespaces.sender)
    undo.push(() => sender.kill())
    const timer = setTimeout(() => [sender, receiver].map((peer) => peer.kill()), seconds * 1000 + LIMIT)
    undo.push(() => clearTimeout(timer))

    const task = (role: Task['role']): Task => {
      const trace =
        options.trace === null || side !== 'sluice' ? null : path.join(options.trace, traceName(options, role))
      return { role, side, algorithm, seconds, sampleEvery, trace }
    }
    const [{ port }] = await Promise.all([
      receiver.ask<'port'>({ task: task('receive') }),
      sender.ask<'ready'>({ task: task('send') }),
    ])
    sender.tell({ connect: port })
    const { received } = await Promise.race([receiver.answer<'received'>(), sender.broken])
    const { sent } = await sender.ask<'sent'>({ finish: true })
    await Promise.all([sender.end(), receiver.end()])
    const counters = await link.stop()
    return {
      goodput: (received.bytes * 8) / received.ms / 1000,
      retransmitted: sent.retransmitted,
      received,
      sent,
      link: counters,
    }
  } finally {
    clean()
    cleanups.delete(clean)
  }
}

function traceName({ cell, seed }: TransferOptions, role: string): string {
  return `${cell.rate}-${cell.rtt}-${cell.loss}-${seed}-${role}.log`
}

type Reply<Key extends string> = Extract<Answer, Record<Key, unknown>>

class Peer {
  /** Rejects when the process fails; it never resolves. */
  readonly broken: Promise<never>
  readonly #child: ChildProcess
  readonly #gone: Promise<unknown>

  constructor(namespace: string) {
    const command = ['netns', 'exec', namespace, process.execPath, ...process.execArgv, PEER]
    this.#child = spawn('ip', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
    this.#gone = once(this.#child, 'exit')
    this.broken = new Promise((_, reject) => {
      this.#child.on('error', reject)
      this.#child.on('exit', () => reject(new Error('a peer ended, or was ended for taking too long')))
      this.#child.on('message', (answer: Answer) => {
        if ('error' in answer) reject(new Error(answer.error))
      })
    })
    // It is always raced against; but not at every moment.
    this.broken.catch(() => {})
  }

  tell(order: Order): void {
    this.#child.send(order)
  }

  answer<Key extends 'ready' | 'port' | 'received' | 'sent'>(): Promise<Reply<Key>> {
    const next = once(this.#child, 'message').then(([answer]) => answer as Reply<Key>)
    return Promise.race([next, this.broken])
  }

  ask<Key extends 'ready' | 'port' | 'sent'>(order: Order): Promise<Reply<Key>> {
    this.tell(order)
    return this.answer<Key>()
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
