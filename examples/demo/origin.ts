// The serving process, from both sides: what runs in it, and how the demo starts, asks and ends it.

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import nodeNet from 'node:net'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { type Socket, Stack } from '../../src/index.ts'

/** The path between the two processes. All of it is done by the serving process's stack, to what it sends and what it receives. */
export interface Impairment {
  /** Share of the packets lost, in each direction. */
  loss: number
  /** Milliseconds, in each direction: half of the round trip. */
  delay: number
  /** Bits a second, as netem writes it. */
  rate: string
  seed: number | undefined
}

export interface OriginOptions {
  directory: string
  impairment: Impairment | null
  /** A door for each, by which connections are controlled so. */
  controls: readonly string[]
}

/** What the sender knows of the connection at one moment. Times are microseconds. */
export interface SenderState {
  rtt: number
  minRtt: number
  cwnd: number
  mss: number
  retransmitted: number
  dataSegments: number
}

/** What a stack's counters say of its segments. */
export interface SegmentCounts {
  sent: number
  arrived: number
}

export type OriginMessage =
  | { kind: 'ready'; sluicePorts: number[]; netPort: number }
  | { kind: 'state'; state: SenderState }
  | { kind: 'counts'; counts: SegmentCounts; state: SenderState | null }

export function segmentCounts(stack: Stack): SegmentCounts {
  const { OutSegs, RetransSegs, InSegs } = stack.counters()
  // As the kernel counts, OutSegs leaves out what was sent again.
  return { sent: OutSegs + RetransSegs, arrived: InSegs }
}

/** The serving process: an HTTP server with several doors, those of sluice and one for the kernel's TCP. */
export async function serve({ directory, impairment, controls }: OriginOptions): Promise<void> {
  const tell = (message: OriginMessage): void => {
    if (process.connected) process.send?.(message)
  }
  // Whatever becomes of the other process, this one does not outlive it. It ends then, and not by the terminal's Ctrl-C.
  process.on('disconnect', () => process.exit())
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

  let latest: Socket | null = null
  const tellState = (): void => {
    const state = latest === null || latest.destroyed ? null : senderState(latest)
    if (state !== null) tell({ kind: 'state', state })
  }
  const web = http.createServer((request, response) => {
    // Before the first of it leaves, for a small file may be there sooner than the next of these.
    tellState()
    const path = join(directory, basename(decodeURIComponent(request.url ?? '')))
    stat(path)
      .then(({ size }) =>
        pipeline(createReadStream(path, { highWaterMark: 1 << 18 }), response.setHeader('Content-Length', size)),
      )
      .catch(() => (response.headersSent ? response.destroy() : response.writeHead(404).end()))
  })

  const stack = new Stack(impairment === null ? {} : { impair: impairment, seed: impairment.seed })
  const servers = controls.map((congestionControl) => {
    const server = stack.net.createServer((socket) => {
      latest = socket
      // Asked once while it lives, a socket still tells after its end how it was then.
      senderState(socket)
      web.emit('connection', socket)
    })
    return server.listen({ port: 0, host: '127.0.0.1', tcp: { congestionControl } })
  })
  const kernelServer = nodeNet.createServer((socket) => web.emit('connection', socket))
  kernelServer.listen(0, '127.0.0.1')
  await Promise.all([...servers, kernelServer].map((server) => once(server, 'listening')))

  setInterval(tellState, 100)
  process.on('message', () => {
    tell({ kind: 'counts', counts: segmentCounts(stack), state: latest === null ? null : senderState(latest) })
  })
  const portOf = (server: { address(): unknown }): number => (server.address() as AddressInfo).port
  tell({ kind: 'ready', sluicePorts: servers.map(portOf), netPort: portOf(kernelServer) })
}

function senderState(socket: Socket): SenderState | null {
  const info = socket.tcp.info()
  if (info === undefined) return null
  return {
    rtt: info.rtt,
    minRtt: info.min_rtt,
    cwnd: info.snd_cwnd,
    mss: info.snd_mss,
    retransmitted: info.total_retrans,
    dataSegments: info.data_segs_out,
  }
}

/** The serving process as the demo sees it. */
export class Origin {
  /** One for each of `controls`. */
  readonly sluicePorts: readonly number[]
  readonly netPort: number
  /** Called some ten times a second while sluice sends. */
  onState: (state: SenderState) => void = () => {}
  /** Rejects if the process ends before it is stopped; nothing else would tell a client that only receives. */
  readonly failed: Promise<never>
  readonly #child: ChildProcess
  readonly #exited: Promise<unknown>

  private constructor(child: ChildProcess, ports: { sluicePorts: number[]; netPort: number }) {
    this.#child = child
    this.sluicePorts = ports.sluicePorts
    this.netPort = ports.netPort
    // What else goes wrong with it shows in its end.
    child.on('error', () => {})
    this.#exited = new Promise((resolve) => child.once('exit', resolve))
    this.failed = this.#exited.then(() => Promise.reject(new Error('the serving process ended')))
    this.failed.catch(() => {})
    child.on('message', (message: OriginMessage) => {
      if (message.kind === 'state') this.onState(message.state)
    })
  }

  /** `script` is the demo itself, which becomes the serving process when it finds `options` in its arguments. */
  static async start(script: string, options: OriginOptions): Promise<Origin> {
    const child = fork(script, ['--serve', JSON.stringify(options)])
    const ready = await awaitMessage(child, 'ready')
    return new Origin(child, ready)
  }

  /** Asks for the counters. */
  async counts(): Promise<{ counts: SegmentCounts; state: SenderState | null }> {
    const answer = awaitMessage(this.#child, 'counts')
    if (this.#child.connected) this.#child.send('counts')
    return answer
  }

  async stop(): Promise<void> {
    if (this.#child.connected) this.#child.disconnect()
    await this.#exited
  }
}

function awaitMessage<Kind extends OriginMessage['kind']>(
  child: ChildProcess,
  kind: Kind,
): Promise<Extract<OriginMessage, { kind: Kind }>> {
  return new Promise((resolve, reject) => {
    const failed = (): void => reject(new Error('the serving process ended'))
    if (!child.connected) return failed()
    const heard = (message: OriginMessage): void => {
      if (message.kind !== kind) return
      child.off('message', heard).off('exit', failed).off('error', failed)
      resolve(message as Extract<OriginMessage, { kind: Kind }>)
    }
    child.on('message', heard).on('exit', failed).on('error', failed)
  })
}
