import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Printer } from '../../src/cli/dump/printer.ts'
import { type PacketSegment, readCapture, segmentsOf } from '../../src/observe/index.ts'
import { withNetwork } from '../../src/testing/index.ts'
import { writeShim } from '../../src/wire/index.ts'

// Captures as others read them. Nothing here takes root, but programs that are not everywhere.

for (const program of ['tshark', 'tcpdump']) {
  if (spawnSync(program, ['--version']).status !== 0) {
    throw new Error(`${program} is not to be found: it judges here (package ${program})`)
  }
}

const directory = mkdtempSync(join(tmpdir(), 'sluice-captures-'))
const file = join(directory, 'capture.pcapng')
let packets = 0
let dropped = 0
let segments: PacketSegment[] = []

beforeAll(async () => {
  await withNetwork({ seed: 5, loss: '4%', delay: 20 }, async ({ host, network }) => {
    const capture = network.capture(file, { host: host('client') })
    host('server', { addresses: ['10.9.0.2', 'fd00:9::2'] })
      .net.createServer((socket) => socket.pipe(socket))
      .listen(5199)
    for (const address of ['10.9.0.2', 'fd00:9::2']) {
      const socket = host('client').net.connect(5199, address)
      socket.end(Buffer.alloc(60_000, 'sluice'))
      socket.resume()
      await new Promise((resolve) => socket.once('close', resolve))
    }
    capture.stop()
    packets = capture.packets
    dropped = capture.dropped
  })
  segments = [...readCapture(readFileSync(file))].flatMap((packet) => [...segmentsOf(packet)])
})
afterAll(() => rmSync(directory, { recursive: true }))

function tshark(from: string, filter: string, fields: readonly string[], ...more: string[]): string[] {
  const args = ['-r', from, ...more, '-Y', filter, '-T', 'fields', ...fields.flatMap((field) => ['-e', field])]
  const text = execFileSync('tshark', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    maxBuffer: 1 << 26,
  })
  return text.split('\n').filter((line) => line !== '')
}
const count = (filter: string, ...more: string[]): number => tshark(file, filter, ['frame.number'], ...more).length

describe('tshark', () => {
  it('reads every packet, finds every checksum right and nothing malformed', () => {
    expect(count('tcp')).toBe(packets)
    const checked = ['-o', 'tcp.check_checksum:TRUE', '-o', 'ip.check_checksum:TRUE']
    expect(count('tcp.checksum.status == "Good"', ...checked)).toBe(packets)
    expect(count('ip.checksum.status == "Bad" || _ws.malformed', ...checked)).toBe(0)
    expect(count('ipv6') > 0 && count('ip') > 0).toBe(true)
  })

  it('finds what was dropped, and by what', () => {
    expect(dropped).toBeGreaterThan(0)
    const comments = tshark(file, 'frame.interface_name == "dropped"', ['frame.comment'])
    expect(comments).toEqual(Array.from({ length: dropped }, () => 'dropped: loss=4%, seed 5'))
    expect(count('frame.packet_flags_direction == 2') + count('frame.packet_flags_direction == 1')).toBe(packets)
  })

  it('sees the repairs', () => {
    expect(count('tcp.analysis.retransmission')).toBeGreaterThan(0)
    expect(count('tcp.options.sack_le')).toBeGreaterThan(0)
  })
})

it('tcpdump prints the lines that `sluice dump` prints', () => {
  const plain = { time: 2, verbose: 0, link: false, absolute: false, quick: false, dump: 'none' } as const
  for (const [flags, options] of [
    [[], {}],
    [['-vv'], { verbose: 2 }],
    [['-S', '-e', '-X'], { absolute: true, link: true, dump: 'both' }],
  ] as const) {
    const theirs = execFileSync('tcpdump', ['-nn', '-tt', ...flags, '-r', file], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 1 << 26,
    })
    const printer = new Printer({ ...plain, ...options })
    const ours = segments.map((segment) => `${printer.print(segment)}\n`).join('')
    expect(ours.replaceAll(/ \[dropped: [^\]]*\]/g, '')).toBe(theirs)
  }
})

describe('tools/sluice.lua', () => {
  const wire = join(directory, 'wire.pcap')

  /** The segments of the capture as they would lie on the wire: `together` of them in each datagram. */
  function writeWire(together: number): number {
    const head = Buffer.alloc(24)
    head.writeUInt32LE(0xa1b2c3d4, 0)
    head.writeUInt16LE(2, 4)
    head.writeUInt16LE(4, 6)
    head.writeUInt32LE(65_535, 16)
    head.writeUInt32LE(101, 20)
    const pieces = [head]
    const four = segments.filter(({ family, packet }) => family === 'IPv4' && packet.interfaceName === 'passed')
    for (let i = 0; i < four.length; i += together) {
      const frames = four.slice(i, i + together).map(({ buffer, start, end }) => {
        const frame = Buffer.alloc(4 + end - start)
        writeShim(frame, 0, 0, end - start)
        buffer.copy(frame, 4, start, end)
        return frame
      })
      const body = Buffer.concat(frames)
      const packet = Buffer.alloc(16 + 28 + body.length)
      const first = four[i] as PacketSegment
      packet.writeUInt32LE(Number(first.packet.ns / 1_000_000_000n), 0)
      packet.writeUInt32LE(Number((first.packet.ns / 1000n) % 1_000_000n), 4)
      packet.writeUInt32LE(28 + body.length, 8)
      packet.writeUInt32LE(28 + body.length, 12)
      packet[16] = 0x45
      packet.writeUInt16BE(28 + body.length, 18)
      packet[24] = 64
      packet[25] = 17
      Buffer.from([...first.source.split('.'), ...first.destination.split('.')].map(Number)).copy(packet, 28)
      packet.writeUInt16BE(first.buffer.readUInt16BE(first.start), 36)
      packet.writeUInt16BE(first.buffer.readUInt16BE(first.start + 2), 38)
      packet.writeUInt16BE(8 + body.length, 40)
      body.copy(packet, 44)
      pieces.push(packet)
    }
    writeFileSync(wire, Buffer.concat(pieces))
    return four.length
  }

  const lua = ['-X', 'lua_script:tools/sluice.lua', '-E', 'occurrence=a']
  const fields = ['tcp.seq_raw', 'tcp.ack_raw', 'tcp.len', 'tcp.flags']

  it.each([1, 3])('gives each segment to TCP, %d in a datagram', (together) => {
    const total = writeWire(together)
    expect(total).toBeGreaterThan(50)
    const rows = tshark(wire, 'sluice', fields, ...lua)
    expect(rows.length).toBe(Math.ceil(total / together))
    const plain = tshark(file, 'ip && frame.interface_name == "passed"', fields)
    expect(plain.length).toBe(total)
    const columns = rows.flatMap((row) => {
      const [first, ...rest] = row.split('\t').map((cell) => cell.split(','))
      return (first ?? []).map((_, i) => [first?.[i], ...rest.map((cell) => cell[i])].join('\t'))
    })
    expect(columns).toEqual(plain)
    expect(tshark(wire, 'sluice.bad || _ws.malformed', ['frame.number'], ...lua)).toEqual([])
  })

  it('leaves other UDP alone', () => {
    const total = writeWire(1)
    const bytes = readFileSync(wire)
    // The first datagram no longer begins as ours do.
    bytes[24 + 16 + 28] = 0x0b
    writeFileSync(wire, bytes)
    expect(tshark(wire, 'sluice', ['frame.number'], ...lua).length).toBe(total - 1)
    expect(tshark(wire, 'udp', ['frame.number'], ...lua).length).toBe(total)
  })
})
