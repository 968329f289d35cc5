// One end of one flow, in a process and a network namespace of its own: started by `transfer.ts`, told by the first message what to do.

import { type Ends, type EndsOptions, type Info, open, udpBuffer, udpDrops } from './ends.ts'

export interface Task extends EndsOptions {
  role: 'send' | 'receive'
  seconds: number
  /** Look at the sender this often, ms; 0: never. */
  sampleEvery: number
}

/** First the task; the sender is told of the receiver's port when both are ready, and to finish when the receiver has seen enough. */
export type Order = { task: Task } | { connect: number } | { finish: true }

/** What the receiver has seen when the time is over. */
export interface Received {
  bytes: number
  /** In which they came. */
  ms: number
  /** Bytes in each second. */
  perSecond: number[]
  /** Datagrams that found no room in UDP buffers of the receiver's namespace. */
  udpDrops: number
  /** Granted UDP receive buffer; 0 for the kernel, which needs none. */
  udpBuffer: number
}

/** What the sender knows. */
export interface Sent {
  retransmitted: number
  /** As `ss -ti` prints it, or `info()`. */
  info: Info
  samples: Info[]
}

export type Answer = { ready: true } | { port: number } | { received: Received } | { sent: Sent } | { error: string }

if (process.send === undefined) throw new Error('bench/link/peer.ts is started by npm run bench:link')
const answer = (message: Answer): void => void process.send?.(message)
const failed = (error: unknown): void =>
  answer({ error: error instanceof Error ? (error.stack ?? error.message) : `${error}` })

let ends: Ends | null = null
// Nobody is left to measure for: whatever is under way ends here.
process.on('disconnect', () => {
  ends?.close?.()
  process.exit()
})
process.on('uncaughtException', failed)

let connect: ((port: number) => Promise<void>) | null = null
let finish: (() => Promise<Sent>) | null = null
process.on('message', (order: Order) => {
  if ('task' in order) start(order.task).catch(failed)
  else if ('connect' in order) connect?.(order.connect).catch(failed)
  else finish?.().then((sent) => answer({ sent }), failed)
})

async function start(task: Task): Promise<void> {
  ends = await open(task)
  if (task.role === 'receive') await receive(task, ends)
  else send(task, ends)
}

async function receive({ seconds }: Task, { listen }: Ends): Promise<void> {
  // Those of the warming up.
  const dropsBefore = udpDrops()
  const port = await listen((stream) => {
    const received: Received = { bytes: 0, ms: 0, perSecond: [], udpDrops: 0, udpBuffer: 0 }
    stream.on('error', () => {})
    stream.on('data', (chunk) => {
      received.bytes += chunk.length
    })
    const began = performance.now()
    let before = 0
    const timer = setInterval(() => {
      received.perSecond.push(received.bytes - before)
      before = received.bytes
      if (received.perSecond.length < seconds) return
      clearInterval(timer)
      received.ms = performance.now() - began
      received.udpDrops = udpDrops() - dropsBefore
      received.udpBuffer = udpBuffer()
      answer({ received })
    }, 1000)
  })
  answer({ port })
}

function send({ sampleEvery }: Task, ends: Ends): void {
  connect = async (port) => {
    const { stream, info } = await ends.connect(port)
    stream.on('error', failed)
    const chunk = Buffer.alloc(65_536, 'sluice ')
    const pump = (): void => {
      while (stream.write(chunk));
    }
    stream.on('drain', pump)
    pump()

    const samples: Info[] = []
    const began = performance.now()
    if (sampleEvery > 0) {
      setInterval(async () => {
        const ms = Math.round(performance.now() - began)
        samples.push({ ms, ...(await info()) })
      }, sampleEvery)
    }
    finish = async () => {
      const known = await info()
      return { retransmitted: Number(known.bytes_retrans ?? 0), info: known, samples }
    }
  }
  answer({ ready: true })
}
