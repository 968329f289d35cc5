// Transfers over one link, one or several at once: two namespaces, the emulator and two processes for each, none of which is left when it is done.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import path from 'node:path'
import { compiledPeer } from '../compiled-peer.ts'
import { PeerProcess } from '../peer-process.ts'
import type { Buffers } from './buffers.ts'
import type { Cell } from './cells.ts'
import type { Contender } from './contenders.ts'
import type { Emulator, LinkCounters } from './emulator.ts'
import { Namespaces } from './namespaces.ts'
import type { Answer, Order, Received, Sent, Task } from './peer.ts'

/** Beyond the time of the transfer; something is broken then, ms. */
const LIMIT = 30_000

export interface TransferOptions {
  cell: Cell
  seed: number
  seconds: number
  queue: number
  buffers: Buffers
  sampleEvery: number
  /** Directory for traces of sluice. */
  trace: string | null
}

export interface Flow {
  /** Mbit/s that the receiving application has read. */
  goodput: number
  /** Bytes. */
  retransmitted: number
  received: Received
  sent: Sent
}

export interface Transfer {
  flows: Flow[]
  /** From the senders to the receivers, and back. */
  link: { ab: LinkCounters; ba: LinkCounters }
  /** How much longer than the link's round trip one takes, on average, for the queues in both directions, ms; null: the emulator does not say. */
  queueing: number | null
}

/** What is to be undone, should the process be told to end. */
const cleanups = new Set<() => void>()

/** At once, whatever is under way: kills what runs and removes the namespaces. */
export function cleanUp(): void {
  for (const clean of [...cleanups].reverse()) clean()
  cleanups.clear()
}

/** What `contenders` make of one link, all of them at once. */
export async function transfer(
  emulator: Emulator,
  contenders: readonly Contender[],
  options: TransferOptions,
): Promise<Transfer> {
  const { cell, seed, seconds, queue } = options
  const program = await compiledPeer('link')
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
    const pairs = contenders.map((contender, i) => {
      const pair = new FlowPeers(program, namespaces, contender, i, options)
      undo.push(() => pair.kill())
      return pair
    })
    const timer = setTimeout(() => pairs.map((pair) => pair.kill()), seconds * 1000 + LIMIT)
    undo.push(() => clearTimeout(timer))
    // All are ready before the first begins.
    await Promise.all(pairs.map((pair) => pair.ready))
    const flows = await Promise.all(pairs.map((pair) => pair.run()))
    await Promise.all(pairs.map((pair) => pair.end()))
    const counters = await link.stop()
    return { flows, link: counters, queueing: queueingOf(counters) }
  } finally {
    clean()
    cleanups.delete(clean)
  }
}

function queueingOf({ ab, ba }: Transfer['link']): number | null {
  return ab.wait_ms === undefined || ba.wait_ms === undefined ? null : ab.wait_ms + ba.wait_ms
}

/** The processes of one flow. */
class FlowPeers {
  readonly ready: Promise<void>
  readonly #sender: Peer
  readonly #receiver: Peer
  #port = 0

  constructor(program: string, namespaces: Namespaces, contender: Contender, index: number, options: TransferOptions) {
    const { seconds, buffers, sampleEvery } = options
    this.#receiver = new Peer(program, namespaces.receiver)
    this.#sender = new Peer(program, namespaces.sender)
    const task = (role: Task['role']): Task => {
      const trace =
        options.trace === null || contender.side !== 'sluice'
          ? null
          : path.join(options.trace, traceName(contender, index, options, role))
      return { ...contender, role, seconds, buffers, sampleEvery, trace }
    }
    this.ready = Promise.all([
      this.#receiver.ask<'port'>({ task: task('receive') }),
      this.#sender.ask<'ready'>({ task: task('send') }),
    ]).then(([{ port }]) => {
      this.#port = port
    })
    // It is waited for; but not if another flow fails before.
    this.ready.catch(() => {})
  }

  async run(): Promise<Flow> {
    this.#sender.tell({ connect: this.#port })
    const { received } = await Promise.race([this.#receiver.answer<'received'>(), this.#sender.broken])
    const { sent } = await this.#sender.ask<'sent'>({ finish: true })
    return { goodput: (received.bytes * 8) / received.ms / 1000, retransmitted: sent.retransmitted, received, sent }
  }

  kill(): void {
    this.#sender.kill()
    this.#receiver.kill()
  }

  async end(): Promise<void> {
    await Promise.all([this.#sender.end(), this.#receiver.end()])
  }
}

function traceName(
  { algorithm }: Contender,
  index: number,
  { cell, seed }: Pick<TransferOptions, 'cell' | 'seed'>,
  role: string,
): string {
  return `${cell.rate}-${cell.rtt}-${cell.loss}-${seed}-${algorithm}-${index + 1}-${role}.log`
}

type Reply<Key extends string> = Extract<Answer, Record<Key, unknown>>

class Peer extends PeerProcess {
  /** Rejects when the process fails; it never resolves. */
  readonly broken: Promise<never>

  constructor(program: string, namespace: string) {
    const command = ['netns', 'exec', namespace, process.execPath, program]
    super(spawn('ip', command, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }))
    this.broken = new Promise((_, reject) => {
      this.child.on('error', reject)
      this.child.on('exit', () => reject(new Error('a peer ended, or was ended for taking too long')))
      this.child.on('message', (answer: Answer) => {
        if ('error' in answer) reject(new Error(answer.error))
      })
    })
    // It is always raced against; but not at every moment.
    this.broken.catch(() => {})
  }

  tell(order: Order): void {
    this.child.send(order)
  }

  answer<Key extends 'ready' | 'port' | 'received' | 'sent'>(): Promise<Reply<Key>> {
    const next = once(this.child, 'message').then(([answer]) => answer as Reply<Key>)
    return Promise.race([next, this.broken])
  }

  ask<Key extends 'ready' | 'port' | 'sent'>(order: Order): Promise<Reply<Key>> {
    this.tell(order)
    return this.answer<Key>()
  }
}
