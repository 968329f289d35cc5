import { EventEmitter, once } from 'node:events'
import { describe } from './describe.ts'
import type { Context, Net, Pair, PairOptions, Server, ServerOptions, Socket, WatchOptions } from './program.ts'

/** Lines by lane, as compared. */
export type Lanes = Record<string, string[]>

/** What a program can hear from a socket or a server; the rest is the machinery of streams talking to itself. */
const EVENTS = new Set([
  'lookup',
  'connectionAttempt',
  'connectionAttemptFailed',
  'connectionAttemptTimeout',
  'connect',
  'ready',
  'data',
  'end',
  'finish',
  'error',
  'timeout',
  'drain',
  'close',
  'pause',
  'resume',
  'pipe',
  'unpipe',
  'listening',
  'connection',
  'drop',
  'request',
  'upgrade',
  'secureConnect',
])

const PROPERTIES = [
  'connecting',
  'pending',
  'readyState',
  'destroyed',
  'closed',
  'errored',
  'readable',
  'writable',
  'readableEnded',
  'writableEnded',
  'writableFinished',
  'readableFlowing',
  'readableAborted',
  'allowHalfOpen',
  'timeout',
  'bytesRead',
  'bytesWritten',
  'localAddress',
  'localPort',
  'localFamily',
  'remoteAddress',
  'remotePort',
  'remoteFamily',
  'listening',
  '_connections',
  'maxConnections',
]

/** How much of a stream has arrived, or been taken, at such an event is a matter of chance: no properties are looked at. */
const MIDSTREAM = new Set(['data', 'drain', 'pause', 'resume', 'pipe', 'unpipe'])

/** After so long a process that should have ended hangs, and one that should live has been held. */
const HANGS_MS = 2000
const STAYS_MS = 100

/** Ports and their names. A port that nobody named is called after the property in which it was seen. */
class Ports {
  readonly #names = new Map<number, string>()
  readonly #seen = new Map<number, string>()

  name(port: number, name: string): void {
    this.#names.set(port, name)
  }

  see(value: unknown, where: string): void {
    if (typeof value !== 'number' || !(value >= 1024)) return
    const known = this.#seen.get(value)
    if (known === undefined || where < known) this.#seen.set(value, where)
  }

  /** `line` with names in place of numbers, wherever they are. */
  apply(line: string): string {
    return line.replace(/(?<![\d.])\d{4,5}(?![\d])/g, (digits) => {
      const name = this.#names.get(Number(digits)) ?? this.#seen.get(Number(digits))
      return name === undefined ? digits : `<${name}>`
    })
  }
}

interface Piece {
  bytes: Buffer[]
  strings: string[]
}

export class Recorder {
  readonly #net: Net
  readonly #lanes: Lanes = {}
  readonly #ports = new Ports()
  readonly #names = new WeakMap<object, string>()
  /** Data of a lane that came one after the other: where it was cut is nothing that `net` promises. */
  readonly #data = new Map<string, Piece>()

  constructor(net: Net) {
    this.#net = net
  }

  line(lane: string, line: string): void {
    this.#flushData(lane)
    this.#append(lane, line)
  }

  describe(value: unknown): string {
    return describe(value, (object) => {
      const name = this.#names.get(object)
      if (name === undefined) this.#seePorts(object)
      if (object instanceof Error)
        this.#ports.see(Number(/Local \(.*:(\d+)\)$/.exec(object.message)?.[1]), 'local port')
      return name
    })
  }

  /** What was recorded, ports by their names. */
  result(): Lanes {
    for (const lane of this.#data.keys()) this.#flushData(lane)
    const lanes: Lanes = {}
    for (const [lane, lines] of Object.entries(this.#lanes)) lanes[lane] = lines.map((line) => this.#ports.apply(line))
    return lanes
  }

  context(): Context {
    const net = this.#net
    const record = (what: string, ...values: unknown[]): void => this.recordIn('main', what, values)
    const context: Context = {
      net,
      major: Number.parseInt(process.versions.node, 10),
      record,
      recordIn: (lane, what, ...values) => this.recordIn(lane, what, values),
      watch: (emitter, lane, options) => this.watch(emitter, lane, options),
      attempt: (what, call) => {
        let value: ReturnType<typeof call>
        try {
          value = call()
        } catch (error) {
          record(`${what} throws`, error)
          return undefined
        }
        record(`${what} →`, value)
        return value
      },
      heard: (what) => {
        return (...args) => record(what, ...args)
      },
      port: (number, name) => {
        this.#ports.name(number, name)
        return number
      },
      listen: (...args) => this.#listen(...args),
      pair: (options) => this.#pair(options),
      freePort: async (name = 'free port') => {
        const { server, port } = await this.#listen()
        this.#ports.name(port, name)
        server.close()
        await once(server, 'close')
        return port
      },
      next: (emitter, event) => {
        return new Promise((resolve) => {
          const settle = (...args: unknown[]): void => {
            emitter.off(event, settle)
            emitter.off('error', settle)
            resolve(args)
          }
          emitter.on(event, settle)
          if (event !== 'error') emitter.on('error', settle)
        })
      },
      turns: async (count = 3) => {
        for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
      },
      mustEnd: () => {
        setTimeout(record, HANGS_MS, 'stays').unref()
      },
      mustStay: (release) => {
        setTimeout(() => {
          record('stays')
          release()
        }, STAYS_MS).unref()
      },
    }
    return context
  }

  recordIn(lane: string, what: string, values: readonly unknown[]): void {
    this.line(lane, [what, ...values.map((value) => this.describe(value))].join(' '))
  }

  watch<Emitter extends EventEmitter>(emitter: Emitter, lane: string, options: WatchOptions = {}): Emitter {
    const { eventsOnly = false, except = [] } = options
    this.#names.set(emitter, lane)
    const properties = eventsOnly ? [] : PROPERTIES.filter((name) => !except.includes(name) && name in emitter)
    const last: Record<string, string> = {}
    const look = (): string[] => {
      const changes: string[] = []
      const gone = (emitter as { destroyed?: boolean }).destroyed === true
      for (const property of properties) {
        // What a destroyed socket says of its addresses has programs of its own.
        if (gone && property.startsWith('local')) continue
        const value = (emitter as unknown as Record<string, unknown>)[property]
        if (/Port$/.test(property)) this.#ports.see(value, `${lane}.${property}`)
        const now = this.describe(value)
        if (last[property] === now) continue
        last[property] = now
        changes.push(`${property} ${now}`)
      }
      return changes
    }
    this.line(lane, ['watched', ...look()].join('\n    '))
    const { emit } = emitter
    const watched = (event: string | symbol, ...args: unknown[]): boolean => {
      if (typeof event === 'string' && EVENTS.has(event) && !except.includes(event)) {
        if (event === 'data') this.#addData(lane, args[0])
        else {
          const head = [event, ...args.map((value) => this.describe(value))].join(' ')
          this.line(lane, [head, ...(MIDSTREAM.has(event) ? [] : look())].join('\n    '))
        }
      }
      return emit.call(emitter, event, ...args)
    }
    Object.defineProperty(emitter, 'emit', { value: watched, writable: true, configurable: true, enumerable: false })
    return emitter
  }

  async #listen(
    options: ServerOptions = {},
    accept?: (peer: Socket) => void,
    host: string | null = '127.0.0.1',
  ): Promise<{ server: Server; port: number }> {
    const server = this.#net.createServer(options, accept)
    if (host === null) server.listen(0)
    else server.listen(0, host)
    await once(server, 'listening')
    const { port } = server.address() as { port: number }
    this.#ports.name(port, 'port')
    return { server, port }
  }

  async #pair({ server: options, client: more, accept, unwatched, except }: PairOptions = {}): Promise<Pair> {
    let peer: Socket | undefined
    const watchPeer = (socket: Socket): void => {
      peer = socket
      if (!unwatched) this.watch(socket, 'peer', { except })
      accept?.(socket)
    }
    const { server, port } = await this.#listen(options, watchPeer)
    const client = this.#net.connect({ port, host: '127.0.0.1', ...more })
    if (!unwatched) this.watch(client, 'client', { except })
    const accepted = peer === undefined ? once(server, 'connection') : undefined
    await Promise.all([once(client, 'connect'), accepted])
    server.close()
    return { client, peer: peer as unknown as Socket, server, port }
  }

  #seePorts(object: object): void {
    if (object instanceof EventEmitter) return
    for (const key of Object.keys(object)) {
      if (/port$/i.test(key)) this.#ports.see((object as Record<string, unknown>)[key], `some ${key}`)
    }
  }

  #append(lane: string, line: string): void {
    this.#lanes[lane] ??= []
    this.#lanes[lane].push(line)
  }

  #addData(lane: string, chunk: unknown): void {
    const piece = this.#data.get(lane) ?? { bytes: [], strings: [] }
    this.#data.set(lane, piece)
    if (typeof chunk === 'string') piece.strings.push(chunk)
    else if (Buffer.isBuffer(chunk)) piece.bytes.push(chunk)
    else this.#append(lane, `data ${this.describe(chunk)}`)
  }

  #flushData(lane: string): void {
    const piece = this.#data.get(lane)
    if (piece === undefined) return
    this.#data.delete(lane)
    if (piece.bytes.length > 0) this.#append(lane, `data ${this.describe(Buffer.concat(piece.bytes))}`)
    if (piece.strings.length > 0) this.#append(lane, `data ${this.describe(piece.strings.join(''))}`)
  }
}
