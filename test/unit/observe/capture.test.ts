import { describe, expect, it } from 'vitest'
import {
  addressBytes,
  BaseTracer,
  type CapturedPacket,
  CaptureError,
  DROPPED,
  formatAddress,
  PASSED,
  PcapngWriter,
  readCapture,
  segmentsOf,
  tee,
} from '../../../src/observe/index.ts'
import {
  encodeHeader,
  Flag,
  internetChecksum,
  onesComplementSum,
  pseudoHeaderSum,
  Segment,
  type Seq,
  writeChecksum,
  writeShim,
} from '../../../src/wire/index.ts'

/** A segment from port 1 to port 2, with a right checksum. */
function segment(payload = 'hello'): Buffer {
  const header = new Segment()
  header.srcPort = 1
  header.dstPort = 2
  header.seq = 100 as Seq
  header.flags = Flag.ACK | Flag.PSH
  const bytes = Buffer.alloc(20 + payload.length)
  encodeHeader(header, bytes, 0)
  bytes.write(payload, 20)
  writeChecksum(bytes, 0, bytes.length)
  return bytes
}

/** What a writer writes, as one buffer. */
function capture(write: (writer: PcapngWriter) => void, options = {}): Buffer {
  const pieces: Buffer[] = []
  const writer = new PcapngWriter({ write: (bytes) => void pieces.push(bytes), end() {} }, options)
  write(writer)
  writer.end()
  return Buffer.concat(pieces)
}

const common = { us: 1_700_000_000_123_456, interface: PASSED, outgoing: true, start: 0 }
const four = { ...common, family: 'IPv4', source: '10.0.0.1', destination: '10.0.0.2' } as const
const six = { ...common, family: 'IPv6', source: 'fd00::1', destination: 'fe80::2%eth0' } as const
const of = (bytes: Buffer) => ({ buffer: bytes, end: bytes.length })

describe('a capture', () => {
  it.each([
    ['IPv4', four],
    ['IPv6', six],
  ] as const)('holds segments in headers of %s that check', (_, ends) => {
    const bytes = segment()
    const packets = [...readCapture(capture((writer) => writer.write({ ...ends, ...of(bytes) })))]
    expect(packets.length).toBe(1)
    const [found] = [...segmentsOf(packets[0] as CapturedPacket)]
    expect(packets[0]).toMatchObject({
      ns: 1_700_000_000_123_456_000n,
      interfaceName: 'passed',
      linkType: 1,
      direction: 'out',
    })
    expect(found).toMatchObject({ source: ends.source, destination: ends.destination.replace('%eth0', ''), length: 25 })
    const { data } = packets[0] as CapturedPacket
    if (ends.family === 'IPv4') expect(onesComplementSum(data, 14, 34)).toBe(0xffff)
    const pseudo = pseudoHeaderSum(
      addressBytes(ends.source, ends.family),
      addressBytes(ends.destination, ends.family),
      25,
    )
    expect(internetChecksum(pseudo, data, data.length - 25, data.length)).toBe(0)
    expect(data.toString('latin1', data.length - 5)).toBe('hello')
  })

  it('shows damage as damage, and what had no checksum as whole', () => {
    const [damaged, unsummed] = [segment(), segment()]
    damaged[22] ^= 1
    unsummed.writeUInt16BE(0, 16)
    const packets = [
      ...readCapture(
        capture((writer) => {
          writer.write({ ...four, ...of(damaged) })
          writer.write({ ...four, ...of(unsummed) })
        }),
      ),
    ]
    const pseudo = pseudoHeaderSum(addressBytes('10.0.0.1', 'IPv4'), addressBytes('10.0.0.2', 'IPv4'), 25)
    expect(packets.map(({ data }) => internetChecksum(pseudo, data, 34, data.length) === 0)).toEqual([false, true])
  })

  it('has what was dropped on an interface of its own, with a comment', () => {
    const bytes = capture((writer) => {
      writer.write({ ...four, ...of(segment()) })
      writer.write({
        ...four,
        ...of(segment()),
        interface: DROPPED,
        outgoing: false,
        comment: 'dropped: loss=5%, seed 7',
      })
      expect(writer.counts).toEqual([1, 1])
    })
    expect(
      [...readCapture(bytes)].map(({ interfaceName, comment, direction }) => [interfaceName, comment, direction]),
    ).toEqual([
      ['passed', undefined, 'out'],
      ['dropped', 'dropped: loss=5%, seed 7', 'in'],
    ])
  })

  it('keeps as much of a packet as it was told, and how long it was', () => {
    const bytes = capture((writer) => writer.write({ ...four, ...of(segment('x'.repeat(1000))) }), { snaplen: 60 })
    const [packet] = [...readCapture(bytes)]
    expect([packet?.data.length, packet?.length]).toEqual([60, 1054])
    expect([...segmentsOf(packet as CapturedPacket)][0]).toMatchObject({ length: 1020, end: 60 })
  })

  it('is copied packet by packet into another', () => {
    const bytes = capture((writer) => {
      writer.write({ ...six, ...of(segment()), interface: DROPPED, comment: 'why' })
      writer.write({ ...four, ...of(segment('other')) })
    })
    const again = capture((writer) => {
      for (const packet of readCapture(bytes)) writer.copy(packet)
    })
    expect(again.equals(bytes)).toBe(true)
  })
})

describe('readCapture', () => {
  it.each([
    [0xa1b2c3d4, 1_000_002_000n],
    [0xa1b23c4d, 1_000_000_002n],
  ])('reads pcap of old, magic %d, in both byte orders', (magic, ns) => {
    for (const little of [true, false]) {
      const bytes = Buffer.alloc(24 + 16 + 3)
      const u32 = (value: number, at: number) =>
        little ? bytes.writeUInt32LE(value, at) : bytes.writeUInt32BE(value, at)
      u32(magic, 0)
      u32(101, 20)
      u32(1, 24)
      u32(2, 28)
      u32(3, 32)
      u32(9, 36)
      expect([...readCapture(bytes)]).toMatchObject([{ ns, linkType: 101, length: 9 }])
    }
  })

  it.each([
    ['nothing', Buffer.alloc(0), 'too short'],
    ['something else', Buffer.from('x'.repeat(40)), 'neither pcapng nor pcap'],
    [
      'a part of one',
      capture((writer) => writer.write({ ...four, ...of(segment()) })).subarray(0, 150),
      'ends in the middle',
    ],
  ])('refuses %s', (_, bytes, message) => {
    expect(() => [...readCapture(bytes)]).toThrow(CaptureError)
    expect(() => [...readCapture(bytes)]).toThrow(message)
  })

  it('finds segments that travel in frames inside UDP', () => {
    const body = segment()
    const udp = Buffer.alloc(8 + 2 * (4 + body.length))
    udp.writeUInt16BE(9898, 0)
    udp.writeUInt16BE(9899, 2)
    for (const at of [8, 8 + 4 + body.length]) {
      writeShim(udp, at, 0, body.length)
      body.copy(udp, at + 4)
    }
    const ip = Buffer.alloc(20)
    ip[0] = 0x45
    ip.writeUInt16BE(20 + udp.length, 2)
    ip[9] = 17
    Buffer.from([10, 0, 0, 1, 10, 0, 0, 2]).copy(ip, 12)
    const data = Buffer.concat([ip, udp])
    const packet = {
      ns: 0n,
      interfaceName: '',
      linkType: 101,
      data,
      length: data.length,
      comment: undefined,
      direction: undefined,
    }
    const found = [...segmentsOf(packet)]
    expect(found.map(({ udpPorts, length }) => [udpPorts, length])).toEqual([
      [[9898, 9899], 25],
      [[9898, 9899], 25],
    ])
    expect(found[1]?.buffer.toString('latin1', found[1].end - 5, found[1].end)).toBe('hello')
  })
})

describe('addresses', () => {
  it.each([
    ['0.0.0.0', 'IPv4'],
    ['192.168.7.255', 'IPv4'],
    ['::', 'IPv6'],
    ['::1', 'IPv6'],
    ['fd00::1', 'IPv6'],
    ['2001:db8:0:1:1:1:1:1', 'IPv6'],
    ['2001:db8::1:0:0:1', 'IPv6'],
  ] as const)('come out as they went in: %s', (address, family) => {
    expect(formatAddress(addressBytes(address, family))).toBe(address)
  })

  it('may be mapped', () => {
    expect(addressBytes('::ffff:1.2.3.4', 'IPv4')).toEqual(Buffer.from([1, 2, 3, 4]))
    expect(addressBytes('::ffff:1.2.3.4', 'IPv6').toString('hex')).toBe('00000000000000000000ffff01020304')
  })
})

describe('tee', () => {
  it('is nobody, the one, or all in their order', () => {
    const heard: string[] = []
    const make = (name: string) =>
      new (class extends BaseTracer {
        override timerFired(_id: number, _now: number, timer: string): void {
          heard.push(`${name} ${timer}`)
        }
      })()
    const [a, b] = [make('a'), make('b')]
    expect(tee([])).toBe(null)
    expect(tee([a])).toBe(a)
    tee([a, b])?.timerFired(1, 2, 'rto')
    expect(heard).toEqual(['a rto', 'b rto'])
  })

  it('passes on every call', () => {
    const calls: string[] = []
    const spy = new Proxy(new BaseTracer(), {
      get: (_, name) => () => calls.push(String(name)),
    })
    const both = tee([spy, spy]) as unknown as Record<string, () => void>
    const names = Object.getOwnPropertyNames(BaseTracer.prototype).filter((name) => name !== 'constructor')
    for (const name of names) both[name]?.()
    expect(calls).toEqual(names.flatMap((name) => [name, name]))
  })
})
