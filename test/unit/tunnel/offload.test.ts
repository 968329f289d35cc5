import { describe, expect, it } from 'vitest'
import { writeShim } from '../../../src/wire/frame.ts'
import { FakeNetwork } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

// UDP GSO and GRO (linux: Documentation/networking/segmentation-offloads.rst, udp(7)), against a kernel that does what it is told.

const HERE = '10.0.0.1'
const THERE = '10.0.9.9'

function host(options: ConstructorParameters<typeof TestHost>[0] = {}) {
  const net = new FakeNetwork(HERE, '127.0.0.1')
  const { module: dgram, interfaces, native } = net
  const made = new TestHost({ dgram, interfaces, native, offload: 'auto', ...options })
  made.virtualUs = 0
  return { net, host: made }
}

function frames(...sizes: number[]): Buffer {
  const all = sizes.map((size, i) => {
    const frame = Buffer.alloc(4 + size, i + 1)
    writeShim(frame, 0, 0, size)
    return frame
  })
  return Buffer.concat(all)
}

/** A host with a path, whose system has what is put into `waiting` to read, or says a code. */
function readingHost() {
  const net = new FakeNetwork(HERE)
  const waiting: (Buffer | string)[] = []
  const io = {
    remoteAddress: THERE,
    remotePort: 80,
    gathers: false,
    send: () => 'EAGAIN',
    receive: (_fd: number, buffer: Buffer, at: number) => {
      const next = waiting.shift() ?? 'EAGAIN'
      return typeof next === 'string' ? next : next.copy(buffer, at)
    },
  }
  const { module: dgram, interfaces } = net
  const own = new TestHost({ dgram, interfaces, native: { ...net.native, io }, offload: 'auto' })
  own.virtualUs = 0
  own.open(THERE, 80)
  return { own, waiting, socket: [...net.sockets][0] }
}

const full = () => Buffer.alloc(1468)
const sizes = (net: FakeNetwork): number[] => net.sent.map(({ bytes }) => bytes.length)

describe('sending', () => {
  it('leaves datagrams of one size to the kernel to cut, and a shorter one at their end', async () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    expect(path.offload).toBe(true)
    own.send(path, full(), full(), full(), Buffer.alloc(500))
    expect(sizes(net)).toEqual([1472, 1472, 1472, 504])
    expect(net.segments).toEqual([1472])
    await turns(2)
    expect(own.counters).toMatchObject({ UdpOutDatagrams: 4, UdpGsoSends: 1 })
  })

  it('cuts no more than 64 datagrams and 65,487 bytes from one call', async () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    own.send(path, ...Array.from({ length: 100 }, full))
    await turns(2)
    expect(sizes(net)).toEqual(Array.from({ length: 100 }, () => 1472))
    // 44 of 1,472 bytes fit.
    expect(own.counters).toMatchObject({ UdpOutDatagrams: 100, UdpGsoSends: 3 })
  })

  it('follows the size of the segments', () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    own.send(path, full(), full())
    own.send(path, Buffer.alloc(1000), Buffer.alloc(1000), Buffer.alloc(1000))
    expect(sizes(net)).toEqual([1472, 1472, 1004, 1004, 1004])
    expect(net.segments).toEqual([1472, 1004])
  })

  it('turns cutting off for a datagram that is longer than the size set', () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    own.send(path, Buffer.alloc(1000), Buffer.alloc(1000))
    own.send(path, full())
    expect(sizes(net)).toEqual([1004, 1004, 1472])
    expect(net.segments).toEqual([1004, 0])
  })

  it('leaves the size alone while dgram holds sends of another', () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    own.send(path, full(), full())
    net.stalled = true
    own.send(path, Buffer.alloc(1000), Buffer.alloc(1000), Buffer.alloc(1000))
    expect(net.segments).toEqual([1472])
    expect(sizes(net)).toEqual([1472, 1472, 1004, 1004, 1004])
    net.resume()
  })

  it('goes on one by one when the device cannot cut, and loses nothing', async () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    net.sendFailures = ['EIO']
    own.send(path, full(), full(), full())
    await turns(2)
    expect(sizes(net)).toEqual([1472, 1472, 1472])
    expect(path.offload).toBe(false)
    expect(own.counters).toMatchObject({ UdpGsoFailures: 1, UdpSndbufErrors: 0 })
    own.send(path, full(), full())
    await turns(2)
    expect(own.counters.UdpGsoSends).toBe(1)
    expect(net.sent.length).toBe(5)
  })

  it('takes smaller segments where the size is too large for the way, and sends these again', async () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    net.sendFailures = ['EMSGSIZE']
    own.send(path, full(), full())
    await turns(2)
    expect(sizes(net)).toEqual([1472, 1472])
    expect(path.maxSegment).toBeLessThan(1468)
    expect(path.offload).toBe(true)
  })
})

describe('which sockets', () => {
  it('is not wanted where datagrams are large anyway', () => {
    const { net, host: own } = host()
    expect(own.open('127.0.0.1', 80).offload).toBe(false)
    expect(net.descriptors).toEqual([])
  })

  it('is on loopback where the MTU is given', () => {
    expect(host({ mtu: 1500 }).host.open('127.0.0.1', 80).offload).toBe(true)
  })

  it('is not used in bare mode, where nothing tells where a datagram ends', () => {
    const { net, host: own } = host({ encapsulation: 'bare' })
    expect(own.open(THERE, 80).offload).toBe(false)
    expect(net.descriptors).toEqual([])
  })

  it('is off when it is turned off', () => {
    const { net, host: own } = host({ offload: 'off' })
    expect(own.open(THERE, 80).offload).toBe(false)
    expect(net.descriptors).toEqual([])
  })

  it('passes on why a descriptor could not be bound', () => {
    const net = new FakeNetwork(HERE)
    const native = { ...net.native, open: () => 'EADDRINUSE' }
    const own = new TestHost({ dgram: net.module, interfaces: net.interfaces, native, offload: 'auto' })
    own.virtualUs = 0
    expect(own.tunnel.listen({ address: HERE, port: 80, ipv6Only: false, reusePort: false })).toBe('EADDRINUSE')
  })
})

describe('receiving', () => {
  it('takes a coalesced read apart', () => {
    const { net, host: own } = host()
    own.open(THERE, 80)
    const [socket] = net.sockets
    socket.emit('message', frames(1468, 1468, 1468, 20), { address: THERE, port: 80 })
    expect(own.heard[0].segments.map((segment) => segment.length)).toEqual([1468, 1468, 1468, 20])
    expect(own.counters.UdpGroReads).toBe(1)
  })

  it('shows its user the frames behind one in the read, which says how far it went', () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    const runs: number[][] = []
    path.user.runArrives = (_buffer, start, end, readEnd) => {
      runs.push([start, end, readEnd])
      return runs.length === 1 ? 2 * 1472 : end
    }
    const [socket] = net.sockets
    socket.emit('message', frames(1468, 1468, 1468, 20), { address: THERE, port: 80 })
    expect(runs).toEqual([
      [4, 1472, 4440],
      [2 * 1472 + 4, 3 * 1472, 4440],
    ])
    // The last has none behind it.
    expect(own.heard[0].segments.map((segment) => segment.length)).toEqual([20])
  })

  it('shows them one by one to who traces', () => {
    const { net, host: own } = host()
    const path = own.open(THERE, 80)
    path.user.runArrives = () => {
      throw new Error('not while somebody looks')
    }
    Object.assign(own, { tracer: {} })
    const [socket] = net.sockets
    socket.emit('message', frames(1468, 1468), { address: THERE, port: 80 })
    expect(own.heard[0].segments.length).toBe(2)
  })

  it('reads on by itself after a long read, until nothing is there', () => {
    const { own, socket, waiting } = readingHost()
    waiting.push(frames(1000), frames(...Array.from({ length: 40 }, () => 1468)), 'EAGAIN', frames(30))
    socket.emit('message', frames(...Array.from({ length: 12 }, () => 1468)), { address: THERE, port: 80 })
    const lengths = own.heard[0].segments.map((segment) => segment.length)
    expect(lengths).toEqual([
      ...Array.from({ length: 12 }, () => 1468),
      1000,
      ...Array.from({ length: 40 }, () => 1468),
    ])
    expect(waiting.length).toBe(1)
    // What is short says nothing of more.
    socket.emit('message', frames(1468), { address: THERE, port: 80 })
    expect(waiting.length).toBe(1)
  })

  it('lets the event loop go on after 32 such reads, and hears of an error', async () => {
    const { own, socket, waiting } = readingHost()
    const long = frames(...Array.from({ length: 12 }, () => 1468))
    const more = (): void => void socket.emit('message', long, { address: THERE, port: 80 })
    for (let i = 0; i < 40; i++) waiting.push(frames(i))
    more()
    more()
    expect(waiting.length).toBe(8)
    await turns(1)
    waiting[2] = 'ECONNREFUSED'
    more()
    expect(waiting.length).toBe(5)
    expect(own.heard[0].calls).toEqual(['refused'])
  })

  it('wants a turn when a mebibyte was read, before it reads on', () => {
    const { own, waiting, socket } = readingHost()
    const long = frames(...Array.from({ length: 40 }, () => 1468))
    const turnsAt: number[] = []
    Object.assign(own, { turnNow: () => turnsAt.push(own.heard[0].segments.length) })
    for (let i = 0; i < 20; i++) waiting.push(long)
    waiting.push('EAGAIN')
    socket.emit('message', long, { address: THERE, port: 80 })
    expect(turnsAt).toEqual([18 * 40])
  })

  it('reads again where it read last, when it is asked to', () => {
    const { own, waiting, socket } = readingHost()
    const { tunnel } = own
    expect(tunnel.readAgain()).toBe(false)
    socket.emit('message', frames(40), { address: THERE, port: 80 })
    own.turns = 0
    expect(tunnel.readAgain()).toBe(true)
    expect(own.turns).toBe(0)
    waiting.push(frames(41), frames(42))
    expect(tunnel.readAgain()).toBe(true)
    expect(own.turns).toBe(2)
    expect(own.heard[0].segments.map((segment) => segment.length)).toEqual([40, 41, 42])
    waiting.push('ECONNREFUSED')
    expect(tunnel.readAgain()).toBe(true)
    expect(own.heard[0].calls).toEqual(['refused'])
    expect(own.turns).toBe(3)
    tunnel.close()
    expect(tunnel.readAgain()).toBe(false)
  })

  it('loses one datagram of a read to a bad frame, and no more', () => {
    const { net, host: own } = host()
    own.open(THERE, 80)
    const [socket] = net.sockets
    const read = frames(1468, 1468, 1468)
    read[1472] = 0
    socket.emit('message', read, { address: THERE, port: 80 })
    expect(own.heard[0].segments.map((segment) => segment[0])).toEqual([1, 3])
    expect(own.counters.UdpInErrors).toBe(1)
  })
})

describe('the receive buffer', () => {
  it('is asked for as the largest window needs it', () => {
    const { net, host: own } = host()
    own.open(THERE, 80)
    own.settings.tcp_rmem = [4096, 131_072, 32 << 20]
    own.open(THERE, 81)
    expect(net.recvBufferSizes).toEqual([4 << 20, Math.ceil(0.6 * (32 << 20))])
    // Privilege is used only for what somebody has set.
    expect(net.forced).toEqual([Math.ceil(0.6 * (32 << 20))])
  })

  it('is what was asked for, where somebody says so', () => {
    const { net, host: own } = host({ recvBufferSize: 212_992 })
    own.settings.tcp_rmem = [4096, 131_072, 32 << 20]
    own.open(THERE, 80)
    expect([net.recvBufferSizes, net.forced]).toEqual([[212_992], []])
  })
})
