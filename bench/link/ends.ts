// Both ends of a flow, in the process that `peer.ts` is: the kernel's TCP, sluice or udx-native behind the same few calls.

import { execFile, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import net, { type AddressInfo } from 'node:net'
import { promisify } from 'node:util'
import type { Net, Socket } from '../../src/index.ts'
import { openUdx } from '../transports/udx.ts'
import { type Buffers, setBuffers } from './buffers.ts'
import type { Contender } from './contenders.ts'
import { RECEIVER } from './emulator.ts'
import { Importance, runBefore } from './real-time.ts'
import { warmUp } from './warm-up.ts'

/** What is sent is written to it, what came is told by its events. */
export interface Stream {
  write(chunk: Buffer): boolean
  on(event: 'data', listener: (chunk: Buffer) => void): unknown
  on(event: 'drain', listener: () => void): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

/** What the sender knows of its connection; `bytes_retrans` and what else there is. */
export type Info = Record<string, unknown>

export interface Ends {
  /** At the address of the receiver; resolves with a port. */
  listen(accept: (stream: Stream) => void): Promise<number>
  connect(port: number): Promise<{ stream: Stream; info: () => Promise<Info> }>
  /** What is still to be written when the process ends. */
  close?(): void
}

export interface EndsOptions extends Contender {
  buffers: Buffers
  /** Where to write what sluice does. */
  trace: string | null
}

/** ms */
const WARM_UP = 1000

export async function open(options: EndsOptions): Promise<Ends> {
  const opened = await opening[options.side](options)
  runBefore(Importance.Peer, process.pid)
  return opened
}

const opening = { kernel: openKernel, sluice: openSluice, udx: openUdxNative }

async function openKernel({ algorithm, buffers }: EndsOptions): Promise<Ends> {
  setBuffers(buffers)
  useOnTheLink(algorithm)
  const kernel = net as unknown as Net
  await warmUp(kernel, WARM_UP)
  return netLike(kernel, (_socket, port) => socketStatistics(port))
}

async function openSluice({ algorithm, buffers, trace }: EndsOptions): Promise<Ends> {
  const { Stack } = await import('../../src/index.ts')
  const parameters = { tcp_congestion_control: algorithm, ...setBuffers(buffers) }
  // Segments as they will be on the link, not as loopback takes them.
  const first = new Stack({ sysctl: parameters, mtu: 1500 })
  await warmUp(first.net, WARM_UP)
  await first.close({ abort: true })
  const stack = new Stack({ sysctl: parameters })
  const close = trace === null ? undefined : (await import('./trace.ts')).traceTo(stack, trace)
  return { ...netLike(stack.net, async (socket) => ({ ...socket.tcp.info() })), close }
}

/** By the route: a namespace's default may only be what the machine allows to everybody (`tcp_allowed_congestion_control`). */
function useOnTheLink(algorithm: string): void {
  const [route] = execFileSync('ip', ['route', 'show', 'to', 'match', RECEIVER], { encoding: 'utf8' }).split('\n')
  execFileSync('ip', ['route', 'replace', ...route.trim().split(/\s+/), 'congctl', algorithm])
}

function netLike(
  { createServer, connect }: Pick<Net, 'createServer' | 'connect'>,
  infoOf: (socket: Socket, port: number) => Promise<Info>,
): Ends {
  return {
    async listen(accept) {
      const server = createServer(accept)
      server.listen(0, RECEIVER)
      await once(server, 'listening')
      return (server.address() as AddressInfo).port
    },
    async connect(port) {
      const socket = connect({ host: RECEIVER, port, noDelay: true })
      await once(socket, 'connect')
      return { stream: socket, info: () => infoOf(socket, port) }
    },
  }
}

/** udx-native is compiled: there is nothing to warm up. */
async function openUdxNative(): Promise<Ends> {
  const udx = await openUdx(RECEIVER, '0.0.0.0', receiveBufferLimit())
  return {
    listen: async (accept) => (await udx.listen(accept)).port,
    async connect(port) {
      const stream = await udx.connect({ port })
      const info = async (): Promise<Info> => {
        const { rtt, cwnd, retransmits, mtu } = stream
        return { rtt, snd_cwnd: cwnd, bytes_retrans: retransmits * mtu }
      }
      return { stream, info }
    },
  }
}

/** As sluice asks for it. Not to be seen from another namespace than the first on old kernels. */
function receiveBufferLimit(): number {
  try {
    return Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  } catch {
    return 212_992
  }
}

async function socketStatistics(port: number): Promise<Info> {
  const { stdout } = await promisify(execFile)('ss', ['-tinOH', 'dst', RECEIVER, 'and', 'dport', '=', `:${port}`])
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

/** Of this namespace: how many datagrams found no room. */
export function udpDrops(): number {
  const [names, values] = readFileSync('/proc/net/snmp', 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('Udp:'))
    .map((line) => line.split(' '))
  return Number(values[names.indexOf('RcvbufErrors')])
}

/** Of this namespace: the largest granted receive buffer of a UDP socket. */
export function udpBuffer(): number {
  const buffers = execFileSync('ss', ['-uanmH'], { encoding: 'utf8' }).matchAll(/rb(\d+)/g)
  return Math.max(0, ...[...buffers].map(([, granted]) => Number(granted)))
}
