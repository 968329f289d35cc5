/**
 * A herd of servers on one port, and clients that notice when they are handed from one to another.
 *
 *     herd.ts cluster                 the primary of a cluster: `fork PORT`, `close ID` and `kill ID` on stdin, `listening ID PORT` and `gone ID` on stdout
 *     herd.ts serve NAME PORT [TUNNEL]   one server of its own, through the UDP port TUNNEL if there is one
 *     herd.ts clients COUNT HOST PORT [TUNNEL]   opens COUNT connections, each from an address of its own, through a tunnel not before `again`; `ask` on stdin makes each say its number, `again`
 *                                     opens anew what was lost; `answers {…}` on stdout
 *
 * A server answers each line with its name and how many lines that connection has brought it: whoever took over somebody else's connection would
 * begin at one.
 */
import cluster, { type Worker } from 'node:cluster'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createInterface } from 'node:readline'
import { type Socket, Stack, type StackOptions } from '../../../src/index.ts'

const HOST = '127.0.0.1'
const file = new URL(import.meta.url).pathname

/** What `clients` found. */
export interface Answers {
  /** Connections by the name of the server that answers them. */
  byServer: Record<string, number>
  /** Answered by another server than before, or by one that did not know it. */
  crossed: number
  /** Lost since the last `ask`, by the server that they were on. */
  lost: Record<string, number>
}

function tunnelOf(port: string | undefined): number | undefined {
  return port === undefined ? undefined : Number(port)
}

async function serve(name: string, port: number, tunnelPort?: number) {
  const options: StackOptions = tunnelPort === undefined ? {} : { tunnel: { port: tunnelPort, host: HOST } }
  const server = new Stack(options).net.createServer((socket) => {
    let lines = 0
    socket.setEncoding('utf8').on('error', () => {})
    socket.on('data', (text) => {
      for (const _ of String(text).matchAll(/\n/g)) socket.write(`${name},${++lines}\n`)
    })
  })
  server.listen(port, HOST)
  await once(server, 'listening')
  return server
}

function lead(): void {
  cluster.setupPrimary({ exec: file })
  const workers = new Map<number, Worker>()
  const fork = (port: string): void => {
    const worker = cluster.fork({ HERD_PORT: port })
    workers.set(worker.id, worker)
    worker.once('exit', () => {
      workers.delete(worker.id)
      console.log(`gone ${worker.id}`)
    })
  }
  // ours: a server of sluice has no handle that a primary could share, so that nobody but the worker knows of it.
  cluster.on('message', (worker: Worker, message: { listening?: number }) => {
    if (message.listening === undefined) return
    console.log(`listening ${worker.id} ${message.listening}`)
  })
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      const [order, id] = line.split(' ')
      if (order === 'fork') fork(id as string)
      else if (order === 'close') workers.get(Number(id))?.send('close')
      else if (order === 'kill') workers.get(Number(id))?.process.kill('SIGKILL')
    })
    .on('close', () => {
      for (const worker of workers.values()) worker.process.kill('SIGKILL')
      process.exit()
    })
}

async function clients(count: number, host: string, port: number, tunnelPort?: number): Promise<void> {
  const stack = new Stack(tunnelPort === undefined ? {} : { tunnel: { port: 0 } })
  const open: (Client | null)[] = new Array(count).fill(null)
  const lost: Record<string, number> = {}
  const connect = async (i: number): Promise<void> => {
    // As if they were so many hosts: one host has one path to a port, whatever the number of its connections.
    const localAddress = `127.${1 + (i >> 8)}.0.${i & 255}`
    const where = { host, port, localAddress, tcp: tunnelPort === undefined ? {} : { tunnelPort } }
    const socket = stack.net.connect(where)
    const client = new Client(socket)
    await once(socket, 'connect')
    open[i] = client
    socket.on('error', () => {})
    socket.on('close', () => {
      open[i] = null
      lost[client.server] = (lost[client.server] ?? 0) + 1
      client.release()
    })
  }
  const connectAll = (): Promise<unknown> => Promise.all(open.map((client, i) => client ?? connect(i)))
  if (tunnelPort === undefined) {
    await connectAll()
    console.log('ready ')
  }
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'again') {
      await connectAll()
      console.log('ready ')
      continue
    }
    await Promise.all(open.map((client) => client?.ask()))
    const answers: Answers = { byServer: {}, crossed: 0, lost: { ...lost } }
    for (const name of Object.keys(lost)) delete lost[name]
    for (const client of open) {
      if (client === null) continue
      answers.byServer[client.server] = (answers.byServer[client.server] ?? 0) + 1
      if (client.crossed) answers.crossed++
    }
    console.log(`answers ${JSON.stringify(answers)}`)
  }
  process.exit()
}

class Client {
  server = ''
  crossed = false
  readonly #socket: Socket
  #asked = 0
  #answered: () => void = () => {}

  constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('utf8').on('data', (text) => this.#heard(String(text)))
  }

  /** Resolves with the answer, or when the connection is lost. */
  ask(): Promise<void> {
    this.#asked++
    this.#socket.write('who are you?\n')
    return new Promise((resolve) => {
      this.#answered = resolve
    })
  }

  release(): void {
    this.#answered()
  }

  #heard(text: string): void {
    const [name, lines] = text.trim().split(',') as [string, string]
    if (Number(lines) !== this.#asked || (this.server !== '' && name !== this.server)) this.crossed = true
    this.server = name
    this.#answered()
  }
}

const [what, ...args] = process.argv.slice(2)
if (cluster.isWorker) {
  const server = await serve(`worker ${cluster.worker?.id}`, Number(process.env.HERD_PORT))
  process.send?.({ listening: (server.address() as AddressInfo).port })
  // Its connections go on; only nobody new comes.
  process.on('message', (message) => {
    if (message === 'close') server.close()
  })
} else if (what === 'cluster') lead()
else if (what === 'serve') {
  const server = await serve(args[0] as string, Number(args[1]), tunnelOf(args[2]))
  console.log(`port ${(server.address() as AddressInfo).port}`)
  createInterface({ input: process.stdin }).on('close', () => process.exit())
} else await clients(Number(args[0]), args[1] as string, Number(args[2]), tunnelOf(args[3]))
