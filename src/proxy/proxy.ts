import nodeNet, { type AddressInfo, type Server, type Socket } from 'node:net'
import { createGateway, type Gateway } from '../gateway/index.ts'
import { kernelServers } from '../net/index.ts'
import type { ImpairReportEntry } from '../stack/index.ts'
import { ProxyConnection } from './connection.ts'
import { ApiError, badBody } from './errors.ts'
import type { Stream, Toxic } from './toxics.ts'

/** As the API shows it. */
export interface ProxyRecord {
  name: string
  listen: string
  upstream: string
  enabled: boolean
  toxics: Toxic[]
}

/** A listening port whose clients are led to an upstream, through whatever toxics there are. */
export class ToxicProxy {
  readonly name: string
  listen: string
  upstream: string
  enabled = false
  toxics: Toxic[] = []
  readonly bytes: Record<Stream, number> = { upstream: 0, downstream: 0 }
  /** Packets that packet toxics dropped, by member of the impairment. */
  readonly dropped: Record<Stream, Record<string, number>> = { upstream: {}, downstream: {} }
  readonly #seed: number
  readonly #connections = new Set<ProxyConnection>()
  #server: Server | null = null
  #hop: Gateway | null = null
  #accepted = 0

  constructor(name: string, listen: string, upstream: string, seed: number) {
    this.name = name
    this.listen = listen
    this.upstream = upstream
    this.#seed = seed
  }

  toJSON(): ProxyRecord {
    const { name, listen, upstream, enabled, toxics } = this
    return { name, listen, upstream, enabled, toxics }
  }

  /** Throws an `ApiError` where it cannot listen. */
  async start(): Promise<void> {
    if (this.enabled) return
    const [host, port] = parseAddress('listen', this.listen)
    const [upstreamHost, upstreamPort] = parseAddress('upstream', this.upstream)
    const server = nodeNet.createServer({ allowHalfOpen: true }, (client) => this.#accept(client))
    kernelServers.add(server)
    try {
      await listening(server, () => server.listen({ port, ...(host !== '' && { host }) }))
    } catch (error) {
      throw new ApiError((error as Error).message, 500)
    }
    const to = { protocol: 'tcp', host: upstreamHost, port: upstreamPort } as const
    const hop = createGateway({ listen: 'sluice:127.0.0.1:0', to, stack: {} })
    hop.on('failed', () => {})
    await listening(hop)
    this.#server = server
    this.#hop = hop
    const { address, family, port: bound } = server.address() as AddressInfo
    this.listen = family === 'IPv6' ? `[${address}]:${bound}` : `${address}:${bound}`
    this.enabled = true
  }

  /** Closes the port and all connections. */
  async stop(): Promise<void> {
    if (!this.enabled) return
    this.enabled = false
    const [server, hop] = [this.#server, this.#hop]
    for (const connection of this.#connections) connection.reset()
    await new Promise<void>((resolve) => server?.close(() => resolve()))
    await hop?.close({ abort: true })
  }

  toxic(name: string): Toxic {
    const toxic = this.toxics.find((one) => one.name === name)
    if (toxic === undefined) throw new ApiError('toxic not found', 404)
    return toxic
  }

  addToxic(toxic: Toxic): void {
    if (this.toxics.some(({ name }) => name === toxic.name)) throw new ApiError('toxic already exists', 409)
    this.setToxics([...this.toxics, toxic])
  }

  setToxics(toxics: Toxic[] = this.toxics): void {
    this.toxics = toxics
    for (const connection of this.#connections) connection.toxicsChanged()
  }

  #accept(client: Socket): void {
    const proxy = this
    // Each connection's choices hang on its number only.
    const seed = (this.#seed + Math.imul(++this.#accepted, 0x9e3779b1)) >>> 0
    const host = {
      hopPort: this.#hop?.address()?.port ?? 0,
      get toxics() {
        return proxy.toxics
      },
      count: (stream: Stream, bytes: number) => {
        this.bytes[stream] += bytes
      },
      closed: (connection: ProxyConnection) => {
        this.#connections.delete(connection)
        for (const entry of connection.stack.impair.report()) add(this.dropped, entry)
      },
    }
    this.#connections.add(new ProxyConnection(client, host, seed))
  }

  /** Dropped packets of connections that have closed and of those that are open. */
  droppedPackets(): Record<Stream, Record<string, number>> {
    const sum = structuredClone(this.dropped)
    for (const { stack } of this.#connections) for (const entry of stack.impair.report()) add(sum, entry)
    return sum
  }
}

function add(sum: Record<Stream, Record<string, number>>, { direction, counters }: ImpairReportEntry): void {
  const by = sum[direction === 'out' ? 'upstream' : 'downstream']
  for (const [rule, count] of Object.entries(counters.droppedBy)) by[rule] = (by[rule] ?? 0) + count
}

interface Listens {
  once(event: 'listening', heard: () => void): unknown
  once(event: 'error', heard: (error: Error) => void): unknown
}

function listening(what: Listens, begin: () => void = () => {}): Promise<void> {
  return new Promise((resolve, reject) => {
    what.once('listening', resolve)
    what.once('error', reject)
    begin()
  })
}

/** `host:port`, `[::1]:port` or `:port`. */
function parseAddress(field: string, text: string): [host: string, port: number] {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*)):(\d{1,5})$/.exec(text) ?? []
  if (digits === undefined || Number(digits) > 65_535) throw badBody(`${field} '${text}' is not host:port`)
  return [bracketed ?? plain, Number(digits)]
}
