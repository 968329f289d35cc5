import { createHash, randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Command, type CommandOptions } from '../support/command.ts'

const USAGE = `usage: nc [-46CdhklNnvz] [-p source_port] [-q seconds] [-s sourceaddr]
	  [-w timeout] [destination] [port]
`

const nc = (args: readonly (string | number)[], options: CommandOptions = {}): Command =>
  new Command('examples/nc.ts', args, options)

/** A listening nc, and its port. */
async function ncListen(flags: string, options: CommandOptions = {}): Promise<{ server: Command; port: number }> {
  const server = nc([`-lvn${flags}`, '127.0.0.1', 0], options)
  const [, port] = await server.prints(/^Listening on 127\.0\.0\.1 (\d+)\n/, 'stderr')
  return { server, port: Number(port) }
}

/** A port that answers "port unreachable": one that was bound a moment ago. */
async function closedPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  await new Promise<void>((resolve) => socket.close(resolve))
  return port
}

async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-test-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

const sha256 = (data: Buffer): string => createHash('sha256').update(data).digest('hex')

/** The port that a server example says it listens on. */
async function portOf(server: Command): Promise<number> {
  const [, port] = await server.prints(/^listening on .*?(\d+)\n/)
  return Number(port)
}

describe('examples/nc.ts', () => {
  it('carries binary data both ways, half-closes with -N, and says what nc says', async () => {
    const [there, back] = [randomBytes(300_000), randomBytes(200_000)]
    const { server, port } = await ncListen('N', { input: back })
    const client = nc(['-vnN', '127.0.0.1', port], { input: there })
    expect(await client.status).toBe(0)
    expect(await server.status).toBe(0)
    expect(sha256(server.stdout)).toBe(sha256(there))
    expect(sha256(client.stdout)).toBe(sha256(back))
    expect(client.stderr).toBe(`Connection to 127.0.0.1 ${port} port [tcp/*] succeeded!\n`)
    expect(server.stderr).toMatch(
      new RegExp(`^Listening on 127.0.0.1 ${port}\nConnection received on 127.0.0.1 \\d+\n$`),
    )
  })

  it('keeps listening with -k, and serves one after the other', async () => {
    const { server, port } = await ncListen('k', { input: '' })
    for (const word of ['one\n', 'two\n', 'three\n']) {
      const client = nc(['-N', '127.0.0.1', port], { input: word })
      expect(await client.status).toBe(0)
    }
    await server.prints(/three\n/)
    expect(server.stdout.toString()).toBe('one\ntwo\nthree\n')
    expect(server.stderr.match(/Connection received on 127\.0\.0\.1 \d+\n/g)).toHaveLength(3)
  })

  it('scans ports with -z, and succeeds if any of them answers', async () => {
    const closed = await closedPort()
    const { port } = await ncListen('k', { input: '' })
    const scan = nc(['-zvn', '127.0.0.1', closed, port])
    expect(await scan.status).toBe(0)
    expect(scan.stderr).toBe(
      `nc: connect to 127.0.0.1 port ${closed} (tcp) failed: Connection refused\n` +
        `Connection to 127.0.0.1 ${port} port [tcp/*] succeeded!\n`,
    )
    const refused = nc(['-zv', '127.0.0.1', `${closed}-${closed}`])
    expect(await refused.status).toBe(1)
    expect(refused.stderr).toBe(`nc: connect to 127.0.0.1 port ${closed} (tcp) failed: Connection refused\n`)
    const silent = nc(['127.0.0.1', closed])
    expect(await silent.status).toBe(1)
    expect(silent.stderr).toBe('')
  })

  it('scans a range upwards, whichever end is given first', async () => {
    const range = nc(['-zv', '127.0.0.1', '3-1'])
    expect(await range.status).toBe(1)
    expect(range.stderr).toBe(
      [1, 2, 3].map((port) => `nc: connect to 127.0.0.1 port ${port} (tcp) failed: Connection refused\n`).join(''),
    )
  })

  it('gives up a connection attempt after -w seconds', async () => {
    const silent = createSocket('udp4').bind(0, '127.0.0.1')
    onTestFinished(() => void silent.close())
    await once(silent, 'listening')
    const { port } = silent.address()
    const client = nc(['-v', '-w1', '127.0.0.1', port])
    expect(await client.status).toBe(1)
    expect(client.stderr).toBe(`nc: connect to 127.0.0.1 port ${port} (tcp) timed out: Operation now in progress\n`)
  })

  it('leaves an idle connection after -w seconds, with status 0', async () => {
    const { server, port } = await ncListen('d')
    const client = nc(['-w', 1, '127.0.0.1', port])
    client.write('hello\n')
    expect(await client.status).toBe(0)
    expect(await server.status).toBe(0)
    expect(server.stdout.toString()).toBe('hello\n')
  })

  it('quits -q seconds after the end of its input', async () => {
    const { server, port } = await ncListen('d')
    const client = nc(['-q', 0, '127.0.0.1', port], { input: 'all of it\n' })
    expect(await client.status).toBe(0)
    expect(await server.status).toBe(0)
    expect(server.stdout.toString()).toBe('all of it\n')
  })

  it('ends when the peer does, though its input is open', async () => {
    const { port } = await ncListen('N', { input: 'bye\n' })
    const client = nc(['127.0.0.1', port])
    expect(await client.status).toBe(0)
    expect(client.stdout.toString()).toBe('bye\n')
  })

  it('does not read its input with -d', async () => {
    const { server, port } = await ncListen('N', { input: 'bye\n' })
    const client = nc(['-dN', '127.0.0.1', port], { input: 'not read\n' })
    expect(await client.status).toBe(0)
    expect(await server.status).toBe(0)
    expect(client.stdout.toString()).toBe('bye\n')
    expect(server.stdout.toString()).toBe('')
  })

  it('connects from the address and port of -s and -p', async () => {
    const { server, port } = await ncListen('', { input: '' })
    const local = await closedPort()
    const client = nc(['-N', '-s', '127.0.0.2', '-p', local, '127.0.0.1', port], { input: '' })
    expect(await client.status).toBe(0)
    expect(await server.status).toBe(0)
    expect(server.stderr).toContain(`Connection received on 127.0.0.2 ${local}\n`)
  })

  it('turns LF into CR LF with -C, but not CR LF', async () => {
    const { server, port } = await ncListen('', { input: '' })
    await nc(['-CN', '127.0.0.1', port], { input: 'a\nb\r\n' }).status
    expect(await server.status).toBe(0)
    expect(server.stdout.toString()).toBe('a\r\nb\r\n')
  })

  it.each([
    ['', USAGE],
    ['-l', 'nc: missing port number\n'],
    ['-lk', 'nc: missing port number\n'],
    ['host', 'nc: missing port number\n'],
    ['-Q', `nc: invalid option -- 'Q'\n${USAGE}`],
    ['-w', `nc: option requires an argument -- 'w'\n${USAGE}`],
    ['-l -p 50001 127.0.0.1', USAGE],
    ['-l 127.0.0.1 50001 50002', USAGE],
    ['-lz 50001', 'nc: cannot use -z and -l\n'],
    ['-k 127.0.0.1 50001', 'nc: must use -l with -k\n'],
    ['127.0.0.1 abc', 'nc: port number invalid: abc\n'],
    ['127.0.0.1 0', 'nc: port number too small: 0\n'],
    ['127.0.0.1 99999', 'nc: port number too large: 99999\n'],
    ['127.0.0.1 50000-', 'nc: port number invalid: \n'],
    ['-w abc 127.0.0.1 1', 'nc: timeout invalid: abc\n'],
    ['-w -1 127.0.0.1 1', 'nc: timeout too small: -1\n'],
    ['-q x 127.0.0.1 1', 'nc: quit timer invalid: x\n'],
    ['-vn localhost 1', 'nc: getaddrinfo for host "localhost" port 1: Name or service not known\n'],
    ['-6v 127.0.0.1 1', 'nc: getaddrinfo for host "127.0.0.1" port 1: Address family for hostname not supported\n'],
    ['-l 127.0.0.1 abc', 'nc: getaddrinfo: Servname not supported for ai_socktype\n'],
    ['-s 192.0.2.1 127.0.0.1 1', 'nc: bind failed: Cannot assign requested address\n'],
    ['-l 192.0.2.1 50009', 'nc: Cannot assign requested address\n'],
  ])('says what is wrong: nc %s', async (line, message) => {
    const command = nc(line === '' ? [] : line.split(' '), { input: '' })
    expect(await command.status).toBe(1)
    expect(command.stderr).toBe(message)
    expect(command.stdout.toString()).toBe('')
  })

  it('says that the port is taken', async () => {
    const { port } = await ncListen('k')
    const second = nc(['-l', '127.0.0.1', port])
    expect(await second.status).toBe(1)
    expect(second.stderr).toBe('nc: Address already in use\n')
  })
})

describe('examples/echo-server.ts', () => {
  it('sends back what it is sent, and tells of each connection', async () => {
    const server = new Command('examples/echo-server.ts', [0, '127.0.0.1'])
    const port = await portOf(server)
    const data = randomBytes(100_000)
    const client = nc(['-N', '127.0.0.1', port], { input: data })
    expect(await client.status).toBe(0)
    expect(client.stdout.equals(data)).toBe(true)
    await server.prints(/ closed, 100000 bytes in, 100000 out\n/)
    expect(server.stdout.toString()).toMatch(/ connected\n127\.0\.0\.1:\d+ closed/)
    server.kill('SIGINT')
    expect(await server.status).toBe(0)
  })
})

describe('examples/file-transfer.ts', () => {
  const script = 'examples/file-transfer.ts'

  async function setUp(
    size: number,
  ): Promise<{ data: Buffer; file: string; inbox: string; port: number; server: Command }> {
    const directory = await temporaryDirectory()
    const [file, inbox] = [join(directory, 'data.bin'), join(directory, 'inbox')]
    const data = randomBytes(size)
    await mkdir(inbox)
    await writeFile(file, data)
    const server = new Command(script, ['receive', inbox, 0])
    return { data, file, inbox, port: await portOf(server), server }
  }

  it.each([0, 1, 3_000_000])('sends a file of %i bytes, verified', async (size) => {
    const { data, file, inbox, port, server } = await setUp(size)
    const sender = new Command(script, ['send', file, port])
    expect(await sender.status).toBe(0)
    expect(sender.stdout.toString()).toBe(`data.bin: ${size} bytes sent, SHA-256 agreed\n`)
    await server.prints(/^data\.bin: \d+ bytes, SHA-256 agrees$/m)
    expect(await readdir(inbox)).toEqual(['data.bin'])
    expect((await readFile(join(inbox, 'data.bin'))).equals(data)).toBe(true)
  })

  it('goes on where it was cut off', async () => {
    const { data, file, inbox, port } = await setUp(2_000_000)
    await writeFile(join(inbox, 'data.bin.part'), data.subarray(0, 1_234_567))
    const sender = new Command(script, ['send', file, port])
    expect(await sender.status).toBe(0)
    expect(sender.stdout.toString()).toBe('going on at byte 1234567\ndata.bin: 2000000 bytes sent, SHA-256 agreed\n')
    expect((await readFile(join(inbox, 'data.bin'))).equals(data)).toBe(true)
  })

  it('notices a part that belongs to another file, and begins anew the next time', async () => {
    const { data, file, inbox, port, server } = await setUp(100_000)
    await writeFile(join(inbox, 'data.bin.part'), randomBytes(40_000))
    const sender = new Command(script, ['send', file, port])
    expect(await sender.status).toBe(1)
    expect(sender.stderr).toBe('the digests differ; send it again, from the start\n')
    await server.prints(/^data\.bin: 100000 bytes, SHA-256 DIFFERS, thrown away$/m)
    expect(existsSync(join(inbox, 'data.bin.part'))).toBe(false)
    const again = new Command(script, ['send', file, port])
    expect(await again.status).toBe(0)
    expect((await readFile(join(inbox, 'data.bin'))).equals(data)).toBe(true)
  })

  it('keeps what came when the sender dies, and says why it could not send', async () => {
    const { data, file, inbox, port, server } = await setUp(20_000_000)
    const sender = new Command(script, ['send', file, port], { env: { SLUICE_IMPAIR: 'rate=80mbit' } })
    const part = join(inbox, 'data.bin.part')
    while (!existsSync(part) || (await readFile(part)).length === 0) await new Promise(setImmediate)
    sender.kill('SIGTERM')
    await sender.status
    await server.prints(/^broken off: /m)
    const again = new Command(script, ['send', file, port])
    expect(await again.status).toBe(0)
    expect(again.stdout.toString()).toMatch(/^going on at byte \d+\n/)
    expect((await readFile(join(inbox, 'data.bin'))).equals(data)).toBe(true)

    const refused = new Command(script, ['send', file, await closedPort()])
    expect(await refused.status).toBe(1)
    expect(refused.stderr).toMatch(/^connect ECONNREFUSED 127\.0\.0\.1:\d+\n$/)
  })
})

describe('examples/http.ts', () => {
  it('serves a directory and fetches from it', async () => {
    const directory = await temporaryDirectory()
    const data = randomBytes(1_000_000)
    await writeFile(join(directory, 'a file.bin'), data)
    await mkdir(join(directory, 'empty'))
    const server = new Command('examples/http.ts', ['serve', directory, 0])
    const url = `http://127.0.0.1:${await portOf(server)}`
    const get = async (path: string): Promise<[status: number | string, body: Buffer, errors: string]> => {
      const command = new Command('examples/http.ts', ['get', url + path])
      return [await command.status, command.stdout, command.stderr]
    }
    expect(await get('/a%20file.bin')).toEqual([0, data, ''])
    expect(await get('/')).toEqual([0, Buffer.from('a file.bin\nempty\n'), ''])
    expect(await get('/none')).toEqual([1, Buffer.from('ENOENT\n'), '404 Not Found\n'])
    expect((await get('/%2e%2e%2fpackage.json'))[0]).toBe(1)
  })
})

describe('examples/chat.ts', () => {
  it('passes on what is said, to everybody else, in order', async () => {
    const room = new Command('examples/chat.ts', ['serve', 0])
    const port = await portOf(room)
    const ann = new Command('examples/chat.ts', ['join', 'ann', port])
    await ann.prints(/^\* ann joined$/m)
    const ben = new Command('examples/chat.ts', ['join', 'ben', port])
    await ben.prints(/^\* ben joined$/m)
    ann.write('hello\nhow are you?\n')
    await ben.prints(/^ann: how are you\?$/m)
    ben.write('fine\n')
    await ann.prints(/^ben: fine$/m)
    ben.end()
    expect(await ben.status).toBe(0)
    await ann.prints(/^\* ben left$/m)
    ann.end()
    expect(await ann.status).toBe(0)
    expect(ann.stdout.toString()).toBe('* 0 here\n* ann joined\n* ben joined\nben: fine\n* ben left\n')
    expect(ben.stdout.toString()).toBe('* 1 here\n* ben joined\nann: hello\nann: how are you?\n')
    await room.prints(/^\* ann left$/m)
  })
})

describe('the examples', () => {
  it('say how to use them', async () => {
    for (const name of ['chat', 'file-transfer', 'http']) {
      const command = new Command(`examples/${name}.ts`, [])
      expect(await command.status).toBe(1)
      expect(command.stderr).toMatch(new RegExp(`^usage: ${name}\\.ts `))
    }
  })
})
