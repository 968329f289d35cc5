import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import '../../src/net/index.ts'
import { readCapture } from '../../src/observe/index.ts'
import { Stack } from '../../src/stack/index.ts'
import { APPS, Built } from '../support/apps.ts'
import { Command } from '../support/command.ts'

// Programs that know nothing of sluice, under `sluice run`, with peers that know nothing of it either.

let built: Built
let folder: string
beforeAll(() => {
  built = new Built()
  folder = mkdtempSync(join(tmpdir(), 'run-test-'))
})
afterAll(() => {
  built.remove()
  rmSync(folder, { recursive: true, force: true })
})

function run(args: (string | number)[], env: Record<string, string> = {}): Command {
  return new Command(built.path('cli.cjs'), ['run', ...args], { env: { NODE_OPTIONS: '', ...env } })
}
/** They do not lose the first SYN, which takes a second. */
const SEEDS = [3, 4] as const
const app = (name: string): string => `${APPS}${name}`
const text = (command: Command): string => command.stdout.toString()

/** An echo on the kernel's TCP, in this process. */
async function echo(): Promise<{ port: number; peers: string[] }> {
  const peers: string[] = []
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    peers.push(String(socket.remoteAddress))
    socket.on('error', () => {}).pipe(socket)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { port: (server.address() as AddressInfo).port, peers }
}

interface Answer {
  body: { remoteAddress: string; remotePort: number; length: number }
  /** The port that asked. */
  from: number
}

/** Asks by the kernel's TCP. */
function ask(port: number, path: string, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ port, path, host: '127.0.0.1', method: 'POST', agent: false }, (response) => {
      const from = request.socket?.localPort ?? 0
      let text = ''
      response.setEncoding('utf8').on('data', (piece) => {
        text += piece
      })
      response.on('end', () => resolve({ body: JSON.parse(text), from }))
    })
    request.on('error', reject).end(body)
  })
}

/** What it reports, as JSON in a file. */
function reportOf(name: string): { flags: string[]; read: () => Report } {
  const file = join(folder, name)
  return { flags: ['--report=json', '--report-file', file], read: () => JSON.parse(readFileSync(file, 'utf8')) }
}

interface Report {
  seed: number
  impair: string
  processes: object[]
  destinations: {
    destination: string
    connections: number
    bytesUp: number
    bytesDown: number
    retransmissions: number
    rtt: { p50: number } | null
    injected: { packets: number; droppedBy: Record<string, number> }
  }[]
}

describe('sluice run', () => {
  it('gives clients of the kernel an impaired server, which sees their own addresses', async () => {
    const { flags, read } = reportOf('server.json')
    const capture = join(folder, 'server.pcapng')
    const impair = ['--loss', 'packets 2', '--delay', '2ms', '--seed', 7, '--capture', capture]
    const command = run([...impair, ...flags, '--', 'node', app('greeter.cjs')])
    const [, port] = await command.prints(/listening (\d+)/)
    const { body, from } = await ask(Number(port), '/', 'x'.repeat(20_000))
    expect(body).toEqual({ remoteAddress: '::ffff:127.0.0.1', remotePort: from, length: 20_000 })
    await ask(Number(port), '/quit')
    expect(await command.status).toBe(3)
    const report = read()
    expect(report).toMatchObject({ seed: 7, impair: 'loss=packets 2,delay=2ms' })
    const [{ destination, connections, bytesUp, injected }] = report.destinations as [Report['destinations'][0]]
    expect([destination, connections]).toEqual([`127.0.0.1:${port}`, 2])
    expect(bytesUp).toBeGreaterThan(20_000)
    // The second packet of each of two connections, each way.
    expect(injected.droppedBy).toEqual({ loss: 4 })
    const packets = [...readCapture(readFileSync(capture))]
    expect(packets.filter(({ interfaceName }) => interfaceName === 'dropped')).toHaveLength(4)
  })

  it('leads a client to a server of the kernel that knows nothing, the loss between them', async () => {
    const { port, peers } = await echo()
    const { flags, read } = reportOf('client.json')
    const command = run(['--loss', 'every 10', ...flags, '--', 'node', app('sends.cjs'), port, 200_000])
    expect(await command.status).toBe(0)
    expect(text(command)).toBe(`peer 127.0.0.1 ${port}\nsame true\n`)
    expect(peers).toEqual(['127.0.0.1'])
    const [one] = read().destinations as [Report['destinations'][0]]
    expect(one).toMatchObject({
      destination: `127.0.0.1:${port}`,
      connections: 1,
      bytesUp: 200_000,
      bytesDown: 200_000,
    })
    expect(one.retransmissions).toBeGreaterThan(0)
    expect(one.rtt?.p50).toBeGreaterThan(0)
  })

  it('refuses where the kernel refuses', async () => {
    const closed = await new Promise<number>((resolve) => {
      const server = net.createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as AddressInfo
        server.close(() => resolve(port))
      })
    })
    const command = run(['--delay', '1ms', '--', 'node', app('sends.cjs'), closed, 10])
    expect(await command.status).toBe(0)
    expect(text(command)).toBe(`error ECONNREFUSED connect 127.0.0.1 ${closed}\nsame false\n`)
  })

  it('joins processes of one run by sluice, impaired once', async () => {
    const { flags, read } = reportOf('pair.json')
    const command = run(['--loss', 'packets 3', '--seed', 9, ...flags, '--', 'node', app('pair.cjs')])
    expect(await command.status).toBe(0)
    expect(text(command)).toMatch(/^peer 127\.0\.0\.1 \d+\nsame true\n$/)
    const { processes, destinations } = read()
    expect(processes).toHaveLength(2)
    expect(destinations).toHaveLength(1)
    expect(destinations[0]).toMatchObject({ connections: 1, bytesUp: 50_000, bytesDown: 50_000 })
    expect(destinations[0]?.injected.droppedBy).toEqual({ loss: 2 })
  })

  it('decides the same about the same packets, by the seed', async () => {
    const { port } = await echo()
    const fates = async (seed: number, name: string): Promise<string> => {
      const file = join(folder, `${name}.pcapng`)
      const args = ['--loss', '30%', '--seed', seed, '--capture', file, '--', 'node', app('sends.cjs'), port, 20_000]
      const command = run(args)
      expect(await command.status).toBe(0)
      const out = [...readCapture(readFileSync(file))].filter(({ direction }) => direction === 'out')
      return out
        .slice(0, 8)
        .map(({ interfaceName }) => interfaceName)
        .join(' ')
    }
    const [one, same, other] = [
      await fates(SEEDS[0], 'one'),
      await fates(SEEDS[0], 'same'),
      await fates(SEEDS[1], 'other'),
    ]
    expect(same).toBe(one)
    expect(other).not.toBe(one)
  })

  it('leaves to sluice what --sluice names', async () => {
    const stack = new Stack()
    const server = stack.net.createServer({ allowHalfOpen: true }, (socket) => void socket.pipe(socket))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => stack.close())
    const { port } = server.address() as AddressInfo
    const command = run(['--sluice', `127.0.0.1:${port}`, '--delay', '1ms', '--', 'node', app('sends.cjs'), port, 5000])
    expect(await command.status).toBe(0)
    expect(text(command)).toBe(`peer 127.0.0.1 ${port}\nsame true\n`)
    expect(stack.counters()).toMatchObject({ PassiveOpens: 1 })
  })

  it('leaves npm alone, and not what it starts', async () => {
    const { port } = await echo()
    writeFileSync(
      join(folder, 'package.json'),
      JSON.stringify({ scripts: { x: `node ${app('sends.cjs')} ${port} 1000` } }),
    )
    const { flags, read } = reportOf('npm.json')
    const command = run(['--loss', 'packets 3', ...flags, '--', 'npm', '--silent', '--prefix', folder, 'run', 'x'])
    expect(await command.status).toBe(0)
    expect(text(command)).toContain('same true')
    const { processes, destinations } = read()
    expect(processes).toHaveLength(1)
    expect(destinations.map(({ destination }) => destination)).toEqual([`127.0.0.1:${port}`])
  })

  it('lets workers of a cluster share the port of the kernel', async () => {
    const command = run(['--delay', '1ms', '--', 'node', app('herd.cjs')])
    const [, port] = await command.prints(/listening (\d+)/)
    for (let i = 0; i < 4; i++) expect((await ask(Number(port), '/')).body.length).toBe(0)
    command.end()
    expect(await command.status).toBe(0)
    expect(command.stderr).toBe('')
    // Node's primary hears of each worker's server once.
    expect(text(command)).toContain('said by 1,2\n')
  })

  it.each([
    ['any port, written as a string', [], ['0']],
    ['a port', [], ['PORT', '127.0.0.1']],
    ['a name that the rules leave alone', ['--except', '127.0.0.0/8,::1'], ['PORT', 'localhost']],
  ])('the primary hears once of a worker that listens on %s', async (_, rules, wish) => {
    const command = run(['--delay', '1ms', ...rules, '--', 'node', app('heard.cjs'), ...wish])
    expect(await command.status).toBe(0)
    expect(text(command)).toBe('heard 1\n')
  })

  it('leaves alone what --except names, and takes only what --only does', async () => {
    const { port } = await echo()
    for (const flag of [
      ['--except', String(port)],
      ['--only', '1'],
    ]) {
      const { flags, read } = reportOf('rules.json')
      const command = run(['--blackhole', ...flag, ...flags, '--', 'node', app('sends.cjs'), port, 100])
      expect(await command.status).toBe(0)
      expect(text(command)).toContain('same true')
      expect(read().destinations).toEqual([])
    }
  })

  it('passes exit status, signals, standard input and output on, and tells the seed of what failed', async () => {
    const failing = run(['--seed', 5, '--', 'node', '-e', 'process.stdin.pipe(process.stdout); process.exitCode = 4'])
    failing.write('in and out')
    failing.end()
    expect(await failing.status).toBe(4)
    expect(text(failing)).toBe('in and out')
    expect(failing.stderr).toContain('--seed 5')

    const handling = 'process.on("SIGTERM", () => process.exit(6)); setInterval(() => {}, 1000); console.log("up")'
    const handled = run(['--', 'node', '-e', handling])
    await handled.prints(/up/)
    process.kill(handled.pid, 'SIGTERM')
    expect(await handled.status).toBe(6)

    const { flags, read } = reportOf('killed.json')
    const killed = run([...flags, '--', 'node', app('greeter.cjs')])
    const [, port] = await killed.prints(/listening (\d+)/)
    await ask(Number(port), '/')
    process.kill(killed.pid, 'SIGTERM')
    expect(await killed.status).toBe('SIGTERM')
    expect(read().destinations).toHaveLength(1)
  })

  it('says what it cannot run', async () => {
    const missing = run(['--', 'no-such-program'])
    expect(await missing.status).toBe(127)
    expect(missing.stderr).toContain('"no-such-program" cannot be run: ENOENT')
  })
})
