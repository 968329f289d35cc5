// One port, several servers, and clients that must stay with theirs while others come and go.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Answers } from '../test/support/programs/herd.ts'
import { Talker } from './talker.ts'

type Verdict = (ok: boolean, text: string) => void

const HOST = '127.0.0.1'
const HERD = 'test/support/programs/herd.ts'

const ask = async (clients: Talker): Promise<Answers> => JSON.parse(await clients.ask('ask', 'answers'))

const shares = ({ byServer }: Answers): string => Object.values(byServer).join(' + ')
const total = ({ byServer }: Answers): number => Object.values(byServer).reduce((sum, n) => sum + n, 0)
const isSame = (a: Answers, b: Answers): boolean => JSON.stringify(entries(a)) === JSON.stringify(entries(b))
const entries = ({ byServer }: Answers): [string, number][] => Object.entries(byServer).sort()

/** Workers of a cluster on one port. One joins, one closes its server, one is killed. */
export async function cluster(verdict: Verdict, workers = 4, count = 200): Promise<void> {
  const herd = new Talker(HERD, ['cluster'])
  const fork = async (port: number): Promise<{ id: number; port: number }> => {
    const [id, listening] = (await herd.ask(`fork ${port}`, 'listening')).split(' ').map(Number) as [number, number]
    return { id, port: listening }
  }
  try {
    const first = await fork(0)
    for (let i = 1; i < workers; i++) await fork(first.port)
    const clients = new Talker(HERD, ['clients', count, HOST, first.port])
    try {
      await clients.heard('ready')
      const before = await ask(clients)
      const spread = Object.keys(before.byServer).length
      verdict(
        total(before) === count && spread > 1,
        `cluster: ${count} clients on ${workers} workers: ${shares(before)}`,
      )

      const joined = [await fork(first.port), await fork(first.port)]
      const after = await ask(clients)
      verdict(
        after.crossed === 0 && isSame(before, after),
        `cluster: two workers join, ${after.crossed} connections cross`,
      )

      herd.say(`close ${first.id}`)
      herd.say(`kill ${joined[0].id}`)
      await herd.heard('gone')
      const left = await ask(clients)
      const text = `one closes its server and goes on with what it has, one that has nobody is killed, ${left.crossed} cross`
      verdict(left.crossed === 0 && isSame(before, left), `cluster: ${text}`)

      const victim = first.id + 1
      const name = `worker ${victim}`
      herd.say(`kill ${victim}`)
      await herd.heard('gone')
      const without = await ask(clients)
      const lost = without.lost[name] ?? 0
      const own = lost === before.byServer[name] && Object.keys(without.lost).length === 1 && without.crossed === 0
      verdict(
        own,
        `cluster: a worker with ${before.byServer[name]} connections is killed: ${lost} are lost, no other's`,
      )

      await clients.ask('again', 'ready')
      const again = await ask(clients)
      const whole = total(again) === count && again.crossed === 0 && again.byServer[name] === undefined
      verdict(whole, `cluster: they connect again, to those that are left: ${shares(again)}`)
    } finally {
      await clients.end()
    }
  } finally {
    await herd.end()
  }
}

const STREAM_MODULES = [
  process.env.NGINX_STREAM_MODULE ?? '',
  '/usr/lib/nginx/modules/ngx_stream_module.so',
  '/usr/lib64/nginx/modules/ngx_stream_module.so',
]

/** What nginx has to load before it can balance UDP; '': nothing; null: there is no such nginx. */
function streamModule(): string | null {
  const { stderr, status } = spawnSync('nginx', ['-V'], { encoding: 'utf8' })
  if (status !== 0) return null
  if (/--with-stream( |$)/m.test(stderr)) return ''
  return STREAM_MODULES.find((path) => path !== '' && existsSync(path)) ?? null
}

async function freePorts(count: number): Promise<number[]> {
  const sockets = Array.from({ length: count }, () => dgram.createSocket('udp4').bind(0, HOST))
  await Promise.all(sockets.map((socket) => once(socket, 'listening')))
  const ports = sockets.map((socket) => socket.address().port)
  for (const socket of sockets) socket.close()
  return ports
}

/** One UDP port of nginx, in front of several servers. */
class Nginx {
  readonly #child: ChildProcess
  readonly #file: string
  readonly #head: string
  readonly #directory: string
  readonly port: number

  constructor(module: string, port: number, servers: number[]) {
    this.port = port
    this.#directory = mkdtempSync(join(tmpdir(), 'sluice-nginx-'))
    this.#file = join(this.#directory, 'nginx.conf')
    this.#head = module === '' ? '' : `load_module ${module};\n`
    this.#write(servers)
    const args = ['-c', this.#file, '-p', this.#directory, '-e', join(this.#directory, 'error.log')]
    this.#child = spawn('nginx', args, { stdio: ['ignore', 'ignore', 'ignore'] })
  }

  /** As docs/scaling.md has it. */
  #write(servers: number[]): void {
    const list = servers.map((port) => `    server ${HOST}:${port} max_fails=0;`).join('\n')
    writeFileSync(
      this.#file,
      `${this.#head}daemon off;
worker_processes 1;
pid ${join(this.#directory, 'pid')};
error_log ${join(this.#directory, 'error.log')} notice;
events { worker_connections 4096; }
stream {
  upstream sluice {
    hash $remote_addr$remote_port consistent;
${list}
  }
  server {
    listen ${HOST}:${this.port} udp;
    proxy_pass sluice;
    proxy_timeout 10m;
  }
}
`,
    )
  }

  /** Waits until somebody who has read `servers` is at work. */
  async reload(servers: number[]): Promise<void> {
    const before = this.#started()
    const closing = this.#said('gracefully shutting down')
    this.#write(servers)
    this.#child.kill('SIGHUP')
    while (this.#started() === before || this.#said('gracefully shutting down') === closing) await sleep(20)
  }

  async started(): Promise<void> {
    while (this.#started() === 0) {
      if (this.#child.exitCode !== null) throw new Error(`nginx ended:\n${this.#log()}`)
      await sleep(20)
    }
  }

  #started(): number {
    return this.#said('start worker process ')
  }

  #said(what: string): number {
    return this.#log().split(what).length - 1
  }

  #log(): string {
    const path = join(this.#directory, 'error.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }

  async end(): Promise<void> {
    this.#child.kill('SIGTERM')
    if (this.#child.exitCode === null) await once(this.#child, 'exit')
    rmSync(this.#directory, { recursive: true })
  }
}

/** Servers behind nginx, in tunnel mode: one dies and comes back, nginx is reloaded, another joins. */
export async function nginx(verdict: Verdict, skip: (why: string) => void, count = 200): Promise<void> {
  const module = streamModule()
  if (module === null) {
    skip(
      'nginx: there is none with the stream module (Debian: libnginx-mod-stream; NGINX_STREAM_MODULE says where it is)',
    )
    return
  }
  const [port, ...ports] = (await freePorts(5)) as [number, number, number, number, number]
  const servers = new Map<string, Talker>()
  const serve = async (i: number): Promise<void> => {
    const server = new Talker(HERD, ['serve', `server ${i}`, 80, ports[i] as number])
    servers.set(`server ${i}`, server)
    await server.heard('port')
  }
  const balancer = new Nginx(module, port, ports.slice(0, 3))
  const clients = new Talker(HERD, ['clients', count, HOST, 80, port])
  try {
    await Promise.all([serve(0), serve(1), serve(2), balancer.started()])
    await clients.ask('again', 'ready')
    const before = await ask(clients)
    const spread = Object.keys(before.byServer).length
    verdict(total(before) === count && spread === 3, `nginx: ${count} clients on 3 servers: ${shares(before)}`)

    const mine = before.byServer['server 1'] as number
    await servers.get('server 1')?.kill()
    await serve(1)
    const without = await ask(clients)
    const lost = without.lost['server 1'] ?? 0
    const own = lost === mine && Object.keys(without.lost).length === 1 && without.crossed === 0
    verdict(own, `nginx: a server with ${mine} connections is killed and comes back: ${lost} are lost, no other's`)

    await clients.ask('again', 'ready')
    const again = await ask(clients)
    verdict(total(again) === count && again.crossed === 0, `nginx: they connect again: ${shares(again)}`)

    await balancer.reload(ports.slice(0, 3))
    const after = await ask(clients)
    const moved = `nginx: reloaded, it speaks from other ports: ${after.crossed} cross, ${total(after)} go on`
    verdict(isSame(again, after) && after.crossed === 0, moved)

    await serve(3)
    await balancer.reload(ports)
    const joined = await ask(clients)
    const gone = count - total(joined)
    const text = `${gone} connections are the new server's by the ring, and are reset; ${joined.crossed} cross`
    verdict(joined.crossed === 0 && gone < count / 2, `nginx: a fourth server joins: ${text}`)
  } finally {
    await clients.kill()
    await Promise.all([...servers.values()].map((server) => server.kill()))
    await balancer.end()
  }
}
