import { describe, expect, it } from 'vitest'
import { FrameKind, writeProbe, writeShim } from '../../../src/wire/frame.ts'
import { FakeNetwork, type FakeSocket } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

const HERE = '10.0.0.1'
const PEER = { address: '10.0.9.9', port: 5555 }

function listening(options: ConstructorParameters<typeof TestHost>[0] = {}) {
  const net = new FakeNetwork(HERE)
  const host = new TestHost({ dgram: net.module, interfaces: net.interfaces, ...options })
  host.virtualUs = 0
  const listener = host.listen(HERE, 80)
  const [socket] = net.sockets
  return { net, host, listener, socket }
}

function frame(segment: string, kind: FrameKind = FrameKind.Segment): Buffer {
  const bytes = Buffer.alloc(4 + segment.length)
  writeShim(bytes, 0, kind, segment.length)
  bytes.write(segment, 4, 'latin1')
  return bytes
}

function probe(token: bigint, length = 8): Buffer {
  const bytes = Buffer.alloc(4 + length)
  writeProbe(bytes, 0, FrameKind.Probe, token, length)
  return bytes
}

const arrive = (socket: FakeSocket, ...parts: Buffer[]): boolean => socket.emit('message', Buffer.concat(parts), PEER)

describe('datagrams from strangers', () => {
  it('open a path, announced before its first segment', () => {
    const { host, socket } = listening()
    arrive(socket, frame('one'), frame('two'))
    arrive(socket, frame('three'))
    expect(host.heard).toHaveLength(1)
    expect(host.texts).toEqual(['one', 'two', 'three'])
    expect(host.heard[0].path).toMatchObject({
      family: 'IPv4',
      localAddress: HERE,
      localPort: 80,
      remoteAddress: PEER.address,
      remotePort: PEER.port,
      loopback: false,
      maxSegment: 1468,
    })
    expect(host.turns).toBeGreaterThanOrEqual(2)
    expect(host.counters).toMatchObject({ UdpInDatagrams: 2, UdpInErrors: 0 })
  })

  it('are told apart by address and by port', () => {
    const { host, socket } = listening()
    arrive(socket, frame('a'))
    socket.emit('message', frame('b'), { ...PEER, port: 5556 })
    socket.emit('message', frame('c'), { ...PEER, address: '10.0.9.8' })
    arrive(socket, frame('d'))
    expect(host.heard.map(({ segments }) => segments.map(String))).toEqual([['a', 'd'], ['b'], ['c']])
  })

  it('are forgotten at the end of the turn when nobody keeps them, after the answer', () => {
    const { net, host, socket } = listening()
    host.keep = false
    host.onSegment = (path) => host.write(path, 'RST')
    arrive(socket, frame('SYN'))
    host.flush()
    expect(net.sent.map(({ to }) => to)).toEqual([`${PEER.address}|${PEER.port}`])
    arrive(socket, frame('SYN'))
    expect(host.heard).toHaveLength(2)
  })

  it('answers to one read leave together', () => {
    const { net, host, socket } = listening()
    host.onSegment = (path, segment) => host.write(path, `re ${segment}`)
    arrive(socket, frame('one'), frame('two'))
    host.flush()
    expect(net.sent.map(({ bytes }) => bytes)).toEqual([Buffer.concat([frame('re one'), frame('re two')])])
  })
})

describe('garbage', () => {
  it.each([
    ['nothing', Buffer.alloc(0)],
    ['another protocol', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
    ['a cut shim', frame('x').subarray(0, 3)],
    ['another version', Buffer.concat([Buffer.from([0x0a, 0x20, 0, 1]), Buffer.from('x')])],
    ['an unknown kind', frame('hello', 5 as FrameKind)],
    ['a frame that overruns', frame('hello').subarray(0, 8)],
    ['a probe without a token', frame('short', FrameKind.Probe)],
    ['a reply without a token', frame('short', FrameKind.ProbeReply)],
  ])('%s: counted, no path, no answer', (_name, bytes) => {
    const { net, host, socket } = listening()
    arrive(socket, bytes)
    host.flush()
    expect(host.heard).toEqual([])
    expect(net.sent).toEqual([])
    expect(host.counters.UdpInErrors).toBe(1)
  })

  it('drops what follows a bad frame, and keeps what came before', () => {
    const { host, socket } = listening()
    arrive(socket, frame('good'), Buffer.from('bad!'), frame('lost'))
    expect(host.texts).toEqual(['good'])
    expect(host.counters.UdpInErrors).toBe(1)
  })

  it('from port 0, where nobody can be answered', () => {
    const { host, socket } = listening()
    socket.emit('message', frame('SYN'), { ...PEER, port: 0 })
    expect(host.heard).toEqual([])
    expect(host.counters.UdpInErrors).toBe(1)
  })

  it('shorter than a TCP header in bare mode', () => {
    const { host, socket } = listening({ encapsulation: 'bare' })
    arrive(socket, Buffer.alloc(19))
    arrive(socket, Buffer.alloc(20, 0x41))
    expect(host.texts).toEqual(['A'.repeat(20)])
    expect(host.counters.UdpInErrors).toBe(1)
  })
})

describe('probes', () => {
  it('are answered with their token and no padding on a path that has a connection', () => {
    const { net, host, socket } = listening()
    arrive(socket, frame('SYN'))
    host.heard[0].path.active = true
    for (let i = 0; i < 50; i++) arrive(socket, probe(0x1122334455667788n, 1000))
    host.flush()
    const bytes = Buffer.concat(net.sent.map((sent) => sent.bytes))
    expect(bytes.length).toBe(50 * 12)
    expect(bytes.subarray(0, 12).toString('hex')).toBe('0a1200081122334455667788')
    expect(host.counters.PathProbesAnswered).toBe(50)
  })

  it('are answered ten times a second otherwise, whoever asks, and make nobody a path', () => {
    const { net, host, socket } = listening()
    for (let second = 0; second < 3; second++) {
      host.virtualUs = second * 1_000_000
      for (let i = 0; i < 20; i++) socket.emit('message', probe(BigInt(i)), { ...PEER, port: 6000 + i })
      host.flush()
    }
    expect(net.sent).toHaveLength(30)
    expect(host.heard).toEqual([])
    expect(host.counters).toMatchObject({ PathProbesAnswered: 30, PathProbesIgnored: 30 })
  })

  it('an answer with our token means that the path is alive, any other nothing', async () => {
    const net = new FakeNetwork(HERE, PEER.address)
    const [client, server] = [HERE, PEER.address].map(() => new TestHost({ dgram: net.module, interfaces: () => ({}) }))
    for (const host of [client, server]) host.virtualUs = 0
    server.listen(PEER.address, 80)
    const path = client.open(PEER.address, 80)
    client.virtualUs = 7
    path.probe()
    expect(net.sent).toHaveLength(1)
    await turns(2)
    server.flush()
    await turns(2)
    expect(path.lastHeardUs).toBe(7)
    client.virtualUs = 9
    const reply = Buffer.alloc(12)
    writeProbe(reply, 0, FrameKind.ProbeReply, 4711n)
    const own = [...net.sockets].find((socket) => socket.port === path.localPort)
    own?.emit('message', reply, { address: PEER.address, port: 80 })
    expect(path.lastHeardUs).toBe(7)
    expect(client.counters.PathProbesIgnored).toBe(1)
  })

  it('there are none in bare mode', () => {
    const { net, host } = listening({ encapsulation: 'bare' })
    host.open(PEER.address, 80).probe()
    host.flush()
    expect(net.sent).toEqual([])
  })
})

describe('path_keepalive', () => {
  const opened = (address: string) => {
    const { net, host } = listening()
    const path = host.open(address, 80)
    const at = (us: number): number => {
      host.virtualUs = us
      if (us >= host.tunnel.deadline) host.tunnel.deadlinePassed(us)
      host.flush()
      return net.sent.length
    }
    return { net, host, path, at }
  }

  it('probes a path that we opened after 20 s of silence', () => {
    const { host, path, at } = opened(PEER.address)
    path.active = true
    expect(host.tunnel.deadline).toBe(20_000_000)
    expect(at(19_999_999)).toBe(0)
    expect(at(20_000_000)).toBe(1)
    expect(host.tunnel.deadline).toBe(40_000_000)
    expect(at(40_000_000)).toBe(2)
    expect(host.counters.PathProbesSent).toBe(2)
  })

  it('counts from the last datagram', () => {
    const { host, path, at } = opened(PEER.address)
    path.active = true
    host.virtualUs = 15_000_000
    host.send(path, 'hello')
    expect(at(20_000_000)).toBe(1)
    expect(host.tunnel.deadline).toBe(35_000_000)
    expect(at(35_000_000)).toBe(2)
  })

  it('leaves paths without a connection alone', () => {
    const { at } = opened(PEER.address)
    expect(at(20_000_000)).toBe(0)
    expect(at(40_000_000)).toBe(0)
  })

  it('is not for loopback, and can be turned off', () => {
    const { host, path } = opened(HERE)
    path.active = true
    expect(host.tunnel.deadline).toBe(Infinity)
    host.settings.path_keepalive = 0
    host.open(PEER.address, 80).active = true
    expect(host.tunnel.deadline).toBe(Infinity)
  })

  it('ends with the path', () => {
    const { host, path } = opened(PEER.address)
    path.release()
    expect(host.tunnel.deadline).toBe(Infinity)
  })
})
