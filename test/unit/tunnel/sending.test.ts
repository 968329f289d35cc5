import { describe, expect, it } from 'vitest'
import { hasPagedDatagrams } from '../../../src/tunnel/budget.ts'
import { writeShim } from '../../../src/wire/frame.ts'
import { FakeNetwork } from './fake-dgram.ts'
import { TestHost, turns } from './host.ts'

const HERE = '10.0.0.1'
const THERE = '10.0.9.9'

function fakeHost(options: ConstructorParameters<typeof TestHost>[0] = {}): { net: FakeNetwork; host: TestHost } {
  const net = new FakeNetwork(HERE)
  const host = new TestHost({ dgram: net.module, interfaces: net.interfaces, ...options })
  host.virtualUs = 0
  return { net, host }
}

function frame(segment: Buffer | string): Buffer {
  const body = Buffer.from(segment)
  const bytes = Buffer.alloc(4 + body.length)
  writeShim(bytes, 0, 0, body.length)
  body.copy(bytes, 4)
  return bytes
}

const sizes = (net: FakeNetwork): number[] => net.sent.map(({ bytes }) => bytes.length)

describe('batches', () => {
  it('sends nothing before flush, and then all that fits one datagram in one', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    host.write(path, 'one', 'two', 'three')
    expect(net.sent).toEqual([])
    host.flush()
    expect(net.sent.map(({ bytes }) => bytes)).toEqual([Buffer.concat([frame('one'), frame('two'), frame('three')])])
    expect(net.sent[0].to).toBe(`${THERE}|80`)
  })

  it('begins a new datagram where the next segment would exceed the path MTU', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    expect(path.maxSegment).toBe(1468)
    host.send(path, Buffer.alloc(1468), Buffer.alloc(700), Buffer.alloc(764), Buffer.alloc(1), Buffer.alloc(1468))
    expect(sizes(net)).toEqual([1472, 1472, 5, 1472])
  })

  it('sends each segment as a datagram of its own in bare mode', () => {
    const { net, host } = fakeHost({ encapsulation: 'bare' })
    const path = host.open(THERE, 80)
    expect(path.maxSegment).toBe(1472)
    host.send(path, 'segment one', 'segment two')
    expect(net.sent.map(({ bytes }) => String(bytes))).toEqual(['segment one', 'segment two'])
  })

  it('moves to larger buffers without losing what was written', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    const segments = Array.from({ length: 400 }, (_, i) => Buffer.alloc(1400, i))
    host.send(path, ...segments)
    const sent = Buffer.concat(net.sent.map(({ bytes }) => bytes))
    expect(sent.equals(Buffer.concat(segments.map(frame)))).toBe(true)
  })

  it('keeps the batches of two paths apart', () => {
    const { net, host } = fakeHost()
    const [a, b] = [host.open(THERE, 80), host.open(THERE, 81)]
    host.write(a, 'a1')
    host.write(b, 'b1')
    host.write(a, 'a2')
    host.flush()
    expect(net.sent.map(({ to, bytes }) => [to, bytes])).toEqual([
      [`${THERE}|80`, Buffer.concat([frame('a1'), frame('a2')])],
      [`${THERE}|81`, frame('b1')],
    ])
  })

  it('uses a buffer again only after the last send of its batch called back', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.stalled = true
    host.send(path, Buffer.alloc(1400), Buffer.alloc(1400))
    const first = path.buffer
    host.write(path, Buffer.alloc(1400), Buffer.alloc(1400))
    expect(path.buffer).not.toBe(first)
    expect(host.tunnel.pool.idle).toBe(1)
    host.flush()
    net.resume()
    await turns(2)
    expect(host.tunnel.pool.idle).toBe(3)
    expect(host.counters.UdpOutDatagrams).toBe(4)
  })

  it('takes no more than tcp_limit_output_bytes, and says when there is room again', async () => {
    const { net, host } = fakeHost()
    host.settings.tcp_limit_output_bytes = 3000
    const path = host.open(THERE, 80)
    net.stalled = true
    host.send(path, Buffer.alloc(1400), Buffer.alloc(1400), Buffer.alloc(1400))
    expect(path.reserve(1400)).toBe(false)
    expect(path.reserve(1)).toBe(false)
    expect(host.heard[0].calls).toEqual([])
    net.resume()
    await turns(2)
    expect(host.heard[0].calls).toEqual(['writable'])
    expect(path.reserve(1400)).toBe(true)
  })

  it('knows which batches wait for the system, and says when they no longer do', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.stalled = true
    const first = path.batch
    host.send(path, Buffer.alloc(100))
    const second = path.batch
    expect(second).toBe(first + 1)
    // What is still being written leaves with whatever is added.
    expect([path.isWaiting(first), path.isWaiting(second)]).toEqual([true, false])
    net.resume()
    await turns(2)
    expect(host.heard[0].calls).toEqual(['writable'])
    expect(path.isWaiting(first)).toBe(false)
    // Nobody asked about this one.
    host.send(path, Buffer.alloc(100))
    await turns(2)
    expect(host.heard[0].calls).toEqual(['writable'])
  })

  it('flushSync sends what waits, and what impairment holds', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    host.write(path, 'last words')
    host.tunnel.flushSync()
    expect(net.sent.map(({ bytes }) => bytes)).toEqual([frame('last words')])
  })
})

describe('what a failed send means', () => {
  it('ECONNREFUSED: not sent; a refusal, and one more attempt', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.sendFailures = [null, 'ECONNREFUSED']
    host.send(path, Buffer.alloc(1400, 1), Buffer.alloc(1400, 2), Buffer.alloc(1400, 3))
    await turns(2)
    expect(host.heard[0].calls).toEqual(['refused'])
    expect(net.sent.map(({ bytes }) => bytes[4])).toEqual([1, 3, 2])
    expect(host.turns).toBeGreaterThan(0)
    expect(host.counters).toMatchObject({ UdpOutDatagrams: 3, UdpSndbufErrors: 0 })
  })

  it('refused twice: no third attempt', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.sendFailures = ['ECONNREFUSED', 'ECONNREFUSED', 'ECONNREFUSED']
    host.send(path, 'hello')
    await turns(3)
    expect(net.sent).toEqual([])
    expect(net.sendFailures).toEqual(['ECONNREFUSED'])
  })

  it.each(['EPERM', 'ENOBUFS', 'EAGAIN'])('%s: a lost packet', async (code) => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.sendFailures = [code]
    host.send(path, 'hello')
    await turns(2)
    expect(net.sent).toEqual([])
    expect(host.heard[0].calls).toEqual([])
    expect(host.counters).toMatchObject({ UdpSndbufErrors: 1, UdpOutDatagrams: 0 })
    expect(host.tunnel.pool.idle).toBe(1)
  })

  it.each(['ENETUNREACH', 'EHOSTUNREACH'])('%s: the user hears it', async (code) => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.sendFailures = [code]
    host.send(path, 'hello')
    await turns(2)
    expect(host.heard[0].calls).toEqual([code])
  })

  it('EMSGSIZE: smaller segments from now on', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    net.sendFailures = ['EMSGSIZE']
    host.send(path, Buffer.alloc(1468))
    await turns(2)
    expect(path.maxSegment).toBe(1368)
    expect(host.heard[0].calls).toEqual(['maxSegment 1368'])
  })

  it('an error that a read brings belongs to the path of a connected socket', async () => {
    const { net, host } = fakeHost()
    host.open(THERE, 80)
    const [socket] = net.sockets
    socket.emit('error', Object.assign(new Error('recvmsg'), { code: 'ECONNREFUSED' }))
    socket.emit('error', Object.assign(new Error('recvmsg'), { code: 'EHOSTUNREACH' }))
    socket.emit('error', Object.assign(new Error('recvmsg'), { code: 'ENOMEM' }))
    // Windows says it so.
    socket.emit('error', Object.assign(new Error('recvmsg'), { code: 'ECONNRESET' }))
    expect(host.heard[0].calls).toEqual(['refused', 'EHOSTUNREACH', 'refused'])
  })
})

describe('paths', () => {
  it('are shared by all connections to a destination', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    expect(host.open(THERE, 80)).toBe(path)
    expect(host.open(`::ffff:${THERE}`, 80)).toBe(path)
    expect(host.open(THERE, 81)).not.toBe(path)
    expect(net.open).toBe(2)
  })

  it('are told apart by what local address and port were asked for', () => {
    const { net, host } = fakeHost()
    net.addresses.push('10.0.0.2')
    const paths = [
      host.open(THERE, 80),
      host.open(THERE, 80, { localAddress: '10.0.0.2' }),
      host.open(THERE, 80, { localPort: 7777 }),
    ]
    expect(new Set(paths).size).toBe(3)
    expect(paths.map(({ localAddress }) => localAddress)).toEqual([HERE, '10.0.0.2', HERE])
    expect(paths[2].localPort).toBe(7777)
    expect(host.open(THERE, 80, { localPort: 7777 })).toBe(paths[2])
  })

  it('close with their last record, and their socket with them', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    path.retain()
    host.send(path, 'bye')
    path.release()
    path.release()
    // The datagram is on its way: the socket waits for it.
    expect(net.open).toBe(1)
    await turns(2)
    expect(net.open).toBe(0)
    expect(host.open(THERE, 80)).not.toBe(path)
  })

  it('wait for what was committed and not yet flushed', async () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    host.write(path, 'RST')
    path.release()
    expect(net.open).toBe(1)
    host.flush()
    await turns(2)
    expect(net.sent).toHaveLength(1)
    expect(net.open).toBe(0)
  })

  it('a slot that was reserved and not used keeps nothing open', () => {
    const { net, host } = fakeHost()
    const path = host.open(THERE, 80)
    expect(path.reserve(100)).toBe(true)
    path.release()
    expect(net.open).toBe(0)
  })

  it('take nothing after they closed', () => {
    const { host } = fakeHost()
    const path = host.open(THERE, 80)
    path.release()
    expect(path.reserve(10)).toBe(false)
    path.probe()
    path.release()
    host.flush()
    expect(host.counters.PathProbesSent).toBe(0)
  })

  it('share one unconnected socket above max_paths, after those that only remember were asked to go', async () => {
    const { net, host } = fakeHost()
    host.settings.max_paths = 2
    const [a, b] = [host.open(THERE, 1), host.open(THERE, 2)]
    a.active = true
    const [c, d] = [host.open(THERE, 3), host.open(THERE, 4)]
    expect(host.heard.map(({ calls }) => calls)).toEqual([[], ['reclaim', 'reclaim'], [], []])
    expect(net.open).toBe(3)
    expect(c.localPort).toBe(d.localPort)
    expect(c.localAddress).toBe(HERE)
    expect(host.open(THERE, 3)).toBe(c)
    host.send(c, 'to three')
    host.send(d, 'to four')
    expect(net.sent.map(({ to }) => to)).toEqual([`${THERE}|3`, `${THERE}|4`])
    await turns(2)
    for (const path of [a, b, c, d]) path.release()
    expect(net.open).toBe(0)
  })

  it('EMFILE: the path goes by a shared socket, if that can still be had', () => {
    const { net, host } = fakeHost()
    net.bindFailures = ['EMFILE']
    const path = host.open(THERE, 80)
    host.send(path, 'hello')
    expect(net.sent.map(({ to }) => to)).toEqual([`${THERE}|80`])
  })

  it('hear strangers on no shared socket', async () => {
    const { net, host } = fakeHost()
    net.bindFailures = ['EMFILE']
    host.open(THERE, 80)
    const [socket] = net.sockets
    socket.emit('message', frame('intruder'), { address: '10.0.0.66', port: 80 })
    expect(host.texts).toEqual([])
    expect(host.counters.UdpInErrors).toBe(1)
  })
})

describe('open', () => {
  it.each([
    ['224.0.0.1', undefined, 'ENETUNREACH'],
    ['10.0.0.255', undefined, 'ENETUNREACH'],
    ['10.0.8.8', undefined, 'ENETUNREACH'],
    ['fe80::1', undefined, 'EINVAL'],
    ['not an address', undefined, 'EINVAL'],
    [THERE, '::1', 'EINVAL'],
    [THERE, '10.0.0.77', 'EADDRNOTAVAIL'],
  ])('%s from %s: %s', (remoteAddress, localAddress, code) => {
    const { net, host } = fakeHost()
    net.unroutable.add('10.0.8.8')
    expect(host.tunnel.open({ remoteAddress, remotePort: 80, localAddress, localPort: 0 })).toBe(code)
    expect(net.open).toBe(0)
  })

  it('EADDRINUSE for a local port that is taken', () => {
    const { net, host } = fakeHost()
    host.listen(HERE, 7777)
    expect(host.tunnel.open({ remoteAddress: THERE, remotePort: 80, localAddress: HERE, localPort: 7777 })).toBe(
      'EADDRINUSE',
    )
    expect(net.open).toBe(1)
  })

  it('the unspecified address is this machine', () => {
    const { host } = fakeHost()
    expect(host.open('0.0.0.0', 80).remoteAddress).toBe('127.0.0.1')
    expect(host.open('::', 80).remoteAddress).toBe('::1')
    expect(host.open('::', 80).loopback).toBe(true)
  })

  it('our own addresses are loopback, with large segments', () => {
    const { host } = fakeHost()
    expect(host.open(HERE, 80)).toMatchObject({ loopback: true, maxSegment: hasPagedDatagrams ? 65_503 : 32_252 })
    expect(host.open(THERE, 80)).toMatchObject({ loopback: false, maxSegment: 1468 })
  })
})

describe('close', () => {
  it('leaves nothing, whatever was under way', async () => {
    const { net, host } = fakeHost()
    host.listen(undefined, 80)
    host.listen(HERE, 81)
    const path = host.open(THERE, 80)
    net.stalled = true
    host.send(path, 'hello')
    host.write(path, 'more')
    host.tunnel.close()
    host.tunnel.close()
    net.resume()
    await turns(2)
    expect(net.open).toBe(0)
    expect(host.tunnel.deadline).toBe(Infinity)
    expect(host.tunnel.open({ remoteAddress: THERE, remotePort: 80, localAddress: undefined, localPort: 0 })).toBe(
      'EINVAL',
    )
    expect(host.tunnel.listen({ address: HERE, port: 80, ipv6Only: false, reusePort: false })).toBe('EINVAL')
  })
})
