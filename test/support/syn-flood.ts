import { spawn } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { type Socket, Stack } from '../../src/index.ts'
import { memoryInUse } from './heap.ts'

export interface FloodOptions {
  syns: number
  tcp_syncookies: number
  /** How many clients come meanwhile, twenty at a time, and how long each waits to be served. */
  clients: number
  patienceMs: number
}

export interface FloodResult {
  /** What each client had agreed when it was served, as `tcp_info` has it (1 timestamps, 2 SACK, 4 window scaling); null: it was not served. */
  outcomes: (number | null)[]
  /** Bytes that the process holds more than before. */
  grown: number
  /** Bytes that the flood sent and got, headers counted. */
  sent: number
  received: number
  counters: Record<string, number>
}

const WAVE = 20
/** More than a window that is not scaled. */
const ECHO = 20_000

/** A server under a flood of SYNs on real sockets, and how the clients fare that come meanwhile. */
export async function flood({ syns, tcp_syncookies, clients, patienceMs }: FloodOptions): Promise<FloodResult> {
  const stack = new Stack({ sysctl: { tcp_syncookies, tcp_max_syn_backlog: 256 } })
  const client = new Stack()
  const sockets = new Set<Socket>()
  const server = stack.net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {}).on('close', () => sockets.delete(socket))
    socket.pipe(socket)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const visit = async (): Promise<number | null> => {
    const socket = client.net.connect(port, '127.0.0.1')
    socket.on('error', () => {})
    const patience = setTimeout(() => socket.destroy(), patienceMs)
    let bytes = 0
    let options: number | null = null
    socket.on('data', (data) => {
      bytes += data.length
      if (bytes < ECHO) return
      options = socket.tcp.info()?.options ?? 0
      socket.destroy()
    })
    socket.end(Buffer.alloc(ECHO))
    await once(socket, 'close')
    clearTimeout(patience)
    return options
  }
  // Code that runs for the first time takes room of its own.
  await visit()
  const before = memoryInUse()
  const thrower = new Thrower(port, syns)
  try {
    await thrower.said('flooding')
    // The queue fills first: who came before the flood is not what this is about.
    while (stack.mib.TCPReqQFullDrop + stack.mib.ListenDrops + stack.mib.SyncookiesSent === 0)
      await new Promise(setImmediate)
    const outcomes: (number | null)[] = []
    for (let i = 0; i < clients; i += WAVE)
      outcomes.push(...(await Promise.all(Array.from({ length: Math.min(WAVE, clients - i) }, visit))))
    await thrower.said('thrown')
    const grown = memoryInUse() - before
    thrower.go()
    const [sent, received] = (await thrower.said('bytes')).split(' ').map(Number) as [number, number]
    return { outcomes, grown, sent, received, counters: stack.counters() }
  } finally {
    thrower.end()
    for (const socket of sockets) socket.destroy()
    await Promise.all([stack.close({ abort: true }), client.close({ abort: true })])
  }
}

/** `programs/flood.ts`. */
class Thrower {
  readonly #child
  readonly #lines: string[] = []
  #wake = (): void => {}
  #over = false

  constructor(port: number, syns: number) {
    const file = new URL('programs/flood.ts', import.meta.url).pathname
    this.#child = spawn(process.execPath, ['--import', 'tsx', file, String(port), String(syns)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    createInterface({ input: this.#child.stdout }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake()
    })
    this.#child.once('close', () => {
      this.#over = true
      this.#wake()
    })
  }

  /** The rest of the line that begins with `word`, as soon as it is there. */
  async said(word: string): Promise<string> {
    for (;;) {
      const line = this.#lines.find((line) => line === word || line.startsWith(`${word} `))
      if (line !== undefined) return line.slice(word.length + 1)
      if (this.#over) throw new Error(`the flood ended before it said ${word}`)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  go(): void {
    this.#child.stdin.write('go\n')
  }

  end(): void {
    if (!this.#over) this.#child.kill()
  }
}
