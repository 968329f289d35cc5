import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { Built, runApp } from '../support/apps.ts'
import { selfSigned } from '../support/certificate.ts'

// Programs that know nothing of sluice, run as they are and with it registered: what they see must be the same.

let built: Built
beforeAll(() => {
  built = new Built()
})
afterAll(() => built.remove())

const { key, cert } = selfSigned()
const env = { CERTIFICATE: JSON.stringify({ key, cert }), FOLDER: tmpdir() }
const byImport = (): string[] => ['--import', built.url('register.mjs')]
const byRequire = (): string[] => ['-r', built.path('register.cjs')]
/** Prints, at the end, how many connections the default stack has carried. */
const counting = (): string[] => ['-r', `${import.meta.dirname}/../support/apps/count.cjs`]

/** The TCP sockets of a process: the inodes that the kernel's tables know. */
function kernelSockets(pid: number): string[] {
  const known = new Set<string>()
  for (const file of ['tcp', 'tcp6']) {
    for (const line of readFileSync(`/proc/${pid}/net/${file}`, 'latin1').split('\n'))
      known.add(line.trim().split(/\s+/)[9])
  }
  return readdirSync(`/proc/${pid}/fd`)
    .map((fd) => /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? '')
    .filter((inode) => known.has(inode))
}

/** Runs a program until it holds its connections open, and returns the kernel's TCP sockets that it has then. */
async function socketsWhileOpen(app: string, flags: string[]): Promise<string[]> {
  const file = new URL(`../support/apps/${app}`, import.meta.url).pathname
  const child: ChildProcess = spawn(process.execPath, [...flags, file], {
    env: { ...process.env, ...env },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  for await (const line of createInterface({ input: child.stdout as NodeJS.ReadableStream })) if (line === 'hold') break
  const sockets = kernelSockets(child.pid as number)
  child.stdin?.end('go on\n')
  await ended
  return sockets
}

describe('an untouched program', () => {
  it.each([
    ['web.mjs', 'an HTTP server, fetch and an agent', 3],
    ['secure.cjs', 'https, http2, h2c and tls', 5],
    ['upgrade.cjs', 'a chat over upgraded connections', 3],
    ['thread.mjs', 'a server in a worker thread', 1],
    ['classes.cjs', 'sockets by new, by call and by inheritance', 5],
  ])('%s (%s) sees with sluice what it sees without', async (app, _, connections) => {
    const [plain, ...registered] = await Promise.all([
      runApp(app, [], env),
      ...[byImport(), byRequire()].map((flags) => runApp(app, [...flags, ...counting()], env)),
    ])
    expect(plain.status).toBe(0)
    for (const { lines, errors, status } of registered) {
      expect(errors).toBe('')
      expect(status).toBe(0)
      const carried = lines.pop()?.match(/^carried (\d+)$/)
      expect(lines).toEqual(plain.lines)
      expect(Number(carried?.[1])).toBeGreaterThanOrEqual(connections)
    }
  })

  it.each(['web.mjs', 'secure.cjs'])(
    '%s has no TCP socket of the kernel while its connections are open',
    async (app) => {
      expect(await socketsWhileOpen(app, [])).not.toEqual([])
      expect(await socketsWhileOpen(app, byImport())).toEqual([])
      expect(await socketsWhileOpen(app, byRequire())).toEqual([])
    },
  )

  it('keeps its pipes, child processes and IPC channels', async () => {
    const [plain, ...registered] = await Promise.all([
      runApp('pipes.cjs', [], env),
      ...[byImport(), byRequire()].map((flags) => runApp('pipes.cjs', [...flags, ...counting()], env)),
    ])
    expect(plain.lines).toContain("message { echo: 'hello' }")
    const lines = [...plain.lines, 'carried 0']
    expect(registered).toEqual([
      { ...plain, lines },
      { ...plain, lines },
    ])
  })

  it('may have imported everything before', async () => {
    expect((await runApp('late.cjs', [])).lines).toEqual(['closed'])
    const { lines, errors } = await runApp('late.cjs', counting(), { REGISTER: built.url('register.mjs') })
    expect(errors).toBe('')
    expect(lines).toEqual(['closed', 'carried 6'])
  })

  it('loads sockets and the stack with its first server, with the timers that Node had at the start', async () => {
    const lines = ['start: nothing', 'hello: net.cjs stack.cjs']
    expect(await runApp('loads.cjs', byRequire())).toEqual({ lines, errors: '', status: 0 })
  })

  it.each(['require', 'import', 'getBuiltinModule', 'https', 'import https', 'http2', 'fetch', 'proxy'])(
    'connects through sluice by a tls that it loads late: %s',
    async (WAY) => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      const PORT = String((server.address() as AddressInfo).port)
      server.close()
      for (const flags of [byImport(), byRequire()]) {
        expect((await runApp('ways.cjs', flags, { WAY, PORT })).lines).toEqual(['ECONNREFUSED 1'])
      }
    },
  )

  it('finds sluice by NODE_OPTIONS too, in child processes as well', async () => {
    const { lines } = await runApp('classes.cjs', counting(), { NODE_OPTIONS: byImport().join('=') })
    expect(lines.at(-1)).toBe('carried 5')
  })

  it.each(['members.cjs', 'come-and-go.cjs'])('shares a port among the workers of a cluster: %s', async (app) => {
    const server = createServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const PORT = String((server.address() as AddressInfo).port)
    server.close()
    const plain = await runApp(app, [], { PORT })
    expect(plain.lines.length).toBeGreaterThan(1)
    for (const flags of [byImport(), byRequire()]) expect(await runApp(app, flags, { PORT })).toEqual(plain)
  })

  it('is told apart from Node by `instanceof` only where a hook would cost a thread', async () => {
    const { lines } = await runApp('instance.mjs', byImport())
    const hasHooks = 'registerHooks' in process.getBuiltinModule('module')
    expect(lines).toEqual([`import ${hasHooks}`, 'require true', 'server true'])
  })
})

describe('SLUICE_ONLY and SLUICE_EXCEPT', () => {
  it.each([
    [{}, 'carried 3'],
    [{ SLUICE_EXCEPT: '127.0.0.0/8' }, 'carried 0'],
    [{ SLUICE_EXCEPT: '1-65535,0' }, 'carried 0'],
    [{ SLUICE_ONLY: '10.0.0.0/8' }, 'carried 0'],
    [{ SLUICE_ONLY: 'localhost,127.0.0.1' }, 'carried 3'],
  ])('%j: %s', async (rules, carried) => {
    const { lines, errors } = await runApp('upgrade.cjs', [...byRequire(), ...counting()], {
      HOST: '127.0.0.1',
      ...rules,
    })
    expect(errors).toBe('')
    expect(lines.at(-1)).toBe(carried)
    expect(lines.at(-2)).toBe('over')
  })

  it('decide by address where the host is a name', async () => {
    const { lines, errors } = await runApp('names.cjs', [...byRequire(), ...counting()], { SLUICE_EXCEPT: '127.0.0.2' })
    expect(errors).toBe('')
    expect(lines).toEqual(['one.test hello', 'two.test hello', 'two.test hello', 'carried 1'])
  })

  it('are refused at once where they make no sense', async () => {
    const { errors, status } = await runApp('upgrade.cjs', byRequire(), { SLUICE_EXCEPT: '80,10.0.0.0/64' })
    expect(status).toBe(1)
    expect(errors).toContain('RangeError: SLUICE_EXCEPT has "10.0.0.0/64": a network of IPv4 has /0 to /32')
  })
})

describe('register and unregister', () => {
  it('put everything back as it was', async () => {
    expect(await runApp('restore.mjs', [], { REGISTER: built.url('register.mjs') })).toEqual({
      lines: ['changed true', 'restored true', 'again true', 'free sockets gone true', 'kept connect is of node true'],
      errors: '',
      status: 0,
    })
  })

  it.each([
    ['127.0.0.1', '127.0.0.1 true IPv4 true'],
    ['::', '::ffff:127.0.0.1 true IPv6 true'],
  ])('a server on %s hears the kernel too by a gateway of its process, and who asks', async (HOST, expected) => {
    const modules = { SLUICE: built.url('index.mjs'), REGISTER: built.url('register.mjs') }
    expect(await runApp('bridged.mjs', [], { HOST, ...modules })).toEqual({ lines: [expected], errors: '', status: 0 })
  })

  it('a server or socket of ours cannot be sent to another process, and says so', async () => {
    const { lines } = await runApp('send.cjs', byRequire())
    expect(lines).toEqual([
      'ERR_INVALID_HANDLE_TYPE A server of sluice cannot be sent to another process',
      'ERR_INVALID_HANDLE_TYPE A socket of sluice cannot be sent to another process',
    ])
  })
})
