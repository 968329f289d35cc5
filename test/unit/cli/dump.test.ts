import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { FilterError, parseFilter } from '../../../src/cli/dump/filter.ts'
import { Printer, type PrintOptions } from '../../../src/cli/dump/printer.ts'
import { run as runProgram } from '../../../src/cli/program.ts'
import { type PacketSegment, readCapture, segmentsOf } from '../../../src/observe/index.ts'
import { withNetwork } from '../../../src/testing/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'sluice-dump-'))
const file = join(directory, 'capture.pcapng')
let found: PacketSegment[] = []

beforeAll(async () => {
  // A short conversation of which one segment is lost.
  await withNetwork({ seed: 1, delay: 10 }, async ({ host, network }) => {
    network.capture(file, { host: host('client') })
    network.drop((segment) => segment.length > 0, { times: 1 })
    host('server')
      .net.createServer((socket) => socket.pipe(socket))
      .listen(80)
    const socket = host('client').net.connect(80, 'server')
    socket.end('hello there')
    socket.resume()
    await new Promise((resolve) => socket.once('close', resolve))
  })
  found = [...readCapture(readFileSync(file))].flatMap((packet) => [...segmentsOf(packet)])
})
afterAll(() => rmSync(directory, { recursive: true }))
afterEach(() => {
  vi.restoreAllMocks()
  process.exitCode = undefined
})

async function run(args: string[]): Promise<{ status: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      said[name] += text
      return true
    })
  }
  return { status: await runProgram(args), ...said }
}

describe('filters', () => {
  const count = (text: string): number => found.filter(parseFilter(text)).length

  it('choose by ends, flags and lengths', () => {
    const all = found.length
    expect(count('')).toBe(all)
    expect(count('tcp')).toBe(all)
    expect(count('ip and not ip6')).toBe(all)
    expect(count('tcp port 80')).toBe(all)
    expect(count('host 10.0.0.1 and host 10.0.0.2')).toBe(all)
    expect(count('src host 10.0.0.1') + count('src 10.0.0.2')).toBe(all)
    expect(count('dst port 80')).toBe(count('src 10.0.0.1'))
    expect(count('net 10.0.0.0/8 && !net 192.168.0.0/16')).toBe(all)
    expect(count('host ::1 or host fd00::1')).toBe(0)
    expect(count('portrange 70-90')).toBe(all)
    expect(count('tcp[tcpflags] & tcp-syn != 0')).toBe(2)
    expect(count('tcp[13] & 2 != 0 and tcp[tcpflags] & (tcp-ack|tcp-rst) == 0')).toBe(1)
    expect(count('tcp[0:2] = 80')).toBe(count('src port 80'))
    expect(count('dropped')).toBe(1)
    expect(count('not (dropped or src port 80)')).toBe(count('dst port 80') - 1)
    expect(count('greater 100000')).toBe(0)
    expect(count('less 1500')).toBe(all)
  })

  it.each([
    'port',
    'port eighty',
    'port 99999',
    'host nowhere',
    '(port 80',
    'port 80 80',
    'tcp[x] & 1 != 0',
    'net 10',
    'tcp[2] & bits != 0',
  ])('refuse %s', (text) => {
    expect(() => parseFilter(text)).toThrow(FilterError)
  })
})

describe('lines', () => {
  const plain: PrintOptions = { time: 1, verbose: 0, link: false, absolute: false, quick: false, dump: 'none' }
  const lines = (options: Partial<PrintOptions> = {}): string[] => {
    const printer = new Printer({ ...plain, ...options })
    return found.map((segment) => printer.print(segment))
  }

  it('count from the first number of each side, and say what was dropped', () => {
    const data = lines().filter((line) => line.includes('length 11'))
    expect(data[0]).toMatch(
      /^IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.80: Flags \[FP\.\], seq 1:12, ack 1, win \d+, options \[.*\], length 11 \[dropped: drop, seed 1\]$/,
    )
    expect(data[1]).not.toContain('dropped')
    expect(data.length).toBe(3)
  })

  it('have times in five forms', () => {
    const second = (time: number): string | undefined => lines({ time })[1]?.split(' IP ')[0]
    expect(second(2)).toBe('0.020000')
    expect(second(3)).toBe(' 00:00:00.020000')
    expect(second(5)).toBe(' 00:00:00.020000')
    expect(second(0)).toMatch(/^\d\d:\d\d:00\.020000$/)
    expect(second(4)).toMatch(/^(1970-01-01|1969-12-31) \d\d:\d\d:00\.020000$/)
  })

  it('tell of headers, checksums and bytes when asked', () => {
    expect(lines({ verbose: 1 })[0]).toMatch(
      /^IP \(tos 0x0, ttl 64, id 0, offset 0, flags \[DF\], proto TCP \(6\), length \d+\)\n {4}10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.80: Flags \[S\], cksum 0x[\da-f]{4} \(correct\), seq/,
    )
    expect(lines({ link: true })[0]).toMatch(
      /^02:00:0a:00:00:01 > 02:00:0a:00:00:02, ethertype IPv4 \(0x0800\), length \d+: 10\.0\.0\.1/,
    )
    expect(lines({ quick: true })[0]).toMatch(/^IP 10\.0\.0\.1\.\d+ > 10\.0\.0\.2\.80: tcp 0$/)
    expect(lines({ dump: 'both' }).join('')).toContain('hello.there')
    expect(lines({ dump: 'ascii' }).join('')).toContain('hello there')
    expect(lines({ absolute: true })[2]).not.toContain('ack 1,')
  })
})

describe('sluice dump', () => {
  it('prints, counts, filters and copies', async () => {
    const copy = join(directory, 'copy.pcapng')
    const printed = await run(['dump', '-r', file, '-t', '-c', '2', 'tcp[tcpflags]', '&', 'tcp-syn', '!=', '0'])
    expect(
      printed.stdout
        .trim()
        .split('\n')
        .map((line) => /Flags \[(.*?)\]/.exec(line)?.[1]),
    ).toEqual(['S', 'S.'])
    expect((await run(['dump', '-r', file, '-w', copy, 'dropped'])).status).toBe(0)
    expect([...readCapture(readFileSync(copy))].map(({ comment }) => comment)).toEqual(['dropped: drop, seed 1'])
  })

  it.each([
    [['dump'], 2, '-r FILE is wanted, or the number of a process or of a port'],
    [['dump', '999999999'], 1, 'no process 999999999 and none with port 999999999 can be looked into'],
    [['dump', '-r', join(directory, 'none')], 1, 'ENOENT'],
    [['dump', '-r', import.meta.filename], 1, 'neither pcapng nor pcap'],
    [['dump', '-r', file, 'port', 'x'], 2, 'sluice dump: filter: "x" is no number'],
    [['dump', '-r', file, '-Q', 'up'], 2, '-Q takes in, out or inout'],
    [['dump', '-r', file, '-c', '0'], 2, '-c takes a whole number'],
  ])('refuses %o', async (args, status, message) => {
    const result = await run(args)
    expect(result.status).toBe(status)
    expect(result.stderr).toContain(message)
  })
})
