import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import manifest from '../../package.json' with { type: 'json' }
import { kernelServers } from '../net/index.ts'
import { ApiError, badBody, field, missingField, requireFields } from './errors.ts'
import { ToxicProxy } from './proxy.ts'
import { parseToxic, updateToxic } from './toxics.ts'

export interface ProxyServerOptions {
  /** Where the API listens. Default `localhost:8474`; port 0 is any. */
  host?: string
  port?: number
  /** Of all random choices; default: one of its own, see `seed`. */
  seed?: number
}

/** As large as a body may be. */
const MOST_BYTES = 1 << 20

interface Answer {
  readonly status: number
  readonly body?: unknown
  /** Default: JSON. */
  readonly type?: string
}

type Handler = (names: string[], request: IncomingMessage) => Promise<Answer> | Answer

/**
 * Proxies with toxics, controlled by an HTTP API that is toxiproxy's: its clients drive it. Beside its toxics there are those that
 * act on packets (`packet_loss` …), which a proxy of streams cannot have. Begins to listen by `listen()`.
 */
export class ProxyServer {
  readonly seed: number
  readonly #options: ProxyServerOptions
  readonly #proxies = new Map<string, ToxicProxy>()
  readonly #server: Server
  readonly #routes: readonly [method: string, path: RegExp, handler: Handler][]

  constructor(options: ProxyServerOptions = {}) {
    this.#options = options
    this.seed = options.seed ?? Math.floor(Math.random() * 2 ** 32)
    this.#server = createServer((request, response) => void this.#handle(request, response))
    kernelServers.add(this.#server)
    const proxy = '/proxies/([^/]+)'
    const route = (methods: string, path: string, handler: Handler): [string, RegExp, Handler] => [
      methods,
      new RegExp(`^${path}$`),
      handler,
    ]
    this.#routes = [
      route('POST', '/reset', () => this.#reset()),
      route('GET', '/proxies', () => ({ status: 200, body: Object.fromEntries(this.#proxies) })),
      route('POST', '/proxies', (_, request) => this.#create(request)),
      route('POST', '/populate', (_, request) => this.#populate(request)),
      route('GET', proxy, ([name]) => ({ status: 200, body: this.#proxy(name) })),
      route('POST PATCH', proxy, ([name], request) => this.#update(this.#proxy(name), request)),
      route('DELETE', proxy, ([name]) => this.#delete(this.#proxy(name))),
      route('GET', `${proxy}/toxics`, ([name]) => ({ status: 200, body: this.#proxy(name).toxics })),
      route('POST', `${proxy}/toxics`, ([name], request) => this.#addToxic(this.#proxy(name), request)),
      route('GET', `${proxy}/toxics/([^/]+)`, ([name, toxic]) => ({
        status: 200,
        body: this.#proxy(name).toxic(toxic),
      })),
      route('POST PATCH', `${proxy}/toxics/([^/]+)`, ([name, toxic], request) =>
        this.#updateToxic(this.#proxy(name), toxic, request),
      ),
      route('DELETE', `${proxy}/toxics/([^/]+)`, ([name, toxic]) => this.#deleteToxic(this.#proxy(name), toxic)),
      route('GET', '/version', () => ({ status: 200, body: { version: manifest.version } })),
      route('GET', '/metrics', () => ({ status: 200, body: this.#metrics(), type: 'text/plain; version=0.0.4' })),
    ]
  }

  /** Resolves with the address once it listens. */
  listen(): Promise<AddressInfo> {
    const { host = 'localhost', port = 8474 } = this.#options
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen({ host, port }, () => resolve(this.#server.address() as AddressInfo))
    })
  }

  /** What `POST /populate` does: proxies that are as they should be are let be, others replaced. */
  async populate(body: unknown): Promise<ToxicProxy[]> {
    if (!Array.isArray(body)) throw badBody('a list of proxies is wanted')
    const wanted = body.map(readProxy)
    for (const [i, { name, upstream }] of wanted.entries()) {
      if (!name) throw missingField(`name at proxy ${i + 1}`)
      if (!upstream) throw missingField(`upstream at proxy ${i + 1}`)
    }
    const proxies: ToxicProxy[] = []
    for (const { name = '', listen = '', upstream = '', enabled } of wanted) {
      let proxy = this.#proxies.get(name)
      if (proxy === undefined || proxy.listen !== listen || proxy.upstream !== upstream) {
        await proxy?.stop()
        proxy = this.#make(name, listen, upstream)
        this.#proxies.set(name, proxy)
      }
      if (enabled ?? true) await proxy.start()
      else await proxy.stop()
      proxies.push(proxy)
    }
    return proxies
  }

  /** Ends the API, the proxies and their connections. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await Promise.all([...this.#proxies.values()].map((proxy) => proxy.stop()))
    await closed
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = await this.#answer(request).catch((error: Error): Answer => {
      const status = error instanceof ApiError ? error.status : 500
      return { status, body: { error: error.message, status } }
    })
    const { status, body, type = 'application/json' } = answer
    if (body === undefined) {
      response.writeHead(status).end()
      return
    }
    const text = typeof body === 'string' ? body : JSON.stringify(body)
    response.writeHead(status, { 'Content-Type': type }).end(text)
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    // A page in a browser must not drive what lies behind its user's firewall.
    if (request.headers['user-agent']?.startsWith('Mozilla/')) {
      return { status: 403, body: 'User agent not allowed\n', type: 'text/plain' }
    }
    const path = (request.url ?? '/').replace(/\?.*$/, '')
    const here = this.#routes.filter(([, pattern]) => pattern.test(path))
    if (here.length === 0) return { status: 404, body: '404 page not found\n', type: 'text/plain' }
    const route = here.find(([methods]) => methods.split(' ').includes(request.method ?? ''))
    if (route === undefined) return { status: 405 }
    const names = (route[1].exec(path) as RegExpExecArray).slice(1).map(decodeURIComponent)
    return route[2](names, request)
  }

  #proxy(name: string): ToxicProxy {
    const proxy = this.#proxies.get(name)
    if (proxy === undefined) throw new ApiError('proxy not found', 404)
    return proxy
  }

  #make(name: string, listen: string, upstream: string): ToxicProxy {
    // A name's choices are the same whichever proxies there are besides.
    let seed = this.seed
    for (const char of name) seed = Math.imul(seed ^ char.charCodeAt(0), 0x0100_0193) >>> 0
    return new ToxicProxy(name, listen, upstream, seed)
  }

  async #create(request: IncomingMessage): Promise<Answer> {
    const { name, listen, upstream, enabled } = readProxy(await readBody(request))
    if (!name) throw missingField('name')
    if (!upstream) throw missingField('upstream')
    if (this.#proxies.has(name)) throw new ApiError('proxy already exists', 409)
    const proxy = this.#make(name, listen ?? '', upstream)
    this.#proxies.set(name, proxy)
    try {
      if (enabled ?? true) await proxy.start()
    } catch (error) {
      this.#proxies.delete(name)
      throw error
    }
    return { status: 201, body: proxy }
  }

  async #populate(request: IncomingMessage): Promise<Answer> {
    return { status: 201, body: { proxies: await this.populate(await readBody(request)) } }
  }

  async #update(proxy: ToxicProxy, request: IncomingMessage): Promise<Answer> {
    const {
      listen = proxy.listen,
      upstream = proxy.upstream,
      enabled = proxy.enabled,
    } = readProxy(await readBody(request))
    if (listen !== proxy.listen || upstream !== proxy.upstream) {
      await proxy.stop()
      proxy.listen = listen
      proxy.upstream = upstream
    }
    if (enabled) await proxy.start()
    else await proxy.stop()
    return { status: 200, body: proxy }
  }

  async #delete(proxy: ToxicProxy): Promise<Answer> {
    this.#proxies.delete(proxy.name)
    await proxy.stop()
    return { status: 204 }
  }

  async #addToxic(proxy: ToxicProxy, request: IncomingMessage): Promise<Answer> {
    const toxic = parseToxic(await readBody(request))
    proxy.addToxic(toxic)
    return { status: 200, body: toxic }
  }

  async #updateToxic(proxy: ToxicProxy, name: string, request: IncomingMessage): Promise<Answer> {
    const body = await readBody(request)
    const toxic = proxy.toxic(name)
    updateToxic(toxic, body)
    proxy.setToxics()
    return { status: 200, body: toxic }
  }

  #deleteToxic(proxy: ToxicProxy, name: string): Answer {
    const toxic = proxy.toxic(name)
    proxy.setToxics(proxy.toxics.filter((one) => one !== toxic))
    return { status: 204 }
  }

  async #reset(): Promise<Answer> {
    for (const proxy of this.#proxies.values()) {
      await proxy.start()
      proxy.setToxics([])
    }
    return { status: 204 }
  }

  /** In Prometheus' text format. */
  #metrics(): string {
    const lines: string[] = []
    const write = (name: string, help: string, values: [string, number][]): void => {
      lines.push(
        `# HELP ${name} ${help}`,
        `# TYPE ${name} counter`,
        ...values.map(([labels, n]) => `${name}{${labels}} ${n}`),
      )
    }
    const proxies = [...this.#proxies.values()]
    const labels = ({ name, listen, upstream }: ToxicProxy, direction: string): string =>
      `direction="${direction}",proxy="${escapeLabel(name)}",listener="${escapeLabel(listen)}",upstream="${escapeLabel(upstream)}"`
    const both = ['upstream', 'downstream'] as const
    write(
      'toxiproxy_proxy_sent_bytes_total',
      'Bytes handed on.',
      proxies.flatMap((proxy) => both.map((way): [string, number] => [labels(proxy, way), proxy.bytes[way]])),
    )
    write(
      'sluice_dropped_packets_total',
      'Packets that packet toxics dropped.',
      proxies.flatMap((proxy) => {
        const dropped = proxy.droppedPackets()
        return both.flatMap((way) =>
          Object.entries(dropped[way]).map(([by, n]): [string, number] => [`${labels(proxy, way)},by="${by}"`, n]),
        )
      }),
    )
    return `${lines.join('\n')}\n`
  }
}

const escapeLabel = (text: string): string => text.replace(/[\\"\n]/g, (char) => (char === '\n' ? '\\n' : `\\${char}`))

function readProxy(body: unknown): { name?: string; listen?: string; upstream?: string; enabled?: boolean } {
  const fields = requireFields(body)
  return {
    name: field(fields, 'name', 'string'),
    listen: field(fields, 'listen', 'string'),
    upstream: field(fields, 'upstream', 'string'),
    enabled: field(fields, 'enabled', 'boolean'),
  }
}

async function readBody(request: IncomingMessage): Promise<unknown> {
  const pieces: Buffer[] = []
  let size = 0
  for await (const piece of request as AsyncIterable<Buffer>) {
    size += piece.length
    if (size > MOST_BYTES) throw badBody(`more than ${MOST_BYTES} bytes`)
    pieces.push(piece)
  }
  const text = Buffer.concat(pieces).toString('utf8')
  if (text.trim() === '') throw badBody('EOF')
  try {
    return JSON.parse(text)
  } catch (error) {
    throw badBody((error as Error).message)
  }
}
