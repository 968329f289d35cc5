/** What `shows.ts` shows of gateways: programs of the kernel's TCP across a path that loses, between a pair of them. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash, randomFillSync } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import net, { type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Missing, Servers } from '../compat/packages/servers.ts'
import type { Verdict } from './shows-listening.ts'

const root = new URL('..', import.meta.url).pathname
const HOST = '127.0.0.1'
const MIB = 2 ** 20

type Show = (verdict: Verdict, skip: (why: string) => void, size: number) => Promise<void>

/** psql, redis-cli and curl each fetch `size` bytes through a pair of gateways; a curl that is aborted resets the far server's connection. */
export async function gateway(verdict: Verdict, skip: (why: string) => void, size = 100 * MIB): Promise<void> {
  for (const show of [curl, redis, postgres]) await show(verdict, skip, size)
}

const curl: Show = async (verdict, skip, size) => {
  if (!(await isInstalled('curl'))) {
    skip('gateway: curl is not installed')
    return
  }
  const body = randomFillSync(Buffer.alloc(size))
  const wanted = createHash('sha256').update(body).digest('hex')
  const ends: (string | null)[] = []
  const server = net.createServer((socket) => answer(socket, body, ends))
  await once(server.listen(0, HOST), 'listening')
  let pair: Pair | null = null
  try {
    pair = await Pair.to((server.address() as AddressInfo).port)
    const url = `http://${HOST}:${pair.port}/`
    const got = await digestOf('curl', ['-sS', url])
    verdict(got.digest === wanted, `gateway: curl: ${told(got)}`)
    const aborted = spawn('curl', ['-sS', url], { stdio: ['ignore', 'pipe', 'ignore'] })
    await once(aborted.stdout, 'data')
    aborted.stdout.pause()
    aborted.kill('SIGKILL')
    const [, how] = await until(() => ends.length >= 2, ends)
    // linux: EPIPE where the reset comes behind a FIN, as of a client that had read all there was when it died.
    verdict(
      how === 'ECONNRESET' || how === 'EPIPE',
      `gateway: a curl aborted midway: the far server's connection ends with ${how}`,
    )
  } finally {
    await pair?.close()
    server.close()
  }
}

/** One answer of HTTP; how its connection ended goes to `ends`, null where that was in peace. */
function answer(socket: Socket, body: Buffer, ends: (string | null)[]): void {
  let how: string | null = null
  socket.once('data', () => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n`)
    socket.end(body)
  })
  socket.on('error', (error: NodeJS.ErrnoException) => {
    how = error.code ?? error.message
  })
  socket.on('close', () => ends.push(how))
}

const redis: Show = async (verdict, skip, size) => {
  await withServer('redis', 'redis-cli', skip, async (port, pair) => {
    const folder = mkdtempSync(join(tmpdir(), 'sluice-shows-'))
    try {
      // Lines would be no matter, but redis-cli ends what it prints with one.
      const value = randomFillSync(Buffer.alloc(size))
      const wanted = createHash('sha256').update(value).update('\n').digest('hex')
      const file = join(folder, 'value')
      writeFileSync(file, value)
      const set = spawn('sh', ['-c', `redis-cli -h ${HOST} -p ${port} -x set big < ${file}`], { stdio: 'ignore' })
      await once(set, 'close')
      const got = await digestOf('redis-cli', ['-h', HOST, '-p', String(pair.port), '--raw', 'get', 'big'])
      verdict(got.digest === wanted, `gateway: redis-cli: ${told(got)}`)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
}

const postgres: Show = async (verdict, skip, size) => {
  await withServer('postgres', 'psql', skip, async (port, pair, user) => {
    const rows = Math.ceil(size / 1025)
    const copy = `COPY (SELECT repeat(md5(i::text), 32) FROM generate_series(1, ${rows}) AS i) TO STDOUT`
    const from = (at: number): Promise<Got> =>
      digestOf('psql', ['-X', '-q', '-h', HOST, '-p', String(at), '-U', user, '-d', 'postgres', '-c', copy])
    const [wanted, got] = [await from(port), await from(pair.port)]
    const right = got.digest === wanted.digest && got.bytes >= size
    verdict(right, `gateway: psql: ${told(got)}`)
  })
}

/** A server of its kind and a pair of gateways to it; says what is missing. */
async function withServer(
  name: string,
  client: string,
  skip: (why: string) => void,
  body: (port: number, pair: Pair, user: string) => Promise<void>,
): Promise<void> {
  if (!(await isInstalled(client))) {
    skip(`gateway: ${client} is not installed`)
    return
  }
  const servers = new Servers()
  let pair: Pair | null = null
  try {
    const { port, user } = await servers.start(name)
    pair = await Pair.to(port)
    await body(port, pair, String(user))
  } catch (error) {
    if (!(error instanceof Missing)) throw error
    skip(`gateway: ${error.message}`)
  } finally {
    await pair?.close()
    await servers.stop()
  }
}

async function isInstalled(program: string): Promise<boolean> {
  const child = spawn(program, ['--version'], { stdio: 'ignore' })
  return new Promise((resolve) => {
    child.once('error', () => resolve(false))
    child.once('close', () => resolve(true))
  })
}

/** Two gateways, a process each, and between them a path that loses 2 % each way. */
class Pair {
  /** For the kernel's TCP. */
  readonly port: number
  readonly #gateways: readonly ChildProcess[]

  constructor(port: number, gateways: readonly ChildProcess[]) {
    this.port = port
    this.#gateways = gateways
  }

  static async to(target: number): Promise<Pair> {
    const far = await start(`sluice:${HOST}:0`, `tcp:${HOST}:${target}`, 1)
    const near = await start(`tcp:${HOST}:0`, `sluice:${HOST}:${far.port}`, 2)
    return new Pair(near.port, [near.child, far.child])
  }

  async close(): Promise<void> {
    for (const child of this.#gateways) {
      const ended = once(child, 'close')
      child.kill('SIGTERM')
      await ended
    }
  }
}

async function start(listen: string, to: string, seed: number): Promise<{ child: ChildProcess; port: number }> {
  const args = [
    '--listen',
    listen,
    '--to',
    to,
    '--impair',
    'out.loss=2%',
    '--seed',
    String(seed),
    '--grace',
    '1',
    '--json',
  ]
  const child = spawn(process.execPath, ['--import', 'tsx', join(root, 'src/cli/index.ts'), 'gateway', ...args], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  for await (const line of createInterface({ input: child.stdout as Readable })) {
    const told = JSON.parse(line) as { event: string; listen: string }
    if (told.event !== 'listening') continue
    child.stdout?.resume()
    return { child, port: Number(/:(\d+)$/.exec(told.listen)?.[1]) }
  }
  throw new Error(`the gateway on ${listen} did not listen`)
}

interface Got {
  digest: string
  bytes: number
  seconds: number
}

const told = ({ bytes, seconds }: Got): string =>
  `${(bytes / MIB).toFixed(0)} MiB across 2 % loss each way in ${seconds.toFixed(1)} s (${(bytes / seconds / 1e6).toFixed(1)} MB/s), digests equal`

async function digestOf(program: string, args: readonly string[]): Promise<Got> {
  const began = performance.now()
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const hash = createHash('sha256')
  let bytes = 0
  for await (const piece of child.stdout) {
    hash.update(piece)
    bytes += piece.length
  }
  return { digest: hash.digest('hex'), bytes, seconds: (performance.now() - began) / 1000 }
}

/** Resolves with `value` once `isSo`, or after a minute. */
async function until<Value>(isSo: () => boolean, value: Value): Promise<Value> {
  const last = Date.now() + 60_000
  while (!isSo() && Date.now() < last) await new Promise((resolve) => setTimeout(resolve, 20))
  return value
}
