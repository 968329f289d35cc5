// One side of one transfer, in a process and a network namespace of its own: started by `transfer.ts`, told by the first message what to do.

import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import type { Net, Socket } from '../../src/index.ts'
import { RECEIVER } from './emulator.ts'
import { Importance, runBefore } from './real-time.ts'
import { warmUp } from './warm-up.ts'

export type Side = 'kernel' | 'sluice'

export interface Task {
  role: 'send' | 'receive'
  side: Side
  algorithm: string
  seconds: number
  /** Look at the sender this often, ms; 0: never. */
  sampleEvery: number
  /** Where to write what sluice does. */
  trace: string | null
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
  /** Datagrams that found no room in the receiver's UDP buffer. */
  udpDrops: number
  /** Granted UDP receive buffer; 0 for the kernel, which needs none. */
  udpBuffer: number
}

/** What the sender knows. */
export interface Sent {
  retransmitted: number
  /** As `ss -ti` prints it, or `info()`. */
  info: unknown
  samples: unknown[]
}

export type Answer = { ready: true } | { port: number } | { received: Received } | { sent: Sent } | { error: string }

/** ms */
const WARM_UP = 1000

if (process.send === undefined) throw new Error('bench/link/peer.ts is started by npm run bench:link')
const answer = (message: Answer): void => void process.send?.(message)
const failed = (error: unknown): void =>
  answer({ error: error instanceof Error ? (error.stack ?? error.message) : `${error}` })

let stopTrace: (() => void) | null = null
// Nobody is left to measure for: whatever is under way ends here.
process.on('disconnect', () => {
  stopTrace?.()
  process.exit()
})
process.on('uncaughtException', failed)

let connect: ((port: number) => Promise<void>) | null = null
let finish: (() => Promise<Sent>) | null = null
process.on('message', (order: Order) => {
  if ('task' in order) (order.task.role === 'receive' ? receive : send)(order.task).catch(failed)
  else if ('connect' in order) connect?.(order.connect).catch(failed)
  else finish?.().then((sent) => answer({ sent }), failed)
})

const sysctl = (name: string): string => readFileSync(`/proc/sys/net/${name}`, 'utf8').trim()
const numbers = (text: string): number[] => text.split(/\s+/).map(Number)

/** `net`, of either side, with the congestion control asked for, and the kernel's buffers. */
async function open({ side, algorithm, trace }: Task): Promise<Net> {
  if (side === 'kernel') {
    // The file is this namespace's own.
    writeFileSync('/proc/sys/net/ipv4/tcp_congestion_control', algorithm)
    const kernel = net as unknown as Net
    await warmUp(kernel, WARM_UP)
    runBefore(Importance.Peer, process.pid)
    return kernel
  }
  const { Stack } = await import('../../src/index.ts')
  const parameters = {
    tcp_congestion_control: algorithm,
    tcp_rmem: numbers(sysctl('ipv4/tcp_rmem')),
    tcp_wmem: numbers(sysctl('ipv4/tcp_wmem')),
  }
  // Segments as they will be on the link, not as loopback takes them.
  const first = new Stack({ sysctl: parameters, mtu: 1500 })
  await warmUp(first.net, WARM_UP)
  await first.close({ abort: true })
  const stack = new Stack({ sysctl: parameters })
  runBefore(Importance.Peer, process.pid)
  if (trace !== null) stopTrace = (await import('./trace.ts')).traceTo(stack, trace)
  return stack.net
}

async function receive(task: Task): Promise<void> {
  const { seconds } = task
  const { createServer } = await open(task)
  // Those of the warming up.
  const dropsBefore = udpDrops()
  const server = createServer((socket) => {
    const received: Received = { bytes: 0, ms: 0, perSecond: [], udpDrops: 0, udpBuffer: 0 }
    socket.on('error', () => {})
    socket.on('data', (chunk) => {
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
  server.listen(0, RECEIVER)
  await once(server, 'listening')
  answer({ port: (server.address() as AddressInfo).port })
}

/** Of this namespace: how many datagrams found no room. */
function udpDrops(): number {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('RcvbufErrors')])
}

/** Of this namespace: the largest granted receive buffer of a UDP socket. */
function udpBuffer(): number {
  const buffers = execFileSync('ss', ['-uanmH'], { encoding: 'utf8' }).matchAll(/rb(\d+)/g)
  return Math.max(0, ...[...buffers].map(([, granted]) => Number(granted)))
}

async function send(task: Task): Promise<void> {
  const net = await open(task)
  connect = async (port) => {
    const socket = net.connect({ host: RECEIVER, port, noDelay: true })
    socket.on('error', failed)
    await once(socket, 'connect')
    const chunk = Buffer.alloc(65_536, 'sluice ')
    const pump = (): void => {
      while (socket.write(chunk));
    }
    socket.on('drain', pump)
    pump()

    const samples: unknown[] = []
    const began = performance.now()
    if (task.sampleEvery > 0) {
      setInterval(async () => {
        const ms = Math.round(performance.now() - began)
        samples.push({ ms, ...(await infoOf(task.side, socket)) })
      }, task.sampleEvery)
    }
    finish = async () => {
      const info = await infoOf(task.side, socket)
      return { retransmitted: Number(info.bytes_retrans ?? 0), info, samples }
    }
  }
  answer({ ready: true })
}

async function infoOf(side: Side, socket: Socket): Promise<Record<string, unknown>> {
  if (side === 'sluice') return { ...socket.tcp.info() }
  const { stdout } = await promisify(execFile)('ss', ['-tinOH', 'dst', RECEIVER])
  // `cubic wscale:10,10 rto:220 rtt:20.1/0.5 … bytes_retrans:1448 …`: what stands alone is a flag, or a number's name.
  return Object.fromEntries(
    stdout
      .trim()
      .split(/\s+/)
      .filter((word) => word.includes(':') && !word.includes('.0.'))
      .map((word) => {
        const at = word.indexOf(':')
        const value = word.slice(at + 1)
        return [word.slice(0, at), value !== '' && Number.isFinite(Number(value)) ? Number(value) : value]
      }),
  )
}
