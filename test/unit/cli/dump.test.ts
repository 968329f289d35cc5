import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { FilterError, parseFilter } from '../../../src/cli/dump/filter.ts'
import { Printer, type PrintOptions } from '../../../src/cli/dump/printer.ts'
import { run as runProgram } from '../../../src/cli/program.ts'
import {
  captureOutput,
  PASSED,
  type PacketSegment,
  PcapngWriter,
  readCapture,
  segmentsOf,
} from '../../../src/observe/index.ts'
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

  it('chooses and tells the interfaces of a file', async () => {
    expect((await run(['dump', '-r', file, '-D'])).stdout).toBe('passed\ndropped\n')
    expect((await run(['dump', '-r', file, '-i', 'dropped'])).stdout).toBe(
      (await run(['dump', '-r', file, 'dropped'])).stdout,
    )
    const lines = (await run(['dump', '-r', file, '-i', 'passed'])).stdout.trim().split('\n')
    expect(lines.length).toBe(found.length - 1)
    expect((await run(['dump', '-r', file, '-i', 'any'])).stdout.trim().split('\n').length).toBe(found.length)
  })

  describe('writes one file after the other', () => {
    // Nine thousand bytes of packets every hundred milliseconds, for two and a half seconds.
    const many = join(directory, 'many.pcapng')
    const SIZE = 9000
    const PACKETS = 250

    beforeAll(() => {
      const writer = new PcapngWriter(captureOutput(many))
      const segment = Buffer.alloc(SIZE)
      segment.writeUInt8(0x50, 12)
      for (let i = 0; i < PACKETS; i++) {
        segment.writeUInt32BE(i, 4)
        writer.write({
          us: Date.UTC(2026, 0, 31, 12) * 1000 + i * 10_000,
          interface: PASSED,
          outgoing: true,
          family: 'IPv4',
          source: '10.0.0.1',
          destination: '10.0.0.2',
          buffer: segment,
          start: 0,
          end: SIZE,
        })
      }
      writer.end()
    })

    /** Sequence numbers in each file that begins so, by its name. */
    async function written(name: string, ...options: string[]): Promise<Record<string, number[]>> {
      const { status, stderr } = await run(['dump', '-r', many, '-w', join(directory, name), ...options])
      expect([status, stderr]).toEqual([0, ''])
      const files = readdirSync(directory).filter((file) => file.startsWith(name.split('%')[0] as string))
      return Object.fromEntries(
        files.sort().map((file) => {
          const packets = readCapture(readFileSync(join(directory, file)))
          return [
            file,
            [...packets].flatMap((packet) =>
              [...segmentsOf(packet)].map(({ buffer, start }) => buffer.readUInt32BE(start + 4)),
            ),
          ]
        }),
      )
    }
    const from = (first: number, end: number): number[] => Array.from({ length: end - first }, (_, i) => first + i)

    it('by size: the next, numbered, once one is too large', async () => {
      expect(await written('size', '-C', '1')).toEqual({
        size: from(0, 111),
        size1: from(111, 222),
        size2: from(222, 250),
      })
    })

    it('by size, in a ring', async () => {
      expect(await written('ring', '-C', '1', '-W', '2')).toEqual({ ring0: from(222, 250), ring1: from(111, 222) })
      expect(Object.keys(await written('many-ring', '-C', '1', '-W', '11'))).toEqual([
        'many-ring00',
        'many-ring01',
        'many-ring02',
      ])
    })

    it('by time, as the name has it, and to an end', async () => {
      expect(await written('time-%S-%y', '-G', '1')).toEqual({
        'time-00-26': from(0, 100),
        'time-01-26': from(100, 200),
        'time-02-26': from(200, 250),
      })
      expect(await written('two-%s-%%', '-G', '1', '-W', '2')).toEqual({
        'two-1769860800-%': from(0, 100),
        'two-1769860801-%': from(100, 200),
      })
      // Names that do not tell the time overwrite each other, as with tcpdump.
      expect(await written('same', '-G', '1')).toEqual({ same: from(200, 250) })
    })

    it('by both', async () => {
      expect(await written('both-%S-', '-G', '2', '-C', '1')).toEqual({
        'both-00-': from(0, 111),
        'both-00-1': from(111, 200),
        'both-02-': from(200, 250),
      })
    })
  })

  it.each([
    [['dump'], 2, '-r FILE is wanted, or the number of a process or of a port'],
    [['dump', '999999999'], 1, 'no process 999999999 and none with port 999999999 can be looked into'],
    [['dump', '-r', join(directory, 'none')], 1, 'ENOENT'],
    [['dump', '-r', import.meta.filename], 1, 'neither pcapng nor pcap'],
    [['dump', '-r', file, 'port', 'x'], 2, 'sluice dump: filter: "x" is no number'],
    [['dump', '-r', file, '-Q', 'up'], 2, '-Q takes in, out or inout'],
    [['dump', '-r', file, '-c', '0'], 2, '-c takes a whole number'],
    [['dump', '-r', file, '-w', 'x', '-C', 'big'], 2, '-C takes a whole number from 1 on, not "big"'],
    [['dump', '-r', file, '-w', '-', '-G', '1'], 2, '-G wants -w and a file'],
    [['dump', '-r', file, '-C', '1'], 2, '-C wants -w and a file'],
    [['dump', '-r', file, '-w', 'x', '-W', '3'], 2, '-W counts the files of -C or -G'],
    [['dump', '-r', file, '-i', 'eth0'], 2, '-i takes any, passed, dropped, not "eth0"'],
    [['dump', '1', '-i', 'eth0'], 2, '-i takes any, passed, dropped, the number of a stack, not "eth0"'],
    [['dump', '-D'], 2, '-r FILE is wanted, or the number of a process or of a port'],
  ])('refuses %o', async (args, status, message) => {
    const result = await run(args)
    expect(result.status).toBe(status)
    expect(result.stderr).toContain(message)
  })
})
